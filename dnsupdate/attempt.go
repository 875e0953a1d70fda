package dnsupdate

import (
	"math/rand/v2"
	"slices"
	"time"

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
)

// round is a group, or the part of one that is left, until it has its results.
type round struct {
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
	pinned map[zone.Type]rrset
}

// step is what follows an attempt: parts to be settled in their order, another
// attempt after a pause, or the error of the items that are left.
type step struct {
	parts []*round
	again bool
	pause time.Duration
	err   *zone.Error
}

// settle brings every item to its result.
func (u *Updater) settle(items []*item) {
	work := []*round{{items: items, started: time.Now()}}
	for len(work) > 0 {
		parts := u.try(work[0])
		work = append(parts, work[1:]...)
	}
}

// try makes attempts until the items of a round have their results or have to
// go on in parts.
func (u *Updater) try(r *round) (parts []*round) {
	if r.doubt != nil && !u.keyTrusted() {
		u.fail(r.items, r.doubt)
		return nil
	}
	last := &zone.Error{Reason: zone.Timeout, Zone: u.zone, Hint: "the time was up before the change could be sent"}
	u.resolve(r)
	u.assume(r, false)
	for {
		u.resolve(r)
		if r.items = u.present(r.items); len(r.items) == 0 {
			return nil
		}
		deadline := latestDeadline(r.items)
		if !time.Now().Before(deadline) {
			u.fail(r.items, last)
			return nil
		}
		o := u.attempt(r, deadline)
		if len(r.items) == 0 {
			return nil
		}
		r.tries++
		next := u.respond(r, o, deadline)
		if len(r.items) == 0 {
			return next.parts
		}
		if last = next.err; !next.again || r.tries >= maxTries || !time.Now().Add(next.pause).Before(deadline) {
			u.fail(r.items, last)
			return nil
		}
		time.Sleep(next.pause)
	}
}

// respond decides what follows an attempt. It may settle some or all of the items
// itself, which are then gone from r, as are those in the parts.
func (u *Updater) respond(r *round, o outcome, deadline time.Time) step {
	next := step{err: o.err}
	switch o.verdict {
	case unmet:
		return u.reconsider(r, o, deadline)
	case denied:
		return u.narrow(r, o, deadline)
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
		if next.again = !u.servers.allRest(time.Now()); next.again {
			break
		}
		// A change whose message was lost is tried until its time is up: the nameserver
		// may be back in a moment and tell what became of it.
		lost := slices.ContainsFunc(r.items, func(it *item) bool { return it.lost != nil })
		passes := r.down / len(u.servers.list)
		next.again, next.pause = o.verdict == unsent && (passes < maxDown || lost), backoff(passes)
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

// attempt reads what is unknown and sends the items as one message.
func (u *Updater) attempt(r *round, deadline time.Time) outcome {
	return u.with(deadline, func(c *conn, s *server, limit time.Time) outcome {
		blocked, o := u.learn(c, s, r, limit)
		if o.verdict != accepted {
			return o
		}
		for _, b := range blocked {
			if o := u.checkBlocked(c, s, r, b, limit); o.verdict != accepted {
				return o
			}
		}
		if o := u.sparesNameServers(c, s, r, limit); o.verdict != accepted {
			return o
		}
		u.holdBack(r)
		if r.items = u.admit(r.items); len(r.items) == 0 {
			return outcome{verdict: settled}
		}
		u.plan.build(u.known, r.items, r.after)
		if !u.plan.pack(&c.out, u) {
			return outcome{verdict: tooLong, err: &zone.Error{Reason: zone.Invalid, Zone: u.zone, Hint: "one message cannot hold the changes"}}
		}
		return u.carryOut(c, s, r, limit)
	})
}

// carryOut sends the plan, and with a yes delivers the results.
func (u *Updater) carryOut(c *conn, s *server, r *round, limit time.Time) outcome {
	names := u.plan.names
	if hook := u.client.options.Hooks.Group; hook != nil {
		hook(u.zone, names)
	}
	started := time.Now()
	at, expires := stampAt(started), time.Time{}
	writes := u.plan.writesAny()
	if writes {
		at, expires = c.clock.sign(started)
	}
	o := u.send(c, s, at, limit)
	u.adapt(names, time.Since(started))
	if o.unknown && writes {
		u.lose(c, r.items, expires, o)
		o.err.Unknown = !o.answered
	}
	if o.verdict != accepted {
		return o
	}
	if writes && (u.proveWrites || c.clock.suspectEcho()) {
		if o := u.proveWritten(c, s, r, limit); o.verdict != accepted {
			return o
		}
	}
	u.conclude(r, nil)
	return o
}

// conclude takes the plan for done and sends its results, but to the names of
// which errs says what is wrong.
func (u *Updater) conclude(r *round, errs map[string]*zone.Error) {
	u.plan.commit(u)
	u.keyWorked = time.Now()
	for i, it := range r.items {
		if err := errs[it.name]; err != nil {
			u.known.of(it.rrsetID).forget()
			it.deliver(zone.Result{Err: err})
			continue
		}
		result := u.plan.results[i]
		if it.lost != nil && it.lost.update.fate != refuted {
			it.unproven = true
			if !r.after {
				it.lost.update.fate = absent
			}
		}
		result.Proven = result.Proven && !it.unproven
		it.deliver(result)
	}
	r.items = nil
}

// checkBlocked finds out whether what a read showed to block a name is really
// there, and if so ends the changes of that name.
func (u *Updater) checkBlocked(c *conn, s *server, r *round, b blockedName, limit time.Time) outcome {
	exists, o := u.prove(c, s, b.blocker, limit)
	if o.verdict != accepted {
		return o
	}
	if exists {
		u.conflict(s, r, b.of, b.blocker)
		return o
	}
	// A wildcard's CNAME, or a record that is gone by now.
	for _, it := range r.items {
		if set := u.known.of(it.rrsetID); it.name == b.of && !set.known {
			*set = belief{known: true}
		}
	}
	return o
}

// conflict ends the changes of a name that something blocks.
func (u *Updater) conflict(s *server, r *round, name string, b blocker) {
	u.end(r, func(it *item) bool {
		hit := it.name == name
		if hit {
			u.known.of(it.rrsetID).forget()
		}
		return hit
	}, &zone.Error{Reason: zone.Conflict, Server: s.pool.address, Zone: u.zone, Name: name, Verified: true, Hint: b.String()})
}

// end sends the items that match an error and takes them out of the round.
func (u *Updater) end(r *round, match func(*item) bool, err *zone.Error) {
	var hit, kept []*item
	for _, it := range r.items {
		if match(it) {
			hit = append(hit, it)
		} else {
			kept = append(kept, it)
		}
	}
	u.fail(hit, err)
	r.items = kept
}

// adapt keeps messages short of half a second: PowerDNS takes 5 ms per name in a
// zone of a thousand names, and 400 ms in one of a hundred thousand.
func (u *Updater) adapt(names int, took time.Duration) {
	switch {
	case took > 500*time.Millisecond:
		u.group = max(u.group/2, 1)
	case took < 100*time.Millisecond && names >= u.group:
		u.group = min(u.group*2, u.maxGroup)
	}
}

// forget drops what is believed of the names of a round.
func (u *Updater) forget(r *round) {
	for _, it := range r.items {
		u.known.of(it.rrsetID).forget()
		if it.notNameServer {
			u.apexNS.forget()
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
