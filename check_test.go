package dyndns

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddy-dyndns/dyndns/zone"
)

func init() {
	caddy.RegisterModule(new(storedZone))
}

// storedZone is a guest module that needs Caddy's storage.
type storedZone struct{}

func (*storedZone) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.dyndns.zones.stored", New: func() caddy.Module { return new(storedZone) }}
}

func (*storedZone) UnmarshalCaddyfile(*caddyfile.Dispenser) error { return nil }

func (*storedZone) Provision(ctx caddy.Context) error {
	if ctx.Storage() == nil {
		return errors.New("there is no storage")
	}
	return nil
}

func (*storedZone) OpenZone(c zone.Config) (zone.Zone, error) {
	return mapZone{"name": c.Name, "ttl": fmt.Sprint(c.TTL)}, nil
}

// mapZone is a backend whose value is no key of a map.
type mapZone map[string]string

func (mapZone) Apply(_ context.Context, changes []zone.Change) []zone.Result {
	return make([]zone.Result, len(changes))
}

// The command opens guest modules as the server does.
func TestCheckGuests(t *testing.T) {
	const config = `{"apps": {"http": {"servers": {"s": {"routes": [{"handle": [
		{"handler": "dyndns", "secret": "12345678", "zones": [{"name": "a.test", "backend": {"type": "stored"}}, {"name": "b.test", "backend": {"type": "stored"}}]}
	]}]}}}}}`
	t.Setenv("XDG_DATA_HOME", t.TempDir())
	if err := checkConfig(t.Context(), io.Discard, []byte(config)); err != nil {
		t.Error(err)
	}
}

// The command tests a zone at a hoster by the module of that.
func TestCheckHoster(t *testing.T) {
	const config = `{"apps": {"http": {"servers": {"s": {"routes": [{"handle": [
		{"handler": "dyndns", "secret": "12345678", "zones": [{"name": "a.test", "backend": {"type": "dns", "provider": {"name": "cloudflare"}}}]}
	]}]}}}}}`
	t.Setenv("XDG_DATA_HOME", t.TempDir())
	var out strings.Builder
	err := checkConfig(t.Context(), &out, []byte(config))
	if want := "the DNS hoster cloudflare failed for _dyndns-check-"; err == nil || !strings.Contains(out.String(), "FAILED") || !strings.Contains(out.String(), want) {
		t.Errorf("got %v, %s, want %s", err, out.String(), want)
	}
}

// A backend knows the TTL of its zone.
func TestGuestTTL(t *testing.T) {
	g, err := provisioned(t, secretWord, "ttl 60", "zone a.test {\nstored\n}", "zone b.test {\nttl 30\nstored\n}")
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"60", "30"} {
		if got := g.service.Zones[i].Backend.(mapZone)["ttl"]; got != want {
			t.Errorf("zone %d: got %s, want %s", i, got, want)
		}
	}
}

// boxedZone is a backend whose type has an equality and whose value has none.
type boxedZone struct{ zone.Zone }

// A backend is a key whether or not its value can be compared.
func TestIdentity(t *testing.T) {
	for _, tt := range []struct {
		name    string
		backend zone.Zone
	}{
		{"a map", mapZone{}},
		{"a map in a value that has an equality", boxedZone{mapZone{}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			seen := map[any]bool{identity(tt.backend): true}
			if len(seen) != 1 || seen[identity(tt.backend)] {
				t.Error("it is the same as another")
			}
		})
	}
}
