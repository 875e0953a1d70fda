package dnsupdate

import (
	"time"

	"github.com/miekg/dns"
)

// plan is one message to be: for each owner what it must be before and what it
// will be after. It is rebuilt for each attempt from what is believed then.
type plan struct {
	owners []owner
	index  map[string]int
	// results are those of the items, if the nameserver says yes.
	results []Result
	// above are the names between owners and the apex that were pinned already.
	above map[blocker]bool
}

// owner is one name in a plan.
type owner struct {
	name    string
	entry   *entry
	touched [slots]bool
	after   [slots]belief
	// stands marks an RRset that a lost message has brought to where it should be.
	stands [slots]bool
}

// lostStep is what an item would have got from a message whose outcome is
// unknown.
type lostStep struct {
	result Result
	// before and after are the RRset's state around the whole message.
	before, after rrset
}

// applied tells whether the present state shows that the lost message arrived.
// Values tell it; a TTL only if the message changed nothing else, because a
// nameserver may hold it down.
func (l *lostStep) applied(now rrset) bool {
	if !now.sameValues(l.after) {
		return false
	}
	return !l.before.sameValues(l.after) || now.ttl == l.after.ttl
}

// make folds the items over the beliefs in their order: changes of one RRset
// form a chain, in which each sees what the one before it left.
func (p *plan) make(u *Updater, items []*item) {
	p.owners, p.results = p.owners[:0], p.results[:0]
	if p.index == nil {
		p.index, p.above = map[string]int{}, map[blocker]bool{}
	}
	clear(p.index)
	for _, it := range items {
		i, ok := p.index[it.name]
		if !ok {
			i = len(p.owners)
			p.index[it.name] = i
			p.owners = append(p.owners, owner{name: it.name, entry: u.known.entry(it.name)})
		}
		o := &p.owners[i]
		state := &o.after[it.slot]
		if !o.touched[it.slot] {
			o.touched[it.slot] = true
			*state = o.entry.sets[it.slot]
			o.stands[it.slot] = it.lost != nil && it.lost.applied(state.rrset)
		}
		if o.stands[it.slot] && it.lost != nil {
			p.results = append(p.results, it.lost.result)
			continue
		}
		p.results = append(p.results, it.step(state, u.clampTTL(it.set.ttl)))
	}
}

// step makes one change to a state and tells what it does.
func (it *item) step(state *belief, ttl uint32) Result {
	old := state.text
	switch {
	case it.action == Delete && state.exists():
		*state = belief{known: true}
		return Result{Old: old, Changed: true}
	case it.action == Set && (!state.sameValues(it.set) || state.ttl != ttl || state.loose):
		*state = belief{rrset: it.set, known: true}
		state.ttl = ttl
		return Result{Old: old, New: state.text, TTL: ttl, Changed: true}
	}
	return Result{Old: old, New: state.text, TTL: state.ttl}
}

// writes tells whether the message has to change an RRset.
func (o *owner) writes(s slot) bool {
	before, after := &o.entry.sets[s], &o.after[s]
	return o.touched[s] && (!before.sameValues(after.rrset) || before.ttl != after.ttl || before.loose && !after.loose)
}

// pack writes the plan as an UPDATE. It gives false if that is too long.
func (p *plan) pack(m *message, zone string) bool {
	m.begin(dns.OpcodeUpdate, zone, dns.TypeSOA)
	clear(p.above)
	for i := range p.owners {
		p.require(m, &p.owners[i])
		if m.size() > maxMessage {
			return false
		}
	}
	for i := range p.owners {
		o := &p.owners[i]
		for s := range slots {
			if o.writes(s) {
				m.replace(o.name, slotTypes[s], o.after[s].rrset)
			}
		}
		if m.size() > maxMessage {
			return false
		}
	}
	return true
}

// require pins what must be true of an owner, so that NOERROR proves it: the old
// values, and that nothing stands there that hides the records or makes the
// nameserver drop them silently (RFC 2136 section 3.4.2.2, RFC 1034 section
// 4.3.2, RFC 6672 section 2.3).
func (p *plan) require(m *message, o *owner) {
	for s, before := range o.entry.sets {
		t := slotTypes[s]
		switch {
		case !o.touched[s]:
		case !before.exists():
			m.requireAbsent(o.name, t)
		case before.loose:
			m.requireExists(o.name, t)
		default:
			m.requireExactly(o.name, t, before.rdata)
		}
	}
	for b := range blockers(o.name, m.zone) {
		if b.owner != o.name {
			if p.above[b] {
				continue
			}
			p.above[b] = true
		}
		m.requireAbsent(b.owner, b.rrtype)
	}
}

// commit makes what a plan said to what is believed, and delivers its results.
func (p *plan) commit(u *Updater, items []*item, now time.Time) {
	for i := range p.owners {
		o := &p.owners[i]
		for s := range slots {
			if !o.writes(s) {
				continue
			}
			o.entry.sets[s] = o.after[s]
			if o.after[s].exists() {
				o.entry.sets[s].wroteTTL = now
			}
		}
	}
	for i, it := range items {
		it.deliver(p.results[i])
	}
}

// lose remembers the results of a message whose outcome is unknown.
func (p *plan) lose(items []*item) {
	for i, it := range items {
		o := &p.owners[p.index[it.name]]
		if o.stands[it.slot] {
			continue
		}
		it.lost = &lostStep{
			result: p.results[i],
			before: o.entry.sets[it.slot].rrset,
			after:  o.after[it.slot].rrset,
		}
	}
}
