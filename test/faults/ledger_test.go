//go:build integration && linux

package faults

import (
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-dyndns/dyndns/internal/await"
	"github.com/caddy-dyndns/dyndns/test/nameserver"
)

// A host's states are numbers, which only grow: 0 has no address, every other
// one an address of each family. So no late message can bring an old state back
// unnoticed, and a mixture of two states shows.

func ipv4(n int) string {
	if n == 0 {
		return "None"
	}
	return fmt.Sprintf("192.0.2.%d", n%250+1)
}

func ipv6(n int) string {
	if n == 0 {
		return "None"
	}
	a := netip.MustParseAddr("2001:db8::").As16()
	a[13], a[14], a[15] = byte(n>>16), byte(n>>8), byte(n)
	return netip.AddrFrom16(a).String()
}

// lines is the true reply to a change from one state to another.
func lines(host string, from, to int) string {
	line := func(kind, from, to string) string {
		if from == to {
			return fmt.Sprintf("UNCHANGED: %s. %s %s\n", host, kind, to)
		}
		return fmt.Sprintf("UPDATED: %s. %s %s -> %s\n", host, kind, from, to)
	}
	return line("A", ipv4(from), ipv4(to)) + line("AAAA", ipv6(from), ipv6(to))
}

// ledger holds the replies about one host, which one connection updates, against
// each other.
type ledger struct {
	host string
	n    int
	// possible are the states that the host may be in: what the last
	// acknowledged request wrote, and what those after it may have written.
	possible []int

	acknowledged, unknown, failed int
	// answered counts all replies.
	answered atomic.Int64
}

func ledgers(zone string, count int) []*ledger {
	list := make([]*ledger, count)
	for i := range list {
		list[i] = &ledger{host: fmt.Sprintf("host%d.%s", i, zone), possible: []int{0}}
	}
	return list
}

// enter takes the reply to a request for state n. An error is a lie.
func (l *ledger) enter(n int, r reply) error {
	switch {
	case r.err != nil:
		return r.err
	case r.Status == http.StatusOK:
		if !slices.ContainsFunc(l.possible, func(from int) bool { return r.Body == lines(l.host, from, n) }) {
			return fmt.Errorf("untrue: %q, where the state was one of %v and %d was wanted", r.Body, l.possible, n)
		}
		l.acknowledged++
		l.possible = []int{n}
	case !strings.HasPrefix(r.Body, "DNS_SERVER_ERROR: "):
		return fmt.Errorf("%d %q", r.Status, r.Body)
	case strings.Contains(r.Body, "may have been applied"):
		l.unknown++
		l.possible = append(l.possible, n)
	default:
		l.failed++
	}
	return nil
}

// holds tells whether the nameserver has a state that is possible. A message that
// was on its way may still arrive between the looks at the two records.
func (l *ledger) holds(s *nameserver.Server) error {
	var got [2]string
	for range 100 {
		for i, kind := range []string{"A", "AAAA"} {
			values, err := s.Lookup(l.host, kind)
			if err != nil {
				return err
			}
			if got[i] = strings.Join(values, ","); got[i] == "" {
				got[i] = "None"
			}
		}
		if slices.ContainsFunc(l.possible, func(n int) bool { return got == [2]string{ipv4(n), ipv6(n)} }) {
			return nil
		}
	}
	return fmt.Errorf("%s has %s, and its state should be one of %v", l.host, got, l.possible)
}

// load updates the hosts, each over a connection of its own, until the channel
// is closed or each had so many requests. Every fourth request repeats the one before.
func (s *service) load(t *testing.T, hosts []*ledger, requests int, until <-chan struct{}) {
	var wg sync.WaitGroup
	for _, l := range hosts {
		wg.Go(func() {
			for i := range requests {
				select {
				case <-until:
					return
				default:
				}
				if i%4 != 3 {
					l.n++
				}
				s.request(t, l)
			}
		})
	}
	wg.Wait()
}

// request asks for the host's present number and enters the reply.
func (s *service) request(t *testing.T, l *ledger) reply {
	r := s.update(t.Context(), l.host, l.n)
	l.answered.Add(1)
	if err := l.enter(l.n, r); err != nil {
		t.Errorf("%s: %v", l.host, err)
	}
	if r.took > s.timeout+grace {
		t.Errorf("%s: answered after %s: %d %s", l.host, r.took, r.Status, r.Body)
	}
	return r
}

// settle checks at the end of a test that the zone holds what was acknowledged,
// and that every host can be changed as if nothing had happened.
func (s *service) settle(t *testing.T, server *nameserver.Server, hosts []*ledger) {
	t.Helper()
	var sum ledger
	missing := 0
	for _, l := range hosts {
		if err := l.holds(server); err != nil {
			missing++
			t.Error(err)
		}
		sum.acknowledged += l.acknowledged
		sum.unknown += l.unknown
		sum.failed += l.failed
	}
	for _, l := range hosts {
		l.n++
		if r := s.request(t, l); r.Status != http.StatusOK {
			t.Errorf("afterwards, %s: %d %s %v", l.host, r.Status, r.Body, r.err)
		}
		if err := l.holds(server); err != nil {
			t.Errorf("afterwards, %v", err)
		}
	}
	t.Logf("%s: %d acknowledged, %d unknown, %d failed; hosts with a lost update: %d", server.Kind(), sum.acknowledged, sum.unknown, sum.failed, missing)
}

// within runs a load in the background while f goes on, and waits for it. What f
// is given waits until so many more requests were answered.
func (s *service) within(t *testing.T, hosts []*ledger, f func(answered func(n int))) {
	stop, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		s.load(t, hosts, 1<<20, stop)
	}()
	defer func() {
		close(stop)
		<-ended
	}()
	sum := func() (n int) {
		for _, l := range hosts {
			n += int(l.answered.Load())
		}
		return n
	}
	f(func(n int) {
		before := sum()
		await.True(t, "the load to go on", func() bool { return sum() >= before+n })
	})
}

// elapsed is a channel that is closed after a time.
func elapsed(d time.Duration) <-chan struct{} {
	over := make(chan struct{})
	time.AfterFunc(d, func() { close(over) })
	return over
}
