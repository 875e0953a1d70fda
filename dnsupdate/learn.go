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
	slot   slot
}

// maxWildcards bounds what is remembered of wildcards; a zone has few.
const maxWildcards = 256

// reading is one RRset to read.
type reading struct {
	name  string
	entry *entry
	slot  slot
}

// learn reads what the items need to know and nobody has told yet, the apex NS
// records too if a change must not touch a nameserver's name. A name that
// seems to be blocked is in blocked: a read alone proves nothing.
func (u *Updater) learn(c *conn, s *server, r *round, deadline time.Time) (blocked []blockedName, o outcome) {
	now := time.Now()
	var readings []reading
	var queries []query
	var seen map[reading]bool // made when needed: mostly nothing is to read
	for _, it := range r.items {
		e := u.known.entry(it.name)
		b := &e.sets[it.slot]
		// What can only be required to exist is read each time: nothing else shows
		// that somebody else has changed it.
		if b.known && !b.loose && !u.ttlInDoubt(it, b, r, now) {
			continue
		}
		rd := reading{it.name, e, it.slot}
		if seen == nil {
			seen = map[reading]bool{}
		}
		if seen[rd] {
			continue
		}
		seen[rd] = true
		readings = append(readings, rd)
		queries = append(queries, query{name: it.name, rrtype: uint16(slotTypes[it.slot])})
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
	for i := range readings {
		if e := &readings[i].entry.sets[readings[i].slot]; !queries[i].signed && (e.loose || u.comparesNothing()) {
			return nil, outcome{verdict: denied, err: &zone.Error{Reason: zone.Refused, Server: s.pool.address, Zone: u.zone, Name: readings[i].name, Verified: true,
				Hint: "the nameserver finds no values equal in prerequisites, and answers no query that the key signs: nothing can be known of the name"}}
		}
		b := u.believe(readings[i], queries[i].answer, r, now)
		if n := len(blocked); b.owner != "" && (n == 0 || blocked[n-1].name != readings[i].name) {
			blocked = append(blocked, blockedName{readings[i].name, b})
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
	return it.action == zone.Set && b.wroteTTL.IsZero() && b.readAt.Before(r.started) &&
		b.sameValues(it.set) && b.ttl != b.wanted(it.set.ttl)
}

// blockedName is a name and what a read showed to block it.
type blockedName struct {
	name string
	blocker
}

// believe takes an answer into the memory. It returns the blocker that the answer
// shows, if any.
func (u *Updater) believe(rd reading, answer *dns.Msg, r *round, now time.Time) (b blocker) {
	var set rrset
	for _, rr := range answer.Answer {
		owner := dns.CanonicalName(rr.Header().Name)
		switch rr.Header().Rrtype {
		case dns.TypeDNAME:
			// The CNAME that comes with it is made up (RFC 6672 section 3.1). Of
			// those on the way of an alias only one above the name blocks it.
			if owner != rd.name && under(rd.name, owner) && under(owner, u.zone) {
				return blocker{owner, typeDNAME}
			}
		case dns.TypeCNAME:
			if owner == rd.name {
				b = blocker{owner, typeCNAME}
			}
		case uint16(slotTypes[rd.slot]):
			if owner == rd.name {
				set.add(rr)
			}
		}
	}
	if b.owner != "" {
		return b
	}
	if owner := u.referral(rd.name, answer); owner != "" {
		return blocker{owner, typeNS}
	}
	set.sort()
	u.compare(&rd.entry.sets[rd.slot], rd, set, r, now)
	return blocker{}
}

// compare puts what was read beside what is believed.
func (u *Updater) compare(b *belief, rd reading, set rrset, r *round, now time.Time) {
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
		if w, ok := u.wildcards[wildcard{parent(rd.name), rd.slot}]; ok && w.sameValues(set) {
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
