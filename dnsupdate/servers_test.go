//go:build integration

package dnsupdate

import (
	"testing"

	"github.com/caddy-dyndns/dyndns/test/nameserver"
)

// realWorld is a nameserver as Debian packages it, with the misbehaving network
// in front of it.
func openReal(t *testing.T, s *nameserver.Server, key nameserver.Key, addr string, o Options) *Updater {
	t.Helper()
	k, err := NewKey(key.Name, key.Algorithm, key.Secret)
	if err != nil {
		t.Fatal(err)
	}
	client := NewClient(o)
	u, err := client.Open(ZoneConfig{Name: zoneName, Servers: []string{addr}, Key: k})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { u.Close(); client.Close() })
	return u
}

func TestScratch(t *testing.T) {
	for _, kind := range nameserver.Kinds {
		t.Run(string(kind), func(t *testing.T) {
			key := nameserver.NewKey("ddns-key")
			s := nameserver.Run(t, kind, nameserver.Config{Zones: []nameserver.Zone{{Name: zoneName, Key: key}}})
			u := openReal(t, s, key, s.Addr(), Options{})
			g := func(c Change) Change { c.NotNameServer = true; return c }
			t.Log(lines(apply(u, to(host("home"), "192.0.2.1"))))
			t.Log(lines(apply(u, g(to(host("home"), "192.0.2.2")), g(to(host("ns1"), "192.0.2.3")))))
			t.Log(lines(apply(u, g(to(host("home"), "192.0.2.2")))))
			t.Logf("%+v", u.apexNS)
			c := &u.servers.list[0].pool.clock
			t.Logf("known %t echoes %t width %v", c.known, c.echoes, c.width)
			n, err := u.NameServers(t.Context())
			t.Log(n, err)
			t.Logf("%+v", u.Status().Counts)
		})
	}
}
