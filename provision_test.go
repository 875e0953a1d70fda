package dyndns

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-dyndns/dyndns/internal/shared"
	"github.com/caddy-dyndns/dyndns/test/caddytest"
)

// provisioned provisions a handler as Caddy does; the test cleans it up if
// nobody did.
func provisioned(t *testing.T, words ...string) (*generation, error) {
	t.Helper()
	h, err := unmarshal(block(words...))
	if err != nil {
		t.Fatal(err)
	}
	whole, err := caddy.ProvisionContext(&caddy.Config{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := caddy.NewContext(whole)
	g := &generation{h, cancel}
	t.Cleanup(func() {
		if err := g.Cleanup(); err != nil {
			t.Error(err)
		}
	})
	return g, h.Provision(ctx)
}

// generation is a handler in a context of its own.
type generation struct {
	*Handler
	cancel context.CancelFunc
}

// Cleanup ends the handler and its guests.
func (g *generation) Cleanup() error {
	err := g.Handler.Cleanup()
	g.cancel()
	return err
}

// references returns how many handlers use what is shared under a key.
func references(key any) int { return shared.Held()[key] }

// emptyPool fails if something is left in the pool.
func emptyPool(t *testing.T) {
	t.Helper()
	for key, references := range shared.Held() {
		t.Errorf("there still is %T with %d references", key, references)
	}
}

func TestSharedState(t *testing.T) {
	const server = "nameserver 192.0.2.53"
	first, err := provisioned(t, secretWord, server, "zone a.test YQ==", "zone b.test Yg==")
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name  string
		words []string
		// shared tells which of the first handler's zones have the same updater.
		shared []bool
	}{
		{"the same", []string{secretWord, server, "zone a.test YQ==", "zone b.test Yg=="}, []bool{true, true}},
		{"other spelling", []string{secretWord, "nameserver 192.0.2.53:53", "zone A.test. YQ=="}, []bool{true}},
		{"another policy", []string{clientWord("token "+caddytest.CanaryToken, "hosts *"), server, "ttl 60", "throttle off", "zone a.test YQ== {\nttl 30\n}"}, []bool{true}},
		{"another key", []string{secretWord, server, "zone a.test WA==", "zone b.test Yg=="}, []bool{false, true}},
		{"another key's name", []string{secretWord, server, "zone a.test {\ntsig_key k hmac-sha512 YQ==\n}"}, []bool{false}},
		{"another algorithm", []string{secretWord, server, "zone a.test {\ntsig_key a.test hmac-sha256 YQ==\n}"}, []bool{false}},
		{"another nameserver", []string{secretWord, "nameserver 192.0.2.54", "zone a.test YQ=="}, []bool{false}},
		{"another order of nameservers", []string{secretWord, "nameserver 192.0.2.54 192.0.2.53", "zone a.test YQ=="}, []bool{false}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h, err := provisioned(t, tt.words...)
			if err != nil {
				t.Fatal(err)
			}
			if h.service.Throttle != first.service.Throttle {
				t.Error("the throttle is another")
			}
			for i, want := range tt.shared {
				if got := h.service.Zones[i].Backend == first.service.Zones[i].Backend; got != want {
					t.Errorf("zone %d has the same updater: %t", i, got)
				}
			}
		})
	}
	if err := first.Cleanup(); err != nil {
		t.Error(err)
	}
	emptyPool(t)
}

func TestCleanup(t *testing.T) {
	running, err := provisioned(t, secretWord, serverWord, zoneWord)
	if err != nil {
		t.Fatal(err)
	}
	key, held := running.leases[len(running.leases)-2], len(shared.Held()) // the last is the service
	unchanged := func(t *testing.T) {
		t.Helper()
		for key, references := range shared.Held() {
			if references != 1 {
				t.Errorf("%T has %d references", key, references)
			}
		}
		if len(shared.Held()) != held {
			t.Errorf("%d things are shared, want %d", len(shared.Held()), held)
		}
	}
	t.Run("never provisioned", func(t *testing.T) {
		if err := new(Handler).Cleanup(); err != nil {
			t.Error(err)
		}
		unchanged(t)
	})
	t.Run("a bad configuration", func(t *testing.T) {
		h, err := provisioned(t, serverWord, zoneWord)
		if err == nil {
			t.Error("no error")
		}
		if err := h.Cleanup(); err != nil {
			t.Error(err)
		}
		unchanged(t)
	})
	t.Run("half-way through the zones", func(t *testing.T) {
		half, err := provisioned(t, secretWord, serverWord, zoneWord, "zone bad.test {\ntsig_key canary0\n}")
		if err == nil || !strings.Contains(err.Error(), "zone bad.test.") {
			t.Errorf("got %v", err)
		}
		if references(key) != 2 {
			t.Errorf("the zone that both have has %d references", references(key))
		}
		if err := half.Cleanup(); err != nil {
			t.Error(err)
		}
		unchanged(t)
	})
	t.Run("twice", func(t *testing.T) {
		h, err := provisioned(t, secretWord, serverWord, zoneWord)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := h.Cleanup(); err != nil {
				t.Error(err)
			}
		}
		unchanged(t)
	})
	if err := running.Cleanup(); err != nil {
		t.Error(err)
	}
	emptyPool(t)
}

// validateJSON does what `caddy validate` does with a handler.
func validateJSON(t *testing.T, handler string) error {
	t.Helper()
	var config caddy.Config
	err := json.Unmarshal([]byte(`{
		"admin": {"disabled": true, "config": {"persist": false}},
		"storage": {"module": "file_system", "root": "`+t.TempDir()+`"},
		"apps": {"http": {"servers": {"s": {"listen": ["127.0.0.1:0"], "routes": [{"handle": [`+handler+`]}]}}}}
	}`), &config)
	if err != nil {
		t.Fatal(err)
	}
	return caddy.Validate(&config)
}

// Nameservers are neither looked up nor asked before the first request.
func TestValidateTouchesNoNetwork(t *testing.T) {
	ns := caddytest.Nameserver(t, "dyn.test")
	err := validateJSON(t, `{"handler": "dyndns", "secret": "`+caddytest.CanarySecret+`", "nameservers": ["`+ns.Addr()+`", "does-not-exist.invalid"],
		"zones": [{"name": "dyn.test", "backend": {"type": "rfc2136", "tsig": {"secret": "`+caddytest.CanaryKey+`"}}}]}`)
	if err != nil {
		t.Error(err)
	}
	if m := ns.Zone("dyn.test").Messages(); m.Updates != 0 || m.Queries != 0 {
		t.Errorf("the nameserver was asked: %+v", m)
	}
	emptyPool(t)
}

func TestValidateJSON(t *testing.T) {
	const (
		zones  = `"nameservers": ["::1"], "zones": [{"name": "dyn.test", "backend": {"type": "rfc2136", "tsig": {"secret": "` + caddytest.CanaryKey + `"}}}]`
		secret = `"secret": "` + caddytest.CanarySecret + `"`
	)
	tests := []struct{ name, fields, want string }{
		{"good", secret + `,` + zones, ""},
		{"durations in words", secret + `,` + zones + `, "timeout": "5s", "throttle": {"burst": 3, "interval": "1d"}`, ""},
		{"unknown field", secret + `,` + zones + `, "secrets": "` + caddytest.CanarySecret + `"`, `unknown field "secrets"`},
		{"unknown field of a zone", secret + `,"zones": [{"name": "dyn.test", "key": "` + caddytest.CanaryKey + `"}]`, `unknown field "key"`},
		{"no zone", secret, "zone: at least one is needed"},
		{"no credential", zones, "neither secret nor client is configured"},
		{"missing_family", secret + `,` + zones + `, "missing_family": "drop"`, `missing_family: "drop" is neither keep nor delete`},
		{"timeout", secret + `,` + zones + `, "timeout": "-1s"`, `timeout: -1s is negative`},
		{"expire", secret + `,"zones":[{"name":"dyn.test","expire":"30m","backend":{"type":"rfc2136","tsig":{"secret":"YQ=="}}}]`, `zone dyn.test.: expire: 30m0s is less than 1h0m0s`},
		{"expire without statistics", secret + `,"history":-1,"zones":[{"name":"dyn.test","expire":"40d","backend":{"type":"rfc2136","tsig":{"secret":"YQ=="}}}]`, `zone dyn.test.: expire needs the statistics, which history turns off`},
		{"history", secret + `,` + zones + `, "history": -2`, `history: -2 days is negative`},
		{"throttle's burst", secret + `,` + zones + `, "throttle": {"burst": -2}`, `throttle: a burst of -2 every 0s is not positive`},
		{"throttle's interval", secret + `,` + zones + `, "throttle": {"interval": "-1s"}`, `throttle: a burst of 0 every -1s is not positive`},
		{"ttl", secret + `,` + zones + `, "ttl": {"max": 4294967295}`, `ttl: 0 to 4294967295 is no range`},
		{"ttl below 0", secret + `,` + zones + `, "ttl": {"min": -1}`, `cannot unmarshal number -1`},
		{"zone's ttl", secret + `,"nameservers": ["::1"], "zones": [{"name": "dyn.test", "backend": {"type": "rfc2136", "tsig": {"secret": "` + caddytest.CanaryKey + `"}}, "ttl": 4294967295}]`, `zone dyn.test.: ttl 4294967295 is not between`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := validateJSON(t, `{"handler": "dyndns", `+tt.fields+`}`)
			switch {
			case tt.want == "" && err != nil:
				t.Error(err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("got %v, want %s", err, tt.want)
			case err != nil:
				caddytest.CheckNoSecret(t, err.Error())
			}
			emptyPool(t)
		})
	}
}
