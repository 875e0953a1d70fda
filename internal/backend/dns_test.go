package backend

import (
	"encoding/json"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddy-dyndns/dyndns/hosted/hostedtest"
	"github.com/caddy-dyndns/dyndns/internal/directive"
	"github.com/caddy-dyndns/dyndns/internal/redact"
)

func init() { caddy.RegisterModule(new(hoster)) }

// hoster is the module of a DNS hoster.
type hoster struct {
	APIToken string            `json:"api_token,omitempty"`
	Accounts map[string]string `json:"accounts,omitempty"`

	hostedtest.Provider `json:"-"`
}

func (*hoster) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "dns.providers.hoster", New: func() caddy.Module { return new(hoster) }}
}

func (h *hoster) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next()
	d.Args(&h.APIToken)
	return nil
}

// The module has the shape that Caddy's tls directive gives it.
func TestUnmarshalDNS(t *testing.T) {
	d := caddyfile.NewTestDispenser("dns hoster {env.TOKEN}")
	d.Next()
	got, err := directive.Guest(d, "http.handlers.dyndns.zones.", "type", "dns")
	if want := `{"provider":{"api_token":"{env.TOKEN}","name":"hoster"},"type":"dns"}`; err != nil || string(got) != want {
		t.Errorf("got %s, %v, want %s", got, err, want)
	}
}

// What the hoster's module quotes of its configuration is hidden.
func TestHostersSecrets(t *testing.T) {
	b := DNS{provider: &hoster{APIToken: "correct horse", Accounts: map[string]string{"x": "battery+staple"}}, ProviderRaw: json.RawMessage(`{}`)}
	const text = "auth=correct+horse, then correct horse and battery+staple for x"
	if got, want := b.secrets().Replace(text), "auth="+redact.Mark+", then "+redact.Mark+" and "+redact.Mark+" for x"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
