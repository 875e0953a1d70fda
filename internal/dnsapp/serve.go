package dnsapp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/miekg/dns"

	"github.com/caddy-dyndns/dyndns/internal/backend"
	"github.com/caddy-dyndns/dyndns/internal/delegation"
	"github.com/caddy-dyndns/dyndns/internal/directive"
	"github.com/caddy-dyndns/dyndns/internal/placeholder"
	"github.com/caddy-dyndns/dyndns/internal/redact"
	"github.com/caddy-dyndns/dyndns/nameserver"
	"github.com/caddy-dyndns/dyndns/zone"
)

func init() {
	caddy.RegisterModule(new(Serve))
}

// Serve has the nameserver that is brought along serve a zone, and changes it there.
type Serve struct {
	// The names of the zone's nameservers, as they stand at the registrar. One that lies in
	// the zone needs an address among the records.
	NameServers []string `json:"ns"`

	// Whom to write to about the zone. Default: hostmaster in the zone.
	Mail string `json:"mail,omitempty"`

	// Lines of a zone file, relative to the zone, that no update changes.
	Records []string `json:"records,omitempty"`

	// Who may transfer the zone and is told of changes.
	Transfers []Transfer `json:"transfers,omitempty"`

	// Files of keys, as tsig-keygen makes them, whose holders may change the zone by DNS
	// UPDATE. Default: nobody.
	UpdateKeyFiles []string `json:"update,omitempty"`

	app *App
}

// Transfer is a set of secondaries with one key.
type Transfer struct {
	// The file of the key, as tsig-keygen makes it.
	KeyFile string `json:"key_file"`

	// The addresses of secondaries that are told of changes; port 53 if none is given.
	Secondaries []string `json:"secondaries,omitempty"`
}

// CaddyModule returns the Caddy module information.
func (*Serve) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.dyndns.zones.serve", New: func() caddy.Module { return new(Serve) }}
}

// UnmarshalCaddyfile sets up the module from Caddyfile tokens. Syntax:
//
//	serve {
//		ns       <name>...
//		mail     <address>
//		record   <line>
//		transfer <keyfile> [<address>...]
//		update   <keyfile>
//	}
func (s *Serve) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next()
	if err := directive.Last(d, "serve"); err != nil {
		return err
	}
	read := func(word string) error { return s.unmarshalWord(d, word) }
	return directive.Block(d, "serve: ", read, "ns", "record", "transfer", "update")
}

func (s *Serve) unmarshalWord(d *caddyfile.Dispenser, word string) error {
	switch word {
	case "ns":
		return directive.Some(d, word, &s.NameServers)
	case "mail":
		return directive.One(d, word, &s.Mail)
	case "record":
		line := d.RemainingArgsRaw() // with the quotes of a text
		if len(line) == 0 {
			return directive.ArgErr(d, word)
		}
		s.Records = append(s.Records, strings.Join(line, " "))
	case "transfer":
		args := d.RemainingArgs()
		if len(args) == 0 {
			return directive.ArgErr(d, word)
		}
		s.Transfers = append(s.Transfers, Transfer{KeyFile: args[0], Secondaries: args[1:]})
	case "update":
		var file string
		if err := directive.One(d, word, &file); err != nil {
			return err
		}
		s.UpdateKeyFiles = append(s.UpdateKeyFiles, file)
	default:
		return directive.Unknown(d, "serve: ")
	}
	return nil
}

// Provision loads the app.
func (s *Serve) Provision(ctx caddy.Context) error {
	app, err := ctx.App(appName)
	if err != nil {
		return err
	}
	s.app = app.(*App)
	return nil
}

// OpenZone implements [zone.Opener].
func (s *Serve) OpenZone(c zone.Config) (zone.Zone, error) {
	config := nameserver.ZoneConfig{Name: c.Name, NameServers: s.NameServers, Mail: s.Mail, Records: s.Records}
	for _, t := range s.Transfers {
		key, err := backend.TSIG{File: t.KeyFile}.Key(c.Name)
		if err != nil {
			return nil, fmt.Errorf("transfer: %w", err)
		}
		config.TransferKeys = append(config.TransferKeys, key)
		for _, text := range t.Secondaries {
			address, err := secondaryAddress(text)
			if err != nil {
				return nil, fmt.Errorf("transfer: %w", err)
			}
			config.Secondaries = append(config.Secondaries, nameserver.Secondary{Address: address, Key: key})
		}
	}
	for _, file := range s.UpdateKeyFiles {
		key, err := backend.TSIG{File: file}.Key(c.Name)
		if err != nil {
			return nil, fmt.Errorf("update: %w", err)
		}
		config.UpdateKeys = append(config.UpdateKeys, key)
	}
	if err := s.app.serve(config); err != nil {
		return nil, err
	}
	return &Zone{app: s.app, name: c.Name, nameServers: s.NameServers}, nil
}

func secondaryAddress(text string) (string, error) {
	expanded, err := placeholder.Expand("transfer", text)
	if err != nil {
		return "", err
	}
	at, err := parseAddress(expanded)
	if err != nil {
		return "", errors.New(redact.Echo(expanded) + " is no IP address of a secondary")
	}
	return at.String(), nil
}

// Zone is a zone of the nameserver. Until that is open, it is busy.
type Zone struct {
	app         *App
	name        string
	nameServers []string
}

func (z *Zone) served() *nameserver.Zone {
	if server := z.app.server(); server != nil {
		return server.Zone(z.name)
	}
	return nil
}

var errNotOpen = errors.New("the nameserver is not open yet")

// Apply implements [zone.Zone].
func (z *Zone) Apply(ctx context.Context, changes []zone.Change) []zone.Result {
	if served := z.served(); served != nil {
		return served.Apply(ctx, changes)
	}
	results := make([]zone.Result, len(changes))
	for i, c := range changes {
		results[i].Err = &zone.Error{Reason: zone.Busy, Zone: z.name, Name: c.Name, Cause: errNotOpen}
	}
	return results
}

// NameServers implements [zone.NameServerLister].
func (z *Zone) NameServers(ctx context.Context) (zone.NameServers, error) {
	if served := z.served(); served != nil {
		return served.NameServers(ctx)
	}
	return zone.NameServers{}, errNotOpen
}

// Check implements [zone.Checker].
func (z *Zone) Check(ctx context.Context) []zone.CheckStep {
	steps := []zone.CheckStep{{Name: "database", Detail: "left to the Caddy that runs, which tests it at /check"}}
	if served := z.served(); served != nil {
		steps = served.Check(ctx)
	}
	way := wayIn{Asker: delegation.Asker{Zone: z.name, Resolver: net.DefaultResolver, Dial: new(net.Dialer).DialContext}, machine: publicAddresses()}
	for _, n := range z.nameServers {
		way.nameServers = append(way.nameServers, dns.CanonicalName(n))
	}
	slices.Sort(way.nameServers)
	return append(steps, way.check(ctx)...)
}

// Status implements [zone.StatusReporter].
func (z *Zone) Status() zone.Status {
	if served := z.served(); served != nil {
		return served.Status()
	}
	return zone.Status{Zone: z.name}
}

// Interface guards
var (
	_ zone.Opener           = (*Serve)(nil)
	_ zone.NameServerLister = (*Zone)(nil)
	_ zone.Checker          = (*Zone)(nil)
	_ zone.StatusReporter   = (*Zone)(nil)
	_ caddy.Provisioner     = (*Serve)(nil)
	_ caddyfile.Unmarshaler = (*Serve)(nil)
)
