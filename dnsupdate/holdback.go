package dnsupdate

import (
	"slices"
	"time"

	"github.com/caddy-dyndns/dyndns/dnsupdate/internal/wire"
	"github.com/caddy-dyndns/dyndns/internal/change"
	"github.com/caddy-dyndns/dyndns/zone"
)

// lose notes that the message which makes the plan has an unknown outcome. Without
// a reply that our key signed it may be applied until expires. reserve keeps the
// connection for a late one.
func (e *engine) lose(items []*item, expires time.Time, o outcome, reserve func(answered func(yes bool))) {
	l := e.resent(items)
	if l == nil {
		l = &lostUpdate{before: map[wire.RRsetID]change.Set{}}
		for s := range e.plan.written() {
			l.before[s.RRsetID] = s.before.Set
		}
		for i, it := range items {
			s := e.plan.of(it)
			it.lost = &lostStep{update: l, result: e.plan.results[i], before: *s.before, after: s.after, earlier: it.lost}
		}
	}
	if o.answered {
		l.failed = true
		return
	}
	l.open++
	if expires.After(l.expires) {
		l.expires = expires
	}
	if !l.held {
		e.lost.add(l)
	}
	if o.inStep {
		reserve(l.answered)
	}
	e.queue.mayApply(items)
}

// resent returns the lost update that the plan makes once more, nil if there is none.
func (e *engine) resent(items []*item) *lostUpdate {
	var l *lostUpdate
	written := 0
	for range e.plan.written() {
		written++
	}
	for _, it := range items {
		s := e.plan.of(it)
		if it.lost == nil || l != nil && it.lost.update != l ||
			!it.lost.before.SameValues(s.before.Set) || !it.lost.after.SameValues(s.after.Set) {
			return nil
		}
		l = it.lost.update
	}
	if l == nil || written != len(l.before) {
		return nil
	}
	return l
}

// waitFor makes an item's change to a state of its RRset. It returns until when the
// item has to wait, because that would bring the RRset to where a lost update applies;
// zero if it need not.
func (e *engine) waitFor(it *item, state *belief) (until time.Time) {
	before := state.Set
	if it.apply(state); state.SameValues(before) {
		return until
	}
	for _, l := range e.lost.by[it.RRsetID] {
		own := false
		for step := range it.lost.all() {
			own = own || step.update == l
		}
		if !own && l.open > 0 && l.before[it.RRsetID].SameValues(state.Set) && l.expires.After(until) {
			until = l.expires
		}
	}
	if !until.After(time.Now()) {
		return time.Time{}
	}
	return until
}

// holdBack takes the calls out of a round that have to wait for a lost update.
func (r *round) holdBack() {
	e := r.engine
	e.lost.prune(time.Now())
	if len(e.lost.list) == 0 {
		return
	}
	waiting := map[*call]time.Time{}
	// What a call leaves behind changes what the next one does to the same RRset.
	for again := true; again; {
		again = false
		states := map[wire.RRsetID]*belief{}
		for _, it := range r.items {
			if _, waits := waiting[it.call]; waits {
				continue
			}
			state := states[it.RRsetID]
			if state == nil {
				state = new(*e.known.of(it.RRsetID))
				states[it.RRsetID] = state
			}
			if until := e.waitFor(it, state); !until.IsZero() {
				waiting[it.call], again = until, true
			}
		}
	}
	if len(waiting) == 0 {
		return
	}
	var late []*item
	r.items = slices.DeleteFunc(r.items, func(it *item) bool {
		until, waits := waiting[it.call]
		if waits && !until.Before(it.call.deadline) {
			late = append(late, it)
		}
		return waits
	})
	fail(late, &zone.Error{Reason: zone.Busy, Zone: e.zone, Hint: "a message about the name that got no answer may still arrive and would undo the change; try again later"})
	for c, until := range waiting {
		if until.Before(c.deadline) {
			e.queue.park(c, until)
		}
	}
}

// resolve ends the items of which a late reply has told what became of them.
func (r *round) resolve() {
	r.items = slices.DeleteFunc(r.items, func(it *item) bool {
		for step := &it.lost; *step != nil; {
			switch s := *step; s.update.fate {
			case applied:
				// Another message may have been applied as well, before this one.
				result := s.result
				alone := s == it.lost && s.earlier == nil && s.update.open == 0 && !s.update.failed
				result.Proven = result.Proven && !it.unproven && alone
				it.deliver(result)
				*r.engine.known.of(it.RRsetID) = s.after
				return true
			case absent:
				*step, it.unproven = s.earlier, true
			case refuted:
				*step = s.earlier
			default:
				step = &s.earlier
			}
		}
		return false
	})
}

// assume makes the state before or after the lost updates of a round what is
// believed: a hypothesis that the prerequisites of the next message decide.
func (r *round) assume(after bool) {
	r.after = after
	for _, it := range r.items {
		if it.lost == nil {
			continue
		}
		set := r.engine.known.of(it.RRsetID)
		if *set = it.lost.before; after {
			*set = it.lost.after
		}
	}
}
