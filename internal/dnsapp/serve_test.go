package dnsapp

import (
	"errors"
	"path/filepath"
	"testing"

	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"

	"github.com/caddy-dyndns/dyndns/nameserver"
	"github.com/caddy-dyndns/dyndns/zone"
)

// The handlers of a new configuration may be asked before its nameserver starts: they
// change what the one before serves.
func TestZoneDuringReload(t *testing.T) {
	storage := &certmagic.FileStorage{Path: t.TempDir()}
	open := func(database string) (*App, *Zone) {
		a := &App{logger: zap.NewNop(), storage: storage, path: database, listen: []string{"127.0.0.1:0"}, zones: make(map[string]nameserver.ZoneConfig)}
		if err := a.serve(nameserver.ZoneConfig{Name: "dyn.test.", NameServers: []string{"ns.example.net"}}); err != nil {
			t.Fatal(err)
		}
		return a, &Zone{app: a, name: "dyn.test."}
	}
	apply := func(z *Zone) error {
		return z.Apply(t.Context(), []zone.Change{{Name: "home.dyn.test.", Type: zone.TypeA, Action: zone.Set, Values: []string{"192.0.2.1"}}})[0].Err
	}
	check := func(when string, z *Zone, want zone.Reason) {
		t.Helper()
		var failed *zone.Error
		if err := apply(z); want == "" && err != nil || want != "" && (!errors.As(err, &failed) || failed.Reason != want) {
			t.Errorf("%s: %v", when, err)
		}
	}
	path := filepath.Join(t.TempDir(), "zones.db")
	before, first := open(path)
	check("before the first start", first, zone.Busy)
	if err := before.Start(); err != nil {
		t.Fatal(err)
	}
	check("the first", first, "")
	next, second := open(path)
	check("before the second start", second, "")
	_, other := open(path + ".other")
	check("one with another database", other, zone.Busy)
	if err := next.Start(); err != nil {
		t.Fatal(err)
	}
	if err := before.Stop(); err != nil {
		t.Fatal(err)
	}
	check("the second", second, "")
	if err := next.Stop(); err != nil {
		t.Fatal(err)
	}
	check("after the end", second, zone.Busy)
}
