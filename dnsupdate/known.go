package dnsupdate

import "time"

// maxKnown is the number of names in one generation of the memory.
const maxKnown = 65_536

// belief is what we hold an RRset to be. It may be wrong: the prerequisites of
// each update prove it.
type belief struct {
	rrset
	known bool
	// loose: the RRset exists and reads as it says, but the nameserver does not
	// find it equal to that. Only its existence can be required.
	loose bool
	// readAt is when the TTL was last read; zero if we wrote it since.
	readAt time.Time
	// wroteTTL is when we wrote a TTL that no read has confirmed yet, else zero.
	wroteTTL time.Time
}

// entry is what we believe of one owner name.
type entry struct {
	sets [slots]belief
}

func (e *entry) forget() { *e = entry{} }

// memory keeps entries of the names used last in two generations: when the young
// one is full it becomes the old one, and what nobody asked for since is gone.
type memory struct {
	young, old map[string]*entry
	size       int
}

func newMemory(size int) *memory {
	return &memory{young: map[string]*entry{}, size: size}
}

// entry gives a name's entry, an empty one if nothing is known.
func (m *memory) entry(name string) *entry {
	if e := m.young[name]; e != nil {
		return e
	}
	e := m.old[name]
	if e == nil {
		e = new(entry)
	}
	if len(m.young) >= m.size {
		m.young, m.old = map[string]*entry{}, m.young
	}
	m.young[name] = e
	return e
}
