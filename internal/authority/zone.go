// Package authority is what an authoritative nameserver knows of DNS: the data of a
// zone, the answers out of it, its changes by UPDATE messages, and the signatures of
// both. It listens nowhere and keeps no file. No message makes it panic.
package authority

import (
	"errors"
	"fmt"
	"maps"
	"strings"

	"github.com/miekg/dns"
)

// Zone is the data of one zone. It is not safe for concurrent use.
type Zone struct {
	// Name is the zone's canonical name.
	Name string
	// rrsets holds the records by owner and type. A slice is never changed in
	// place, so that an older one can be kept for comparison.
	rrsets map[string]map[uint16][]dns.RR
	// below counts the RRsets at and below a name: what has some exists, if
	// only as an empty non-terminal (RFC 4592 section 2.2.2).
	below map[string]int
	// before holds what a running update replaced.
	before map[RRset][]dns.RR
	// base is what an overlay changes.
	base *Zone
}

// RRset names an RRset by its canonical owner and its type.
type RRset struct {
	Owner string
	Type  uint16
}

// NewZone returns an empty zone. Before anything is asked of it, it needs a SOA record.
func NewZone(name string) *Zone {
	return &Zone{Name: dns.CanonicalName(name), rrsets: make(map[string]map[uint16][]dns.RR), below: make(map[string]int)}
}

// Load adds the records of lines of a zone file, whose names are relative to the zone
// and whose TTL is 3600 where they give none.
func (z *Zone) Load(lines []string) error {
	parser := dns.NewZoneParser(strings.NewReader(strings.Join(lines, "\n")+"\n"), z.Name, "")
	parser.SetDefaultTTL(3600)
	for rr, ok := parser.Next(); ok; rr, ok = parser.Next() {
		if !dns.IsSubDomain(z.Name, rr.Header().Name) {
			return fmt.Errorf("%s is outside the zone", rr.Header().Name)
		}
		received, err := FromFile(rr)
		if err != nil {
			return fmt.Errorf("%s: %w", rr.Header().Name, err)
		}
		z.add(received)
	}
	return parser.Err()
}

// FromFile returns a record of a zone file as it comes out of a message: a name has several
// spellings with escapes (RFC 1035 section 5.1), of which a message gives one. Its error
// says why no message could bring the record into a zone.
func FromFile(rr dns.RR) (dns.RR, error) {
	wire := make([]byte, dns.Len(rr)+1)
	end, err := dns.PackRR(rr, wire, 0, nil, false)
	if err != nil {
		return nil, err
	}
	received, _, err := dns.UnpackRR(wire[:end], 0)
	if err != nil {
		return nil, err
	}
	switch h := received.Header(); {
	case meta(h.Rrtype) || h.Rrtype == dns.TypeNone:
		return nil, errors.New("its type is that of no record of a zone")
	case h.Class != dns.ClassINET:
		return nil, errors.New("it has another class than IN")
	case h.Ttl > 1<<31-1: // RFC 2181 section 8
		return nil, errors.New("its TTL is greater than 2147483647")
	case h.Rdlength == 0:
		return nil, errors.New("it has no data")
	}
	return received, nil
}

// Records returns the records of an RRset, which must not be changed.
func (z *Zone) Records(owner string, rrtype uint16) []dns.RR { return z.types(owner)[rrtype] }

// Owns returns the number of RRsets at an owner.
func (z *Zone) Owns(owner string) int { return len(z.types(owner)) }

// types returns the RRsets of an owner.
func (z *Zone) types(owner string) map[uint16][]dns.RR {
	if types, touched := z.rrsets[owner]; touched || z.base == nil {
		return types
	}
	return z.base.rrsets[owner]
}

// All returns every record of the zone, in no order.
func (z *Zone) All() []dns.RR {
	var all []dns.RR
	for _, types := range z.rrsets {
		for _, rrs := range types {
			all = append(all, rrs...)
		}
	}
	return all
}

// SOA returns the zone's SOA record.
func (z *Zone) SOA() *dns.SOA { return z.Records(z.Name, dns.TypeSOA)[0].(*dns.SOA) }

// RaiseSerial leaves out 0, as BIND does.
func (z *Zone) RaiseSerial() {
	soa := dns.Copy(z.SOA()).(*dns.SOA)
	soa.Serial = max(1, soa.Serial+1)
	z.Store(RRset{z.Name, dns.TypeSOA}, []dns.RR{soa})
}

// add puts a record into its RRset. The set takes over its TTL, and a record
// with the same data is replaced (RFC 2136 section 3.4.2.2).
func (z *Zone) add(rr dns.RR) {
	rr = dns.Copy(rr)
	h := rr.Header()
	h.Name, h.Class, h.Rdlength = dns.CanonicalName(h.Name), dns.ClassINET, 0
	id := RRset{h.Name, h.Rrtype}
	var set []dns.RR
	for _, old := range z.Records(id.Owner, id.Type) {
		if dns.IsDuplicate(old, rr) || singleton(h.Rrtype) {
			continue
		}
		old = dns.Copy(old)
		old.Header().Ttl = h.Ttl
		set = append(set, old)
	}
	z.Store(id, append(set, rr))
}

// singleton tells whether a name has at most one record of the type, so that a
// new one takes the place of the old (RFC 2136 section 3.4.2.2, RFC 6672).
func singleton(rrtype uint16) bool {
	return rrtype == dns.TypeCNAME || rrtype == dns.TypeDNAME || rrtype == dns.TypeSOA
}

// Store replaces an RRset, the empty one included.
func (z *Zone) Store(id RRset, set []dns.RR) {
	old := z.Records(id.Owner, id.Type)
	if _, seen := z.before[id]; z.before != nil && !seen {
		z.before[id] = old
	}
	if len(set) == 0 && len(old) == 0 {
		return
	}
	z.own(id.Owner)
	switch {
	case len(set) > 0:
		z.rrsets[id.Owner][id.Type] = set
		if len(old) == 0 {
			z.count(id.Owner, 1)
		}
	default:
		delete(z.rrsets[id.Owner], id.Type)
		if len(z.rrsets[id.Owner]) == 0 && z.base == nil {
			delete(z.rrsets, id.Owner)
		}
		z.count(id.Owner, -1)
	}
}

// own sees to it that the owner's RRsets are those of this zone, not of its base.
func (z *Zone) own(owner string) {
	if z.rrsets[owner] != nil {
		return
	}
	types := maps.Clone(z.types(owner))
	if types == nil {
		types = make(map[uint16][]dns.RR)
	}
	z.rrsets[owner] = types
}

func (z *Zone) count(owner string, n int) {
	if z.base != nil {
		return // an overlay answers no queries
	}
	for name := owner; ; name = Parent(name) {
		if z.below[name] += n; z.below[name] == 0 {
			delete(z.below, name)
		}
		if name == z.Name {
			return
		}
	}
}

// Parent returns the name without its first label; the root is its own parent.
func Parent(name string) string {
	if next, end := dns.NextLabel(name, 0); !end {
		return name[next:]
	}
	return "."
}
