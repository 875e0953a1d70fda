package dnsupdate

import (
	"time"

	"github.com/caddy-dyndns/dyndns/dnsupdate/internal/wire"
	"github.com/caddy-dyndns/dyndns/zone"
)

// attempt is one try of a round on a connection to a nameserver.
type attempt struct {
	*session
	engine *engine
	round  *round
}

// with runs an exchange on a connection to the nameserver whose turn it is, in at
// most half of the time that is left, so that another may follow.
func (r *round) with(deadline time.Time, exchange func(*session) outcome) outcome {
	now := time.Now()
	return r.engine.on(r.engine.servers.Pick(now), r.engine, now.Add(deadline.Sub(now)/2), exchange)
}

// attempt reads what is unknown and sends the items as one message.
func (r *round) attempt(deadline time.Time) outcome {
	return r.with(deadline, func(s *session) outcome {
		a := &attempt{s, r.engine, r}
		return a.run()
	})
}

func (a *attempt) run() outcome {
	e, r := a.engine, a.round
	blocked, o := a.learn()
	if o.verdict != accepted {
		return o
	}
	for _, b := range blocked {
		if o := a.checkBlocked(b); o.verdict != accepted {
			return o
		}
	}
	if o := a.spareNameServers(); o.verdict != accepted {
		return o
	}
	r.holdBack()
	if r.items = e.queue.admit(r.items); len(r.items) == 0 {
		return outcome{verdict: settled}
	}
	e.plan.build(r.items, r.after)
	if !e.plan.pack(a.begin(), &e.apexNS, e.restates()) {
		return outcome{verdict: tooLong, err: &zone.Error{Reason: zone.Invalid, Zone: a.zone, Hint: "one message cannot hold the changes"}}
	}
	return a.carryOut()
}

// carryOut sends the plan, and with a yes delivers the results.
func (a *attempt) carryOut() outcome {
	e := a.engine
	names := e.plan.names
	if a.hooks.Group != nil {
		a.hooks.Group(a.zone, names)
	}
	started := time.Now()
	at, expires := wire.StampAt(started), time.Time{}
	writes := e.plan.writesAny()
	if writes {
		at, expires = a.conn.Clock.Sign(started)
	}
	o := a.send(at)
	e.adapt(names, time.Since(started))
	if o.unknown && writes {
		e.lose(a.round.items, expires, o, func(answered func(bool)) { a.conn.Reserve(e, answered) })
		o.err.Unknown = !o.answered
	}
	if o.verdict != accepted {
		return o
	}
	if writes && (e.proveWrites || a.conn.Clock.Echoes()) {
		if o := a.proveWritten(); o.verdict != accepted {
			return o
		}
	}
	a.conclude(nil)
	return o
}

// conclude takes the plan for done and sends its results, but to the names of
// which errs says what is wrong.
func (a *attempt) conclude(errs map[string]*zone.Error) {
	e := a.engine
	a.refute()
	e.plan.commit(e.known.comparesNothing())
	e.apexNS.proven = e.apexNS.proven || e.plan.guarded
	e.keyWorked = time.Now()
	for i, it := range a.round.items {
		if err := errs[it.Name]; err != nil {
			e.known.of(it.RRsetID).forget()
			it.deliver(zone.Result{Err: err})
			continue
		}
		result := e.plan.results[i]
		it.unproven = it.unproven || it.lost != nil && it.lost.update.fate != refuted
		result.Proven = result.Proven && !it.unproven
		it.deliver(result)
	}
	a.round.items = nil
}

// refute takes a lost update for not applied if the plan, which is done, found an
// RRset as it was before.
func (a *attempt) refute() {
	for _, it := range a.round.items {
		s := it.lost
		if s == nil || s.update.fate != undecided || !s.told() {
			continue
		}
		if found := a.engine.plan.of(it).before; !found.loose && s.before.SameValues(found.Set) {
			s.update.fate = absent
		}
	}
}

// checkBlocked finds out whether what a read showed to block a name is really
// there, and if so ends the changes of that name.
func (a *attempt) checkBlocked(b blockedName) outcome {
	exists, o := a.prove(wire.RRsetID(b.Blocker))
	if o.verdict != accepted {
		return o
	}
	if exists {
		a.round.conflict(a.session, b.of, b.Blocker)
		return o
	}
	// A wildcard's CNAME, or a record that is gone by now.
	for _, it := range a.round.items {
		if set := a.engine.known.of(it.RRsetID); it.Name == b.of && !set.known {
			*set = belief{known: true}
		}
	}
	return o
}
