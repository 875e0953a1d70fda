package change

import (
	"iter"

	"github.com/miekg/dns"

	"github.com/caddy-dyndns/dyndns/zone"
)

const (
	ns    = zone.Type(dns.TypeNS)
	cname = zone.Type(dns.TypeCNAME)
	dname = zone.Type(dns.TypeDNAME)
)

// Blocker is an RRset that keeps address records at a name from being seen, or
// from being there at all.
type Blocker struct {
	Name string
	Type zone.Type
}

// Blockers returns what could block a name: a CNAME there, a delegation there or
// above, a DNAME above. The apex of the zone has NS records by right.
func Blockers(name, zone string) iter.Seq[Blocker] {
	return func(yield func(Blocker) bool) {
		if !yield(Blocker{name, cname}) || name == zone || !yield(Blocker{name, ns}) {
			return
		}
		for above := Parent(name); above != zone; above = Parent(above) {
			if !yield(Blocker{above, ns}) || !yield(Blocker{above, dname}) {
				return
			}
		}
		yield(Blocker{zone, dname})
	}
}

// String returns the blocker in words.
func (b Blocker) String() string {
	switch b.Type {
	case cname:
		return "a CNAME stands at " + b.Name
	case dname:
		return "a DNAME stands at " + b.Name
	}
	return "the zone is delegated at " + b.Name
}
