package dnstest

import (
	"github.com/miekg/dns"

	"github.com/caddy-dyndns/dyndns/internal/authority"
)

// update processes a DNS UPDATE message and returns the reply's code. signer is the name of the key that signed it, ""
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
	rcode, changed := z.data.Update(req, z.policy(signer))
	if len(changed) > 0 {
		z.messages.Changes++
	}
	return rcode
}

// policy returns what the zone does to the updates of a key.
func (z *ZoneState) policy(signer string) (p authority.Policy) {
	if z.allow != nil {
		p.Allow = func(owner string, rrtype uint16) bool { return z.allow(signer, owner, rrtype) }
	}
	if z.unequal {
		p.Equal = func(dns.RR, dns.RR) bool { return false }
	}
	p.Filter = func(rr dns.RR) dns.RR {
		h := rr.Header()
		switch {
		case z.drop != nil && z.drop(dns.CanonicalName(h.Name), h.Rrtype):
			return nil
		case h.Class == dns.ClassINET && z.maxTTL != 0 && h.Ttl > z.maxTTL:
			rr = dns.Copy(rr)
			rr.Header().Ttl = z.maxTTL
		}
		return rr
	}
	return p
}
