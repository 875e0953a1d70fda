package dnsupdate

import (
	"time"

	"github.com/miekg/dns"

	"github.com/caddy-dyndns/dyndns/zone"
)

// proveWritten proves what a message has written where the nameserver may have
// dropped it in spite of its yes: PowerDNS does so with each record that its Lua
// policy denies. If a part is missing, it sends every item its result.
func (u *Updater) proveWritten(c *conn, s *server, r *round, limit time.Time) outcome {
	u.plan.packProof(&c.out, u.zone)
	o := u.sendProof(c, s, limit)
	if o.verdict == accepted {
		return u.proveTTLs(c, s, r, limit)
	}
	if o.verdict != unmet {
		return u.unproven(r, o)
	}
	errs := map[string]*zone.Error{}
	for i := range u.plan.owners {
		err, o := u.proveOwner(c, s, &u.plan.owners[i], limit)
		if o.verdict != accepted {
			return u.unproven(r, o)
		}
		errs[u.plan.owners[i].name] = err
	}
	u.conclude(r, errs)
	return outcome{verdict: settled}
}

// unproven ends the items of a write that was acknowledged and could not be
// proven: it may well stand.
func (u *Updater) unproven(r *round, o outcome) outcome {
	err := *o.err
	err.Unknown = true
	err.Hint = "the nameserver acknowledged the change, but it could not be proven"
	u.fail(r.items, &err)
	r.items = nil
	return o
}

// proveOwner tells what is wrong with one name of an acknowledged message, nil if
// everything is there.
func (u *Updater) proveOwner(c *conn, s *server, o *owner, limit time.Time) (*zone.Error, outcome) {
	for _, set := range []*[slots]belief{&o.after, &o.entry.sets} {
		c.out.begin(dns.OpcodeUpdate, u.zone, dns.TypeSOA)
		for i := range slots {
			if o.writes(i) {
				set[i].require(&c.out, o.name, slotTypes[i])
			}
		}
		switch got := u.sendProof(c, s, limit); {
		case got.verdict == unmet:
		case got.verdict != accepted:
			return nil, got
		case set == &o.after:
			return nil, got
		default:
			return u.dropped(s, o.name), got
		}
	}
	return u.unclear(o.name), outcome{verdict: accepted}
}

// dropped is the error of a change that the nameserver acknowledged and did not
// make. Somebody else may have undone it, too.
func (u *Updater) dropped(s *server, name string) *zone.Error {
	return &zone.Error{Reason: zone.Refused, Server: s.pool.address, Zone: u.zone, Name: name, Verified: true, Unknown: true,
		Hint: "the nameserver acknowledged the change, but the zone is as it was: on PowerDNS a lua-dnsupdate-policy-script denies it"}
}

// proveTTLs reads the TTLs that a message was to change beside equal values, which
// no prerequisite can tell apart.
func (u *Updater) proveTTLs(c *conn, s *server, r *round, limit time.Time) outcome {
	var queries []query
	var befores []belief
	for i := range u.plan.owners {
		o := &u.plan.owners[i]
		for t := range slots {
			if before := o.entry.sets[t]; o.writes(t) && !before.loose && before.sameValues(o.after[t].rrset) {
				queries = append(queries, query{name: o.name, rrtype: uint16(slotTypes[t])})
				befores = append(befores, before)
			}
		}
	}
	if len(queries) == 0 {
		return outcome{verdict: accepted}
	}
	if o := u.askAll(c, s, queries, limit); o.verdict != accepted {
		return u.unproven(r, o)
	}
	errs := map[string]*zone.Error{}
	for i, q := range queries {
		var set rrset
		for _, rr := range q.answer.Answer {
			set.add(rr)
		}
		if set.sort(); set.sameValues(befores[i].rrset) && set.ttl == befores[i].ttl {
			errs[q.name] = u.dropped(s, q.name)
		}
	}
	if len(errs) == 0 {
		return outcome{verdict: accepted}
	}
	u.conclude(r, errs)
	return outcome{verdict: settled}
}
