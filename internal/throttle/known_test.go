package throttle

import (
	"encoding/binary"
	"net/netip"
	"testing"
)

func TestKnown(t *testing.T) {
	throttle := New()
	digest := [32]byte{1}
	for _, tt := range []struct {
		name, from, asked string
		want              bool
	}{
		{"the same address", "192.0.2.1", "192.0.2.1", true},
		{"mapped", "192.0.2.2", "::ffff:192.0.2.2", true},
		{"the neighbour", "192.0.2.3", "192.0.2.4", false},
		{"the same /64", "2001:db8::1", "2001:db8::2%eth0", true},
		{"another /64", "2001:db8:0:1::1", "2001:db8:0:2::1", false},
		{"no address", "", "", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			from, _ := netip.ParseAddr(tt.from)
			asked, _ := netip.ParseAddr(tt.asked)
			throttle.Succeeded(from, digest)
			if got := throttle.Knows(asked, digest); got != tt.want {
				t.Errorf("got %t", got)
			}
			if throttle.Knows(from, [32]byte{2}) {
				t.Error("another credential is known")
			}
		})
	}
}

// What is not used goes when others need the room, what is used stays.
func TestKnownBound(t *testing.T) {
	throttle := New()
	here := netip.MustParseAddr("192.0.2.1")
	used, unused := [32]byte{31: 1}, [32]byte{31: 2}
	throttle.Succeeded(here, unused)
	for i := range uint64(3 * maxPairs) {
		throttle.Succeeded(here, used)
		var digest [32]byte
		binary.BigEndian.PutUint64(digest[:], i)
		throttle.Succeeded(here, digest)
	}
	if n := len(throttle.known.young) + len(throttle.known.old); n > 2*maxPairs {
		t.Errorf("%d pairs", n)
	}
	if !throttle.Knows(here, used) || throttle.Knows(here, unused) {
		t.Error("the wrong one went")
	}
}
