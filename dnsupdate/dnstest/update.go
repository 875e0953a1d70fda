package dnstest

import (
	"slices"
	"strings"

	"github.com/miekg/dns"
)

// update processes a DNS UPDATE message in the order of RFC 2136 section 3 and
// returns the reply's code. signer is the name of the key that signed it, ""
// if none did.
func (s *Server) update(req *dns.Msg, signer string) int {
	// Section 3.1, the Zone Section.
	if len(req.Question) != 1 || req.Question[0].Qtype != dns.TypeSOA {
		return dns.RcodeFormatError
	}
	z := s.zones[dns.CanonicalName(req.Question[0].Name)]
	if z == nil || req.Question[0].Qclass != dns.ClassINET {
		return dns.RcodeNotAuth
	}
	z.mu.Lock()
	defer z.mu.Unlock()
	z.messages.Updates++
	// Whoever has no rights in the zone at all must not learn from its
	// prerequisites what is in there.
	if !z.keys[signer] {
		return dns.RcodeRefused
	}
	if rcode := z.prerequisites(req.Answer); rcode != dns.RcodeSuccess {
		return rcode
	}
	if !z.permitted(signer, req.Ns) {
		return dns.RcodeRefused
	}
	if rcode := z.prescan(req.Ns); rcode != dns.RcodeSuccess {
		return rcode
	}
	z.apply(req.Ns)
	return dns.RcodeSuccess
}

// prerequisites is section 3.2.
func (z *ZoneState) prerequisites(rrs []dns.RR) int {
	wanted := make(map[rrsetKey][]dns.RR)
	for _, rr := range rrs {
		h := rr.Header()
		if h.Ttl != 0 {
			return dns.RcodeFormatError
		}
		if !dns.IsSubDomain(z.name, h.Name) {
			return dns.RcodeNotZone
		}
		id := rrsetKey{dns.CanonicalName(h.Name), h.Rrtype}
		types, inUse := z.rrsets[id.owner]
		_, exists := types[id.rrtype]
		if h.Class != dns.ClassINET && h.Rdlength != 0 {
			return dns.RcodeFormatError
		}
		switch h.Class {
		case dns.ClassANY:
			if id.rrtype == dns.TypeANY && !inUse {
				return dns.RcodeNameError
			}
			if id.rrtype != dns.TypeANY && !exists {
				return dns.RcodeNXRrset
			}
		case dns.ClassNONE:
			if id.rrtype == dns.TypeANY && inUse {
				return dns.RcodeYXDomain
			}
			if id.rrtype != dns.TypeANY && exists {
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
		if z.unequal || !sameSet(set, z.rrsets[id.owner][id.rrtype], dns.IsDuplicate) {
			return dns.RcodeNXRrset
		}
	}
	return dns.RcodeSuccess
}

// permitted is section 3.3, in the manner of BIND's update-policy. Records
// outside the zone are left to the prescan, which has a code of its own for
// them.
func (z *ZoneState) permitted(signer string, rrs []dns.RR) bool {
	if z.allow == nil {
		return true
	}
	for _, rr := range rrs {
		h := rr.Header()
		owner := dns.CanonicalName(h.Name)
		if !dns.IsSubDomain(z.name, owner) {
			continue
		}
		if h.Rrtype != dns.TypeANY {
			if !z.allow(signer, owner, h.Rrtype) {
				return false
			}
			continue
		}
		for rrtype := range z.rrsets[owner] {
			if !z.allow(signer, owner, rrtype) {
				return false
			}
		}
	}
	return true
}

// prescan is section 3.4.1. Nothing after it can fail, which makes the whole
// message atomic.
func (z *ZoneState) prescan(rrs []dns.RR) int {
	for _, rr := range rrs {
		h := rr.Header()
		if !dns.IsSubDomain(z.name, h.Name) {
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

// apply is section 3.4.2, and 3.6: the serial rises by one if the zone is
// another afterwards, unless the message itself set it.
func (z *ZoneState) apply(rrs []dns.RR) {
	z.before = make(map[rrsetKey][]dns.RR)
	serial := z.soa().Serial
	for _, rr := range rrs {
		if z.drop != nil && z.drop(dns.CanonicalName(rr.Header().Name), rr.Header().Rrtype) {
			continue
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
	before := z.before
	z.before = nil
	for id, old := range before {
		if !sameSet(old, z.rrsets[id.owner][id.rrtype], sameTTL) {
			z.messages.Changes++
			if z.soa().Serial == serial {
				z.raiseSerial()
			}
			return
		}
	}
}

// insert is section 3.4.2.2: what does not fit is ignored, not refused.
func (z *ZoneState) insert(rr dns.RR) {
	h := rr.Header()
	types := z.rrsets[dns.CanonicalName(h.Name)]
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
		if types[dns.TypeSOA] == nil || int32(rr.(*dns.SOA).Serial-z.soa().Serial) <= 0 {
			return
		}
	}
	if z.maxTTL != 0 && h.Ttl > z.maxTTL {
		rr = dns.Copy(rr)
		rr.Header().Ttl = z.maxTTL
	}
	z.add(rr)
}

// deleteRRsets is section 3.4.2.3: the apex keeps its SOA and NS RRsets.
func (z *ZoneState) deleteRRsets(h *dns.RR_Header) {
	owner := dns.CanonicalName(h.Name)
	kept := func(rrtype uint16) bool {
		return owner == z.name && (rrtype == dns.TypeSOA || rrtype == dns.TypeNS)
	}
	for rrtype := range z.rrsets[owner] {
		if (h.Rrtype == dns.TypeANY || h.Rrtype == rrtype) && !kept(rrtype) {
			z.store(rrsetKey{owner, rrtype}, nil)
		}
	}
}

// deleteRecord is section 3.4.2.4: the apex keeps its SOA and its last NS.
func (z *ZoneState) deleteRecord(rr dns.RR) {
	rr = dns.Copy(rr)
	rr.Header().Class = dns.ClassINET
	id := rrsetKey{dns.CanonicalName(rr.Header().Name), rr.Header().Rrtype}
	set := z.rrsets[id.owner][id.rrtype]
	if id.owner == z.name && (id.rrtype == dns.TypeSOA || id.rrtype == dns.TypeNS && len(set) == 1) {
		return
	}
	z.store(id, slices.DeleteFunc(slices.Clone(set), func(old dns.RR) bool { return dns.IsDuplicate(old, rr) }))
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
