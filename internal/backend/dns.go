package backend

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddy-dyndns/dyndns/hosted"
	"github.com/caddy-dyndns/dyndns/internal/directive"
	"github.com/caddy-dyndns/dyndns/internal/redact"
	"github.com/caddy-dyndns/dyndns/internal/shared"
	"github.com/caddy-dyndns/dyndns/zone"
)

func init() {
	caddy.RegisterModule(new(DNS))
}

// DNS changes a zone at a DNS hoster, by the module that Caddy's `tls` directive takes
// for that hoster.
type DNS struct {
	// The module of the hoster, with its name as `name`.
	ProviderRaw json.RawMessage `json:"provider,omitempty" caddy:"namespace=dns.providers inline_key=name"`

	provider hosted.Provider
	name     string
	zones    []*hosted.Zone
	leases   shared.Leases
}

// CaddyModule returns the Caddy module information.
func (*DNS) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.handlers.dyndns.zones.dns",
		New: func() caddy.Module { return new(DNS) },
	}
}

// providers is the namespace of the modules of DNS hosters.
const providers = "dns.providers."

// IsProvider tells whether the word is the name of a DNS hoster's module.
func IsProvider(word string) bool {
	_, err := caddy.GetModule(providers + word)
	return err == nil
}

// UnmarshalCaddyfile sets up the module from Caddyfile tokens. Syntax:
//
//	dns <provider> [<arguments>]
func (b *DNS) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next()
	if !d.NextArg() {
		return directive.ArgErr(d, "dns")
	}
	name := d.Val()
	if err := refuse(name); err != nil {
		return d.WrapErr(err)
	}
	if !IsProvider(name) {
		return d.Errf("dns: no module %s%s is compiled in", providers, redact.Word(name))
	}
	var err error
	b.ProviderRaw, err = directive.Guest(d, providers, "name", name)
	return err
}

// refuse returns why a module is of no use here, nil if it is.
func refuse(name string) error {
	switch name {
	case "rfc2136":
		return errors.New("dns rfc2136: it proves nothing; use tsig_key, which does")
	case "dnsupdate":
		return errors.New("dns dnsupdate: it deletes the rest of the zone; use tsig_key")
	}
	return nil
}

// Provision loads the module of the hoster.
func (b *DNS) Provision(ctx caddy.Context) error {
	var config struct{ Name, URL string }
	if err := json.Unmarshal(b.ProviderRaw, &config); err != nil {
		return errors.New("dns: it is not the configuration of a module")
	}
	b.name = config.Name
	if err := refuse(b.name); err != nil {
		return err
	}
	if b.name == "dyndns" && config.URL == "" {
		return errors.New("dns dyndns: without a URL this server would ask itself")
	}
	var err error
	if b.provider, err = directive.LoadGuest[hosted.Provider](ctx, providers, "name", b.ProviderRaw, b, "ProviderRaw"); err != nil {
		return fmt.Errorf("dns: %w", err)
	}
	return nil
}

// memoryKey is made of all that sets apart what is known of a zone.
type memoryKey struct{ zone, provider string }

// OpenZone returns the zone. What is known of it is shared with the other handlers of
// this configuration and with the next one, the module of the hoster is not.
func (b *DNS) OpenZone(c zone.Config) (zone.Zone, error) {
	// Secrets stand in the pool's keys as a digest only.
	digest := sha256.Sum256(b.ProviderRaw)
	memory, err := shared.Take(&b.leases, memoryKey{c.Name, string(digest[:])}, func() (*hosted.Memory, error) { return hosted.NewMemory(), nil })
	if err != nil {
		return nil, err
	}
	secrets := b.secrets()
	z := hosted.New(hosted.Config{
		Name: c.Name, Provider: b.provider, ProviderName: b.name, Memory: memory,
		Resolver: net.DefaultResolver,
		Redact:   func(text string) string { return redact.Text(secrets.Replace(text)) },
		Hooks: hosted.Hooks{
			Exchange: countExchange,
			Clamped:  warnClamped,
			Panic: func(zone string, value any, stack []byte) {
				logPanic("internal error in the module of the DNS hoster", zone, secrets.Replace(fmt.Sprint(value)), stack)
			},
		},
	})
	b.zones = append(b.zones, z)
	begin(z.Status())
	return z, nil
}

// minSecret is the length from which on a value of the configuration is hidden.
const minSecret = 6

// secrets hides the values of the module's configuration: a provider's errors may quote
// its requests.
func (b *DNS) secrets() *strings.Replacer {
	var pairs []string
	hide := func(s string) {
		if len(s) >= minSecret {
			pairs = append(pairs, s, redact.Mark, url.QueryEscape(s), redact.Mark)
		}
	}
	var walk func(value any)
	walk = func(value any) {
		switch v := value.(type) {
		case string:
			hide(v)
		case []any:
			for _, element := range v {
				walk(element)
			}
		case map[string]any:
			for _, element := range v {
				walk(element)
			}
		}
	}
	// The module's own fields hold what its placeholders stood for.
	var config any
	if encoded, err := json.Marshal(b.provider); err == nil && json.Unmarshal(encoded, &config) == nil {
		walk(config)
	}
	return strings.NewReplacer(pairs...)
}

// Cleanup ends the zones: what they wait for is answered as busy.
func (b *DNS) Cleanup() error {
	for _, z := range b.zones {
		z.Close()
	}
	return b.leases.Release()
}

// Interface guards
var (
	_ zone.Opener           = (*DNS)(nil)
	_ caddy.Provisioner     = (*DNS)(nil)
	_ caddy.CleanerUpper    = (*DNS)(nil)
	_ caddyfile.Unmarshaler = (*DNS)(nil)
)
