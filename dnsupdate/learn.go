package dnsupdate

import (
	"slices"
	"time"

	"github.com/miekg/dns"

	"github.com/caddy-dyndns/dyndns/dnsupdate/internal/transport"
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

// learn reads what the items need to know and nobody has told yet, the apex NS
// records too if a change must not touch a nameserver's name. A name that
// seems to be blocked is in blocked: a read alone proves nothing.
func (a *attempt) learn() (blocked []blockedName, o outcome) {
	now := time.Now()
	e, r := a.engine, a.round
	var readings []wire.RRsetID
	var queries []transport.Query
	var seen map[wire.RRsetID]bool // made when needed: mostly nothing is to read
	for _, it := range r.items {
		b := e.known.of(it.RRsetID)
		it.belief = b
		// What can only be required to exist is read each time: nothing else shows
		// that somebody else has changed it.
		if b.known && !b.loose && !e.known.ttlInDoubt(it, b, r.started, now) || seen[it.RRsetID] {
			continue
		}
		if seen == nil {
			seen = map[wire.RRsetID]bool{}
		}
		seen[it.RRsetID] = true
		readings = append(readings, it.RRsetID)
		queries = append(queries, transport.Query{RRsetID: it.RRsetID})
	}
	apex := !e.apexNS.known && slices.ContainsFunc(r.items, func(it *item) bool { return it.wish.NotNameServer })
	if apex {
		queries = append(queries, transport.Query{RRsetID: a.at(typeNS)})
	}
	if len(queries) == 0 {
		return nil, outcome{verdict: accepted}
	}
	if o = a.askAll(queries); o.verdict != accepted {
		return nil, o
	}
	if apex {
		last := &queries[len(queries)-1]
		e.apexNS.take(a.zone, last.Answer, last.Signed, e.known.comparesNothing())
	}
	for i, id := range readings {
		if !queries[i].Signed && (e.known.of(id).loose || e.known.comparesNothing()) {
			err := a.failure(zone.Refused, nil)
			err.Name, err.Verified = id.Name, true
			err.Hint = "the nameserver finds no values equal in prerequisites, and answers no query that the key signs: nothing can be known of the name"
			return nil, outcome{verdict: denied, err: err}
		}
		b := a.believe(id, queries[i].Answer, now)
		if n := len(blocked); b.Name != "" && (n == 0 || blocked[n-1].of != id.Name) {
			blocked = append(blocked, blockedName{id.Name, b})
		}
	}
	return blocked, o
}

// blockedName is a name and what a read showed to block it.
type blockedName struct {
	of string
	change.Blocker
}

// believe takes an answer into the memory. It returns the blocker that the answer
// shows, if any.
func (a *attempt) believe(id wire.RRsetID, answer *dns.Msg, now time.Time) (b change.Blocker) {
	for _, rr := range answer.Answer {
		owner := dns.CanonicalName(rr.Header().Name)
		switch rr.Header().Rrtype {
		case dns.TypeDNAME:
			// The CNAME that comes with it is made up (RFC 6672 section 3.1). Of
			// those on the way of an alias only one above the name blocks it.
			if owner != id.Name && change.Under(id.Name, owner) && change.Under(owner, a.zone) {
				return change.Blocker{Name: owner, Type: typeDNAME}
			}
		case dns.TypeCNAME:
			if owner == id.Name {
				b = change.Blocker{Name: owner, Type: typeCNAME}
			}
		}
	}
	if b.Name != "" {
		return b
	}
	if owner := a.referral(id.Name, answer); owner != "" {
		return change.Blocker{Name: owner, Type: typeNS}
	}
	a.engine.known.compare(id, answered(answer, id), a.round.unmet == 0, now)
	return change.Blocker{}
}

// answered returns the RRset that an answer shows, none if it shows another.
func answered(answer *dns.Msg, id wire.RRsetID) change.Set {
	var rdata []string
	var ttl uint32
	for _, rr := range answer.Answer {
		if rr.Header().Rrtype != uint16(id.Type) || dns.CanonicalName(rr.Header().Name) != id.Name {
			continue
		}
		if value, err := change.PackData(rr); err == nil && value != "" {
			rdata, ttl = append(rdata, value), rr.Header().Ttl
		}
	}
	return change.NewSet(id.Type, rdata, ttl)
}
