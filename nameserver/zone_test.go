package nameserver

import (
	"cmp"
	"path/filepath"
	"testing"

	"github.com/caddy-dyndns/dyndns/zone"
	"github.com/caddy-dyndns/dyndns/zone/zonetest"
)

const apex = "dyn.example.com."

// testConfig is the zone that most tests serve.
func testConfig(records ...string) ZoneConfig {
	return ZoneConfig{
		Name: apex, NameServers: []string{"ns1." + apex, "ns2.example.net"},
		Records: append([]string{"ns1 300 A 192.0.2.53"}, records...),
	}
}

// open returns a server with a database of its own that serves the zones.
func open(t testing.TB, zones ...ZoneConfig) *Server {
	t.Helper()
	return openWith(t, Options{}, zones...)
}

func reopen(t testing.TB, database string, zones ...ZoneConfig) *Server {
	t.Helper()
	return openWith(t, Options{Database: database}, zones...)
}

// openWith returns a server, with a database of its own if the options name none, that
// serves the zones. A panic of it fails the test.
func openWith(t testing.TB, o Options, zones ...ZoneConfig) *Server {
	t.Helper()
	o.Database = cmp.Or(o.Database, filepath.Join(t.TempDir(), "zones.db"))
	o.Hooks.Panic = func(value any, stack []byte) { t.Errorf("panic: %v\n%s", value, stack) }
	s, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := s.Configure(zones); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestContract(t *testing.T) {
	s := open(t, testConfig())
	addr := listen(t, s)
	zonetest.Run(t, zonetest.Config{Name: apex, Proven: true, View: zonetest.Nameserver{Zone: apex, Addr: addr}, Open: func(testing.TB) zone.Zone { return s.Zone(apex) }})
}
