// Package ratelimit bounds the replies that go to an address and to the networks around
// it, in the manner of Knot DNS: who forges the addresses of others must not reach much
// with them.
package ratelimit

import (
	"encoding/binary"
	"hash/maphash"
	"net/netip"
	"sync"
	"time"
)

// network is one size of networks, with the rate of an address times factor.
type network struct{ bits, factor int }

// The sizes and factors are those of Knot DNS 3.4.
var (
	networks4 = []network{{32, 1}, {24, 32}, {20, 256}, {18, 768}}
	networks6 = []network{{128, 1}, {64, 2}, {56, 3}, {48, 4}, {32, 64}}
)

const (
	// burst is how many seconds' worth of replies may go at once. Knot has 125 of 50.
	burst = 2.5
	// The table has sets of places; a network is in one of them. It has room for more
	// than answers can go out to within the time that a place is needed.
	sets, places = 1 << 14, 8
)

// Limiter counts replies. Any number of goroutines may use it.
type Limiter struct {
	seed maphash.Seed
	rate float64
	sets []set
	// start is what times are measured from: a clock that is set moves none of them.
	start time.Time
}

type set struct {
	mu     sync.Mutex
	places [places]place
}

// place is a network as a leaky bucket (the generic cell rate algorithm).
type place struct {
	key uint64
	// empty is when the bucket is empty again, in nanoseconds since the start.
	empty int64
}

// New returns a limiter to so many replies a second to one address, which starts now.
func New(rate int, now time.Time) *Limiter {
	return &Limiter{start: now, seed: maphash.MakeSeed(), rate: float64(rate), sets: make([]set, sets)}
}

// Allow tells whether a reply may go to the address, and counts it if so.
func (l *Limiter) Allow(to netip.Addr, now time.Time) bool {
	networks := networks6
	if to.Is4() {
		networks = networks4
	}
	for i, n := range networks {
		if !l.add(to, n, int64(now.Sub(l.start))) {
			// The smaller networks have not got it either.
			for _, n := range networks[:i] {
				l.takeBack(to, n)
			}
			return false
		}
	}
	return true
}

// cost returns what a reply puts into the bucket of a network, in nanoseconds.
func (l *Limiter) cost(n network) int64 { return int64(1e9 / (l.rate * float64(n.factor))) }

func (l *Limiter) add(to netip.Addr, n network, now int64) bool {
	s, key := l.find(to, n)
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.place(key)
	if p.key != key {
		*p = place{key: key}
	}
	p.empty = max(p.empty, now)
	if p.empty-now > int64(burst*1e9) {
		return false
	}
	p.empty += l.cost(n)
	return true
}

func (l *Limiter) takeBack(to netip.Addr, n network) {
	s, key := l.find(to, n)
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.place(key); p.key == key {
		p.empty -= l.cost(n)
	}
}

// find returns the set of a network and its key. The seed keeps others from choosing
// networks that push each other out.
func (l *Limiter) find(to netip.Addr, n network) (*set, uint64) {
	bytes := to.As16()
	if to.Is4() {
		n.bits += 96
	}
	whole := n.bits / 8
	if whole < len(bytes) {
		bytes[whole] &= ^byte(0xff >> (n.bits % 8))
		clear(bytes[whole+1:])
	}
	key := maphash.Bytes(l.seed, binary.BigEndian.AppendUint16(bytes[:], uint16(n.bits)))
	return &l.sets[key%sets], key
}

// place returns the place of a network, or that of another whose bucket is empty or will
// be first. The caller holds the mutex.
func (s *set) place(key uint64) *place {
	first := &s.places[0]
	for i := range s.places {
		p := &s.places[i]
		if p.key == key {
			return p
		}
		if p.empty < first.empty {
			first = p
		}
	}
	return first
}
