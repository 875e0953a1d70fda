package dnsupdate

import (
	"math/rand/v2"
	"slices"
	"time"

	"github.com/caddy-dyndns/dyndns/internal/change"
	"github.com/caddy-dyndns/dyndns/zone"
)

const (
	// maxTries bounds the attempts of a round whatever happens.
	maxTries = 40
	// maxFailing: a SERVFAIL passes more often than not (Knot's when a
	// neighbour's update was bad, PowerDNS's when its database was locked).
	maxFailing = 3
	// maxLost and maxDown bound the attempts without a reply or a connection,
	// the latter per nameserver: callers behind in the queue are waiting.
	maxLost = 5
	maxDown = 3
	// maxDownLost is maxDown after a message was lost, about two seconds: the nameserver
	// may be back in a moment and tell what became of it.
	maxDownLost = 5
)

// round is a group, or the part of one that is left, until it has its results.
type round struct {
	engine  *engine
	items   []*item
	started time.Time
	// proven: the nameserver accepts our key for the zone.
	proven bool
	// parted: the items are a part of a group that was refused, and the key need
	// not be tested again.
	parted bool
	// doubt is the refusal that all items get if our key has made no change of late.
	doubt *zone.Error
	// after: what is believed is what a lost update would have left, not what it
	// would have found.
	after bool
	// How often what went wrong.
	tries, unmet, failing, lost, down, retimed int
	// pinned is what the RRsets of the only name left were pinned to before.
	pinned map[zone.Type]change.Set
}

// step is what follows an attempt: parts to be settled in their order, another
// attempt after a pause, or the error of the items that are left.
type step struct {
	parts []*round
	again bool
	pause time.Duration
	err   *zone.Error
}

// try makes attempts until the items of a round have their results or have to
// go on in parts.
func (r *round) try() (parts []*round) {
	e := r.engine
	if r.doubt != nil && !e.keyTrusted() {
		r.fail(r.doubt)
		return nil
	}
	last := &zone.Error{Reason: zone.Timeout, Zone: e.zone, Hint: "the time was up before the change could be sent"}
	r.resolve()
	r.assume(false)
	for {
		r.resolve()
		if r.items = e.queue.present(r.items); len(r.items) == 0 {
			return nil
		}
		deadline := latestDeadline(r.items)
		if !time.Now().Before(deadline) {
			r.fail(last)
			return nil
		}
		o := r.attempt(deadline)
		if len(r.items) == 0 {
			return nil
		}
		r.tries++
		next := r.respond(o, deadline)
		if len(r.items) == 0 {
			return next.parts
		}
		if last = next.err; !next.again || r.tries >= maxTries || !time.Now().Add(next.pause).Before(deadline) {
			r.fail(last)
			return nil
		}
		time.Sleep(next.pause)
	}
}

// fail ends the items with an error, but for those of which a reply that came late has
// told better.
func (r *round) fail(err *zone.Error) {
	r.resolve()
	fail(r.items, err)
}

// respond decides what follows an attempt. It may settle some or all of the items
// itself, which are then gone from r, as are those in the parts.
func (r *round) respond(o outcome, deadline time.Time) step {
	next := step{err: o.err}
	switch o.verdict {
	case unmet:
		return r.reconsider(o, deadline)
	case denied:
		return r.narrow(o, deadline)
	case retimed:
		r.retimed++
		next.again = r.retimed <= 2
	case tooLong:
		if a, b, ok := halve(r.items); ok && a[0].call != b[0].call {
			next.parts = r.part(a, b)
		}
	case failing:
		r.failing++
		next.again, next.pause = r.failing < maxFailing, backoff(r.failing)
	case elsewhere, unsent:
		// One pass over the servers without a pause, then patience.
		r.down++
		if next.again = !r.engine.servers.AllRest(time.Now()); next.again {
			break
		}
		most := maxDown
		if slices.ContainsFunc(r.items, func(it *item) bool { return it.lost != nil }) {
			most = maxDownLost
		}
		passes := r.down / len(r.engine.servers.All())
		next.again, next.pause = o.verdict == unsent && passes < most, backoff(passes)
	case lost, unread:
		if next.again = o.stale; next.again {
			break
		}
		if r.lost++; r.lost > 1 {
			next.pause = backoff(r.lost - 1)
		}
		next.again = r.lost < maxLost
	}
	return next
}

// part cuts a round into rounds of these items, to be settled one after the
// other, which keeps the order of changes to one name.
func (r *round) part(parts ...[]*item) []*round {
	rounds := make([]*round, len(parts))
	for i, items := range parts {
		rounds[i] = &round{engine: r.engine, items: items, started: r.started, proven: r.proven, parted: r.parted, unmet: r.unmet}
	}
	r.items = nil
	return rounds
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
		if first[it.Name] {
			a = append(a, it)
		} else {
			b = append(b, it)
		}
	}
	return a, b, true
}

// namesOf returns the distinct names of items in their order.
func namesOf(items []*item) []string {
	var names []string
	seen := map[string]bool{}
	for _, it := range items {
		if !seen[it.Name] {
			seen[it.Name] = true
			names = append(names, it.Name)
		}
	}
	return names
}

// end sends the items that match an error and takes them out of the round.
func (r *round) end(match func(*item) bool, err *zone.Error) {
	var hit, kept []*item
	for _, it := range r.items {
		if match(it) {
			hit = append(hit, it)
		} else {
			kept = append(kept, it)
		}
	}
	fail(hit, err)
	r.items = kept
}

// forget drops what is believed of the names of a round.
func (r *round) forget() {
	for _, it := range r.items {
		r.engine.known.of(it.RRsetID).forget()
		if it.wish.NotNameServer {
			r.engine.apexNS.forget()
		}
	}
}

func latestDeadline(items []*item) time.Time {
	var latest time.Time
	for _, it := range items {
		if it.call.deadline.After(latest) {
			latest = it.call.deadline
		}
	}
	return latest
}

// backoff is the pause before attempt n+1, jittered so that clients that failed
// together do not come back together.
func backoff(n int) time.Duration {
	base := 100 * time.Millisecond << min(max(n-1, 0), 4)
	return base/2 + rand.N(base)
}
