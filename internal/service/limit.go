package service

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/caddy-dyndns/dyndns/clients"
	"github.com/caddy-dyndns/dyndns/internal/quota"
	"github.com/caddy-dyndns/dyndns/zone"
)

// quotaOf returns what a client may change; false if as much as it likes. One request
// may always move both families and all LAN hosts.
func quotaOf(client *clients.Client) (quota.Limit, bool) {
	l := client.Limit()
	if l.Changes <= 0 {
		return quota.Limit{}, false
	}
	return quota.Limit{Burst: max(l.Changes, 2+len(client.LAN)), Interval: max(1, l.Per/time.Duration(l.Changes))}, true
}

// reserve takes what a plan may change from the quota of its client, before anybody
// knows what it will change. If there is nothing left, the plan will only read.
func (s *Service) reserve(p *plan, client *clients.Client) (settle func()) {
	limit, limited := quotaOf(client)
	n := 0
	for i := range p.zones {
		n += p.zones[i].limited(nil)
	}
	if !limited || n == 0 {
		return func() {}
	}
	if wait := s.Quota.Take(client.Name, limit, n, time.Now()); wait > 0 {
		refusal := &Error{
			Reason:     LimitReached,
			Message:    fmt.Sprintf("this client may change %d records within %v; try again later", client.Limit().Changes, client.Limit().Per),
			RetryAfter: wait,
		}
		for i := range p.zones {
			p.zones[i].refusal = refusal
		}
		return func() {}
	}
	return func() {
		made := 0
		for i := range p.zones {
			made += p.zones[i].limited(func(r zone.Result) bool { return r.Err == nil && r.Changed })
		}
		s.Quota.Return(client.Name, limit, n-made, time.Now())
	}
}

// limited counts the changes of addresses and service bindings of which the result is such; nil counts all.
// Challenges do not count: a certificate must not depend on how often a line drops.
func (w *zoneWork) limited(such func(zone.Result) bool) (n int) {
	for i := range w.changes {
		if w.changesAddress(i) && (such == nil || such(w.results[i])) {
			n++
		}
	}
	return n
}

func (w *zoneWork) changesAddress(i int) bool {
	c := &w.changes[i]
	if c.Type == zone.TypeTXT {
		return false
	}
	return c.Action != zone.Keep || slices.ContainsFunc(w.moves, func(m move) bool { return m.change == i })
}

// applyWithin makes no change of an address. What would change gets the refusal, what is
// as it should be its result.
func (w *zoneWork) applyWithin(ctx context.Context) {
	wanted := slices.Clone(w.changes)
	for i := range w.changes {
		if w.changesAddress(i) {
			c := &w.changes[i]
			c.Action, c.Values, c.Expect = zone.Keep, nil, nil
		}
	}
	w.results = w.ask(ctx, w.changes)
	for _, m := range w.moves {
		r := &w.results[m.change]
		if wanted[m.change].Action != zone.Keep || r.Err != nil {
			continue // a LAN host, whose address is known
		}
		if err := w.aim(m, *r); err != nil {
			r.Err = err
		}
		wanted[m.change] = w.changes[m.change]
	}
	w.changes = wanted
	for i := range w.changes {
		if r := &w.results[i]; r.Err == nil && w.changesAddress(i) && !holds(r.New, &w.changes[i]) {
			r.Err = w.refusal
		}
	}
}

// holds tells whether an RRset is what a change would make of it.
func holds(values []string, c *zone.Change) bool {
	switch c.Action {
	case zone.Set:
		return slices.Equal(slices.Sorted(slices.Values(values)), slices.Sorted(slices.Values(c.Values)))
	case zone.Delete:
		return len(values) == 0
	case zone.Add:
		return !slices.ContainsFunc(c.Values, func(v string) bool { return !slices.Contains(values, v) })
	case zone.Remove:
		return !slices.ContainsFunc(c.Values, func(v string) bool { return slices.Contains(values, v) })
	}
	return true
}
