package ratelimit

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"
)

// TestAllow floods for ten seconds with queries that seem to come from a network, and
// counts the replies, of which a bucket's burst comes on top of its rate.
func TestAllow(t *testing.T) {
	const rate, seconds = 50, 4
	for _, tt := range []struct {
		name    string
		network string
		// factor is that of the network.
		factor int
	}{
		{"an address", "192.0.2.1/32", 1},
		{"a small network", "192.0.2.0/24", 32},
		{"a network", "192.0.0.0/20", 256},
		{"a large network", "192.0.0.0/18", 768},
		{"an IPv6 address", "2001:db8::1/128", 1},
		{"a link", "2001:db8::/64", 2},
		{"a site", "2001:db8::/48", 4},
		{"a provider", "2001:db8::/32", 64},
	} {
		t.Run(tt.name, func(t *testing.T) {
			start := time.Unix(1_700_000_000, 0)
			l, network := New(rate, start), netip.MustParsePrefix(tt.network)
			random := rand.New(rand.NewPCG(1, 1))
			sent := 0
			queries := 3 * rate * tt.factor * seconds
			for i := range queries {
				if l.Allow(inside(network, random), start.Add(time.Duration(i)*seconds*time.Second/time.Duration(queries))) {
					sent++
				}
			}
			want := int(rate * float64(tt.factor) * (seconds + burst))
			if sent > want+tt.factor || sent < want*9/10 {
				t.Errorf("%d replies, want %d", sent, want)
			}
			if other := netip.MustParseAddr("203.0.113.1"); !l.Allow(other, start.Add(seconds*time.Second)) {
				t.Error("somebody else gets none")
			}
		})
	}
}

// inside returns an address of the network.
func inside(network netip.Prefix, random *rand.Rand) netip.Addr {
	mask, bytes := network.Masked().Addr().As16(), [16]byte{}
	binary.BigEndian.PutUint64(bytes[:], random.Uint64())
	binary.BigEndian.PutUint64(bytes[8:], random.Uint64())
	bits := network.Bits()
	if network.Addr().Is4() {
		bits += 96
	}
	for i := range bits {
		bytes[i/8] &^= 0x80 >> (i % 8)
	}
	for i := range bytes {
		bytes[i] |= mask[i]
	}
	return netip.AddrFrom16(bytes).Unmap()
}

// TestForged has queries come from everywhere: a network that was at its limit before
// stays there, and somebody else is served.
func TestForged(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	l := New(50, now)
	victim := netip.MustParseAddr("192.0.2.1")
	for l.Allow(victim, now) {
	}
	random := rand.New(rand.NewPCG(1, 1))
	for range 100_000 {
		l.Allow(netip.AddrFrom4([4]byte{byte(random.IntN(190)), byte(random.Uint32()), byte(random.Uint32()), byte(random.Uint32())}), now)
	}
	if l.Allow(victim, now) {
		t.Error("the limit is forgotten")
	}
	if !l.Allow(netip.MustParseAddr("203.0.113.1"), now) {
		t.Error("somebody else gets no reply")
	}
}

func BenchmarkAllow(b *testing.B) {
	l, random := New(50, time.Now()), rand.New(rand.NewPCG(1, 1))
	for b.Loop() {
		l.Allow(netip.AddrFrom4([4]byte{1, byte(random.Uint32()), byte(random.Uint32()), byte(random.Uint32())}), time.Now())
	}
}
