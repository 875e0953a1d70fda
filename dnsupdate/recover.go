package dnsupdate

import (
	"slices"
	"time"

	"github.com/miekg/dns"

	"github.com/caddy-dyndns/dyndns/dnsupdate/internal/wire"
	"github.com/caddy-dyndns/dyndns/internal/change"
	"github.com/caddy-dyndns/dyndns/zone"
)

const (
	// maxUnmet bounds how often one name is pinned in vain.
	maxUnmet = 14
	// loosenAfter is how often the same values are pinned in vain before the
	// nameserver is taken to compare them otherwise than it shows them.
	loosenAfter = 8
)

// narrow deals with a "no" that a reply gives to the whole message: it finds the
// change that is meant. A message without changes tells first whether key and
// zone are what is wrong, which no halving can mend.
func (r *round) narrow(o outcome, deadline time.Time) step {
	e := r.engine
	if o.err.TSIG == "BADKEY" && !e.restates() {
		// Knot says so of a message without changes under a rule that denies some names.
		e.emptyDenied = time.Now()
		return step{again: true, err: o.err}
	}
	a, b, ok := halve(r.items)
	if !ok {
		name := r.items[0].Name
		_, already := e.suspects[name]
		if r.proven || already {
			e.quarantine(name, time.Now())
		}
		return step{err: o.err}
	}
	if !r.parted {
		probe := r.with(deadline, func(s *session) outcome {
			s.begin()
			return s.sendProof()
		})
		switch {
		case probe.verdict == accepted:
			r.proven = true
		case probe.verdict != denied:
			return step{again: true, err: probe.err}
		case probe.err.TSIG != "BADKEY":
			return step{err: probe.err}
		}
		// Knot says BADKEY to what its acl denies, and a rule that denies some names
		// denies the message without names too. A change that succeeds tells.
		r.parted = true
	}
	parts := r.part(a, b)
	if !r.proven {
		parts[1].doubt = o.err
	}
	return step{parts: parts}
}

// reconsider deals with a prerequisite that does not hold: what we believed is
// wrong, or a lost update has been applied.
func (r *round) reconsider(o outcome, deadline time.Time) step {
	if slices.ContainsFunc(r.items, func(it *item) bool { return it.lost != nil }) {
		return r.reconsiderLost()
	}
	r.unmet++
	if r.unmet == 1 {
		r.forget()
		return step{again: true, err: o.err}
	}
	if a, b, ok := halve(r.items); ok && len(namesOf(r.items)) > 1 {
		return step{parts: r.part(a, b)}
	}
	if r.unmet > maxUnmet {
		r.forget()
		o.err.Hint = "the records of the name keep changing, or read otherwise than they are"
		return step{err: o.err}
	}
	explained, found := r.investigate(o.rcode, deadline)
	switch {
	case found.verdict != accepted:
		return step{again: true, err: found.err}
	case explained:
		return step{again: true, err: o.err}
	}
	return step{again: true, pause: min(5*time.Millisecond<<(r.unmet-2), 100*time.Millisecond), err: o.err}
}

// reconsiderLost goes from the state before a lost update to the one after it,
// for all names together and then for each. If neither is there, somebody else
// has changed the name, and nothing tells whether it was before or after.
func (r *round) reconsiderLost() step {
	if !r.after {
		r.assume(true)
		return step{again: true, err: r.engine.unclear("")}
	}
	r.forget()
	if a, b, ok := halve(r.items); ok && len(namesOf(r.items)) > 1 {
		return step{parts: r.part(a, b)}
	}
	fail(r.items, r.engine.unclear(r.items[0].Name))
	r.items = nil
	return step{}
}

// investigate asks with prerequisites alone what is true of the only name left:
// reads lag behind on a signing nameserver, and wildcards fake them. It tells
// whether that showed why the prerequisites did not hold.
func (r *round) investigate(rcode int, deadline time.Time) (explained bool, o outcome) {
	e := r.engine
	o = r.with(deadline, func(s *session) outcome {
		name := r.items[0].Name
		if slices.ContainsFunc(r.items, func(it *item) bool { return it.wish.NotNameServer }) {
			if o := e.apexNS.prove(s); o.verdict != accepted && o.verdict != unmet {
				return o
			}
		}
		asked := map[zone.Type]bool{}
		for _, it := range r.items {
			if asked[it.Type] {
				continue
			}
			asked[it.Type] = true
			exists, o := s.prove(it.RRsetID)
			if o.verdict != accepted {
				return o
			}
			explained = r.explain(it.RRsetID, exists) || explained
		}
		if explained || rcode == dns.RcodeNXRrset && r.unmet < loosenAfter {
			return outcome{verdict: accepted}
		}
		for b := range change.Blockers(name, e.zone) {
			exists, o := s.prove(wire.RRsetID(b))
			if o.verdict != accepted {
				return o
			}
			if exists {
				r.conflict(s, name, b)
				break
			}
		}
		return outcome{verdict: accepted}
	})
	return explained, o
}

// explain compares what is believed of an RRset with whether it exists. It tells
// whether they differ.
func (r *round) explain(id wire.RRsetID, exists bool) bool {
	known := r.engine.known
	set := known.of(id)
	switch {
	case !exists && set.Exists():
		known.noteWildcard(wildcard{change.Parent(id.Name), id.Type}, set.Set)
		*set = belief{known: true}
		return true
	case !exists:
	case !set.Exists():
		set.forget()
		return true
	case r.unmet >= loosenAfter && set.SameValues(r.pinned[id.Type]):
		known.loosen(set)
	default:
		if r.pinned == nil {
			r.pinned = map[zone.Type]change.Set{}
		}
		r.pinned[id.Type] = set.Set
		set.forget()
	}
	return false
}

// conflict ends the changes of a name that something blocks.
func (r *round) conflict(s *session, name string, b change.Blocker) {
	r.end(func(it *item) bool {
		hit := it.Name == name
		if hit {
			r.engine.known.of(it.RRsetID).forget()
		}
		return hit
	}, &zone.Error{Reason: zone.Conflict, Server: s.server.Address, Zone: s.zone, Name: name, Verified: true, Hint: b.String()})
}
