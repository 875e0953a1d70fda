package dnsupdate

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// CheckStep is one thing that a self-test did.
type CheckStep struct {
	// Name says what was tried: "reachable", "key", "clock" and "authoritative"
	// for each nameserver, then "write", "read back" and "remove".
	Name string
	// Server is the nameserver's address, empty where any may have answered.
	Server string
	Took   time.Duration
	// Detail says what was found.
	Detail string
	// Err is what went wrong, nil if nothing did.
	Err error
}

const (
	// checkTTL is short: nobody should remember the record.
	checkTTL = 10
	// cleanUpTime is what the removal may take when the time is up otherwise.
	cleanUpTime = 5 * time.Second
)

// Check tests every nameserver of the zone and then the whole way: it writes a
// TXT record of its own, reads it back and removes it.
func (u *Updater) Check(ctx context.Context) []CheckStep {
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = time.Now().Add(defaultTime)
	}
	var steps []CheckStep
	usable := false
	for i, s := range u.servers.list {
		// Each server gets its share of half of the time, the rest is for writing.
		left := time.Until(deadline) / time.Duration(2*(len(u.servers.list)-i))
		found, ok := u.checkServer(s, time.Now().Add(left))
		steps = append(steps, found...)
		usable = usable || ok
	}
	if !usable {
		return steps
	}
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	return append(steps, u.checkWrite(ctx)...)
}

// checkServer tests one nameserver without writing.
func (u *Updater) checkServer(s *server, limit time.Time) (steps []CheckStep, ok bool) {
	address := s.pool.address
	step := func(name string, took time.Duration, detail string, err *Error) {
		steps = append(steps, CheckStep{Name: name, Server: address, Took: took, Detail: detail})
		if err != nil {
			steps[len(steps)-1].Err = err
		}
	}
	started := time.Now()
	connected := time.Duration(-1)
	queries := []query{{name: u.zone, rrtype: dns.TypeSOA}}
	o := u.on(s, nil, limit, func(c *conn, s *server, limit time.Time) outcome {
		connected = time.Since(started)
		return u.askSigned(c, s, u.signer, queries, limit)
	})
	took := time.Since(started)
	if connected < 0 {
		step("reachable", took, "", o.err)
		return steps, false
	}
	step("reachable", connected, "TCP connection open", nil)
	q := queries[0]
	switch {
	case q.reply == nil, q.unverified != nil:
		step("key", took, "", o.err)
		return steps, false
	case o.verdict == denied && q.reply.tsig.error == dns.RcodeBadTime:
		step("key", took, "the reply is signed by "+u.signer.key.String(), nil)
		step("clock", took, "", o.err)
		return steps, false
	}
	step("key", took, "the reply is signed by "+u.signer.key.String(), nil)
	skew := time.Until(q.reply.tsig.serverTime()).Round(time.Second)
	step("clock", took, fmt.Sprintf("%.0f s apart, %d s are allowed", max(skew, -skew).Seconds(), wideFudge), nil)
	if o.verdict != accepted {
		step("authoritative", took, "", o.err)
		return steps, false
	}
	for _, rr := range q.answer.Answer {
		if soa, ok := rr.(*dns.SOA); ok && dns.CanonicalName(soa.Hdr.Name) == u.zone {
			step("authoritative", took, fmt.Sprintf("serial %d", soa.Serial), nil)
			return steps, true
		}
	}
	step("authoritative", took, "", &Error{Kind: Refused, Server: address, Zone: u.zone, Verified: true,
		Hint: "no zone begins at this name: check the zone's name on both sides"})
	return steps, false
}

// checkWrite writes a record, reads it back and removes it.
func (u *Updater) checkWrite(ctx context.Context) []CheckStep {
	text := strings.ToLower(rand.Text())
	change := Change{
		Name: "_dyndns-check-" + text + "." + u.zone, Type: TypeTXT,
		Action: Set, Values: []string{text}, TTL: checkTTL,
	}
	started := time.Now()
	written := u.Apply(ctx, []Change{change})[0]
	write := CheckStep{Name: "write", Took: time.Since(started), Detail: change.Name + " TXT", Err: written.Err}
	if e, ok := written.Err.(*Error); ok {
		if e.Kind == Refused {
			write.Detail += ": the check needs a key that may change TXT records"
		}
		if !e.Unknown {
			return []CheckStep{write}
		}
	}
	steps := []CheckStep{write}
	if written.Err == nil {
		steps = append(steps, u.readBack(ctx, change))
	}

	// The record must go even if the caller has.
	started = time.Now()
	change.Action, change.Values = Delete, nil
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanUpTime)
	defer cancel()
	removed := u.Apply(ctx, []Change{change})[0]
	remove := CheckStep{Name: "remove", Took: time.Since(started), Err: removed.Err}
	if removed.Err != nil {
		remove.Detail = change.Name + " TXT may still be there: remove it by hand"
	}
	return append(steps, remove)
}

// readBack polls for a record: with inline signing it shows only after a while.
func (u *Updater) readBack(ctx context.Context, change Change) CheckStep {
	started := time.Now()
	step := CheckStep{Name: "read back"}
	for pause := 5 * time.Millisecond; ; pause = min(2*pause, 500*time.Millisecond) {
		var queries []query
		o := u.ask(ctx, func(c *conn, s *server, limit time.Time) outcome {
			queries = []query{{name: change.Name, rrtype: dns.TypeTXT}}
			return u.askAll(c, s, queries, limit)
		})
		step.Took = time.Since(started)
		if o.verdict != accepted {
			step.Err = o.err
			return step
		}
		var set rrset
		for _, rr := range queries[0].answer.Answer {
			set.add(rr)
		}
		if slices.Equal(set.text, change.Values) {
			step.Detail = fmt.Sprintf("TTL %d", set.ttl)
			return step
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			step.Err = &Error{Kind: Timeout, Zone: u.zone, Name: change.Name, Cause: ctx.Err(),
				Hint: "the nameserver took the record but does not show it"}
			return step
		}
	}
}
