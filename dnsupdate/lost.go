package dnsupdate

import (
	"slices"
	"time"

	"github.com/caddy-dyndns/dyndns/zone"
)

// maxLostNames bounds the RRsets of the lost updates that are remembered. Beyond
// it the oldest are forgotten, as if they had expired.
const maxLostNames = 65_536

// fate is what became of a lost update.
type fate uint8

const (
	undecided fate = iota
	// applied: a late reply that our key signed said so.
	applied
	// refuted: late replies that our key signed said that it was not.
	refuted
	// absent: its prerequisites were found to hold. It has not been applied, unless
	// somebody else has brought the name back to them.
	absent
)

// lostUpdate is an UPDATE whose outcome is unknown, and what was sent again with
// the same prerequisites for the same changes.
type lostUpdate struct {
	fate fate
	// open counts the messages without a reply that our key signed.
	open int
	// failed: one of them got a SERVFAIL, which refutes nothing.
	failed bool
	// expires is when the nameserver takes none of them any more.
	expires time.Time
	// held: it is among those of the updater that may still be applied.
	held bool
	// before is what they require of the RRsets that they write.
	before map[rrsetID]rrset
}

// sending is a message without a reply on its connection: one of a lost update,
// or one that changes nothing, whose update is nil.
type sending struct {
	mac    []byte
	update *lostUpdate
}

// answered takes a late reply that our key signed.
func (s *sending) answered(yes bool) {
	l := s.update
	l.open--
	switch {
	case yes:
		l.fate = applied
	case l.open == 0 && !l.failed && l.fate == undecided:
		l.fate = refuted
	}
}

// lostStep is what an item would have got from a lost update.
type lostStep struct {
	update *lostUpdate
	result zone.Result
	// before and after are the RRset's state around the whole update.
	before, after belief
}

// lose notes that the message in c.out, which makes the plan, has an unknown
// outcome. Without a reply that our key signed it may be applied until expires.
func (u *Updater) lose(c *conn, items []*item, expires time.Time, o outcome) {
	l := u.resent(items)
	if l == nil {
		l = &lostUpdate{before: map[rrsetID]rrset{}}
		for s := range u.plan.written() {
			l.before[s.rrsetID] = s.before.rrset
		}
		for i, it := range items {
			s := u.plan.of(it)
			it.lost = &lostStep{update: l, result: u.plan.results[i], before: *s.before, after: s.after}
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
		u.lost.add(l)
	}
	if o.inStep {
		if c.unanswered == nil {
			c.unanswered = map[uint16]*sending{}
		}
		c.unanswered[c.out.id] = &sending{slices.Clone(c.mac), l}
		c.owner = u
	}
	u.mu.Lock()
	for _, it := range items {
		it.call.mayApply = true
	}
	u.mu.Unlock()
}

// resent returns the lost update that the plan makes once more, nil if there is none.
func (u *Updater) resent(items []*item) *lostUpdate {
	var l *lostUpdate
	for i, it := range items {
		s := u.plan.of(it)
		if it.lost == nil || i > 0 && it.lost.update != l ||
			!it.lost.before.sameValues(s.before.rrset) || !it.lost.after.sameValues(s.after.rrset) {
			return nil
		}
		l = it.lost.update
	}
	return l
}

// lostUpdates are those that may still be applied, the oldest first.
type lostUpdates struct {
	list []*lostUpdate
	by   map[rrsetID][]*lostUpdate
	// size counts their RRsets.
	size int
}

func (ls *lostUpdates) add(l *lostUpdate) {
	if ls.by == nil {
		ls.by = map[rrsetID][]*lostUpdate{}
	}
	l.held = true
	ls.list = append(ls.list, l)
	for id := range l.before {
		ls.by[id] = append(ls.by[id], l)
	}
	for ls.size += len(l.before); ls.size > maxLostNames && len(ls.list) > 1; {
		ls.dropFirst()
	}
}

func (ls *lostUpdates) dropFirst() {
	l := ls.list[0]
	l.held = false
	ls.list = ls.list[1:]
	ls.size -= len(l.before)
	for id := range l.before {
		if ls.by[id] = slices.DeleteFunc(ls.by[id], func(o *lostUpdate) bool { return o == l }); len(ls.by[id]) == 0 {
			delete(ls.by, id)
		}
	}
}

// prune forgets the oldest as long as they cannot be applied any more.
func (ls *lostUpdates) prune(now time.Time) {
	for len(ls.list) > 0 && (ls.list[0].open == 0 || now.After(ls.list[0].expires)) {
		ls.dropFirst()
	}
}

// waitFor returns until when an item has to wait, because it would bring its
// RRset to where a lost update applies; zero if it need not.
func (u *Updater) waitFor(it *item) (until time.Time) {
	before := u.known.of(it.rrsetID)
	after := *before
	if it.apply(&after); after.sameValues(before.rrset) {
		return until
	}
	for _, l := range u.lost.by[it.rrsetID] {
		own := it.lost != nil && it.lost.update == l
		if !own && l.open > 0 && l.before[it.rrsetID].sameValues(after.rrset) && l.expires.After(until) {
			until = l.expires
		}
	}
	if !until.After(time.Now()) {
		return time.Time{}
	}
	return until
}

// holdBack takes the calls out of a round that have to wait for a lost update.
func (u *Updater) holdBack(r *round) {
	u.lost.prune(time.Now())
	if len(u.lost.list) == 0 {
		return
	}
	waiting := map[*call]time.Time{}
	for _, it := range r.items {
		if until := u.waitFor(it); until.After(waiting[it.call]) {
			waiting[it.call] = until
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
	u.fail(late, &zone.Error{Reason: zone.Busy, Zone: u.zone, Hint: "a message about the name that got no answer may still arrive and would undo the change; try again later"})
	for c, until := range waiting {
		if until.Before(c.deadline) {
			u.park(c, until)
		}
	}
}

// park puts a call back into the queue at a later time.
func (u *Updater) park(c *call, until time.Time) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if c.state == abandoned || c.parked != nil {
		return
	}
	c.parked = time.AfterFunc(time.Until(until), func() {
		u.mu.Lock()
		defer u.mu.Unlock()
		c.parked = nil
		if c.state != abandoned {
			c.state = waiting
			u.queue.pushFront(c)
			u.start()
		}
	})
}

// resolve ends the items of which a late reply has told what became of them.
func (u *Updater) resolve(r *round) {
	r.items = slices.DeleteFunc(r.items, func(it *item) bool {
		if it.lost == nil {
			return false
		}
		switch it.lost.update.fate {
		case applied:
			// Another of its messages may have been applied as well, before this one.
			result := it.lost.result
			result.Proven = result.Proven && !it.unproven && it.lost.update.open == 0 && !it.lost.update.failed
			it.deliver(result)
			*u.known.of(it.rrsetID) = it.lost.after
			return true
		case absent:
			it.lost, it.unproven = nil, true
		case refuted:
			it.lost = nil
		}
		return false
	})
}

// assume makes the state before or after the lost updates of a round what is
// believed: a hypothesis that the prerequisites of the next message decide.
func (u *Updater) assume(r *round, after bool) {
	r.after = after
	for _, it := range r.items {
		if it.lost == nil {
			continue
		}
		set := u.known.of(it.rrsetID)
		if *set = it.lost.before; after {
			*set = it.lost.after
		}
	}
}
