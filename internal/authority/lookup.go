package authority

import (
	"github.com/miekg/dns"
)

// Resolve puts the answer for one name into the reply and follows aliases as
// long as they stay in the zone.
func (z *Zone) Resolve(name string, qtype uint16, reply *dns.Msg) {
	seen := make(map[string]bool)
	for {
		key := dns.CanonicalName(name)
		if !dns.IsSubDomain(z.Name, key) {
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
func (z *Zone) delegation(name string, qtype uint16) string {
	cut := ""
	for n := name; n != z.Name; n = Parent(n) {
		if z.rrsets[n][dns.TypeNS] != nil && (n != name || qtype != dns.TypeDS) {
			cut = n
		}
	}
	return cut
}

// refer answers with the delegation and its glue.
func (z *Zone) refer(cut string, reply *dns.Msg) {
	reply.Authoritative = len(reply.Answer) > 0
	reply.Ns = append(reply.Ns, z.rrsets[cut][dns.TypeNS]...)
	z.glue(reply.Ns, reply)
}

// glue adds the addresses of nameservers as far as they are in the zone.
func (z *Zone) glue(set []dns.RR, reply *dns.Msg) {
	for _, rr := range set {
		types := z.rrsets[dns.CanonicalName(rr.(*dns.NS).Ns)]
		reply.Extra = append(reply.Extra, types[dns.TypeA]...)
		reply.Extra = append(reply.Extra, types[dns.TypeAAAA]...)
	}
}

// dname returns the topmost DNAME record above the name.
func (z *Zone) dname(name string) (dname *dns.DNAME) {
	for n := name; n != z.Name; {
		n = Parent(n)
		if set := z.rrsets[n][dns.TypeDNAME]; set != nil {
			dname = set[0].(*dns.DNAME)
		}
	}
	return dname
}

// synthesize answers with the DNAME and the CNAME that follows from it, RFC
// 6672 section 3, and returns the new name.
func (z *Zone) synthesize(name string, dname *dns.DNAME, reply *dns.Msg) string {
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
func (z *Zone) match(name string, qtype uint16, reply *dns.Msg) string {
	source := dns.CanonicalName(name)
	if z.below[source] == 0 {
		// RFC 4592 section 3.3.1: only the wildcard right below the closest
		// encloser counts.
		encloser := Parent(source)
		for z.below[encloser] == 0 {
			encloser = Parent(encloser)
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
func (z *Zone) answer(name string, set []dns.RR, reply *dns.Msg) {
	for _, rr := range set {
		rr = dns.Copy(rr)
		rr.Header().Name = name
		reply.Answer = append(reply.Answer, rr)
	}
}

// deny adds the SOA record that makes a negative answer, RFC 2308 section 3.
func (z *Zone) deny(reply *dns.Msg) {
	soa := dns.Copy(z.SOA()).(*dns.SOA)
	soa.Hdr.Ttl = min(soa.Hdr.Ttl, soa.Minttl)
	reply.Ns = append(reply.Ns, soa)
}
