//go:build integration && linux

package nameserver

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"github.com/caddy-dyndns/dyndns/internal/await"
	daemon "github.com/caddy-dyndns/dyndns/test/nameserver"
	"github.com/caddy-dyndns/dyndns/zone"
)

// TestSecondaries has BIND, Knot and NSD follow 10,000 changes by their differences.
func TestSecondaries(t *testing.T) {
	const rounds, callers, each, names = 5, 8, 250, 150
	var mu sync.Mutex
	transfers := make(map[string]int)
	s := openWith(t, Options{RateLimit: -1, Hooks: Hooks{
		Transferred: func(_, kind string, _ netip.AddrPort, _ int, err error) {
			mu.Lock()
			defer mu.Unlock()
			transfers[fmt.Sprint(kind, " ", err == nil)]++
		},
	}})
	config := keyed(testConfig("static CAA 0 issue \"letsencrypt.org\"", "*.wild TXT x", "*.wild A 192.0.2.1", "here.wild A 192.0.2.2",
		"a.deep.wild TXT x", "*.alias CNAME n1", "alias CNAME n2", "chain CNAME alias", "outside CNAME www.example.org.", "dangling CNAME none",
		"wild2 CNAME x.wild", "a.b.ent A 192.0.2.3", "_x._tcp SRV 0 0 1 n3", "@ MX 10 n4", "*.a.ent TXT y"))
	if err := s.Configure([]ZoneConfig{config}); err != nil {
		t.Fatal(err)
	}
	addr := listen(t, s)
	var secondaries []*daemon.Server
	for _, kind := range []daemon.Kind{daemon.BIND, daemon.Knot, daemon.NSD} {
		secondary := daemon.Run(t, kind, daemon.Config{Zones: []daemon.Zone{{Name: apex, Primary: addr, PrimaryKey: daemonKey}}})
		secondaries = append(secondaries, secondary)
		config.Secondaries = append(config.Secondaries, Secondary{Address: secondary.Addr(), Key: testKey})
	}
	if err := s.Configure([]ZoneConfig{config}); err != nil {
		t.Fatal(err)
	}
	host := func(n int) string { return fmt.Sprintf("n%d.%s", n, apex) }
	change := func(seed uint64) {
		random := rand.New(rand.NewPCG(7, seed))
		for i := range each {
			change := zone.Change{Name: host(random.IntN(names)), TTL: 60 + uint32(random.IntN(2)), Action: []zone.Action{zone.Set, zone.Set, zone.Add, zone.Remove, zone.Delete}[random.IntN(5)]}
			switch random.IntN(3) {
			case 0:
				change.Type, change.Values = zone.TypeA, []string{fmt.Sprint("192.0.2.", random.IntN(20))}
			case 1:
				change.Type, change.Values = zone.TypeAAAA, []string{fmt.Sprint("2001:db8::", 1+random.IntN(20))}
			case 2:
				change.Type, change.Values = zone.TypeTXT, []string{strings.Repeat("x", random.IntN(600)), fmt.Sprint(i)}
			}
			if r := s.Zone(apex).Apply(t.Context(), []zone.Change{change})[0]; r.Err != nil {
				t.Error(r.Err)
				return
			}
		}
	}
	for round := range rounds {
		var wg sync.WaitGroup
		for caller := range callers {
			wg.Go(func() { change(uint64(round*callers + caller)) })
		}
		wg.Wait()
		for _, secondary := range secondaries {
			await.Done(t, string(secondary.Kind())+" to follow", func() error {
				got, err := secondary.Serial(apex)
				if err == nil && got != serial(s) {
					err = fmt.Errorf("it has serial %d, not %d", got, serial(s))
				}
				return err
			})
		}
	}
	for _, secondary := range secondaries {
		for n := range names {
			for name, rrtype := range map[string]uint16{"A": 1, "AAAA": 28, "TXT": 16} {
				if got, want := secondary.MustLookup(t, host(n), name), values(s, fmt.Sprint("n", n), rrtype); got != want {
					t.Errorf("%s shows %q for %s %s, want %q", secondary.Kind(), got, host(n), name, want)
				}
			}
		}
		compareQueries(t, secondary, addr)
	}
	mu.Lock()
	defer mu.Unlock()
	t.Logf("transfers: %v", transfers)
	if transfers["AXFR true"] != len(secondaries) || transfers["IXFR true"] < rounds*len(secondaries) {
		t.Errorf("the transfers were %v", transfers)
	}
}

// compareQueries asks a secondary and the server the same.
func compareQueries(t *testing.T, secondary *daemon.Server, addr string) {
	t.Helper()
	g := newGenerator(4592, 2308)
	kinds := make(map[string]int)
	us, them := newAsker(t, addr), newAsker(t, secondary.Addr())
	for range 3000 {
		name := g.pick(fmt.Sprint("n", g.IntN(150)), fmt.Sprint("N", g.IntN(150)), "@", "static", "x.wild", "y.x.wild", "*.wild", "wild", "here.wild", "x.here.wild", "deep.wild",
			"x.deep.wild", "a.deep.wild", "x.alias", "alias", "chain", "outside", "dangling", "wild2", "ent", "b.ent", "x.ent", "x.a.ent", "none", "_x._tcp", "_tcp", "x.n1", "example.org.", "com.")
		q := query(name + " " + g.pick("A", "A", "AAAA", "TXT", "CNAME", "CAA", "MX", "SRV", "SOA", "NS", "HTTPS", "NAPTR"))
		network := g.pick("udp", "tcp")
		want, got := them.ask(t, network, pack(t, q)), us.ask(t, network, pack(t, q))
		kinds[outline(want)]++
		if describe(got) != describe(want) {
			t.Errorf("%s over %s:\n     %s\n%s %s", q.Question[0].String(), network, describe(got), secondary.Kind(), describe(want))
		}
	}
	if len(kinds) < 20 {
		t.Errorf("%s had only these kinds of answers: %v", secondary.Kind(), kinds)
	}
}
