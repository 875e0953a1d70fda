package dnsupdate

import (
	"maps"
	"slices"
	"time"

	"github.com/miekg/dns"

	"github.com/caddy-dyndns/dyndns/zone"
)

const (
	// maxUnmet bounds how often one name is pinned in vain.
	maxUnmet = 14
	// loosenAfter is how often the same values are pinned in vain before the
	// nameserver is taken to compare them otherwise than it shows them.
	loosenAfter = 8
	// suspectTime is how long a refused name goes alone.
	suspectTime = time.Minute
	maxSuspects = 4096
	// trustTime is how long our key is trusted after a success.
	trustTime = time.Minute
)

// part cuts a round into rounds of these items, to be settled one after the
// other, which keeps the order of changes to one name.
func (r *round) part(parts ...[]*item) []*round {
	rounds := make([]*round, len(parts))
	for i, items := range parts {
		rounds[i] = &round{items: items, started: r.started, proven: r.proven, parted: r.parted, unmet: r.unmet}
	}
	r.items = nil
	return rounds
}

// halve parts items between calls or, if there is but one call, between names.
func halve(items []*item) (a, b []*item, ok bool) {
	var starts []int // of the calls but the first
	for i := 1; i < len(items); i++ {
		if items[i].call != items[i-1].call {
			starts = append(starts, i)
		}
	}
	if len(starts) > 0 {
		cut := starts[len(starts)/2]
		return items[:cut], items[cut:], true
	}
	names := namesOf(items)
	if len(names) < 2 {
		return nil, nil, false
	}
	first := map[string]bool{}
	for _, name := range names[:len(names)/2] {
		first[name] = true
	}
	for _, it := range items {
		if first[it.name] {
			a = append(a, it)
		} else {
			b = append(b, it)
		}
	}
	return a, b, true
}

// namesOf returns the distinct names of items in their order.
func namesOf(items []*item) []string {
	var names []string
	seen := map[string]bool{}
	for _, it := range items {
		if !seen[it.name] {
			seen[it.name] = true
			names = append(names, it.name)
		}
	}
	return names
}

// keyTrusted tells whether our key has changed something of late.
func (u *Updater) keyTrusted() bool { return time.Since(u.keyWorked) < trustTime }

// narrow deals with a "no" that a reply gives to the whole message: it finds the
// change that is meant. A message without changes tells first whether key and
// zone are what is wrong, which no halving can mend.
func (u *Updater) narrow(r *round, o outcome, deadline time.Time) step {
	if o.err.TSIG == "BADKEY" && !u.restates() {
		// Knot says so of a message without changes under a rule that denies some names.
		u.emptyDenied = time.Now()
		return step{again: true, err: o.err}
	}
	a, b, ok := halve(r.items)
	if !ok {
		name := r.items[0].name
		_, already := u.suspects[name]
		if r.proven || already {
			u.quarantine(name, time.Now())
		}
		return step{err: o.err}
	}
	if !r.parted {
		probe := u.with(deadline, func(c *conn, s *server, limit time.Time) outcome {
			c.out.begin(dns.OpcodeUpdate, u.zone, dns.TypeSOA)
			return u.sendProof(c, s, limit)
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

// restateTime is how long a nameserver is taken to deny messages without changes.
const restateTime = time.Minute

// restates tells whether what is unchanged has to be written once more, because
// the nameserver denies messages without changes.
func (u *Updater) restates() bool {
	return !u.emptyDenied.IsZero() && time.Since(u.emptyDenied) < restateTime
}

// quarantine lets a name go alone for a while, so that it spoils no group.
func (u *Updater) quarantine(name string, now time.Time) {
	if len(u.suspects) >= maxSuspects {
		maps.DeleteFunc(u.suspects, func(_ string, until time.Time) bool { return now.After(until) })
	}
	if len(u.suspects) < maxSuspects {
		u.suspects[name] = now.Add(suspectTime)
	}
}

// reconsider deals with a prerequisite that does not hold: what we believed is
// wrong, or a lost update has been applied.
func (u *Updater) reconsider(r *round, o outcome, deadline time.Time) step {
	if slices.ContainsFunc(r.items, func(it *item) bool { return it.lost != nil }) {
		return u.reconsiderLost(r)
	}
	r.unmet++
	if r.unmet == 1 {
		u.forget(r)
		return step{again: true, err: o.err}
	}
	if a, b, ok := halve(r.items); ok && len(namesOf(r.items)) > 1 {
		return step{parts: r.part(a, b)}
	}
	if r.unmet > maxUnmet {
		u.forget(r)
		o.err.Hint = "the records of the name keep changing, or read otherwise than they are"
		return step{err: o.err}
	}
	explained, found := u.investigate(r, o.rcode, deadline)
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
func (u *Updater) reconsiderLost(r *round) step {
	if !r.after {
		u.assume(r, true)
		return step{again: true, err: u.unclear("")}
	}
	u.forget(r)
	if a, b, ok := halve(r.items); ok && len(namesOf(r.items)) > 1 {
		return step{parts: r.part(a, b)}
	}
	u.fail(r.items, u.unclear(r.items[0].name))
	r.items = nil
	return step{}
}

// unclear is the error of a change whose message may have been applied before
// somebody else changed the name.
func (u *Updater) unclear(name string) *zone.Error {
	return &zone.Error{Reason: zone.Timeout, Zone: u.zone, Name: name, Unknown: true,
		Hint: "a message got no answer, and the name holds neither what was before it nor what it was to be"}
}

// investigate asks with prerequisites alone what is true of the only name left:
// reads lag behind on a signing nameserver, and wildcards fake them. It tells
// whether that showed why the prerequisites did not hold.
func (u *Updater) investigate(r *round, rcode int, deadline time.Time) (explained bool, o outcome) {
	o = u.with(deadline, func(c *conn, s *server, limit time.Time) outcome {
		name := r.items[0].name
		if slices.ContainsFunc(r.items, func(it *item) bool { return it.notNameServer }) {
			if o := u.proveApex(c, s, limit); o.verdict != accepted && o.verdict != unmet {
				return o
			}
		}
		asked := map[zone.Type]bool{}
		for _, it := range r.items {
			if asked[it.rrtype] {
				continue
			}
			asked[it.rrtype] = true
			exists, o := u.prove(c, s, blocker(it.rrsetID), limit)
			if o.verdict != accepted {
				return o
			}
			explained = u.explain(r, it.rrsetID, u.known.of(it.rrsetID), exists) || explained
		}
		if explained || rcode == dns.RcodeNXRrset && r.unmet < loosenAfter {
			return outcome{verdict: accepted}
		}
		for b := range blockers(name, u.zone) {
			exists, o := u.prove(c, s, b, limit)
			if o.verdict != accepted {
				return o
			}
			if exists {
				u.conflict(s, r, name, b)
				break
			}
		}
		return outcome{verdict: accepted}
	})
	return explained, o
}

// explain compares what is believed of an RRset with whether it exists. It tells
// whether they differ.
func (u *Updater) explain(r *round, id rrsetID, set *belief, exists bool) bool {
	switch {
	case !exists && set.exists():
		u.noteWildcard(wildcard{parent(id.name), id.rrtype}, set.rrset)
		*set = belief{known: true}
		return true
	case !exists:
	case !set.exists():
		set.forget()
		return true
	case r.unmet >= loosenAfter && set.sameValues(r.pinned[id.rrtype]):
		u.loosen(set)
	default:
		if r.pinned == nil {
			r.pinned = map[zone.Type]rrset{}
		}
		r.pinned[id.rrtype] = set.rrset
		set.forget()
	}
	return false
}

// loosen makes the existence of an RRset all that is required of it. Where a
// rewrite by us did not help, the nameserver finds no values equal (YADIFA).
func (u *Updater) loosen(set *belief) {
	set.loose = true
	if !set.rewritten && !u.comparesNothing() {
		return
	}
	if hook := u.client.options.Hooks.Incomparable; hook != nil && !u.comparesNothing() {
		hook(u.zone)
	}
	u.incomparable = time.Now()
	set.stubborn = true
}

// incomparableTime is how long a nameserver is taken to find no values equal.
const incomparableTime = 10 * time.Minute

// comparesNothing tells whether the nameserver was lately seen to find no values equal.
func (u *Updater) comparesNothing() bool {
	return !u.incomparable.IsZero() && time.Since(u.incomparable) < incomparableTime
}

// noteWildcard remembers what a wildcard shows, so that the next name below it
// is expected to be absent at once. It is a guess like every belief.
func (u *Updater) noteWildcard(w wildcard, set rrset) {
	if len(u.wildcards) >= maxWildcards {
		clear(u.wildcards)
	}
	u.wildcards[w] = set
}
