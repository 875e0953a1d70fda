//go:build integration && linux

package faults

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/caddy-dyndns/dyndns/dnsupdate/dnstest"
	"github.com/caddy-dyndns/dyndns/internal/await"
	"github.com/caddy-dyndns/dyndns/internal/loopback"
	"github.com/caddy-dyndns/dyndns/test/nameserver"
)

// counted makes a proxy count the messages that it gets.
func counted(p *dnstest.Proxy, n *atomic.Int32, f fault) {
	p.SetFault(func(x dnstest.Exchange) dnstest.Action {
		n.Add(1)
		if f == nil {
			return dnstest.Pass()
		}
		return f(x)
	})
}

// The first nameserver of the list is of no use. The second is asked, and the
// requests that follow do not wait for the first again.
func TestFirstServerFails(t *testing.T) {
	key := nameserver.NewKey("ddns-key")
	other := nameserver.Run(t, nameserver.BIND, nameserver.Config{
		Zones: []nameserver.Zone{{Name: "elsewhere.example.net", Key: key}},
	})
	closed, err := loopback.Reserve()
	if err != nil {
		t.Fatal(err)
	}
	defer closed.Close()
	// The kernel takes the connections of a listener that accepts none.
	deaf, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer deaf.Close()
	through := func(f fault) func(t *testing.T, server *nameserver.Server) string {
		return func(t *testing.T, server *nameserver.Server) string {
			p := behind(t, server)
			p.SetFault(f)
			return p.Addr()
		}
	}
	address := func(a string) func(*testing.T, *nameserver.Server) string {
		return func(*testing.T, *nameserver.Server) string { return a }
	}
	rows := []struct {
		name  string
		first func(t *testing.T, server *nameserver.Server) string
	}{
		{"a closed port", address(closed.Addr())},
		{"no route", address("192.0.2.1:53")},
		{"no such name", address("nameserver.invalid:53")},
		{"accepts and never answers", address(deaf.Addr().String())},
		{"answers nothing", through(dnstest.Always(dnstest.Drop()))},
		{"loses its replies", through(dnstest.OnUpdates(dnstest.Always(dnstest.DropReply())))},
		{"resets", through(dnstest.Always(dnstest.ResetBefore()))},
		{"does not serve the zone", address(other.Addr())},
		{"is a secondary", through(dnstest.OnUpdates(dnstest.Always(dnstest.Forge(dns.RcodeNotImplemented, signedWith(t, key)))))},
	}
	zoneOf := func(i int) string { return fmt.Sprintf("z%d.example.com", i) }
	var config nameserver.Config
	for i := range rows {
		config.Zones = append(config.Zones, nameserver.Zone{Name: zoneOf(i), Key: key})
	}
	server := nameserver.Run(t, nameserver.BIND, config)
	var zones []configuredZone
	for i, row := range rows {
		zones = append(zones, configuredZone{zoneOf(i), key, []string{row.first(t, server), server.Addr()}})
	}
	s := serve(t, 4*time.Second, zones...)
	atOnce(t, len(rows), func(i int) string { return rows[i].name }, func(t *testing.T, i int) {
		hosts := ledgers(zoneOf(i), 8)
		s.load(t, hosts, 20, elapsed(6*time.Second))
		for _, l := range hosts {
			if l.failed+l.unknown > 0 {
				t.Errorf("%s: %d acknowledged, %d failed, %d unknown", l.host, l.acknowledged, l.failed, l.unknown)
			}
		}
		s.settle(t, server, hosts)
	})
}

// The first nameserver goes and comes back: the second stands in for it, and it
// is the first again afterwards.
func TestFirstServerRecovers(t *testing.T) {
	const zoneName = "dyn.example.com"
	key := nameserver.NewKey("ddns-key")
	server := nameserver.Run(t, nameserver.BIND, nameserver.Config{Zones: []nameserver.Zone{{Name: zoneName, Key: key}}})
	first, second := behind(t, server), behind(t, server)
	var asked [2]atomic.Int32
	counted(first, &asked[0], nil)
	counted(second, &asked[1], nil)
	s := serve(t, 5*time.Second, configuredZone{zoneName, key, []string{first.Addr(), second.Addr()}})
	hosts := ledgers(zoneName, 8)
	s.load(t, hosts, 10, nil)
	if asked[1].Load() > 0 {
		t.Error("the second was asked while the first worked")
	}
	first.Down()
	s.load(t, hosts, 10, nil)
	if asked[1].Load() == 0 {
		t.Error("the second was not asked when the first was down")
	}
	first.Up()
	before := asked[0].Load()
	s.within(t, hosts, func(func(int)) {
		await.True(t, "the first to be asked again", func() bool { return asked[0].Load() > before })
	})
	before = asked[1].Load()
	s.load(t, hosts, 10, nil)
	if asked[1].Load() > before {
		t.Error("the second is still asked")
	}
	for _, l := range hosts {
		if l.failed+l.unknown > 0 {
			t.Errorf("%s: %d acknowledged, %d failed, %d unknown", l.host, l.acknowledged, l.failed, l.unknown)
		}
	}
	s.settle(t, server, hosts)
}

// What the first nameserver says no to, no other is asked for.
func TestNoIsNo(t *testing.T) {
	key := nameserver.NewKey("ddns-key")
	wrongKey := dnstest.Key{Name: key.Name, Algorithm: key.Algorithm, Secret: []byte("not the secret of this key")}
	rows := []struct {
		name   string
		policy string
		fault  fault
		status int
	}{
		{"policy", "deny ddns-key zonesub A AAAA;", nil, http.StatusBadGateway},
		{"unsigned refusal", "", dnstest.OnUpdates(dnstest.Always(dnstest.RCode(dns.RcodeRefused))), http.StatusBadGateway},
		{"unsigned not implemented", "", dnstest.OnUpdates(dnstest.Always(dnstest.RCode(dns.RcodeNotImplemented))), http.StatusBadGateway},
		{"unsigned zone not served", "", dnstest.OnUpdates(dnstest.Always(dnstest.RCode(dns.RcodeNotAuth))), http.StatusBadGateway},
		{"forged success", "", dnstest.OnUpdates(dnstest.Always(dnstest.Forge(dns.RcodeSuccess, wrongKey))), http.StatusBadGateway},
		{"a CNAME", "grant ddns-key zonesub A AAAA;", nil, http.StatusConflict},
	}
	zoneOf := func(i int) string { return fmt.Sprintf("z%d.example.com", i) }
	var config nameserver.Config
	for i, row := range rows {
		z := nameserver.Zone{Name: zoneOf(i), Key: key, UpdatePolicy: row.policy}
		if row.status == http.StatusConflict {
			z.Records = []string{"host0 CNAME www"}
		}
		config.Zones = append(config.Zones, z)
	}
	server := nameserver.Run(t, nameserver.BIND, config)
	var zones []configuredZone
	asked := make([]atomic.Int32, len(rows))
	for i, row := range rows {
		first, second := behind(t, server), behind(t, server)
		first.SetFault(row.fault)
		counted(second, &asked[i], nil)
		zones = append(zones, configuredZone{zoneOf(i), key, []string{first.Addr(), second.Addr()}})
	}
	s := serve(t, 4*time.Second, zones...)
	atOnce(t, len(rows), func(i int) string { return rows[i].name }, func(t *testing.T, i int) {
		l := ledgers(zoneOf(i), 1)[0]
		for range 3 {
			l.n++
			if r := s.request(t, l); r.Status != rows[i].status || !strings.HasPrefix(r.Body, "DNS_SERVER_ERROR: ") {
				t.Errorf("%d %s", r.Status, r.Body)
			}
		}
		if err := l.holds(server); err != nil {
			t.Error(err)
		}
		if n := asked[i].Load(); n > 0 {
			t.Errorf("the second server got %d messages", n)
		}
	})
}

// A nameserver that serves another zone says so, and nothing is written there.
func TestWrongZone(t *testing.T) {
	const zoneName = "dyn.example.com"
	for _, kind := range nameserver.Kinds {
		t.Run(string(kind), func(t *testing.T) {
			key := nameserver.NewKey("ddns-key")
			server := nameserver.Run(t, kind, nameserver.Config{Zones: []nameserver.Zone{{Name: "home." + zoneName, Key: key}}})
			s := serve(t, 2*time.Second, configuredZone{zoneName, key, []string{server.Addr()}})
			serial := server.MustSerial(t, "home."+zoneName)
			l := &ledger{host: "home." + zoneName, possible: []int{0}}
			for range 2 {
				l.n++
				if r := s.request(t, l); r.Status != http.StatusBadGateway || !strings.Contains(r.Body, "does not serve zone "+zoneName) {
					t.Errorf("%d %s", r.Status, r.Body)
				}
			}
			// Knot does not sign this refusal, so that it proves nothing.
			if got := server.MustSerial(t, "home."+zoneName); got != serial || l.unknown > 0 && kind != nameserver.Knot {
				t.Errorf("the serial went from %d to %d, %d unknown", serial, got, l.unknown)
			}
		})
	}
}
