package nameserver

import (
	"github.com/miekg/dns"

	"github.com/caddy-dyndns/dyndns/internal/authority"
)

// update processes a DNS UPDATE message, RFC 2136 section 3.
func (a *answerer) update(r *request) {
	z, rcode := r.updateZone()
	if z == nil {
		r.reply.Rcode = rcode
		a.send(r)
		return
	}
	var changed map[authority.RRset][]dns.RR
	change := func(c *configuration, overlay *authority.Zone) map[authority.RRset][]dns.RR {
		r.reply.Rcode, changed = overlay.Update(r.message, policyOf(c))
		for id := range changed {
			if checkRRset(overlay.Records(id.Owner, id.Type)) != nil {
				undo(overlay, changed)
				r.reply.Rcode, changed = dns.RcodeRefused, nil
				break
			}
		}
		return changed
	}
	// What changes nothing, as prerequisites alone, waits for no disk, but for the messages
	// of the connection before it: whoever has given one up takes it for done by then.
	if !r.Waiting() {
		z.read(func(c *configuration, data *authority.Zone) { change(c, data.Overlay()) })
		if len(changed) == 0 {
			a.send(r)
			return
		}
	}
	j := &job{zone: z, size: len(r.message.Ns), change: change, done: make(chan struct{})}
	if !a.writer.enter(j) {
		r.reply.Rcode = dns.RcodeServerFailure
		a.send(r)
		return
	}
	r.InOrder(func() {
		<-j.done
		if j.err != nil {
			r.reply.Rcode = dns.RcodeServerFailure
		}
		a.send(r)
	})
}

// updateZone returns the zone of an UPDATE message whose signer may change it, or else
// the code of the reply. Who has no rights in the zone must not learn from prerequisites
// what is in there.
func (r *request) updateZone() (*served, int) {
	if len(r.message.Question) != 1 || r.message.Question[0].Qtype != dns.TypeSOA {
		return nil, dns.RcodeFormatError
	}
	z := r.table.zones[dns.CanonicalName(r.message.Question[0].Name)]
	if z == nil || r.message.Question[0].Qclass != dns.ClassINET {
		return nil, dns.RcodeNotAuth
	}
	allowed := false
	z.read(func(c *configuration, _ *authority.Zone) { allowed = r.sig != nil && c.updateKeys[r.signer.Name] })
	if !allowed {
		return nil, dns.RcodeRefused
	}
	return z, dns.RcodeSuccess
}

// policyOf returns what may be changed: no RRset of the configuration, and nothing that
// delegates, redirects or signs parts of the zone.
func policyOf(c *configuration) authority.Policy {
	return authority.Policy{Allow: func(owner string, rrtype uint16) bool {
		switch rrtype {
		case dns.TypeSOA, dns.TypeNS, dns.TypeDNAME, dns.TypeDS, dns.TypeDNSKEY, dns.TypeRRSIG, dns.TypeNSEC, dns.TypeNSEC3, dns.TypeNSEC3PARAM:
			return false
		}
		return !c.isStatic(authority.RRset{Owner: owner, Type: rrtype})
	}}
}

// undo takes a message's changes back, those of the serial included.
func undo(overlay *authority.Zone, changed map[authority.RRset][]dns.RR) {
	for id, before := range changed {
		overlay.Store(id, before)
	}
}
