package dnsupdate

import (
	"slices"
	"time"

	"github.com/miekg/dns"

	"github.com/caddy-dyndns/dyndns/zone"
)

// wildcard names the records that a wildcard was seen to give to names below parent.
type wildcard struct {
	parent string
	rrtype zone.Type
}

// maxWildcards bounds what is remembered of wildcards; a zone has few.
const maxWildcards = 256

// learn reads what the items need to know and nobody has told yet, the apex NS
// records too if a change must not touch a nameserver's name. A name that
// seems to be blocked is in blocked: a read alone proves nothing.
func (u *Updater) learn(c *conn, s *server, r *round, deadline time.Time) (blocked []blockedName, o outcome) {
	now := time.Now()
	var readings []rrsetID
	var queries []query
	var seen map[rrsetID]bool // made when needed: mostly nothing is to read
	for _, it := range r.items {
		b := u.known.of(it.rrsetID)
		// What can only be required to exist is read each time: nothing else shows
		// that somebody else has changed it.
		if b.known && !b.loose && !u.ttlInDoubt(it, b, r, now) || seen[it.rrsetID] {
			continue
		}
		if seen == nil {
			seen = map[rrsetID]bool{}
		}
		seen[it.rrsetID] = true
		readings = append(readings, it.rrsetID)
		queries = append(queries, query{name: it.name, rrtype: uint16(it.rrtype)})
	}
	apex := !u.apexNS.known && slices.ContainsFunc(r.items, func(it *item) bool { return it.notNameServer })
	if apex {
		queries = append(queries, query{name: u.zone, rrtype: dns.TypeNS})
	}
	if len(queries) == 0 {
		return nil, outcome{verdict: accepted}
	}
	if o = u.askAll(c, s, queries, deadline); o.verdict != accepted {
		return nil, o
	}
	if apex {
		last := &queries[len(queries)-1]
		u.apexNS.take(u.zone, last.answer, last.signed, u.comparesNothing())
	}
	for i, id := range readings {
		if !queries[i].signed && (u.known.of(id).loose || u.comparesNothing()) {
			return nil, outcome{verdict: denied, err: &zone.Error{Reason: zone.Refused, Server: s.pool.address, Zone: u.zone, Name: id.name, Verified: true,
				Hint: "the nameserver finds no values equal in prerequisites, and answers no query that the key signs: nothing can be known of the name"}}
		}
		b := u.believe(id, queries[i].answer, r, now)
		if n := len(blocked); b.name != "" && (n == 0 || blocked[n-1].of != id.name) {
			blocked = append(blocked, blockedName{id.name, b})
		}
	}
	return blocked, o
}

// ttlInDoubt tells whether an RRset must be read for its TTL, which no
// prerequisite proves: another one is wanted, or ours was never seen to hold.
func (u *Updater) ttlInDoubt(it *item, b *belief, r *round, now time.Time) bool {
	if !b.exists() {
		return false
	}
	if !b.wroteTTL.IsZero() && now.Sub(b.wroteTTL) > u.settleTTL {
		return true
	}
	return (it.action == zone.Set || it.action == zone.Add) && b.wroteTTL.IsZero() && b.readAt.Before(r.started) &&
		b.ttl != b.wanted(it.values.ttl) && (it.action == zone.Add || b.sameValues(it.values))
}

// blockedName is a name and what a read showed to block it.
type blockedName struct {
	of string
	blocker
}

// believe takes an answer into the memory. It returns the blocker that the answer
// shows, if any.
func (u *Updater) believe(id rrsetID, answer *dns.Msg, r *round, now time.Time) (b blocker) {
	for _, rr := range answer.Answer {
		owner := dns.CanonicalName(rr.Header().Name)
		switch rr.Header().Rrtype {
		case dns.TypeDNAME:
			// The CNAME that comes with it is made up (RFC 6672 section 3.1). Of
			// those on the way of an alias only one above the name blocks it.
			if owner != id.name && under(id.name, owner) && under(owner, u.zone) {
				return blocker{owner, typeDNAME}
			}
		case dns.TypeCNAME:
			if owner == id.name {
				b = blocker{owner, typeCNAME}
			}
		}
	}
	if b.name != "" {
		return b
	}
	if owner := u.referral(id.name, answer); owner != "" {
		return blocker{owner, typeNS}
	}
	u.compare(u.known.of(id), id, answered(answer, id), r, now)
	return blocker{}
}

// answered returns the RRset that an answer shows, none if it shows another.
func answered(answer *dns.Msg, id rrsetID) rrset {
	var rdata []string
	var ttl uint32
	for _, rr := range answer.Answer {
		if rr.Header().Rrtype != uint16(id.rrtype) || dns.CanonicalName(rr.Header().Name) != id.name {
			continue
		}
		if value, err := packData(rr); err == nil && value != "" {
			rdata, ttl = append(rdata, value), rr.Header().Ttl
		}
	}
	return newRRset(id.rrtype, rdata, ttl)
}

// compare puts what was read beside what is believed.
func (u *Updater) compare(b *belief, id rrsetID, set rrset, r *round, now time.Time) {
	if b.known && (!b.loose || b.sameValues(set)) {
		// The read was for the TTL. Values that a message of ours proved are newer
		// than what a signing nameserver shows; if not, a prerequisite will tell.
		switch {
		case !b.sameValues(set):
			if !b.wroteTTL.IsZero() {
				b.wroteTTL = now
			}
		case b.wroteTTL.IsZero():
			b.ttl = set.ttl
		default:
			wrote := b.ttl
			if b.readBack(set.ttl) && !u.limitSeen {
				u.limitSeen = true
				if hook := u.client.options.Hooks.Clamped; hook != nil {
					hook(u.zone, wrote, set.ttl)
				}
			}
		}
		b.noLimit(set.ttl)
		b.readAt = now
		return
	}
	if r.unmet == 0 && set.exists() {
		if w, ok := u.wildcards[wildcard{parent(id.name), id.rrtype}]; ok && w.sameValues(set) {
			set = rrset{}
		}
	}
	b.forget()
	b.noLimit(set.ttl)
	b.rrset, b.known, b.readAt = set, true, now
	if set.exists() && u.comparesNothing() {
		b.loose, b.stubborn = true, true
	}
}
