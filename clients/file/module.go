package file

import (
	"path/filepath"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"go.uber.org/zap"

	"github.com/caddy-dyndns/dyndns/clients"
	"github.com/caddy-dyndns/dyndns/clients/cached"
	"github.com/caddy-dyndns/dyndns/internal/directive"
	"github.com/caddy-dyndns/dyndns/internal/placeholder"
	"github.com/caddy-dyndns/dyndns/internal/shared"
)

func init() {
	caddy.RegisterModule(new(Module))
}

// Module finds clients in a file with one record in JSON on each line. A changed file is
// taken up within two seconds. Replace it by renaming another over it: while a line is
// half written, tokens that no other line has cannot be told from unknown ones.
type Module struct {
	// The path. Placeholders are replaced.
	Path string `json:"path"`

	cached.Options

	leases shared.Leases
}

// CaddyModule returns the Caddy module information.
func (*Module) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.handlers.dyndns.clients.file",
		New: func() caddy.Module { return new(Module) },
	}
}

// UnmarshalCaddyfile sets up the module from Caddyfile tokens. Syntax:
//
//	file <path> {
//		cache <duration>
//		stale <duration>|off
//	}
func (m *Module) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next()
	if !d.NextArg() {
		return directive.ArgErr(d, "clients file")
	}
	m.Path = d.Val()
	if err := directive.Last(d, "clients file"); err != nil {
		return err
	}
	const where = "clients file: "
	return directive.Block(d, where, func(word string) error { return m.UnmarshalWord(d, where, word) })
}

// fileKey is a file among what is shared.
type fileKey struct{ path string }

// OpenClients implements [clients.Opener]. A file that cannot be read is an error.
func (m *Module) OpenClients(config clients.Config) (clients.Source, error) {
	expanded, err := placeholder.Expand("path", m.Path)
	if err != nil {
		return nil, err
	}
	path, err := filepath.Abs(expanded)
	if err != nil {
		return nil, err
	}
	source := "file " + path
	opened, err := shared.Take(&m.leases, fileKey{path}, func() (*file, error) {
		return open(path, func() { cached.Clear(source) }, func() *zap.Logger { return caddy.Log().Named("http.handlers.dyndns") })
	})
	if err != nil {
		return nil, err
	}
	return m.Options.Open(&m.leases, "file", source, path, config, opened.find)
}

// Cleanup gives back what OpenClients took.
func (m *Module) Cleanup() error { return m.leases.Release() }

// Interface guards
var (
	_ caddy.CleanerUpper    = (*Module)(nil)
	_ caddyfile.Unmarshaler = (*Module)(nil)
	_ clients.Opener        = (*Module)(nil)
)
