package dnsupdate

import (
	"context"
	"errors"
	"runtime/debug"
	"time"

	"github.com/miekg/dns"

	"github.com/caddy-dyndns/dyndns/zone"
)

// maxTimeouts is how many exchanges in a row may get no reply before their
// connection counts as dead: TCP itself takes a quarter of an hour to tell.
const maxTimeouts = 2

// with runs an exchange of the running goroutine on a connection to the
// nameserver whose turn it is, in at most half of the time that is left, so that
// another may follow.
func (u *Updater) with(deadline time.Time, exchange func(c *conn, s *server, limit time.Time) outcome) outcome {
	now := time.Now()
	return u.on(u.servers.pick(now), u, now.Add(deadline.Sub(now)/2), exchange)
}

// on runs an exchange on a connection to one nameserver: on the one that carries
// the unanswered messages of owner, if there is one. owner may be nil.
func (u *Updater) on(s *server, owner *Updater, limit time.Time, exchange func(c *conn, s *server, limit time.Time) outcome) (o outcome) {
	var c *conn
	defer func() {
		// What a nameserver says can show a defect of ours, but never more than that.
		if v := recover(); v != nil {
			if c != nil {
				s.pool.discard(c)
			}
			if hook := u.client.options.Hooks.Panic; hook != nil {
				hook(u.zone, v, debug.Stack())
			}
			o = outcome{err: &zone.Error{Reason: zone.Unreachable, Server: s.pool.address, Zone: u.zone, Unknown: true, Cause: errPanic}}
		}
	}()
	now := time.Now()
	c, err := s.pool.get(owner, limit)
	if err != nil {
		o = outcome{verdict: unsent, err: &zone.Error{Reason: zone.Unreachable, Server: s.pool.address, Zone: u.zone, Cause: err}}
		// A slot that nobody gave back, or a dial cut short by our own deadline,
		// tells nothing against the nameserver.
		if errors.Is(err, errNoSlot) || isTimeout(err) && limit.Sub(now) < dialTime {
			o.err.Reason, o.blameless = zone.Timeout, true
		}
		u.exchanged(s, "connect", time.Since(now), o)
		return o
	}
	o = exchange(c, s, limit)
	if (o.verdict == lost || o.verdict == unread) && !(o.inStep && c.owner != nil && c.timeouts < maxTimeouts) {
		s.pool.discard(c)
	} else {
		s.pool.put(c)
	}
	return o
}

// send sends the UPDATE that stands in c.out. The outcome is unknown unless our
// key signed the reply.
func (u *Updater) send(c *conn, s *server, at stamp, limit time.Time) outcome {
	started := time.Now()
	r, unverified, err := c.update(u.signer, u.apex, at, limit)
	var o outcome
	if err != nil {
		o = u.transport(s.pool.address, lost, c, err)
		if o.inStep && c.owner != nil {
			c.unanswered[c.out.id] = &sending{}
		}
	} else {
		o = u.judge(s.pool.address, r, unverified)
		o.inStep = true
		o.answered = unverified == nil
		if o.answered && r.tsig.error == dns.RcodeBadTime && len(r.tsig.other) == 6 &&
			c.clock.corrected(uint48(r.tsig.other), started, time.Now()) {
			o.verdict = retimed
		}
	}
	o.unknown = o.verdict == lost || o.verdict == failing || err == nil && unverified != nil
	u.exchanged(s, "update", time.Since(started), o)
	return o
}

// sendProof sends the message in c.out, which has prerequisites alone: nothing
// is lost with it.
func (u *Updater) sendProof(c *conn, s *server, limit time.Time) outcome {
	o := u.send(c, s, stampAt(time.Now()), limit)
	if o.unknown = false; o.verdict == lost {
		o.verdict = unread
	}
	return o
}

// prove asks whether an RRset exists, in the one way that neither a wildcard nor
// a signing nameserver's lag can fake: a prerequisite without updates. The
// outcome is accepted if either was proven.
func (u *Updater) prove(c *conn, s *server, b blocker, limit time.Time) (exists bool, o outcome) {
	c.out.begin(dns.OpcodeUpdate, u.zone, dns.TypeSOA)
	c.out.requireExists(rrsetID(b))
	o = u.sendProof(c, s, limit)
	exists = o.verdict == accepted
	if o.verdict == unmet {
		o = outcome{verdict: accepted}
	}
	return exists, o
}

// ask runs an exchange that changes nothing, going on to other nameservers where
// that helps, until it is accepted or denied or ctx ends.
func (u *Updater) ask(ctx context.Context, exchange func(c *conn, s *server, limit time.Time) outcome) outcome {
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = time.Now().Add(defaultTime)
	}
	for try := 1; ; try++ {
		now := time.Now()
		if err := ctx.Err(); err != nil || !now.Before(deadline) {
			return outcome{verdict: unread, err: &zone.Error{Reason: zone.Timeout, Zone: u.zone, Cause: err}}
		}
		o := u.on(u.servers.pick(now), nil, now.Add(deadline.Sub(now)/2), exchange)
		if o.verdict == accepted || o.verdict == denied || o.verdict == unjudged || try > maxDown*len(u.servers.list) && !o.stale {
			return o
		}
		if o.verdict != unmet && o.verdict != failing && !u.servers.allRest(time.Now()) {
			continue
		}
		timer := time.NewTimer(backoff(try))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return o
		}
	}
}

// askAll sends queries and judges every reply. Each has an answer if the
// outcome is accepted.
func (u *Updater) askAll(c *conn, s *server, queries []query, limit time.Time) outcome {
	o := u.askSigned(c, s, u.signer, queries, limit)
	switch {
	case o.verdict != denied:
		return o
	case o.err.TSIG == "BADKEY":
		// With a rule that denies some updates to a key Knot answers none of its
		// queries. What is read unsigned is a guess, as every read.
		for i := range queries {
			queries[i] = query{name: queries[i].name, rrtype: queries[i].rrtype}
		}
		if plain := u.askSigned(c, s, nil, queries, limit); plain.verdict != denied {
			return plain
		}
		return o
	}
	// Nameservers refuse a query for a zone that they do not serve in the same
	// words as one that they do not allow. To an UPDATE they say which it is.
	c.out.begin(dns.OpcodeUpdate, u.zone, dns.TypeSOA)
	probe := u.sendProof(c, s, limit)
	if probe.verdict == accepted {
		o.err.Hint = "the nameserver takes updates from this key but does not let it query: BIND: allow-query"
		return o
	}
	return probe
}

// askSigned sends queries signed by a key or, if that is nil, unsigned.
func (u *Updater) askSigned(c *conn, s *server, key *signer, queries []query, limit time.Time) (o outcome) {
	started := time.Now()
	defer func() { u.exchanged(s, "query", time.Since(started), o) }()
	if err := c.ask(key, queries, limit); err != nil {
		o = u.transport(s.pool.address, unread, c, err)
		if o.inStep && c.owner != nil {
			for i := range queries {
				if queries[i].reply == nil && queries[i].mac != nil {
					c.unanswered[queries[i].id] = &sending{}
				}
			}
		}
		return o
	}
	for i := range queries {
		q := &queries[i]
		if q.unverified == nil && q.reply.rcode == dns.RcodeNameError {
			// That a name does not exist is an answer like any other.
			q.reply.rcode = dns.RcodeSuccess
		}
		if o = u.judge(s.pool.address, q.reply, q.unverified); o.verdict == lost {
			o.verdict = unread
		}
		if o.verdict != accepted {
			return o
		}
		if !q.answer.Authoritative && u.referral(q.name, q.answer) == "" {
			return outcome{verdict: elsewhere, err: &zone.Error{
				Reason: zone.Refused, Server: s.pool.address, Zone: u.zone, Verified: true,
				Hint: "the nameserver is not authoritative for the zone",
			}}
		}
	}
	return o
}

// referral returns the name below our apex, at or above name, where an answer
// says that another zone begins, empty if it says no such thing.
func (u *Updater) referral(name string, answer *dns.Msg) string {
	if answer.Authoritative {
		return ""
	}
	for _, rr := range answer.Ns {
		owner := dns.CanonicalName(rr.Header().Name)
		if rr.Header().Rrtype == dns.TypeNS && owner != u.zone && under(owner, u.zone) && under(name, owner) {
			return owner
		}
	}
	return ""
}

// exchanged tells servers and hooks how an exchange went.
func (u *Updater) exchanged(s *server, op string, took time.Duration, o outcome) {
	switch o.verdict {
	case accepted, unmet, denied, retimed:
		// A forged reply must not wake a server up.
		u.replied(s, took, o.err, o.err == nil || o.err.Verified)
	case failing:
		u.replied(s, took, o.err, false)
	default:
		if !o.stale && !o.blameless {
			u.rest(s, o.err)
		}
	}
	u.mu.Lock()
	count(&u.counts, op, o.verdict)
	u.mu.Unlock()
	if hook := u.client.options.Hooks.Exchange; hook != nil {
		err := o.err
		if o.verdict == unmet {
			err = nil
		}
		hook(s.pool.address, op, took, err)
	}
}
