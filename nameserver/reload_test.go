package nameserver

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/miekg/dns"

	"github.com/caddy-dyndns/dyndns/zone"
)

// A server that is configured again under load loses no query and no change, and shows
// the records of one configuration or the other.
func TestReload(t *testing.T) {
	s := openWith(t, Options{RateLimit: -1})
	configure := func(i int) {
		t.Helper()
		if err := s.Configure([]ZoneConfig{keyed(testConfig(fmt.Sprintf("www A 192.0.2.%d", i%2), fmt.Sprintf("www TXT %d", i)))}); err != nil {
			t.Fatal(err)
		}
	}
	configure(0)
	addr := listen(t, s)
	var done atomic.Bool
	var queries, changes atomic.Int64
	var wg sync.WaitGroup
	for _, network := range []string{"udp", "tcp"} {
		c := dns.Conn{Conn: dial(t, network, addr)}
		wg.Go(func() {
			for !done.Load() {
				m, err := (*dns.Msg)(nil), c.WriteMsg(query("www A"))
				if err == nil {
					m, err = c.ReadMsg()
				}
				if err != nil || len(m.Answer) != 1 {
					t.Errorf("got %v, %v", m, err)
					return
				}
				queries.Add(1)
			}
		})
	}
	for i := range 2 {
		wg.Go(func() {
			for n := 0; !done.Load(); n++ {
				change := set(fmt.Sprint("n", i), fmt.Sprint("192.0.2.", n%250))
				r := s.Zone(apex).Apply(t.Context(), []zone.Change{change})[0]
				if got := values(s, fmt.Sprint("n", i), dns.TypeA); r.Err != nil || got != change.Values[0] {
					t.Errorf("n%d is %s after change %d: %v", i, got, n, r.Err)
					return
				}
				changes.Add(1)
			}
		})
	}
	last := serial(s)
	for i := 1; i < 100 || !t.Failed() && (queries.Load() < 100 || changes.Load() < 100); i++ {
		configure(i)
		if now := serial(s); int32(now-last) <= 0 {
			t.Errorf("the serial went from %d to %d", last, now)
		}
		last = serial(s)
	}
	done.Store(true)
	wg.Wait()
}
