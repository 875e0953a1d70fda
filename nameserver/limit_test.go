package nameserver

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/caddy-dyndns/dyndns/nameserver/internal/transport"
)

// flood sends queries from everywhere in a network, and counts the replies and those of
// them that say "truncated".
func flood(t *testing.T, s *Server, network string, queries int, wire []byte) (replies, truncated int) {
	t.Helper()
	from := netip.MustParsePrefix(network).Addr()
	for range queries {
		if from = from.Next(); !netip.MustParsePrefix(network).Contains(from) {
			from = netip.MustParsePrefix(network).Addr()
		}
		s.answerer.Handle(&transport.Exchange{Query: wire, From: netip.AddrPortFrom(from, 53), Reply: func(reply []byte) error {
			replies++
			if reply[2]&2 != 0 {
				truncated++
			}
			return nil
		}})
	}
	return replies, truncated
}

// A flood of queries that seem to come from a network is not passed on to it.
func TestFlood(t *testing.T) {
	s := open(t, testConfig())
	// The rate of a /24 is 32 times that of an address; what is refilled depends on the machine.
	const rate, queries = 32 * defaultRateLimit, 20_000
	start := time.Now()
	refilled := func() int { return int(rate*time.Since(start).Seconds()) + 1 }
	replies, truncated := flood(t, s, "192.0.2.0/24", queries, pack(t, query("none A")))
	const burst = rate * 5 / 2
	if answers := replies - truncated; answers < burst || answers > burst+refilled() {
		t.Errorf("%d answers of %d", answers, queries)
	}
	if dropped := queries - replies; truncated < dropped-2 || truncated > dropped+2 {
		t.Errorf("%d say truncated, %d get nothing", truncated, dropped)
	}
	for name, wire := range map[string][]byte{"outside": pack(t, query("example.org. A")), "malformed": pack(t, query("@ A"))[:20]} {
		start = time.Now()
		if replies, truncated := flood(t, s, "192.0.2.0/24", 1000, wire); replies-truncated > refilled()+rate/10 {
			t.Errorf("%s: %d replies of 1000, %d truncated", name, replies, truncated)
		}
	}
	if replies, truncated := flood(t, s, "198.51.100.1/32", 20, pack(t, query("@ SOA"))); replies != 20 || truncated != 0 {
		t.Errorf("somebody else gets %d replies, %d truncated", replies, truncated)
	}
}

// Who has a cookie is who it says it is, and so is who comes over TCP.
func TestLimitTrust(t *testing.T) {
	s := openWith(t, Options{RateLimit: 1}, testConfig())
	addr := listen(t, s)
	reply, _ := exchange(t, "udp", addr, pack(t, withCookie(query("@ SOA"), "0102030405060708")))
	cookie := reply.IsEdns0().Option[0].(*dns.EDNS0_COOKIE).Cookie
	for range 50 {
		reply, _ = exchange(t, "udp", addr, pack(t, withCookie(query("@ SOA"), cookie)))
		if reply.Truncated || len(reply.Answer) != 1 {
			t.Fatalf("with a cookie: %s", reply)
		}
		if reply, _ = exchange(t, "tcp", addr, pack(t, query("@ SOA"))); reply.Truncated || len(reply.Answer) != 1 {
			t.Fatalf("over TCP: %s", reply)
		}
	}
	// Without one there are a few more replies, and then every other is truncated.
	c := dial(t, "udp", addr)
	truncated := false
	for range 20 {
		send(t, c, pack(t, query("@ SOA")))
		if wire, err := receive(c); err == nil && wire[2]&2 != 0 {
			truncated = true
			break
		}
		c.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	}
	if !truncated {
		t.Error("no reply says truncated")
	}
}

// A thousand idle connections from elsewhere leave room for others.
func TestIdleConnections(t *testing.T) {
	s := open(t, testConfig())
	addr := listen(t, s)
	for i := range 1000 {
		// One network would be limited by itself.
		local := &net.TCPAddr{IP: net.IPv4(127, byte(i/100), byte(i%100), 1)}
		c, err := (&net.Dialer{LocalAddr: local}).Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	for range 20 {
		if reply, _ := exchange(t, "tcp", addr, pack(t, query("@ SOA"))); len(reply.Answer) != 1 {
			t.Fatalf("got %s", reply)
		}
	}
}
