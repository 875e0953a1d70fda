package hosted

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/libdns/libdns"

	"github.com/caddy-dyndns/dyndns/internal/change"
	"github.com/caddy-dyndns/dyndns/zone"
)

const (
	// callTime is what one call of a provider may take.
	callTime = 30 * time.Second
	// maxTries is how often a change is tried, the second time at once and alone, and
	// then after a pause.
	maxTries, pause = 3, time.Second
	// failedRetry is what clients are told to wait if the provider says nothing, and
	// limitedRetry if it says nothing but that it is asked too often.
	failedRetry, limitedRetry = 10 * time.Second, time.Minute
	// maxRetry bounds what is believed of a provider: limits are of a day at most, and the
	// zone does not change until then.
	maxRetry = 24 * time.Hour
)

// round is one group of items on the way to their results.
type round struct {
	*Zone
	// lost are the writes that failed last.
	lost map[rrsetID]*planned
}

// settle brings every item to its result.
func (z *Zone) settle(items []*item) {
	r := round{Zone: z, lost: map[rrsetID]*planned{}}
	// What is left without one has no caller any more.
	failure := &zone.Error{Reason: zone.Timeout, Zone: z.Name}
	defer func() {
		v := recover()
		if v != nil {
			z.Memory.forget()
			failure = z.panicked(v)
		}
		for _, it := range items {
			it.unclear = it.unclear || v != nil
			it.fail(*cmp.Or(it.failure, failure))
		}
	}()
	for try := range maxTries {
		if try > 1 {
			z.sleep(pause)
		}
		if err := r.try(z.present(items, false), try > 0); err == nil || z.ctx.Err() != nil {
			break
		} else {
			failure = err
		}
	}
}

// try makes the changes of the items in one go, or name by name. It returns the last
// error, nil if every item has its result or no caller.
func (r *round) try(items []*item, alone bool) (failure *zone.Error) {
	plans, failure := r.prepare(items)
	if failure != nil || len(plans) == 0 {
		return failure
	}
	for _, group := range groups(plans, alone) {
		err := r.write(group)
		if err != nil {
			failure = err
			r.Memory.forget()
		}
		for _, p := range group {
			if err != nil {
				r.lost[p.rrsetID] = p
			}
			for _, it := range p.items {
				if err == nil {
					it.deliver(it.result)
				} else {
					it.failure, it.unclear = err, it.unclear || err.Unknown
				}
			}
		}
		if err != nil && err.Reason != zone.Unreachable {
			break
		}
	}
	return failure
}

// groups returns the RRsets in one group, or those of each name in one of their own.
func groups(plans []*planned, alone bool) (groups [][]*planned) {
	if !alone {
		return [][]*planned{plans}
	}
	index := map[string]int{}
	for _, p := range plans {
		i, ok := index[p.Name]
		if !ok {
			i = len(groups)
			index[p.Name] = i
			groups = append(groups, nil)
		}
		groups[i] = append(groups[i], p)
	}
	return groups
}

// prepare gives results to the items that need no write, and returns what the others
// have to write.
func (r *round) prepare(items []*item) ([]*planned, *zone.Error) {
	known := !slices.ContainsFunc(items, func(it *item) bool {
		return !r.Memory.fresh(it.id()) || it.NotNameServer && !r.Memory.fresh(rrsetID{Name: r.Config.Name, Type: typeNS})
	})
	var plans []*planned
	for listed := false; ; known = false {
		if !known {
			if items = r.holdBack(items); len(items) == 0 {
				return nil, nil
			}
			if err := r.list(); err != nil {
				return nil, err
			}
		}
		r.refuse(items)
		items = r.present(items, false)
		if plans, listed = r.plan(items); listed {
			break
		}
	}
	for _, p := range plans {
		for _, it := range p.items {
			if !p.writes() {
				it.deliver(it.result)
			}
		}
	}
	items = r.present(r.holdBack(r.present(items, false)), true)
	plans, listed := r.plan(items)
	if !listed { // without what has lost its caller by now
		return r.prepare(items)
	}
	return plans, nil
}

// holdBack waits until the provider may be asked again, and returns the items whose
// callers wait as long.
func (r *round) holdBack(items []*item) []*item {
	wait := time.Until(r.Memory.hold)
	if wait <= 0 {
		return items
	}
	for _, it := range items {
		if it.call.deadline.Before(r.Memory.hold) {
			it.fail(zone.Error{Reason: zone.Busy, Server: r.ProviderName, Zone: r.Config.Name, RetryAfter: wait, Hint: "the provider limits how often it is asked"})
		}
	}
	if items = r.present(items, false); len(items) > 0 {
		r.sleep(wait)
	}
	return r.present(items, false)
}

// sleep ends early when the zone is closed.
func (z *Zone) sleep(d time.Duration) {
	select {
	case <-time.After(d):
	case <-z.ctx.Done():
	}
}

// refuse ends the items whose names something blocks or a nameserver has.
func (r *round) refuse(items []*item) {
	for _, it := range items {
		refused := zone.Error{Server: r.ProviderName, Zone: r.Config.Name}
		for b := range change.Blockers(it.Name, r.Config.Name) {
			if r.Memory.of(rrsetID(b)).Exists() {
				refused.Reason, refused.Hint = zone.Conflict, b.String()
				break
			}
		}
		if it.NotNameServer && slices.Contains(r.Memory.of(rrsetID{Name: r.Config.Name, Type: typeNS}).Text, change.HostOf(it.Name)) {
			refused.Reason = zone.NameServer
		}
		if refused.Reason != "" {
			it.fail(refused)
		}
	}
}

// list looks at the whole zone.
func (r *round) list() *zone.Error {
	began := time.Now()
	var records []libdns.Record
	if err := r.exchange("query", 1, func(ctx context.Context) (err error) {
		records, err = r.Provider.GetRecords(ctx, r.Config.Name)
		return err
	}); err != nil {
		r.Memory.forget()
		return err
	}
	wanted, got, clamped := r.Memory.take(newListing(r.Config.Name, records), began)
	if clamped && r.Hooks.Clamped != nil {
		r.Hooks.Clamped(r.Config.Name, wanted, got)
	}
	return nil
}

// write brings RRsets to what they are to be.
func (r *round) write(plans []*planned) *zone.Error {
	var c calls
	for _, p := range plans {
		if p.writes() {
			c.include(r.Memory, r.Config.Name, p)
		}
	}
	for _, step := range []struct {
		records []libdns.Record
		call    func(context.Context, string, []libdns.Record) ([]libdns.Record, error)
	}{
		{c.removeFirst, r.Provider.DeleteRecords},
		{c.set, r.Provider.SetRecords},
		{c.add, r.Provider.AppendRecords},
		{c.remove, r.Provider.DeleteRecords},
	} {
		if len(step.records) == 0 {
			continue
		}
		if err := r.exchange("update", len(step.records), func(ctx context.Context) error {
			_, err := step.call(ctx, r.Config.Name, step.records)
			return err
		}); err != nil {
			return err
		}
	}
	now := time.Now()
	for _, p := range plans {
		if p.writes() {
			k := &known{Set: p.after, records: p.kept, confirmed: now, wanted: p.wanted, asked: p.asks}
			if !p.asks {
				k.wanted, k.asked = p.before.wanted, p.before.asked
			}
			r.Memory.sets[p.rrsetID] = k
		}
	}
	if len(c.tests) == 0 || r.list() != nil {
		return nil
	}
	return r.test(c.tests)
}

// test learns from a listing what SetRecords does, and mends what is not as it is to be.
func (r *round) test(plans []*planned) *zone.Error {
	var mend []*planned
	for _, p := range plans {
		now := r.Memory.of(p.rrsetID)
		stands := func(v string) bool { return slices.Contains(now.Data, v) }
		if !slices.ContainsFunc(p.after.Data, stands) {
			continue // nothing of it: the listing may lag behind
		}
		t := p.trait(r.Memory)
		if now.SameValues(p.after) && len(now.records) == len(p.after.Data) {
			if *t == untested && p.before.Exists() { // else nothing was there to be left
				*t = replaces
			}
			continue
		}
		*t = appends
		mend = append(mend, &planned{rrsetID: p.rrsetID, before: now, after: p.after, wanted: p.wanted, asks: p.asks, mends: true})
	}
	if mend == nil {
		return nil
	}
	return r.write(mend)
}
