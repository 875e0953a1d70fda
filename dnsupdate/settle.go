package dnsupdate

import (
	"math/rand/v2"
	"slices"
	"time"
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

// round is a group, or the part of one that is left, on its way to its results.
type round struct {
	items   []*item
	started time.Time
	// proven: the nameserver accepts our key for the zone.
	proven bool
	// parted: the items are a part of a group that was refused, and the key need
	// not be tested again.
	parted bool
	// How often what went wrong.
	tries, unmet, failing, lost, down int
	// pinned is what the only name left was pinned to before.
	pinned [slots]rrset
}

// settle brings every item to its result.
func (u *Updater) settle(r round) {
	if r.started.IsZero() {
		r.started = time.Now()
	}
	last := &Error{Kind: Timeout, Zone: u.zone, Hint: "the time was up before the change could be sent"}
	for {
		if r.items = u.present(r.items); len(r.items) == 0 {
			return
		}
		deadline := latestDeadline(r.items)
		if !time.Now().Before(deadline) {
			u.fail(r.items, last)
			return
		}
		o := u.attempt(&r, deadline)
		if o.verdict == accepted {
			return
		}
		r.tries++
		again, pause, o := u.respond(&r, o, deadline)
		if len(r.items) == 0 {
			return
		}
		if !again || r.tries >= maxTries || !time.Now().Add(pause).Before(deadline) {
			u.fail(r.items, o.err)
			return
		}
		last = o.err
		time.Sleep(pause)
	}
}

// respond decides what to do about an attempt that did not succeed: again after
// a pause, or not. It may settle some or all of the items itself, which are
// then gone from r, and it gives the outcome to report if no attempt follows.
func (u *Updater) respond(r *round, o outcome, deadline time.Time) (again bool, pause time.Duration, last outcome) {
	switch o.verdict {
	case unmet:
		return u.reconsider(r, o, deadline)
	case denied:
		again, o = u.narrow(r, o, deadline)
		return again, 0, o
	case tooLong:
		if a, b, ok := halve(r.items); ok && a[0].call != b[0].call {
			u.halves(r, a, b)
		}
		return false, 0, o
	case failing:
		// The nameserver should have undone it all; nobody can be sure.
		u.forget(r.items)
		r.failing++
		return r.failing < maxFailing, backoff(r.failing), o
	case elsewhere, unsent:
		// One pass over the servers without a pause, then patience.
		r.down++
		if !u.servers.allRest(time.Now()) {
			return true, 0, o
		}
		// A change whose message was lost deserves all of its time: the nameserver
		// may be back in a moment and tell what became of it.
		lost := slices.ContainsFunc(r.items, func(it *item) bool { return it.lost != nil })
		passes := r.down / len(u.servers.list)
		return o.verdict == unsent && (passes < maxDown || lost), backoff(passes), o
	}
	if o.stale {
		return true, 0, o
	}
	if r.lost++; r.lost > 1 {
		pause = backoff(r.lost - 1)
	}
	return r.lost < maxLost, pause, o
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
		if r.items = u.admit(r.items); len(r.items) == 0 {
			return outcome{}
		}
		u.plan.make(u, r.items)
		names := len(u.plan.owners)
		if !u.plan.pack(&c.out, u.zone) {
			return outcome{verdict: tooLong, err: &Error{Kind: Invalid, Zone: u.zone, Hint: "one message cannot hold the changes"}}
		}
		if hook := u.client.options.Hooks.Group; hook != nil {
			hook(u.zone, names)
		}
		started := time.Now()
		o = u.send(c, s, limit)
		u.adapt(names, time.Since(started))
		switch o.verdict {
		case accepted:
			u.successes++
			u.plan.commit(u, r.items, time.Now())
		case lost:
			// Whatever the callers do now, the memory must not rely on it.
			u.plan.lose(r.items)
			u.forget(r.items)
		}
		return o
	})
}

// checkBlocked finds out whether what a read showed to block a name is really
// there, and if so ends the changes of that name.
func (u *Updater) checkBlocked(c *conn, s *server, r *round, b blockedName, limit time.Time) outcome {
	exists, o := u.prove(c, s, b.blocker, limit)
	if o.verdict != accepted {
		return o
	}
	if exists {
		u.conflict(s, r, b.name, b.blocker)
		return outcome{}
	}
	// A wildcard's CNAME, or a record that is gone by now.
	e := u.known.entry(b.name)
	for i := range e.sets {
		if !e.sets[i].known {
			e.sets[i] = belief{known: true}
		}
	}
	return outcome{}
}

// conflict ends the changes of a name that something blocks.
func (u *Updater) conflict(s *server, r *round, name string, b blocker) {
	var hit, kept []*item
	for _, it := range r.items {
		if it.name == name {
			hit = append(hit, it)
		} else {
			kept = append(kept, it)
		}
	}
	u.fail(hit, &Error{Kind: Conflict, Server: s.pool.address, Zone: u.zone, Name: name, Verified: true, Hint: b.String()})
	u.known.entry(name).forget()
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

func (u *Updater) forget(items []*item) {
	for _, it := range items {
		u.known.entry(it.name).forget()
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
