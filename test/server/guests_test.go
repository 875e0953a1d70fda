package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddy-dyndns/dyndns"
	"github.com/caddy-dyndns/dyndns/clients"
	"github.com/caddy-dyndns/dyndns/test/caddytest"
	"github.com/caddy-dyndns/dyndns/zone"
)

func init() {
	caddy.RegisterModule(new(memoryZone))
	caddy.RegisterModule(new(memoryClients))
}

// memoryZone is a backend as somebody else would write it: it keeps a zone in memory.
type memoryZone struct {
	TTL uint32 `json:"ttl,omitempty"`

	mu   sync.Mutex
	name string
	sets map[string][]string
}

func (*memoryZone) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.dyndns.zones.memory", New: func() caddy.Module { return new(memoryZone) }}
}

func (z *memoryZone) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next()
	if d.NextArg() {
		if _, err := fmt.Sscan(d.Val(), &z.TTL); err != nil {
			return d.Errf("memory: %v", err)
		}
	}
	return nil
}

func (z *memoryZone) OpenZone(c zone.Config) (zone.Zone, error) {
	if z.TTL == 1 {
		return nil, errors.New("memory: too short")
	}
	z.name, z.sets = c.Name, make(map[string][]string)
	if z.TTL == 2 {
		return uncomparable{memoryZone: z}, nil
	}
	return z, nil
}

// uncomparable is a backend that no map can have as a key.
type uncomparable struct {
	*memoryZone
	_ []int
}

func (u uncomparable) Status() zone.Status { return zone.Status{Zone: u.name} }

func (z *memoryZone) Apply(_ context.Context, changes []zone.Change) []zone.Result {
	z.mu.Lock()
	defer z.mu.Unlock()
	results := make([]zone.Result, len(changes))
	for i, c := range changes {
		id := c.Name + " " + c.Type.String()
		old := z.sets[id]
		switch c.Action {
		case zone.Set:
			z.sets[id] = c.Values
		case zone.Delete:
			delete(z.sets, id)
		}
		results[i] = zone.Result{Old: old, New: z.sets[id], TTL: z.TTL, Changed: !slices.Equal(old, z.sets[id])}
	}
	return results
}

// memoryClients is a source of clients as somebody else would write it.
type memoryClients struct {
	config clients.Config
}

func (*memoryClients) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.dyndns.clients.memory", New: func() caddy.Module { return new(memoryClients) }}
}

func (*memoryClients) UnmarshalCaddyfile(*caddyfile.Dispenser) error { return nil }

func (m *memoryClients) OpenClients(c clients.Config) (clients.Source, error) {
	m.config = c
	return m, nil
}

func (m *memoryClients) FindClient(_ context.Context, d clients.Digest) (*clients.Client, error) {
	switch d {
	case clients.DigestOf("token-of-a-customer"):
		return m.config.NewClient(clients.Spec{Name: "customer", Hosts: []string{"customer.mem.test", "customer.elsewhere.test"}})
	case clients.DigestOf("token-in-a-storm-00"):
		return nil, errors.New("the database is down")
	}
	return nil, nil
}

// Guest modules change a zone and find clients without a line elsewhere.
func TestGuests(t *testing.T) {
	s := caddytest.Serve(t, "", "http://:{$HTTP_PORT} {\ndyndns {\n"+"client home {\ntoken "+caddytest.CanaryToken+"\nhosts home.mem.test\n}"+
		"\nclients memory\nzone mem.test {\nmemory 77\nttl 60\n}\n}\n}\n")
	for _, tt := range []struct {
		name, path, want string
		status           int
	}{
		{"a configured client", "/nic/update?hostname=home.mem.test&myip=192.0.2.1&token=" + caddytest.CanaryToken, "good 192.0.2.1", 200},
		{"the source's client", "/update-by-path/token-of-a-customer/customer.mem.test/192.0.2.1", "UPDATED: customer.mem.test. A None -> 192.0.2.1\nUNCHANGED: customer.mem.test. AAAA None\n", 200},
		{"again", "/update-by-path/token-of-a-customer/customer.mem.test/192.0.2.1", "UNCHANGED: customer.mem.test. A 192.0.2.1\nUNCHANGED: customer.mem.test. AAAA None\n", 200},
		{"somebody else's name", "/update-by-path/token-of-a-customer/home.mem.test/192.0.2.1", "PARAMETER_ERROR: you may not change home.mem.test.\n", 403},
		{"an unknown token", "/update-by-path/token-of-nobody-00/home.mem.test/192.0.2.1", "PARAMETER_ERROR: wrong secret or token\n", 403},
		{"a source that fails", "/update-by-path/token-in-a-storm-00/home.mem.test/192.0.2.1", "DNS_SERVER_ERROR: it cannot be told at present whose token this is; try again later\n", 503},
		{"a source that fails, dyndns2", "/nic/update?hostname=home.mem.test&myip=192.0.2.1&token=token-in-a-storm-00", "911", 503},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := rawGet(t, s, tt.path); got.Status != tt.status || got.Body != tt.want {
				t.Errorf("got %d %q, want %d %q", got.Status, got.Body, tt.status, tt.want)
			}
		})
	}
}

// A backend without a self-test is said to have none, and one of any type can be shown.
func TestGuestWithoutSelfTest(t *testing.T) {
	for _, ttl := range []string{"77", "2"} {
		s := caddytest.Serve(t, adminOn, "http://:{$HTTP_PORT} {\ndyndns {\nsecret 12345678\nzone mem.test {\nmemory "+ttl+"\n}\n}\n}\n")
		if got := s.Get(s.HTTP + "/check/12345678"); got.Status != 200 || !strings.HasPrefix(got.Body, "WARNING: mem.test. self-test") {
			t.Errorf("got %d %q", got.Status, got.Body)
		}
		if got := s.Get(s.Admin + "/dyndns/status"); strings.Contains(got.Body, "mem.test.") != (ttl == "2") {
			t.Errorf("the status is %s", got.Body)
		}
	}
}

func TestGuestErrors(t *testing.T) {
	for _, tt := range []struct {
		name  string
		words []string
		want  string
	}{
		{"unknown zone module", []string{"zone mem.test {\nmemry\n}"}, `zone mem.test: unrecognized subdirective "memry", and no module http.handlers.dyndns.zones.memry is compiled in`},
		{"two zone modules", []string{"zone mem.test {\nmemory\ntsig_key YQ==\n}"}, "zone mem.test: it can be changed in one way only"},
		{"a zone module and a key", []string{"zone mem.test YQ== {\nmemory\n}"}, "zone mem.test: it can be changed in one way only"},
		{"bad words of a zone module", []string{"zone mem.test {\nmemory x\n}"}, "memory: expected integer"},
		{"a zone that cannot be opened", []string{"zone mem.test {\nmemory 1\n}"}, "zone mem.test.: memory: too short"},
		{"unknown source", []string{"zone mem.test {\nmemory\n}", "clients mememory"}, "clients: no module http.handlers.dyndns.clients.mememory is compiled in"},
		{"no source", []string{"zone mem.test {\nmemory\n}", "clients"}, "clients: wrong number of arguments"},
		{"two sources", []string{"zone mem.test {\nmemory\n}", "clients memory", "clients memory"}, "clients: stands here twice"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := new(dyndns.Handler)
			err := h.UnmarshalCaddyfile(caddyfile.NewTestDispenser("dyndns {\nsecret " + caddytest.CanarySecret + "\n" + strings.Join(tt.words, "\n") + "\n}"))
			if err == nil {
				whole, failed := caddy.ProvisionContext(&caddy.Config{})
				if failed != nil {
					t.Fatal(failed)
				}
				ctx, cancel := caddy.NewContext(whole)
				defer cancel()
				err = h.Provision(ctx)
				if err := h.Cleanup(); err != nil {
					t.Error(err)
				}
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}

// What names no module is not quoted: it holds the key.
func TestGuestWithoutType(t *testing.T) {
	for _, tt := range []struct{ name, backend, want string }{
		{"none", `{"tsig": {"secret": "` + caddytest.CanaryKey + `"}}`, "type: "},
		{"no text", `{"type": {"tsig": {"secret": "` + caddytest.CanaryKey + `"}}}`, "type: "},
		{"empty", `{"type": "", "tsig": {"secret": "` + caddytest.CanaryKey + `"}}`, "type: "},
		{"the key", `{"type": "` + caddytest.CanaryKey + `"}`, "no module "},
		{"no object", `"` + caddytest.CanaryKey + `"`, "type: "},
	} {
		for what, h := range map[string]*dyndns.Handler{
			"backend":       {Secret: caddytest.CanarySecret, Nameservers: []string{"127.0.0.1"}, Zones: []dyndns.Zone{{Name: "mem.test", BackendRaw: json.RawMessage(tt.backend)}}},
			"client_source": {Zones: []dyndns.Zone{{Name: "mem.test", BackendRaw: json.RawMessage(`{"type": "memory"}`)}}, ClientSourceRaw: json.RawMessage(tt.backend)},
		} {
			t.Run(what+"/"+tt.name, func(t *testing.T) {
				whole, err := caddy.ProvisionContext(&caddy.Config{})
				if err != nil {
					t.Fatal(err)
				}
				ctx, cancel := caddy.NewContext(whole)
				defer cancel()
				err = h.Provision(ctx)
				if err := h.Cleanup(); err != nil {
					t.Error(err)
				}
				if err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Fatalf("got %v, want %s", err, tt.want)
				}
				caddytest.CheckNoSecret(t, err.Error())
			})
		}
	}
}

// The pages say that it is not the password's fault if a source fails.
func TestPagesSourceFails(t *testing.T) {
	s := servePages(t, "clients memory")
	r := ask(s, "GET", pagesHost, "/statistics/updates-by-fqdn", "Authorization: Bearer token-in-a-storm-00")
	if r.Status != 503 || r.Header.Get("Retry-After") == "" || r.Header.Get("WWW-Authenticate") != "" || !strings.Contains(r.Body, "at present") {
		t.Errorf("got %d %v %q", r.Status, r.Header, r.Body)
	}
}
