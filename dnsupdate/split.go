package dnsupdate

import (
	"maps"
	"time"

	"github.com/miekg/dns"
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
)

// part gives the round of some of the items.
func (r *round) part(items []*item) round {
	return round{items: items, started: r.started, proven: r.proven, parted: r.parted, unmet: r.unmet}
}

// halves settles the two parts of a round one after the other, which keeps the
// order of changes to one name. Nothing is left of the round then.
func (u *Updater) halves(r *round, a, b []*item) {
	u.settle(r.part(a))
	u.settle(r.part(b))
	r.items = nil
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

// namesOf gives the distinct names of items in their order.
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

// narrow deals with a "no" that a reply gives to the whole message: it finds the
// change that is meant. A message without changes tells first whether key and
// zone are what is wrong, which no halving can mend. It tells whether to try again.
func (u *Updater) narrow(r *round, o outcome, deadline time.Time) (again bool, last outcome) {
	a, b, ok := halve(r.items)
	if !ok {
		name := r.items[0].name
		_, already := u.suspects[name]
		if r.proven || already {
			u.quarantine(name, time.Now())
		}
		return false, o
	}
	if !r.parted {
		probe := u.with(deadline, func(c *conn, s *server, limit time.Time) outcome {
			c.out.begin(dns.OpcodeUpdate, u.zone, dns.TypeSOA)
			return u.send(c, s, limit)
		})
		switch {
		case probe.verdict == accepted:
			r.proven = true
		case probe.verdict != denied:
			return true, probe
		case probe.err.TSIG != "BADKEY":
			return false, probe
		}
		// Knot says BADKEY to what its acl denies, and a rule that denies some names
		// denies the message without names too. A change that succeeds tells.
		r.parted = true
	}
	before := u.successes
	u.settle(r.part(a))
	if r.proven || u.successes > 0 {
		u.settle(r.part(b))
	} else {
		u.fail(b, o.err)
	}
	if u.successes == before {
		u.successes = 0
	}
	r.items = nil
	return false, o
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
// wrong. It tells whether to try again, and after which pause.
func (u *Updater) reconsider(r *round, o outcome, deadline time.Time) (again bool, pause time.Duration, last outcome) {
	r.unmet++
	if r.unmet == 1 {
		u.forget(r.items)
		return true, 0, o
	}
	if len(namesOf(r.items)) > 1 {
		a, b, _ := halve(r.items)
		u.halves(r, a, b)
		return false, 0, o
	}
	if r.unmet > maxUnmet {
		u.forget(r.items)
		o.err.Hint = "the records of the name keep changing, or read otherwise than they are"
		return false, 0, o
	}
	explained, found := u.investigate(r, o.rcode, deadline)
	switch {
	case found.verdict != accepted:
		return true, 0, found
	case explained:
		return true, 0, o
	}
	return true, min(5*time.Millisecond<<(r.unmet-2), 100*time.Millisecond), o
}

// investigate asks with prerequisites alone what is true of the only name left:
// reads lag behind on a signing nameserver, and wildcards fake them. It tells
// whether that showed why the prerequisites did not hold.
func (u *Updater) investigate(r *round, rcode int, deadline time.Time) (explained bool, o outcome) {
	o = u.with(deadline, func(c *conn, s *server, limit time.Time) outcome {
		name := r.items[0].name
		e := u.known.entry(name)
		var touched [slots]bool
		for _, it := range r.items {
			touched[it.slot] = true
		}
		for i := range slots {
			if !touched[i] {
				continue
			}
			exists, o := u.prove(c, s, blocker{name, slotTypes[i]}, limit)
			if o.verdict != accepted {
				return o
			}
			set := &e.sets[i]
			switch {
			case !exists && set.exists():
				u.noteWildcard(wildcard{parent(name), i}, set.rrset)
				*set = belief{known: true}
				explained = true
			case !exists:
			case !set.exists():
				*set = belief{}
				explained = true
			case r.unmet >= loosenAfter && set.sameValues(r.pinned[i]):
				set.loose = true
			default:
				r.pinned[i] = set.rrset
				*set = belief{}
			}
		}
		if explained || rcode == dns.RcodeNXRrset && r.unmet < loosenAfter {
			return outcome{}
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
		return outcome{}
	})
	return explained, o
}

// noteWildcard remembers what a wildcard shows, so that the next name below it
// is expected to be absent at once. It is a guess like every belief.
func (u *Updater) noteWildcard(w wildcard, set rrset) {
	if len(u.wildcards) >= maxWildcards {
		clear(u.wildcards)
	}
	u.wildcards[w] = set
}
