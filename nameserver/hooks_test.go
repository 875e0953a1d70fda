package nameserver

import (
	"fmt"
	"maps"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// TestHooks has each reply, limit and commit told.
func TestHooks(t *testing.T) {
	var mu sync.Mutex
	counts := make(map[string]int)
	count := func(format string, values ...any) {
		mu.Lock()
		defer mu.Unlock()
		counts[fmt.Sprintf(format, values...)]++
	}
	s := openWith(t, Options{RateLimit: 4, Hooks: Hooks{
		Answered: func(a Answer) {
			count("%s TCP=%t opcode %d: %d", a.To, a.Stream, a.Opcode, a.Rcode)
		},
		Limited:   func(client netip.Addr) { count("limited %s", client) },
		Committed: func(changes int, _ time.Duration, err error) { count("%d changes: %v", changes, err) },
	}}, keyed(testConfig()))
	addr := listen(t, s)
	exchange(t, "udp", addr, pack(t, query("@ SOA")))
	exchange(t, "udp", addr, pack(t, query("none A")))
	exchange(t, "udp", addr, pack(t, edns(query("@ SOA"), func(o *dns.OPT) { o.SetVersion(1) })))
	exchange(t, "tcp", addr, pack(t, query("@ SOA"))[:20])
	update(t, addr, updateMessage(insert(t, "a 60 A 192.0.2.1"), insert(t, "b 60 A 192.0.2.1")))
	mustApply(t, s, set("c", "192.0.2.1"))
	mustApply(t, s, set("c", "192.0.2.1"))
	if _, truncated := flood(t, s, "192.0.2.1/32", 20, pack(t, query("@ SOA"))); truncated == 0 {
		t.Error("nothing was limited")
	}
	mu.Lock()
	defer mu.Unlock()
	limited, flooded := counts["limited 192.0.2.1"], counts["192.0.2.1 TCP=false opcode 0: 0"]
	if limited < 5 || limited+flooded < 20 {
		t.Errorf("%d were limited, %d answered", limited, flooded)
	}
	delete(counts, "limited 192.0.2.1")
	delete(counts, "192.0.2.1 TCP=false opcode 0: 0")
	want := map[string]int{
		"127.0.0.1 TCP=false opcode 0: 0": 1, "127.0.0.1 TCP=false opcode 0: 3": 1, "127.0.0.1 TCP=false opcode 0: 16": 1,
		"127.0.0.1 TCP=true opcode 0: 1": 1, "127.0.0.1 TCP=true opcode 5: 0": 1, "2 changes: <nil>": 1, "1 changes: <nil>": 1,
	}
	if !maps.Equal(counts, want) {
		t.Errorf("got %v, want %v", counts, want)
	}
}
