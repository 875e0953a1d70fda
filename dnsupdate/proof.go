package dnsupdate

import (
	"slices"
	"time"

	"github.com/miekg/dns"

	"github.com/caddy-dyndns/dyndns/zone"
)

// proveWritten proves what a message has written where the nameserver may have
// dropped it in spite of its yes: PowerDNS does so with each record that its Lua
// policy denies. If a part is missing, it sends every item its result.
func (u *Updater) proveWritten(c *conn, s *server, r *round, limit time.Time) outcome {
	all := slices.Collect(u.plan.written())
	o := u.proveSets(c, s, all, (*planned).state, limit)
	if o.verdict == accepted {
		return u.proveTTLs(c, s, r, limit)
	}
	if o.verdict != unmet {
		return u.unproven(r, o)
	}
	errs := map[string]*zone.Error{}
	for _, name := range namesOf(r.items) {
		of := slices.DeleteFunc(slices.Clone(all), func(set *planned) bool { return set.name != name })
		if len(of) == 0 {
			continue
		}
		err, o := u.proveName(c, s, name, of, limit)
		if o.verdict != accepted {
			return u.unproven(r, o)
		}
		errs[name] = err
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

// proveSets asks by prerequisites alone whether RRsets are as a state of them says.
func (u *Updater) proveSets(c *conn, s *server, sets []*planned, state func(*planned) *belief, limit time.Time) outcome {
	c.out.begin(dns.OpcodeUpdate, u.zone, dns.TypeSOA)
	for _, set := range sets {
		state(set).require(&c.out, set.rrsetID)
	}
	return u.sendProof(c, s, limit)
}

// proveName tells what is wrong with one name of an acknowledged message, nil if
// everything is there.
func (u *Updater) proveName(c *conn, s *server, name string, sets []*planned, limit time.Time) (*zone.Error, outcome) {
	o := u.proveSets(c, s, sets, (*planned).state, limit)
	if o.verdict != unmet {
		return nil, o
	}
	o = u.proveSets(c, s, sets, (*planned).stateBefore, limit)
	switch o.verdict {
	case accepted:
		return u.dropped(s, name), o
	case unmet:
		return u.unclear(name), outcome{verdict: accepted}
	}
	return nil, o
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
	var sets []*planned
	for set := range u.plan.written() {
		if !set.before.loose && set.before.sameValues(set.after.rrset) {
			queries = append(queries, query{name: set.name, rrtype: uint16(set.rrtype)})
			sets = append(sets, set)
		}
	}
	if len(queries) == 0 {
		return outcome{verdict: accepted}
	}
	if o := u.askAll(c, s, queries, limit); o.verdict != accepted {
		return u.unproven(r, o)
	}
	errs := map[string]*zone.Error{}
	for i, set := range sets {
		if got := answered(queries[i].answer, set.rrsetID); got.sameValues(set.before.rrset) && got.ttl == set.before.ttl {
			errs[set.name] = u.dropped(s, set.name)
		}
	}
	if len(errs) == 0 {
		return outcome{verdict: accepted}
	}
	u.conclude(r, errs)
	return outcome{verdict: settled}
}
