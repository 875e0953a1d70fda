package dnsupdate

import (
	"slices"

	"github.com/caddy-dyndns/dyndns/dnsupdate/internal/transport"
	"github.com/caddy-dyndns/dyndns/zone"
)

// proveWritten proves what a message has written where the nameserver may have
// dropped it in spite of its yes: PowerDNS does so with each record that its Lua
// policy denies. If a part is missing, it sends every item its result.
func (a *attempt) proveWritten() outcome {
	all := slices.Collect(a.engine.plan.written())
	o := a.proveSets(all, (*planned).state)
	if o.verdict == accepted {
		return a.proveTTLs()
	}
	if o.verdict != unmet {
		return a.unproven(o)
	}
	errs := map[string]*zone.Error{}
	for _, name := range namesOf(a.round.items) {
		of := slices.DeleteFunc(slices.Clone(all), func(set *planned) bool { return set.Name != name })
		if len(of) == 0 {
			continue
		}
		err, o := a.proveName(name, of)
		if o.verdict != accepted {
			return a.unproven(o)
		}
		errs[name] = err
	}
	a.conclude(errs)
	return outcome{verdict: settled}
}

// unproven ends the items of a write that was acknowledged and could not be
// proven: it may well stand.
func (a *attempt) unproven(o outcome) outcome {
	err := *o.err
	err.Unknown = true
	err.Hint = "the nameserver acknowledged the change, but it could not be proven"
	fail(a.round.items, &err)
	a.round.items = nil
	return o
}

// proveSets asks by prerequisites alone whether RRsets are as a state of them says.
func (a *attempt) proveSets(sets []*planned, state func(*planned) *belief) outcome {
	m := a.begin()
	for _, set := range sets {
		state(set).require(m, set.RRsetID)
	}
	return a.sendProof()
}

// proveName tells what is wrong with one name of an acknowledged message, nil if
// everything is there.
func (a *attempt) proveName(name string, sets []*planned) (*zone.Error, outcome) {
	o := a.proveSets(sets, (*planned).state)
	if o.verdict != unmet {
		return nil, o
	}
	o = a.proveSets(sets, (*planned).stateBefore)
	switch o.verdict {
	case accepted:
		return a.dropped(name), o
	case unmet:
		return a.engine.unclear(name), outcome{verdict: accepted}
	}
	return nil, o
}

// dropped is the error of a change that the nameserver acknowledged and did not
// make. Somebody else may have undone it, too.
func (a *attempt) dropped(name string) *zone.Error {
	err := a.failure(zone.Refused, nil)
	err.Name, err.Verified, err.Unknown = name, true, true
	err.Hint = "the nameserver acknowledged the change, but the zone is as it was: on PowerDNS a lua-dnsupdate-policy-script denies it"
	return err
}

// proveTTLs reads the TTLs that a message was to change beside equal values, which
// no prerequisite can tell apart.
func (a *attempt) proveTTLs() outcome {
	var queries []transport.Query
	var sets []*planned
	for set := range a.engine.plan.written() {
		if !set.before.loose && set.before.SameValues(set.after.Set) {
			queries = append(queries, transport.Query{RRsetID: set.RRsetID})
			sets = append(sets, set)
		}
	}
	if len(queries) == 0 {
		return outcome{verdict: accepted}
	}
	if o := a.askAll(queries); o.verdict != accepted {
		return a.unproven(o)
	}
	errs := map[string]*zone.Error{}
	for i, set := range sets {
		if got := answered(queries[i].Answer, set.RRsetID); got.SameValues(set.before.Set) && got.TTL == set.before.TTL {
			errs[set.Name] = a.dropped(set.Name)
		}
	}
	if len(errs) == 0 {
		return outcome{verdict: accepted}
	}
	a.conclude(errs)
	return outcome{verdict: settled}
}
