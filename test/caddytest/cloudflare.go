package caddytest

import (
	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddy-dyndns/dyndns/hosted/hostedtest"
)

func init() { caddy.RegisterModule(new(cloudflare)) }

// cloudflare stands for the module of that name, which the documentation shows. Its zone
// is example.com, kept in memory.
type cloudflare struct {
	APIToken string `json:"api_token,omitempty"`

	hostedtest.Provider `json:"-"`
}

func (*cloudflare) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "dns.providers.cloudflare", New: func() caddy.Module {
		return &cloudflare{Provider: hostedtest.Provider{Zone: "example.com."}}
	}}
}

func (c *cloudflare) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	if d.Next(); !d.AllArgs(&c.APIToken) {
		return d.ArgErr()
	}
	return nil
}
