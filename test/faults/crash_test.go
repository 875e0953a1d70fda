//go:build integration && linux

package faults

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddy-dyndns/dyndns/test/nameserver"
)

// each starts one nameserver of every kind, each with a zone of its own, and one
// service for all of them, and runs the test on all at once.
func each(t *testing.T, timeout time.Duration, test func(t *testing.T, s *service, server *nameserver.Server, zone string)) {
	servers := map[nameserver.Kind]*nameserver.Server{}
	var zones []configuredZone
	zoneOf := func(k nameserver.Kind) string { return strings.ToLower(string(k)) + ".example.com" }
	for _, kind := range nameserver.Kinds {
		key := nameserver.NewKey("ddns-key")
		s := nameserver.Run(t, kind, nameserver.Config{Zones: []nameserver.Zone{{Name: zoneOf(kind), Key: key}}})
		servers[kind] = s
		zones = append(zones, configuredZone{zoneOf(kind), key, []string{s.Addr()}})
	}
	s := serve(t, timeout, zones...)
	atOnce(t, len(nameserver.Kinds), func(i int) string { return string(nameserver.Kinds[i]) }, func(t *testing.T, i int) {
		kind := nameserver.Kinds[i]
		test(t, s, servers[kind], zoneOf(kind))
	})
}

// A nameserver that is killed under load and comes back has everything that the
// service said was done.
func TestKill(t *testing.T) {
	each(t, 5*time.Second, func(t *testing.T, s *service, server *nameserver.Server, zone string) {
		hosts := ledgers(zone, 32)
		fresh := &ledger{host: "fresh." + zone, possible: []int{0}}
		s.within(t, hosts, func(answered func(n int)) {
			for range 4 {
				answered(10 * len(hosts))
				server.Kill()
				answered(len(hosts))
				server.MustRestart(t)
				fresh.n++
				if r := s.request(t, fresh); r.Status != http.StatusOK {
					t.Errorf("after the restart: %d %s", r.Status, r.Body)
				}
			}
			answered(5 * len(hosts))
		})
		s.settle(t, server, append(hosts, fresh))
	})
}

// A nameserver that freezes under load keeps nobody waiting beyond the timeout,
// and what it does with the messages that it finds when it wakes up was not
// reported as failed.
func TestFreeze(t *testing.T) {
	each(t, 3*time.Second, func(t *testing.T, s *service, server *nameserver.Server, zone string) {
		hosts := ledgers(zone, 16)
		s.within(t, hosts, func(answered func(n int)) {
			for range 2 {
				answered(10 * len(hosts))
				server.Stop()
				// So that each host has one after the freeze.
				answered(2 * len(hosts))
				server.Continue()
			}
			answered(10 * len(hosts))
		})
		var unknown int
		for _, l := range hosts {
			unknown += l.unknown
		}
		if unknown == 0 {
			t.Error("no request was in flight when the nameserver froze")
		}
		s.settle(t, server, hosts)
	})
}

// A request to a nameserver that is frozen gets 504.
func TestFrozen(t *testing.T) {
	each(t, 2*time.Second, func(t *testing.T, s *service, server *nameserver.Server, zone string) {
		hosts := ledgers(zone, 1)
		hosts[0].n++
		if r := s.request(t, hosts[0]); r.Status != http.StatusOK {
			t.Errorf("%d %s", r.Status, r.Body)
		}
		server.Stop()
		hosts[0].n++
		r := s.request(t, hosts[0])
		server.Continue()
		if r.Status != http.StatusGatewayTimeout || !strings.Contains(r.Body, "may have been applied") {
			t.Errorf("%d %s", r.Status, r.Body)
		}
		s.settle(t, server, hosts)
	})
}
