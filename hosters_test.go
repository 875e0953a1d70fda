package dyndns

import (
	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddy-dyndns/dyndns/hosted/hostedtest"
)

func init() { caddy.RegisterModule(new(cloudflare)) }

// cloudflare stands for the module of that name, which the documentation shows.
type cloudflare struct {
	APIToken string `json:"api_token,omitempty"`

	hostedtest.Provider `json:"-"`
}

func (*cloudflare) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "dns.providers.cloudflare", New: func() caddy.Module { return new(cloudflare) }}
}

func (c *cloudflare) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	if d.Next(); !d.AllArgs(&c.APIToken) {
		return d.ArgErr()
	}
	return nil
}
