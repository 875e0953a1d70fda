package authority

import (
	"slices"
	"strings"

	"github.com/miekg/dns"
)

// Policy is what a nameserver has to say about an UPDATE. The zero value lets
// everything through.
type Policy struct {
	// Allow, if not nil, decides whether RRsets of a type may be changed at an owner,
	// as BIND's update-policy. Deleting all RRsets of a name asks for each that exists.
	Allow func(owner string, rrtype uint16) bool
	// Equal, if not nil, compares what a prerequisite gives with what is there.
	Equal func(a, b dns.RR) bool
	// Filter, if not nil, returns what is done in place of a record of the update
	// section, nil for nothing.
	Filter func(dns.RR) dns.RR
}

// Update carries out the prerequisite and update sections of an UPDATE message in the
// order of RFC 2136 section 3. It returns the reply's code and what the RRsets that it
// changed were before, nil if it changed none.
func (z *Zone) Update(req *dns.Msg, p Policy) (rcode int, before map[RRset][]dns.RR) {
	equal := p.Equal
	if equal == nil {
		equal = dns.IsDuplicate
	}
	if rcode := z.prerequisites(req.Answer, equal); rcode != dns.RcodeSuccess {
		return rcode, nil
	}
	if !z.permitted(req.Ns, p.Allow) {
		return dns.RcodeRefused, nil
	}
	if rcode := z.prescan(req.Ns); rcode != dns.RcodeSuccess {
		return rcode, nil
	}
	return dns.RcodeSuccess, z.apply(req.Ns, &p)
}

// prerequisites is section 3.2.
func (z *Zone) prerequisites(rrs []dns.RR, equal func(a, b dns.RR) bool) int {
	wanted := make(map[RRset][]dns.RR)
	for _, rr := range rrs {
		h := rr.Header()
		if h.Ttl != 0 {
			return dns.RcodeFormatError
		}
		if !dns.IsSubDomain(z.Name, h.Name) {
			return dns.RcodeNotZone
		}
		id := RRset{dns.CanonicalName(h.Name), h.Rrtype}
		types := z.types(id.Owner)
		_, exists := types[id.Type]
		inUse := len(types) > 0
		if h.Class != dns.ClassINET && h.Rdlength != 0 {
			return dns.RcodeFormatError
		}
		switch h.Class {
		case dns.ClassANY:
			if id.Type == dns.TypeANY && !inUse {
				return dns.RcodeNameError
			}
			if id.Type != dns.TypeANY && !exists {
				return dns.RcodeNXRrset
			}
		case dns.ClassNONE:
			if id.Type == dns.TypeANY && inUse {
				return dns.RcodeYXDomain
			}
			if id.Type != dns.TypeANY && exists {
				return dns.RcodeYXRrset
			}
		case dns.ClassINET:
			if h.Rdlength == 0 {
				return dns.RcodeFormatError
			}
			wanted[id] = append(wanted[id], rr)
		default:
			return dns.RcodeFormatError
		}
	}
	for id, set := range wanted {
		if !sameSet(set, z.Records(id.Owner, id.Type), equal) {
			return dns.RcodeNXRrset
		}
	}
	return dns.RcodeSuccess
}

// permitted is section 3.3, in the manner of BIND's update-policy. Records
// outside the zone are left to the prescan, which has a code of its own for
// them.
func (z *Zone) permitted(rrs []dns.RR, allow func(owner string, rrtype uint16) bool) bool {
	if allow == nil {
		return true
	}
	for _, rr := range rrs {
		h := rr.Header()
		owner := dns.CanonicalName(h.Name)
		if !dns.IsSubDomain(z.Name, owner) {
			continue
		}
		if h.Rrtype != dns.TypeANY {
			if !allow(owner, h.Rrtype) {
				return false
			}
			continue
		}
		for rrtype := range z.types(owner) {
			if !allow(owner, rrtype) {
				return false
			}
		}
	}
	return true
}

// prescan is section 3.4.1. Nothing after it can fail, which makes the whole
// message atomic.
func (z *Zone) prescan(rrs []dns.RR) int {
	for _, rr := range rrs {
		h := rr.Header()
		if !dns.IsSubDomain(z.Name, h.Name) {
			return dns.RcodeNotZone
		}
		// Every record that is added or deleted by value has data.
		ok := false
		switch h.Class {
		case dns.ClassINET:
			ok = !meta(h.Rrtype) && h.Rdlength != 0
		case dns.ClassANY:
			ok = h.Ttl == 0 && h.Rdlength == 0 && (!meta(h.Rrtype) || h.Rrtype == dns.TypeANY)
		case dns.ClassNONE:
			ok = h.Ttl == 0 && !meta(h.Rrtype) && h.Rdlength != 0
		}
		if !ok {
			return dns.RcodeFormatError
		}
	}
	return dns.RcodeSuccess
}

// meta tells whether a type stands for no data of its own (RFC 6895 section
// 3.1: OPT and the Q and meta types from 128 to 255).
func meta(rrtype uint16) bool {
	return rrtype == dns.TypeOPT || 128 <= rrtype && rrtype <= 255
}

// apply is section 3.4.2. It returns what the RRsets that it changed were before.
func (z *Zone) apply(rrs []dns.RR, p *Policy) map[RRset][]dns.RR {
	return z.Change(func() {
		for _, rr := range rrs {
			if p.Filter != nil {
				if rr = p.Filter(rr); rr == nil {
					continue
				}
			}
			switch rr.Header().Class {
			case dns.ClassINET:
				z.insert(rr)
			case dns.ClassANY:
				z.deleteRRsets(rr.Header())
			case dns.ClassNONE:
				z.deleteRecord(rr)
			}
		}
	})
}

// insert is section 3.4.2.2: what does not fit is ignored, not refused.
func (z *Zone) insert(rr dns.RR) {
	h := rr.Header()
	types := z.types(dns.CanonicalName(h.Name))
	_, alias := types[dns.TypeCNAME]
	switch {
	case h.Rrtype == dns.TypeCNAME && len(types) > 0 && !alias:
		return
	case h.Rrtype != dns.TypeCNAME && alias:
		return
	case (h.Rrtype == dns.TypeNS || h.Rrtype == dns.TypeDNAME) && strings.HasPrefix(h.Name, "*."):
		return // RFC 4592 sections 4.2 and 4.4 leave their meaning open; BIND takes none
	case h.Rrtype == dns.TypeSOA:
		// One that does not raise the serial (RFC 1982) is ignored, as is one
		// where there is none.
		if types[dns.TypeSOA] == nil || int32(rr.(*dns.SOA).Serial-z.SOA().Serial) <= 0 {
			return
		}
	}
	z.add(rr)
}

// deleteRRsets is section 3.4.2.3: the apex keeps its SOA and NS RRsets.
func (z *Zone) deleteRRsets(h *dns.RR_Header) {
	owner := dns.CanonicalName(h.Name)
	kept := func(rrtype uint16) bool {
		return owner == z.Name && (rrtype == dns.TypeSOA || rrtype == dns.TypeNS)
	}
	for rrtype := range z.types(owner) {
		if (h.Rrtype == dns.TypeANY || h.Rrtype == rrtype) && !kept(rrtype) {
			z.Store(RRset{owner, rrtype}, nil)
		}
	}
}

// deleteRecord is section 3.4.2.4: the apex keeps its SOA and its last NS.
func (z *Zone) deleteRecord(rr dns.RR) {
	rr = dns.Copy(rr)
	rr.Header().Class = dns.ClassINET
	id := RRset{dns.CanonicalName(rr.Header().Name), rr.Header().Rrtype}
	set := z.Records(id.Owner, id.Type)
	if id.Owner == z.Name && (id.Type == dns.TypeSOA || id.Type == dns.TypeNS && len(set) == 1) {
		return
	}
	z.Store(id, slices.DeleteFunc(slices.Clone(set), func(old dns.RR) bool { return dns.IsDuplicate(old, rr) }))
}

// sameSet compares two RRsets without regard to order and repetition.
func sameSet(a, b []dns.RR, same func(dns.RR, dns.RR) bool) bool {
	within := func(a, b []dns.RR) bool {
		for _, x := range a {
			if !slices.ContainsFunc(b, func(y dns.RR) bool { return same(x, y) }) {
				return false
			}
		}
		return true
	}
	return within(a, b) && within(b, a)
}

func sameTTL(a, b dns.RR) bool {
	return a.Header().Ttl == b.Header().Ttl && dns.IsDuplicate(a, b)
}
