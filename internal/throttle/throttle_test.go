package throttle

import (
	"encoding/binary"
	"math"
	"net/netip"
	"sync"
	"testing"
	"time"
)

var usual = Limit{Burst: 20, Interval: 10 * time.Second}

func failTimes(t *Throttle, n int, a string, l Limit, now time.Time) {
	addr, _ := netip.ParseAddr(a) // "" is no address
	for range n {
		t.Fail(addr, l, now)
	}
}

func TestThrottleNetworks(t *testing.T) {
	tests := []struct {
		name     string
		failures map[string]int
		asks     string
		blocked  bool
	}{
		{"nothing", nil, "192.0.2.1", false},
		{"one left", map[string]int{"192.0.2.1": 19}, "192.0.2.1", false},
		{"none left", map[string]int{"192.0.2.1": 20}, "192.0.2.1", true},
		{"neighbour", map[string]int{"192.0.2.1": 20}, "192.0.2.2", false},
		{"IPv4-mapped is the same", map[string]int{"::ffff:192.0.2.1": 10, "192.0.2.1": 10}, "192.0.2.1", true},
		{"same /64", map[string]int{"2001:db8::1": 10, "2001:db8::2": 10}, "2001:db8::3", true},
		{"zone id does not matter", map[string]int{"2001:db8::1%a": 20}, "2001:db8::3%b", true},
		{"other /64", map[string]int{"2001:db8::1": 20}, "2001:db8:0:1::1", false},
		{"whole /48, one left", map[string]int{"2001:db8::1": 160, "2001:db8:0:1::1": 159}, "2001:db8:0:2::1", false},
		{"whole /48", map[string]int{"2001:db8::1": 160, "2001:db8:0:1::1": 160}, "2001:db8:0:2::1", true},
		{"other /48", map[string]int{"2001:db8::1": 320}, "2001:db8:1::1", false},
		{"no address", map[string]int{"": 20}, "", true},
		{"no address does not block others", map[string]int{"": 20}, "0.0.0.0", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			throttle := New()
			start := time.Now()
			for a, n := range tt.failures {
				failTimes(throttle, n, a, usual, start)
			}
			addr, _ := netip.ParseAddr(tt.asks)
			if _, blocked := throttle.Blocked(addr, usual, start); blocked != tt.blocked {
				t.Errorf("blocked: %v", blocked)
			}
		})
	}
}

func TestThrottleRefills(t *testing.T) {
	throttle := New()
	start := time.Now()
	steps := []struct {
		name  string
		at    time.Duration
		fails int // before it is asked
		wait  time.Duration
	}{
		{"burst", 0, 20, 10 * time.Second},
		{"on their way already", 0, 5, 10 * time.Second},
		{"a little later", 4 * time.Second, 0, 6 * time.Second},
		{"one is back", 10 * time.Second, 0, 0},
		{"and used", 10 * time.Second, 1, 10 * time.Second},
		{"two are back", 30 * time.Second, 0, 0},
		{"one of them used", 30 * time.Second, 1, 0},
		{"both used", 30 * time.Second, 1, 10 * time.Second},
		{"all are back", time.Hour, 19, 0},
		{"no more than all", time.Hour, 1, 10 * time.Second},
	}
	for _, tt := range steps {
		failTimes(throttle, tt.fails, "192.0.2.1", usual, start.Add(tt.at))
		wait, blocked := throttle.Blocked(netip.MustParseAddr("192.0.2.1"), usual, start.Add(tt.at))
		if wait = max(wait, 0); wait != tt.wait || blocked != (tt.wait > 0) {
			t.Errorf("%s: wait %v, blocked %v, want %v", tt.name, wait, blocked, tt.wait)
		}
	}
}

func TestThrottleLimits(t *testing.T) {
	tests := []struct {
		name    string
		limit   Limit
		fails   int
		blocked bool
	}{
		{"off", Limit{}, 1000, false},
		{"no interval", Limit{Burst: 1}, 1000, false},
		{"negative", Limit{Burst: -1, Interval: -time.Second}, 1000, false},
		{"one, not used", Limit{Burst: 1, Interval: time.Second}, 0, false},
		{"one, used", Limit{Burst: 1, Interval: time.Second}, 1, true},
		{"largest interval", Limit{Burst: 1, Interval: math.MaxInt64}, 2, true},
		{"largest burst", Limit{Burst: math.MaxInt, Interval: time.Second}, 1000, false},
		{"largest of both", Limit{Burst: math.MaxInt, Interval: math.MaxInt64}, 1000, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			throttle := New()
			for _, a := range []string{"192.0.2.1", "2001:db8::1"} {
				failTimes(throttle, tt.fails, a, tt.limit, time.Now())
				wait, blocked := throttle.Blocked(netip.MustParseAddr(a), tt.limit, time.Now())
				if blocked != tt.blocked || wait < 0 {
					t.Errorf("%s: wait %v, blocked %v", a, wait, blocked)
				}
			}
		})
	}
}

func TestThrottleClock(t *testing.T) {
	a := netip.MustParseAddr("192.0.2.1")
	tests := []struct {
		name string
		jump time.Duration
		wait time.Duration
	}{
		{"callers out of order", -time.Second, 10 * time.Second},
		{"set back by a day", -24 * time.Hour, 10 * time.Second},
		{"set back by centuries", math.MinInt64, 10 * time.Second},
		{"set forward by centuries", math.MaxInt64, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			throttle := New()
			start := time.Now().Round(0) // the wall clock alone can jump
			failTimes(throttle, 20, a.String(), usual, start)
			after := start.Add(tt.jump)
			if wait, _ := throttle.Blocked(a, usual, after); wait != tt.wait {
				t.Errorf("wait %v, want %v", wait, tt.wait)
			}
			if _, blocked := throttle.Blocked(a, usual, after.Add(11*time.Second)); blocked {
				t.Error("still blocked when one is back")
			}
			failTimes(throttle, 20, a.String(), usual, after.Add(11*time.Second))
			if _, blocked := throttle.Blocked(a, usual, after.Add(11*time.Second)); !blocked {
				t.Error("not blocked after the jump")
			}
		})
	}
}

func ipv4(n uint32) netip.Addr {
	return netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, n)))
}

func TestThrottleEviction(t *testing.T) {
	throttle := New()
	now := time.Now()
	victim := netip.MustParseAddr("192.0.2.1")
	failTimes(throttle, 20, victim.String(), usual, now)
	once := netip.MustParseAddr("192.0.2.2")
	throttle.Fail(once, usual, now)
	// A flood of single failures displaces single failures, not the blocked one.
	for i := range uint32(2 * maxBuckets) {
		throttle.Fail(ipv4(0x0a000000+i), usual, now.Add(time.Millisecond))
	}
	if n := len(throttle.buckets); n != maxBuckets || len(throttle.heap) != n {
		t.Errorf("%d buckets, %d in the heap, want %d", n, len(throttle.heap), maxBuckets)
	}
	if _, blocked := throttle.Blocked(victim, usual, now.Add(time.Millisecond)); !blocked {
		t.Error("the blocked network was evicted")
	}
	if p, _ := once.Prefix(32); throttle.buckets[p] != nil {
		t.Error("the fullest bucket was not evicted")
	}
	// Once they are refilled, each failure makes the throttle smaller.
	for range maxBuckets {
		throttle.Fail(victim, usual, now.Add(time.Hour))
	}
	if n := len(throttle.buckets); n != 1 || len(throttle.heap) != n {
		t.Errorf("%d buckets, %d in the heap after an hour, want 1", n, len(throttle.heap))
	}
}

func TestThrottleConcurrently(t *testing.T) {
	throttle := New()
	now := time.Now()
	var wg sync.WaitGroup
	for g := range uint32(8) {
		wg.Go(func() {
			for i := range uint32(2000) {
				a := ipv4(0x0a000000 + i%50)
				throttle.Fail(a, usual, now)
				throttle.Blocked(a, usual, now)
				throttle.Fail(ipv4(0x0b000000+g<<16+i), usual, now)
			}
		})
	}
	wg.Wait()
	for i := range uint32(50) {
		if wait, blocked := throttle.Blocked(ipv4(0x0a000000+i), usual, now); !blocked || wait != usual.Interval {
			t.Errorf("network %d: wait %v, blocked %v", i, wait, blocked)
		}
	}
	if want := 50 + 8*2000; len(throttle.buckets) != want {
		t.Errorf("%d buckets, want %d", len(throttle.buckets), want)
	}
}

func BenchmarkThrottle(b *testing.B) {
	now := time.Now()
	full := New()
	for i := range uint32(maxBuckets) {
		full.Fail(ipv4(i), usual, now)
	}
	b.Run("blocked", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			full.Blocked(ipv4(1), usual, now)
		}
	})
	b.Run("fail and evict", func(b *testing.B) {
		b.ReportAllocs()
		for i := uint32(maxBuckets); b.Loop(); i++ {
			full.Fail(ipv4(i), usual, now)
		}
	})
}
