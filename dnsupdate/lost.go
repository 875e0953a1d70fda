package dnsupdate

import (
	"iter"
	"slices"
	"time"

	"github.com/caddy-dyndns/dyndns/dnsupdate/internal/wire"
	"github.com/caddy-dyndns/dyndns/internal/change"
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
	before map[wire.RRsetID]change.Set
}

// answered takes a late reply that our key signed.
func (l *lostUpdate) answered(yes bool) {
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
	// earlier is that of another update, which was lost before.
	earlier *lostStep
}

// told tells whether prerequisites can tell the RRset before the update from the one
// after it.
func (s *lostStep) told() bool { return !s.before.loose && !s.before.SameValues(s.after.Set) }

// all are the step and those of the updates that were lost before.
func (s *lostStep) all() iter.Seq[*lostStep] {
	return func(yield func(*lostStep) bool) {
		for ; s != nil && yield(s); s = s.earlier {
		}
	}
}

// first returns the oldest of the updates that leave the RRset as this one does: if it is
// found so, that one counts as applied. The later ones were sent with a part of its
// items, and the others have been told the same.
func (s *lostStep) first() *lostStep {
	first := s
	for step := range s.all() {
		if step.after.SameValues(s.after.Set) {
			first = step
		}
	}
	return first
}

// lostUpdates are those that may still be applied, the oldest first.
type lostUpdates struct {
	list []*lostUpdate
	by   map[wire.RRsetID][]*lostUpdate
	// size counts their RRsets.
	size int
}

func (ls *lostUpdates) add(l *lostUpdate) {
	if ls.by == nil {
		ls.by = map[wire.RRsetID][]*lostUpdate{}
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
