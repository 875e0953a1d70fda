//go:build integration && linux

package faults

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/caddy-dyndns/dyndns/dnsupdate"
	"github.com/caddy-dyndns/dyndns/dnsupdate/dnstest"
	"github.com/caddy-dyndns/dyndns/test/nameserver"
	"github.com/caddy-dyndns/dyndns/zone"
)

// chain holds the replies to many clients of one name against each other. Every
// request writes a state of its own, so that the true story is a single chain.
type chain struct {
	mu sync.Mutex
	// after is what an acknowledged request replaced -> what it wrote.
	after map[int]int
	// acknowledged and unknown are the states that were written for sure, and
	// those that may have been.
	acknowledged, unknown map[int]bool
	failed                int
}

func newChain() *chain {
	return &chain{after: map[int]int{}, acknowledged: map[int]bool{0: true}, unknown: map[int]bool{}}
}

// replaced enters that one state took the place of another.
func (c *chain) replaced(t *testing.T, from, to int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if other, twice := c.after[from]; twice || from == to {
		t.Errorf("%d and %d both replaced %d", other, to, from)
	}
	c.after[from] = to
	c.acknowledged[to] = true
}

// without enters a request that was not acknowledged.
func (c *chain) without(state int, unknown bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if unknown {
		c.unknown[state] = true
	} else {
		c.failed++
	}
}

// ends checks the chain and gives the states that it may end with.
func (c *chain) ends(t *testing.T) []int {
	t.Helper()
	for from, to := range c.after {
		if !c.acknowledged[from] && !c.unknown[from] {
			t.Errorf("%d replaced %d, but nobody wrote that", to, from)
		}
	}
	var ends []int
	for state := range c.acknowledged {
		if _, gone := c.after[state]; !gone {
			ends = append(ends, state)
		}
	}
	// A piece of the chain ends only where the next state is one of the unknown.
	if len(ends) > 1+len(c.unknown) {
		t.Errorf("the chain ends at %v, with only %d unknown", ends, len(c.unknown))
	}
	for state := range c.unknown {
		if _, gone := c.after[state]; !gone {
			ends = append(ends, state)
		}
	}
	t.Logf("%d acknowledged, %d unknown, %d failed", len(c.after), len(c.unknown), c.failed)
	return ends
}

// Forty clients change one name at once, and a third of the replies is lost: what
// they are told is still one chain from the first state to the last.
func TestOneName(t *testing.T) {
	const (
		name    = "dyn.example.com"
		host    = "home." + name
		clients = 40
		rounds  = 5
	)
	key := nameserver.NewKey("ddns-key")
	server := nameserver.Run(t, nameserver.BIND, nameserver.Config{Zones: []nameserver.Zone{{Name: name, Key: key}}})
	proxy := behind(t, server)
	s := serve(t, 5*time.Second, configuredZone{name, key, []string{proxy.Addr()}})
	lost := 0
	random := rand.New(rand.NewPCG(3, 4))
	proxy.SetFault(dnstest.OnUpdates(func(dnstest.Exchange) dnstest.Action {
		if random.IntN(100) < 30 || lost == 0 {
			lost++
			return dnstest.DropReply()
		}
		return dnstest.Pass()
	}))
	c := newChain()
	var wg sync.WaitGroup
	for i := range clients {
		wg.Go(func() {
			for round := range rounds {
				n := 1 + i*rounds + round
				r := s.update(t.Context(), host, n)
				switch {
				case r.err != nil || r.took > s.timeout+grace:
					t.Errorf("%v after %s", r.err, r.took)
				case r.Status == http.StatusOK:
					from := 0
					for from <= clients*rounds && r.Body != lines(host, from, n) {
						from++
					}
					c.replaced(t, from, n)
				default:
					c.without(n, strings.Contains(r.Body, "may have been applied"))
				}
			}
		})
	}
	wg.Wait()
	proxy.SetFault(nil)
	if lost == 0 || len(c.after) == 0 {
		t.Errorf("%d replies lost, %d acknowledged", lost, len(c.after))
	}
	s.settle(t, server, []*ledger{{host: host, n: clients * rounds, possible: c.ends(t)}})
}

// Many clients change a few names, some two at once, through a network that does
// everything wrong by turns, and lose their patience at any moment.
func TestMixture(t *testing.T) {
	const (
		name    = "dyn.example.com"
		names   = 4
		clients = 12
		rounds  = 40
	)
	key := nameserver.NewKey("ddns-key")
	server := nameserver.Run(t, nameserver.BIND, nameserver.Config{Zones: []nameserver.Zone{{Name: name, Key: key}}})
	proxy := behind(t, server)
	u := configuredZone{name, key, []string{proxy.Addr()}}.open(t, dnsupdate.Hooks{})
	mishaps := []dnstest.Action{
		dnstest.ResetAfter(), dnstest.ResetAfter(), dnstest.ResetBefore(), dnstest.Unsigned(), dnstest.DropReply(), dnstest.Drop(),
		dnstest.DelayReply(20 * time.Millisecond), dnstest.RCode(dns.RcodeServerFailure), dnstest.RCode(dns.RcodeRefused),
	}
	random := rand.New(rand.NewPCG(5, 6))
	proxy.SetFault(dnstest.OnUpdates(func(dnstest.Exchange) dnstest.Action {
		if i := random.IntN(2 * len(mishaps)); i < len(mishaps) {
			return mishaps[i]
		}
		return dnstest.Pass()
	}))
	chains := make([]*chain, names)
	for i := range chains {
		chains[i] = newChain()
	}
	stateOf := map[string]int{"": 0}
	for n := range clients * rounds {
		stateOf[ipv6(n+1)] = n + 1
	}
	change := func(i, n int) zone.Change {
		return zone.Change{Name: fmt.Sprintf("h%d.%s", i, name), Type: zone.TypeAAAA, Action: zone.Set, Values: []string{ipv6(n)}, TTL: 60}
	}
	var wg sync.WaitGroup
	for client := range clients {
		wg.Go(func() {
			random := rand.New(rand.NewPCG(7, uint64(client)))
			for round := range rounds {
				n := 1 + client*rounds + round
				first := random.IntN(names)
				changes := []zone.Change{change(first, n), change((first+1)%names, n)}[:1+random.IntN(2)]
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(random.IntN(400))*time.Millisecond)
				for i, r := range u.Apply(ctx, changes) {
					c := chains[(first+i)%names]
					from, known := stateOf[strings.Join(r.Old, ",")]
					var e *zone.Error
					switch {
					case errors.As(r.Err, &e):
						c.without(n, e.Unknown)
					case !known || len(r.New) != 1 || r.New[0] != ipv6(n) || !r.Changed:
						t.Errorf("%+v", r)
					default:
						c.replaced(t, from, n)
					}
				}
				cancel()
			}
		})
	}
	wg.Wait()
	proxy.SetFault(nil)
	// Nothing is on its way any more.
	u.Close()
	for i, c := range chains {
		got := server.MustLookup(t, change(i, 0).Name, "AAAA")
		if ends := c.ends(t); got == "" || !slices.Contains(ends, stateOf[got]) {
			t.Errorf("%s has %q, not one of %v", change(i, 0).Name, got, ends)
		}
		r := u.Apply(t.Context(), []zone.Change{change(i, clients*rounds+1)})[0]
		if r.Err != nil || strings.Join(r.Old, ",") != got {
			t.Errorf("afterwards: %+v, where it was %s", r, got)
		}
	}
}
