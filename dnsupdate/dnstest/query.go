package dnstest

import (
	"github.com/miekg/dns"

	"github.com/caddy-dyndns/dyndns/internal/authority"
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
	zone.data.Resolve(q.Name, q.Qtype, reply)
}

// enclosing returns the zone with the longest name that the name lies in.
func (s *Server) enclosing(name string) *ZoneState {
	for {
		if zone := s.zones[name]; zone != nil || name == "." {
			return zone
		}
		name = authority.Parent(name)
	}
}
