// Package provider is the Caddy module dns.providers.dyndns: it changes records in the
// zones of this process, or over HTTPS in those of another Caddy, for whatever in Caddy
// asks a DNS provider, such as ACME's DNS challenge and Encrypted ClientHello.
package provider

import (
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddytls"
	"github.com/libdns/libdns"
	"go.uber.org/zap"

	"github.com/caddy-dyndns/dyndns/internal/directive"
	"github.com/caddy-dyndns/dyndns/internal/placeholder"
)

func init() {
	caddy.RegisterModule(new(Provider))
}

// Provider changes records in zones of dyndns handlers: of those in this process, which
// are found when it is asked, or of another Caddy's. A change is tried again for a while
// where the nameserver or the way to it fails.
type Provider struct {
	// The base URL of another Caddy's dyndns handler, a host of its `domains`. Default: the
	// handlers of this process.
	URL string `json:"url,omitempty"`

	// The token of a client of the other Caddy, which says what may be changed. It may be
	// a placeholder such as `{env.DYNDNS_TOKEN}`.
	Token string `json:"token,omitempty"`

	// The authorities that may vouch for the other Caddy. Default: those of the system.
	CARaw json.RawMessage `json:"ca,omitempty" caddy:"namespace=tls.ca_pool.source inline_key=provider"`

	backend backend
	logger  *zap.Logger
	// managed returns the hosts that this Caddy serves.
	managed func() []string

	mu sync.Mutex
	// changed are the names that were changed before.
	changed map[string]bool
}

// CaddyModule returns the Caddy module information.
func (*Provider) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "dns.providers.dyndns", New: func() caddy.Module { return new(Provider) }}
}

// UnmarshalCaddyfile sets up the provider from Caddyfile tokens. Syntax:
//
//	dyndns [<url> {
//		token          <token>
//		tls_trust_pool <module> ...
//	}]
func (p *Provider) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next()
	if d.NextArg() {
		p.URL = d.Val()
	}
	if err := directive.Last(d, "dyndns"); err != nil {
		return err
	}
	const where = "dyndns: "
	return directive.Block(d, where, func(word string) (err error) {
		switch word {
		case "token":
			return directive.One(d, word, &p.Token)
		case "tls_trust_pool":
			if !d.NextArg() {
				return directive.ArgErr(d, word)
			}
			p.CARaw, err = directive.Guest(d, "tls.ca_pool.source.", "provider", d.Val())
			return err
		}
		return directive.Unknown(d, where)
	})
}

// Provision expands the placeholders. It touches no network.
func (p *Provider) Provision(ctx caddy.Context) error {
	p.logger = ctx.Logger()
	p.changed = make(map[string]bool)
	p.managed = func() []string { return managedHosts(ctx) }
	if p.URL == "" {
		if p.Token != "" || p.CARaw != nil {
			return errors.New("a token, and whom to trust, are of use with a url alone")
		}
		p.backend = local{}
		return nil
	}
	url, err := placeholder.Expand("url", p.URL)
	if err != nil {
		return err
	}
	token, err := placeholder.ExpandSecret("token", p.Token)
	if err != nil {
		return err
	}
	if token == "" {
		return errors.New("token: none is given")
	}
	var pool caddytls.CA
	if p.CARaw != nil {
		loaded, err := ctx.LoadModule(p, "CARaw")
		if err != nil {
			return fmt.Errorf("tls_trust_pool: %w", err)
		}
		pool = loaded.(caddytls.CA)
	}
	p.backend, err = newRemote(url, token, pool)
	return err
}

// Cleanup closes the connections that are kept.
func (p *Provider) Cleanup() error {
	if r, ok := p.backend.(*remote); ok {
		r.client.CloseIdleConnections()
	}
	return nil
}

// Interface guards
var (
	_ caddy.Provisioner     = (*Provider)(nil)
	_ caddy.CleanerUpper    = (*Provider)(nil)
	_ caddyfile.Unmarshaler = (*Provider)(nil)
	_ libdns.RecordGetter   = (*Provider)(nil)
	_ libdns.RecordAppender = (*Provider)(nil)
	_ libdns.RecordSetter   = (*Provider)(nil)
	_ libdns.RecordDeleter  = (*Provider)(nil)
)
