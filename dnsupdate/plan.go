package dnsupdate

import (
	"iter"
	"time"

	"github.com/caddy-dyndns/dyndns/dnsupdate/internal/wire"
	"github.com/caddy-dyndns/dyndns/internal/change"
	"github.com/caddy-dyndns/dyndns/zone"
)

// plan is one message to be: for each RRset what it must be before and what it
// will be after. It is rebuilt for each attempt from what is believed then.
type plan struct {
	sets []planned
	// names counts the owners.
	names int
	// results are those of the items, if the nameserver says yes.
	results []zone.Result
	// above are the names between owners and the apex that were pinned already.
	above map[change.Blocker]bool
	// guarded: the apex NS records are pinned too.
	guarded bool
}

// planned is one RRset in a plan.
type planned struct {
	wire.RRsetID
	before *belief
	after  belief
}

// build folds the items over their beliefs in their order: changes of one RRset
// form a chain, in which each sees what the one before it left. With found the
// beliefs are what a lost update would have left, and its results are those of
// its items, if the prerequisites show it.
func (p *plan) build(items []*item, found bool) {
	p.sets, p.results, p.names, p.guarded = p.sets[:0], p.results[:0], 0, false
	for _, it := range items {
		p.guarded = p.guarded || it.wish.NotNameServer
		before := it.belief
		if i := before.planned; i >= len(p.sets) || p.sets[i].before != before {
			before.planned = len(p.sets)
			if n := len(p.sets); n == 0 || p.sets[n-1].Name != it.Name {
				p.names++
			}
			p.sets = append(p.sets, planned{it.RRsetID, before, *before})
		}
		it.planned = before.planned
		state := &p.sets[it.planned].after
		if it.lost != nil && (found || state.loose && state.SameValues(it.lost.after.Set)) {
			p.results = append(p.results, it.lost.first().result)
			continue
		}
		p.results = append(p.results, it.apply(state))
	}
}

// of returns what is planned for the RRset of an item.
func (p *plan) of(it *item) *planned { return &p.sets[it.planned] }

// apply makes one change to a state and tells what it does.
func (it *item) apply(state *belief) zone.Result {
	result := zone.Result{Old: state.Text, Proven: !state.loose}
	want, setsTTL := it.wish.Of(state.Set)
	if setsTTL {
		want.TTL = state.wanted(want.TTL)
		result.Changed = state.loose && !state.stubborn
	}
	if result.Changed = result.Changed || !state.SameValues(want) || want.Exists() && state.TTL != want.TTL; result.Changed {
		after := belief{Set: want, known: true}
		if want.Exists() {
			after.rewritten, after.misread, after.limit = state.loose || state.rewritten, state.misread, state.limit
		}
		*state = after
	}
	result.New, result.TTL = state.Text, state.TTL
	return result
}

func (s *planned) state() *belief       { return &s.after }
func (s *planned) stateBefore() *belief { return s.before }

// writes tells whether the message has to change the RRset.
func (s *planned) writes() bool {
	return !s.before.SameValues(s.after.Set) || s.before.TTL != s.after.TTL || s.before.loose && !s.after.loose
}

// written are the RRsets that the message has to change.
func (p *plan) written() iter.Seq[*planned] {
	return func(yield func(*planned) bool) {
		for i := range p.sets {
			if p.sets[i].writes() && !yield(&p.sets[i]) {
				return
			}
		}
	}
}

// writesAny tells whether the message has to change anything.
func (p *plan) writesAny() bool {
	for range p.written() {
		return true
	}
	return false
}

// pack adds the plan to an UPDATE that was begun, with restate also what does not
// change. It returns false if that is too long.
func (p *plan) pack(m *wire.Message, apex *apexNS, restate bool) bool {
	if p.above == nil {
		p.above = map[change.Blocker]bool{}
	}
	clear(p.above)
	if p.guarded {
		apex.require(m)
	}
	for i := range p.sets {
		s := &p.sets[i]
		s.before.require(m, s.RRsetID)
		if i+1 == len(p.sets) || p.sets[i+1].Name != s.Name {
			p.requireNoBlocker(m, s.Name)
		}
		if m.Size() > wire.MaxMessage {
			return false
		}
	}
	for i := range p.sets {
		s := &p.sets[i]
		if s.writes() || restate {
			m.Replace(s.RRsetID, s.after.Data, s.after.TTL)
		}
		if m.Size() > wire.MaxMessage {
			return false
		}
	}
	return true
}

// require pins what is believed of an RRset, so that NOERROR proves it.
func (b *belief) require(m *wire.Message, id wire.RRsetID) {
	switch {
	case !b.Exists():
		m.RequireAbsent(id)
	case b.loose:
		m.RequireExists(id)
	default:
		m.RequireExactly(id, b.Data)
	}
}

// requireNoBlocker pins that nothing stands at or above an owner that hides its
// records or makes the nameserver drop them silently (RFC 2136 section 3.4.2.2,
// RFC 1034 section 4.3.2, RFC 6672 section 2.3).
func (p *plan) requireNoBlocker(m *wire.Message, owner string) {
	for b := range change.Blockers(owner, m.Zone) {
		if b.Name != owner {
			if p.above[b] {
				continue
			}
			p.above[b] = true
		}
		m.RequireAbsent(wire.RRsetID(b))
	}
}

// commit believes what the plan said. loose tells that the nameserver finds no
// values equal.
func (p *plan) commit(loose bool) {
	now := time.Now()
	for s := range p.written() {
		if *s.before = s.after; s.after.Exists() {
			s.before.wroteTTL = now
			s.before.loose, s.before.stubborn = loose, loose
		}
	}
}
