package dnsupdate

import (
	"time"

	"github.com/caddy-dyndns/dyndns/internal/change"
)

// belief is what we hold an RRset to be. It may be wrong: the prerequisites of
// each update prove it.
type belief struct {
	change.Set
	known bool
	// loose: the RRset exists and reads as it says, but the nameserver does not
	// find it equal to that. Only its existence can be required.
	loose bool
	// rewritten: the values were loose before we wrote them.
	rewritten bool
	// stubborn: a rewrite did not make the nameserver find them equal.
	stubborn bool
	// readAt is when the TTL was last read; zero if we wrote it since.
	readAt time.Time
	// wroteTTL is when we wrote a TTL that no read has confirmed yet, else zero.
	wroteTTL time.Time
	// misread is the TTL that our own write read back as, and limit one that it
	// read back as twice: the nameserver makes another TTL of what we write here.
	misread, limit *madeTTL
	// planned is its index in the plan that was built last, if it is in there.
	planned int
}

// madeTTL is a TTL that we wrote and what it read back as.
type madeTTL struct{ wrote, got uint32 }

// forget drops what may be wrong, but not what our own writes have shown of the
// nameserver.
func (b *belief) forget() {
	*b = belief{rewritten: b.rewritten, misread: b.misread, limit: b.limit}
}

// wanted returns the TTL that the nameserver will make of one.
func (b *belief) wanted(ttl uint32) uint32 {
	l := b.limit
	switch {
	case l == nil:
	case l.got < l.wrote:
		return min(ttl, l.got) // BIND's max-zone-ttl
	case ttl == l.wrote:
		return l.got // YADIFA takes no change of a TTL alone
	}
	return ttl
}

// readBack takes the TTL that a read shows of our own last write. It tells
// whether the nameserver has held it down for the second time.
func (b *belief) readBack(got uint32) (held bool) {
	made := madeTTL{b.TTL, got}
	switch {
	case got == b.TTL:
		if b.limit == nil || b.limit.got != got {
			b.misread, b.limit = nil, nil
		}
	case b.misread != nil && *b.misread == made:
		held = b.limit == nil && got < b.TTL
		b.limit = &made
	default:
		b.misread, b.limit = &made, nil
	}
	b.TTL, b.wroteTTL = got, time.Time{}
	return held
}

// noLimit drops a limit that a read shows not to hold any more.
func (b *belief) noLimit(got uint32) {
	if b.limit != nil && got > b.limit.got {
		b.misread, b.limit = nil, nil
	}
}
