package dnstest

import (
	"github.com/miekg/dns"
)

// query answers a standard query, RFC 1034 section 4.3.2.
func (s *Server) query(req, reply *dns.Msg) {
	if len(req.Question) != 1 {
		reply.Rcode = dns.RcodeFormatError
		return
	}
	q := req.Question[0]
	zone := s.enclosing(dns.CanonicalName(q.Name))
	if zone == nil || q.Qclass != dns.ClassINET || q.Qtype == dns.TypeAXFR || q.Qtype == dns.TypeIXFR {
		reply.Rcode = dns.RcodeRefused
		return
	}
	zone.mu.Lock()
	defer zone.mu.Unlock()
	zone.messages.Queries++
	reply.Authoritative = true
	zone.resolve(q.Name, q.Qtype, reply)
}

// enclosing returns the zone with the longest name that the name lies in.
func (s *Server) enclosing(name string) *ZoneState {
	for ; ; name = parent(name) {
		if zone := s.zones[name]; zone != nil || name == "." {
			return zone
		}
	}
}

// resolve puts the answer for one name into the reply and follows aliases as
// long as they stay in the zone.
func (z *ZoneState) resolve(name string, qtype uint16, reply *dns.Msg) {
	seen := make(map[string]bool)
	for {
		key := dns.CanonicalName(name)
		if !dns.IsSubDomain(z.name, key) {
			return
		}
		if seen[key] {
			reply.Rcode = dns.RcodeServerFailure // as BIND
			return
		}
		seen[key] = true
		if cut := z.delegation(key, qtype); cut != "" {
			z.refer(cut, reply)
			return
		}
		var target string
		if dname := z.dname(key); dname != nil {
			target = z.synthesize(name, dname, reply)
		} else {
			target = z.match(name, qtype, reply)
		}
		if target == "" {
			return
		}
		name = target
	}
}

// delegation returns the topmost zone cut at or above the name, "" if there is
// none. The DS record of a cut belongs to this side (RFC 4035 section 3.1.4.1).
func (z *ZoneState) delegation(name string, qtype uint16) string {
	cut := ""
	for n := name; n != z.name; n = parent(n) {
		if z.rrsets[n][dns.TypeNS] != nil && (n != name || qtype != dns.TypeDS) {
			cut = n
		}
	}
	return cut
}

// refer answers with the delegation and its glue.
func (z *ZoneState) refer(cut string, reply *dns.Msg) {
	reply.Authoritative = len(reply.Answer) > 0
	reply.Ns = append(reply.Ns, z.rrsets[cut][dns.TypeNS]...)
	z.glue(reply.Ns, reply)
}

// glue adds the addresses of nameservers as far as they are in the zone.
func (z *ZoneState) glue(set []dns.RR, reply *dns.Msg) {
	for _, rr := range set {
		types := z.rrsets[dns.CanonicalName(rr.(*dns.NS).Ns)]
		reply.Extra = append(reply.Extra, types[dns.TypeA]...)
		reply.Extra = append(reply.Extra, types[dns.TypeAAAA]...)
	}
}

// dname returns the topmost DNAME record above the name.
func (z *ZoneState) dname(name string) (dname *dns.DNAME) {
	for n := name; n != z.name; {
		n = parent(n)
		if set := z.rrsets[n][dns.TypeDNAME]; set != nil {
			dname = set[0].(*dns.DNAME)
		}
	}
	return dname
}

// synthesize answers with the DNAME and the CNAME that follows from it, RFC
// 6672 section 3, and returns the new name.
func (z *ZoneState) synthesize(name string, dname *dns.DNAME, reply *dns.Msg) string {
	reply.Answer = append(reply.Answer, dname)
	prefix := name[:len(name)-len(dname.Hdr.Name)]
	if dname.Hdr.Name == "." {
		prefix = name
	}
	target := prefix + dname.Target
	if dname.Target == "." {
		target = prefix
	}
	if _, ok := dns.IsDomainName(target); !ok {
		reply.Rcode = dns.RcodeYXDomain
		return ""
	}
	reply.Answer = append(reply.Answer, &dns.CNAME{
		Hdr:    dns.RR_Header{Name: name, Rrtype: dns.TypeCNAME, Class: dns.ClassINET, Ttl: dname.Hdr.Ttl},
		Target: target,
	})
	return target
}

// match answers from the name's own RRsets or from the wildcard that covers it
// and returns the target of a CNAME that is to be followed.
func (z *ZoneState) match(name string, qtype uint16, reply *dns.Msg) string {
	source := dns.CanonicalName(name)
	if z.below[source] == 0 {
		// RFC 4592 section 3.3.1: only the wildcard right below the closest
		// encloser counts.
		encloser := parent(source)
		for z.below[encloser] == 0 {
			encloser = parent(encloser)
		}
		source = "*." + encloser
		if z.below[source] == 0 {
			reply.Rcode = dns.RcodeNameError
			z.deny(reply)
			return ""
		}
	}
	types := z.rrsets[source]
	if qtype == dns.TypeANY && len(types) > 0 {
		for _, set := range types {
			z.answer(name, set, reply)
		}
		return ""
	}
	if alias := types[dns.TypeCNAME]; alias != nil && qtype != dns.TypeCNAME {
		z.answer(name, alias, reply)
		return alias[0].(*dns.CNAME).Target
	}
	set := types[qtype]
	if set == nil {
		z.deny(reply)
		return ""
	}
	z.answer(name, set, reply)
	if qtype == dns.TypeNS {
		z.glue(set, reply)
	}
	return ""
}

// answer adds the RRset under the name that was asked for, in its spelling.
func (z *ZoneState) answer(name string, set []dns.RR, reply *dns.Msg) {
	for _, rr := range set {
		rr = dns.Copy(rr)
		rr.Header().Name = name
		reply.Answer = append(reply.Answer, rr)
	}
}

// deny adds the SOA record that makes a negative answer, RFC 2308 section 3.
func (z *ZoneState) deny(reply *dns.Msg) {
	soa := dns.Copy(z.soa()).(*dns.SOA)
	soa.Hdr.Ttl = min(soa.Hdr.Ttl, soa.Minttl)
	reply.Ns = append(reply.Ns, soa)
}
