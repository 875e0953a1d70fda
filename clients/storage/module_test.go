package storage

import (
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/certmagic"

	"github.com/caddy-dyndns/dyndns/clients"
)

func TestConfiguration(t *testing.T) {
	for _, tt := range []struct{ name, words, want string }{
		{"bare", "", ""},
		{"whole", "home_1 {\ncache 1m\nstale off\n}", ""},
		{"two namespaces", "a b", "wrong number of arguments"},
		{"namespace that is a path", "../certificates", "namespace: "},
		{"unknown word", "{\ntimeout 1s\n}", `unrecognized subdirective "timeout"`},
		{"cache of nothing", "{\ncache 0s\n}", "not a duration"},
		{"stale of nothing", "{\nstale\n}", "wrong number of arguments"},
		{"stale twice", "{\nstale off\nstale off\n}", "stands here twice"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := new(Module)
			err := m.UnmarshalCaddyfile(caddyfile.NewTestDispenser("storage " + tt.words))
			if err == nil {
				_, err = m.OpenClients(clients.NewConfig(nil))
				if err := m.Cleanup(); err != nil {
					t.Error(err)
				}
			}
			if (err != nil) != (tt.want != "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
	m := &Module{}
	m.Cache = caddy.Duration(-1)
	if _, err := m.OpenClients(clients.NewConfig(nil)); err == nil {
		t.Error("a negative cache is no error")
	}
	if err := m.Cleanup(); err != nil {
		t.Error(err)
	}
}

// opaque is a storage whose configuration cannot be seen.
type opaque struct{ certmagic.Storage }

func (*opaque) MarshalJSON() ([]byte, error) { return []byte("{}"), nil }

// A reload makes a new storage of the same configuration, of which the same is remembered.
func TestIdentity(t *testing.T) {
	same := identity(&certmagic.FileStorage{Path: "/a"})
	if same != identity(&certmagic.FileStorage{Path: "/a"}) || same == identity(&certmagic.FileStorage{Path: "/b"}) {
		t.Error("the path does not tell file storages apart")
	}
	one, other := new(opaque), new(opaque)
	if identity(one) == identity(other) {
		t.Error("storages of which nothing is known are the same")
	}
}

// Handlers with the same clients are listed together, the newest first, as long as they last.
func TestOpened(t *testing.T) {
	var all []*Module
	for _, zone := range []string{"a.test.", "b.test."} {
		m := &Module{Namespace: "opened"}
		if _, err := m.OpenClients(clients.NewConfig([]string{zone})); err != nil {
			t.Fatal(err)
		}
		all = append(all, m)
	}
	if got := Opened()["opened"]; len(got) != 2 || got[0].Config.Zones()[0] != "b.test." {
		t.Errorf("opened are %v", got)
	}
	for _, m := range all {
		if err := m.Cleanup(); err != nil {
			t.Error(err)
		}
	}
	if got := Opened(); got["opened"] != nil {
		t.Errorf("after all were closed: %v", got)
	}
}
