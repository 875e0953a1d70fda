// Package dnsapp runs the nameserver that is brought along: it is the Caddy app
// dyndns_nameserver, which listens, and the guest module serve, by which a handler says
// which zones are to be served.
package dnsapp

import (
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"sync"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"

	"github.com/caddy-dyndns/dyndns/internal/directive"
	"github.com/caddy-dyndns/dyndns/internal/placeholder"
	"github.com/caddy-dyndns/dyndns/nameserver"
)

const appName = "dyndns_nameserver"

func init() {
	caddy.RegisterModule(new(App))
	httpcaddyfile.RegisterGlobalOption(appName, parseGlobalOption)
}

// App serves over DNS the zones of which a dyndns handler says `serve`. Without one
// it neither listens nor opens its database.
type App struct {
	// Where to listen, over UDP and TCP: addresses with or without a port, 53 if none is
	// given; or sockets that systemd hands in, `fd/3` for TCP and `fdgram/4` for UDP.
	// Default: port 53 of every address of this machine, each with sockets of its own, so
	// that answers leave from the address that was asked.
	Listen []string `json:"listen,omitempty"`

	// The file that the zones are kept in. It cannot be changed while Caddy runs.
	// Default: `dyndns/zones.db` in Caddy's data folder.
	Database string `json:"database,omitempty"`

	logger  *zap.Logger
	storage certmagic.Storage
	// path and listen are Database and Listen without placeholders.
	path   string
	listen []string

	mu      sync.Mutex
	zones   map[string]nameserver.ZoneConfig
	running *running
}

// CaddyModule returns the Caddy module information.
func (*App) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: appName, New: func() caddy.Module { return new(App) }}
}

func parseGlobalOption(d *caddyfile.Dispenser, _ any) (any, error) {
	app := new(App)
	if err := app.UnmarshalCaddyfile(d); err != nil {
		return nil, err
	}
	return httpcaddyfile.App{Name: appName, Value: caddyconfig.JSON(app, nil)}, nil
}

// UnmarshalCaddyfile sets up the app from Caddyfile tokens. Syntax:
//
//	dyndns_nameserver {
//		listen   <address>...
//		database <path>
//	}
func (a *App) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next()
	if err := directive.Last(d, appName); err != nil {
		return err
	}
	const where = appName + ": "
	return directive.Block(d, where, func(word string) error {
		switch word {
		case "listen":
			return directive.Some(d, word, &a.Listen)
		case "database":
			return directive.One(d, word, &a.Database)
		}
		return directive.Unknown(d, where)
	}, "listen")
}

// Provision checks the configuration. It opens nothing.
func (a *App) Provision(ctx caddy.Context) error {
	a.logger, a.storage = ctx.Logger(), ctx.Storage()
	a.zones = make(map[string]nameserver.ZoneConfig)
	for _, address := range a.Listen {
		expanded, err := placeholder.Expand("listen", address)
		if err != nil {
			return err
		}
		if err := checkAddress(expanded); err != nil {
			return fmt.Errorf("listen: %w", err)
		}
		a.listen = append(a.listen, expanded)
	}
	a.path = filepath.Join(caddy.AppDataDir(), "dyndns", "zones.db")
	if a.Database != "" {
		var err error
		if a.path, err = placeholder.Expand("database", a.Database); err != nil {
			return err
		}
	}
	return nil
}

// serve has a zone served as soon as the app starts. Two handlers may have one zone if
// they serve it alike.
func (a *App) serve(z nameserver.ZoneConfig) error {
	if err := z.Validate(); err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if other, ok := a.zones[z.Name]; ok && !reflect.DeepEqual(other, z) {
		return errors.New("another handler serves it otherwise")
	}
	a.zones[z.Name] = z
	return nil
}

// Start opens database and sockets, or takes over those of the configuration before, and
// serves the zones.
func (a *App) Start() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.zones) == 0 {
		return nil
	}
	r, err := begin(a)
	a.running = r
	return err
}

// Stop ends what no other configuration uses.
func (a *App) Stop() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.running == nil {
		return nil
	}
	r := a.running
	a.running = nil
	return r.end(a)
}

// server returns the nameserver that runs with the database of the app, nil if there is none.
// It may still be that of the configuration before: handlers can be asked before their app
// starts.
func (a *App) server() *nameserver.Server {
	if r := process.current.Load(); r != nil && r.path == a.path {
		return r.server
	}
	return nil
}

// Interface guards
var (
	_ caddy.App             = (*App)(nil)
	_ caddy.Provisioner     = (*App)(nil)
	_ caddyfile.Unmarshaler = (*App)(nil)
)
