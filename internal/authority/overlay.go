package authority

import (
	"github.com/miekg/dns"
)

// Overlay returns a zone that shows the data of this one and keeps its changes to
// itself. While it is used, this one must not be changed. It answers no queries. Its
// serial rises once, whatever the number of changes.
func (z *Zone) Overlay() *Zone {
	return &Zone{Name: z.Name, rrsets: make(map[string]map[uint16][]dns.RR), base: z}
}

// Difference is an RRset that an overlay has changed.
type Difference struct {
	RRset
	Before, After []dns.RR
}

// Differences returns in what an overlay differs from its base, in no order.
func (z *Zone) Differences() []Difference {
	var all []Difference
	for owner, types := range z.rrsets {
		was := z.base.rrsets[owner]
		for rrtype, set := range types {
			if !sameSet(was[rrtype], set, sameTTL) {
				all = append(all, Difference{RRset{owner, rrtype}, was[rrtype], set})
			}
		}
		for rrtype, set := range was {
			if types[rrtype] == nil {
				all = append(all, Difference{RRset{owner, rrtype}, set, nil})
			}
		}
	}
	return all
}

// Change runs a function that stores RRsets. The serial rises by one if the zone is
// another afterwards (RFC 2136 section 3.6), unless it is another already. Change
// returns what the RRsets that it changed were before.
func (z *Zone) Change(store func()) map[RRset][]dns.RR {
	serial := z.SOA().Serial
	if z.base != nil {
		serial = z.base.SOA().Serial
	}
	z.before = make(map[RRset][]dns.RR)
	defer func() { z.before = nil }()
	store()
	before := z.before
	for id, old := range before {
		if sameSet(old, z.Records(id.Owner, id.Type), sameTTL) {
			delete(before, id)
		}
	}
	if len(before) > 0 && z.SOA().Serial == serial {
		z.RaiseSerial()
	}
	return before
}

// Sets returns the RRsets of an overlay, those that only its base has included.
func (z *Zone) Sets() []RRset {
	var all []RRset
	add := func(owner string, types map[uint16][]dns.RR) {
		for rrtype := range types {
			all = append(all, RRset{owner, rrtype})
		}
	}
	for owner, types := range z.rrsets {
		add(owner, types)
	}
	for owner, types := range z.base.rrsets {
		if _, touched := z.rrsets[owner]; !touched {
			add(owner, types)
		}
	}
	return all
}
