package dnsupdate

import (
	"time"

	"github.com/caddy-dyndns/dyndns/dnsupdate/internal/wire"
	"github.com/caddy-dyndns/dyndns/internal/change"
	"github.com/caddy-dyndns/dyndns/zone"
)

// maxKnown is the number of RRsets in one generation of the memory: a host mostly
// has two.
const maxKnown = 131_072

// wildcard names the records that a wildcard was seen to give to names below parent.
type wildcard struct {
	parent string
	rrtype zone.Type
}

// maxWildcards bounds what is remembered of wildcards; a zone has few.
const maxWildcards = 256

// memory keeps what is believed of the RRsets used last in two generations: when
// the young one is full it becomes the old one, and what nobody asked for since
// is gone.
type memory struct {
	young, old map[wire.RRsetID]*belief
	size       int
	wildcards  map[wildcard]change.Set
	// settleTTL is how long after a write a read is taken for what the
	// nameserver made of our TTL: with inline signing reads lag behind.
	settleTTL time.Duration
	// lastUnequal is when the nameserver was last seen to find no values equal.
	lastUnequal time.Time
	limitSeen   bool
	learned     learned
}

// learned are told what a nameserver turns out to do.
type learned struct {
	// clamped: it holds TTLs down.
	clamped func(wanted, got uint32)
	// incomparable: it finds no values equal.
	incomparable func()
}

func newMemory(size int, l learned) *memory {
	return &memory{young: map[wire.RRsetID]*belief{}, size: size, wildcards: map[wildcard]change.Set{}, settleTTL: 5 * time.Second, learned: l}
}

// of returns what is believed of an RRset, an empty belief if nothing is known.
func (m *memory) of(id wire.RRsetID) *belief {
	if b := m.young[id]; b != nil {
		return b
	}
	b := m.old[id]
	if b == nil {
		b = new(belief)
	}
	if len(m.young) >= m.size {
		m.young, m.old = map[wire.RRsetID]*belief{}, m.young
	}
	m.young[id] = b
	return b
}

// compare puts what was read beside what is believed. With fresh what a wildcard
// was seen to show is taken for no record of the name.
func (m *memory) compare(id wire.RRsetID, set change.Set, fresh bool, now time.Time) {
	b := m.of(id)
	if b.known && (!b.loose || b.SameValues(set)) {
		// The read was for the TTL. Values that a message of ours proved are newer
		// than what a signing nameserver shows; if not, a prerequisite will tell.
		switch {
		case !b.SameValues(set):
			if !b.wroteTTL.IsZero() {
				b.wroteTTL = now
			}
		case b.wroteTTL.IsZero():
			b.TTL = set.TTL
		default:
			wrote := b.TTL
			if b.readBack(set.TTL) && !m.limitSeen {
				m.limitSeen = true
				m.learned.clamped(wrote, set.TTL)
			}
		}
		b.noLimit(set.TTL)
		b.readAt = now
		return
	}
	if fresh && set.Exists() {
		if w, ok := m.wildcards[wildcard{change.Parent(id.Name), id.Type}]; ok && w.SameValues(set) {
			set = change.Set{}
		}
	}
	b.forget()
	b.noLimit(set.TTL)
	b.Set, b.known, b.readAt = set, true, now
	if set.Exists() && m.comparesNothing() {
		b.loose, b.stubborn = true, true
	}
}

// ttlInDoubt tells whether an RRset must be read for its TTL, which no
// prerequisite proves: another one is wanted, or ours was never seen to hold.
func (m *memory) ttlInDoubt(it *item, b *belief, started, now time.Time) bool {
	if !b.Exists() {
		return false
	}
	if !b.wroteTTL.IsZero() && now.Sub(b.wroteTTL) > m.settleTTL {
		return true
	}
	return (it.wish.Action == zone.Set || it.wish.Action == zone.Add) && b.wroteTTL.IsZero() && b.readAt.Before(started) &&
		b.TTL != b.wanted(it.wish.Values.TTL) && (it.wish.Action == zone.Add || b.SameValues(it.wish.Values))
}

// loosen makes the existence of an RRset all that is required of it. Where a
// rewrite by us did not help, the nameserver finds no values equal (YADIFA).
func (m *memory) loosen(set *belief) {
	set.loose = true
	if !set.rewritten && !m.comparesNothing() {
		return
	}
	if !m.comparesNothing() {
		m.learned.incomparable()
	}
	m.lastUnequal = time.Now()
	set.stubborn = true
}

// incomparableTime is how long a nameserver is taken to find no values equal.
const incomparableTime = 10 * time.Minute

// comparesNothing tells whether the nameserver was lately seen to find no values equal.
func (m *memory) comparesNothing() bool {
	return time.Since(m.lastUnequal) < incomparableTime
}

// noteWildcard remembers what a wildcard shows, so that the next name below it
// is expected to be absent at once. It is a guess like every belief.
func (m *memory) noteWildcard(w wildcard, set change.Set) {
	if len(m.wildcards) >= maxWildcards {
		clear(m.wildcards)
	}
	m.wildcards[w] = set
}
