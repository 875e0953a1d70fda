package dnsupdate

import (
	"iter"

	"github.com/miekg/dns"

	"github.com/caddy-dyndns/dyndns/dnsupdate/internal/wire"
	"github.com/caddy-dyndns/dyndns/internal/change"
	"github.com/caddy-dyndns/dyndns/zone"
)

const (
	typeSOA   = zone.Type(dns.TypeSOA)
	typeNS    = zone.Type(dns.TypeNS)
	typeCNAME = zone.Type(dns.TypeCNAME)
	typeDNAME = zone.Type(dns.TypeDNAME)
)

// blocker is an RRset that keeps address records at a name from being seen, or
// from being there at all.
type blocker wire.RRsetID

// blockers returns what could block a name: a CNAME there, a delegation there or
// above, a DNAME above. The apex of the zone has NS records by right.
func blockers(name, zone string) iter.Seq[blocker] {
	return func(yield func(blocker) bool) {
		if !yield(blocker{name, typeCNAME}) || name == zone || !yield(blocker{name, typeNS}) {
			return
		}
		for above := change.Parent(name); above != zone; above = change.Parent(above) {
			if !yield(blocker{above, typeNS}) || !yield(blocker{above, typeDNAME}) {
				return
			}
		}
		yield(blocker{zone, typeDNAME})
	}
}

// String returns the blocker in words.
func (b blocker) String() string {
	switch b.Type {
	case typeCNAME:
		return "a CNAME stands at " + b.Name
	case typeDNAME:
		return "a DNAME stands at " + b.Name
	}
	return "the zone is delegated at " + b.Name
}
