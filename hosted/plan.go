package hosted

import (
	"slices"

	"github.com/libdns/libdns"

	"github.com/caddy-dyndns/dyndns/internal/change"
	"github.com/caddy-dyndns/dyndns/zone"
)

// planned is an RRset as it is and as it is to be.
type planned struct {
	rrsetID
	items  []*item
	before *known
	after  change.Set
	// wanted is the TTL to ask the provider for, if asks.
	wanted uint32
	asks   bool
	// kept are the records that stay if nothing but records goes.
	kept []record
	// mends: it puts right what SetRecords made of it.
	mends bool
}

// writes tells whether the RRset has to change.
func (p *planned) writes() bool {
	return !p.before.SameValues(p.after) || p.after.Exists() && p.before.TTL != p.after.TTL || p.mends
}

// trait returns the one of those that shows when the RRset is set.
func (p *planned) trait(m *Memory) *trait {
	if len(p.before.Data) > 1 || len(p.after.Data) > 1 {
		return &m.several
	}
	return &m.one
}

// calls are the records of the calls that a write takes, in the order of the calls.
type calls struct {
	removeFirst, set, add, remove []libdns.Record
	// tests are the RRsets whose listing shows what SetRecords does.
	tests []*planned
}

// include adds what an RRset needs. It returns false if that needs a listing first, because
// a provider may find only the records that it lists.
func (c *calls) include(m *Memory, apex string, p *planned) bool {
	listed := !p.before.Exists() || p.before.records != nil
	has := func(s change.Set) func(string) bool {
		return func(v string) bool { return slices.Contains(s.Data, v) }
	}
	missing := slices.DeleteFunc(slices.Clone(p.after.Data), has(p.before.Set))
	grows := p.before.Exists() && p.before.TTL == p.after.TTL && len(missing)+len(p.before.Data) == len(p.after.Data)
	shrinks := len(missing) == 0 && (p.before.TTL == p.after.TTL || !p.after.Exists())
	switch t := p.trait(m); {
	case p.mends:
	case grows:
		c.add = append(c.add, newRecords(apex, p.rrsetID, missing, p.wanted)...)
		return true
	case !shrinks && (*t != appends || !p.before.Exists() && len(p.after.Data) == 1):
		c.set = append(c.set, newRecords(apex, p.rrsetID, p.after.Data, p.wanted)...)
		if *t == untested && (p.before.Exists() || len(p.after.Data) > 1) {
			c.tests = append(c.tests, p)
		}
		return true
	}
	if !listed {
		return false
	}
	missing, surplus := p.differences()
	c.add = append(c.add, newRecords(apex, p.rrsetID, missing, p.wanted)...)
	for _, r := range surplus {
		if slices.Contains(missing, r.value) {
			// Where records are found by their values the new one would go too.
			c.removeFirst = append(c.removeFirst, r.Record)
		} else {
			c.remove = append(c.remove, r.Record)
		}
	}
	return true
}

// differences returns the values that no record has, and the records that are not to be.
func (p *planned) differences() (missing []string, surplus []record) {
	surplus = slices.Clone(p.before.records)
	var kept []record
	for _, v := range p.after.Data {
		i := slices.IndexFunc(surplus, func(r record) bool { return r.value == v && r.ttl == p.after.TTL })
		if i < 0 && (p.mends || p.before.TTL == p.after.TTL) {
			i = slices.IndexFunc(surplus, func(r record) bool { return r.value == v })
		}
		if i < 0 {
			missing = append(missing, v)
			continue
		}
		kept = append(kept, surplus[i])
		surplus = slices.Delete(surplus, i, i+1)
	}
	if missing == nil {
		p.kept = kept
	}
	return missing, surplus
}

// plan folds the items over what is known, in their order. It returns false if a write
// needs a listing first.
func (r *round) plan(items []*item) (plans []*planned, listed bool) {
	index := map[rrsetID]*planned{}
	for _, it := range items {
		p := index[it.id()]
		if p == nil {
			before := r.Memory.of(it.id())
			p = &planned{rrsetID: it.id(), before: before, after: before.Set}
			index[it.id()] = p
			plans = append(plans, p)
		}
		p.items = append(p.items, it)
		if lost := r.lost[it.id()]; lost != nil && lost.left(p.before.Set) {
			continue // its result is what it was to be
		}
		state := p.after
		after, setsTTL := it.Of(state)
		if setsTTL {
			p.wanted, p.asks = after.TTL, true
			after.TTL = r.Memory.ttl(p.wanted, state)
		}
		p.after = after
		changed := !state.SameValues(p.after) || p.after.Exists() && state.TTL != p.after.TTL
		it.result = zone.Result{Old: state.Text, New: p.after.Text, TTL: p.after.TTL, Changed: changed}
	}
	listed = true
	for _, p := range plans {
		listed = listed && (!p.writes() || new(calls).include(r.Memory, r.Config.Name, p))
	}
	return plans, listed
}

// left tells whether an RRset is what the write, which failed, would have left.
func (p *planned) left(now change.Set) bool {
	return p.after.SameValues(now) && (p.after.TTL == now.TTL || !p.before.SameValues(p.after))
}
