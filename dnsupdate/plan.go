package dnsupdate

import (
	"time"

	"github.com/miekg/dns"

	"github.com/caddy-dyndns/dyndns/zone"
)

// plan is one message to be: for each owner what it must be before and what it
// will be after. It is rebuilt for each attempt from what is believed then.
type plan struct {
	owners []owner
	index  map[string]int
	// results are those of the items, if the nameserver says yes.
	results []zone.Result
	// above are the names between owners and the apex that were pinned already.
	above map[blocker]bool
	// guarded: the apex NS records are pinned too.
	guarded bool
}

// owner is one name in a plan.
type owner struct {
	name    string
	entry   *entry
	touched [slots]bool
	after   [slots]belief
}

// make folds the items over the beliefs in their order: changes of one RRset
// form a chain, in which each sees what the one before it left. With found the
// beliefs are what a lost update would have left, and its results are those of
// its items, if the prerequisites show it.
func (p *plan) make(u *Updater, items []*item, found bool) {
	p.owners, p.results, p.guarded = p.owners[:0], p.results[:0], false
	if p.index == nil {
		p.index, p.above = map[string]int{}, map[blocker]bool{}
	}
	clear(p.index)
	for _, it := range items {
		p.guarded = p.guarded || it.notNameServer
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
		}
		if it.lost != nil && (found || state.loose && state.sameValues(it.lost.after.rrset)) {
			p.results = append(p.results, it.lost.result)
			continue
		}
		p.results = append(p.results, it.step(state))
	}
}

// step makes one change to a state and tells what it does.
func (it *item) step(state *belief) zone.Result {
	old, proven := state.text, !state.loose
	ttl := state.wanted(it.set.ttl)
	switch {
	case it.action == zone.Delete && state.exists():
		*state = belief{known: true}
		return zone.Result{Old: old, Changed: true, Proven: proven}
	case it.action == zone.Set && (!state.sameValues(it.set) || state.ttl != ttl || state.loose && !state.stubborn):
		*state = belief{rrset: it.set, known: true, rewritten: state.loose || state.rewritten, misread: state.misread, limit: state.limit}
		state.ttl = ttl
		return zone.Result{Old: old, New: state.text, TTL: state.ttl, Changed: true, Proven: proven}
	}
	return zone.Result{Old: old, New: state.text, TTL: state.ttl, Proven: proven}
}

// writes tells whether the message has to change an RRset.
func (o *owner) writes(s slot) bool {
	before, after := &o.entry.sets[s], &o.after[s]
	return o.touched[s] && (!before.sameValues(after.rrset) || before.ttl != after.ttl || before.loose && !after.loose)
}

// writesAny tells whether the message has to change anything.
func (p *plan) writesAny() bool {
	for i := range p.owners {
		for s := range slots {
			if p.owners[i].writes(s) {
				return true
			}
		}
	}
	return false
}

// pack writes the plan as an UPDATE. It returns false if that is too long.
func (p *plan) pack(m *message, u *Updater) bool {
	m.begin(dns.OpcodeUpdate, u.zone, dns.TypeSOA)
	clear(p.above)
	if p.guarded {
		u.apexNS.require(m)
	}
	for i := range p.owners {
		o := &p.owners[i]
		for s, before := range o.entry.sets {
			if o.touched[s] {
				before.require(m, o.name, slotTypes[s])
			}
		}
		p.requireNoBlocker(m, o.name)
		if m.size() > maxMessage {
			return false
		}
	}
	for i := range p.owners {
		o := &p.owners[i]
		for s := range slots {
			if o.writes(s) || u.restates() && o.touched[s] {
				m.replace(o.name, slotTypes[s], o.after[s].rrset)
			}
		}
		if m.size() > maxMessage {
			return false
		}
	}
	return true
}

// packProof writes what the plan leaves as prerequisites alone.
func (p *plan) packProof(m *message, zone string) {
	m.begin(dns.OpcodeUpdate, zone, dns.TypeSOA)
	for i := range p.owners {
		o := &p.owners[i]
		for s := range slots {
			if o.writes(s) {
				o.after[s].require(m, o.name, slotTypes[s])
			}
		}
	}
}

// require pins what is believed of an RRset, so that NOERROR proves it.
func (b *belief) require(m *message, owner string, t zone.Type) {
	switch {
	case !b.exists():
		m.requireAbsent(owner, t)
	case b.loose:
		m.requireExists(owner, t)
	default:
		m.requireExactly(owner, t, b.rdata)
	}
}

// requireNoBlocker pins that nothing stands at or above an owner that hides its
// records or makes the nameserver drop them silently (RFC 2136 section 3.4.2.2,
// RFC 1034 section 4.3.2, RFC 6672 section 2.3).
func (p *plan) requireNoBlocker(m *message, owner string) {
	for b := range blockers(owner, m.zone) {
		if b.owner != owner {
			if p.above[b] {
				continue
			}
			p.above[b] = true
		}
		m.requireAbsent(b.owner, b.rrtype)
	}
}

// commit makes what a plan said to what is believed.
func (p *plan) commit(u *Updater) {
	now := time.Now()
	for i := range p.owners {
		o := &p.owners[i]
		for s := range slots {
			if !o.writes(s) {
				continue
			}
			set := &o.entry.sets[s]
			if *set = o.after[s]; set.exists() {
				set.wroteTTL = now
				set.loose, set.stubborn = u.comparesNothing(), u.comparesNothing()
			}
		}
	}
	u.apexNS.proven = u.apexNS.proven || p.guarded
}
