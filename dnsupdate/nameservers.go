package dnsupdate

import (
	"context"
	"slices"
	"time"

	"github.com/miekg/dns"
)

const (
	// nameServerTime is how long the apex NS records are remembered.
	nameServerTime = 5 * time.Minute
	// nameServerGrace is how long they still count after they could not be read again.
	nameServerGrace = 30 * time.Second
)

// nameServerCache holds the targets of the apex NS records. turn is a lock that
// a caller can stop waiting for.
type nameServerCache struct {
	turn    chan struct{}
	targets []string
	expires time.Time
}

// NameServers gives the names that the zone's apex NS records point to, sorted. They are
// remembered for five minutes, and for longer while they cannot be read; one read
// at a time is under way.
func (u *Updater) NameServers(ctx context.Context) ([]string, error) {
	cache := &u.nameServers
	select {
	case cache.turn <- struct{}{}:
		defer func() { <-cache.turn }()
	case <-ctx.Done():
		return nil, &Error{Kind: Timeout, Zone: u.zone, Cause: ctx.Err()}
	}
	if time.Now().Before(cache.expires) {
		return slices.Clone(cache.targets), nil
	}
	answer, err := u.lookup(ctx, u.zone, dns.TypeNS)
	switch {
	case err != nil && cache.targets != nil:
		cache.expires = time.Now().Add(nameServerGrace)
		return slices.Clone(cache.targets), nil
	case err != nil:
		return nil, err
	}
	targets := []string{}
	for _, rr := range answer.Answer {
		if ns, ok := rr.(*dns.NS); ok && dns.CanonicalName(ns.Hdr.Name) == u.zone {
			targets = append(targets, dns.CanonicalName(ns.Ns))
		}
	}
	slices.Sort(targets)
	cache.targets, cache.expires = targets, time.Now().Add(nameServerTime)
	return slices.Clone(targets), nil
}

// lookup asks one signed question, going on to other nameservers where that helps.
func (u *Updater) lookup(ctx context.Context, name string, rrtype uint16) (*dns.Msg, *Error) {
	if err := ctx.Err(); err != nil {
		return nil, &Error{Kind: Timeout, Zone: u.zone, Cause: err}
	}
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = time.Now().Add(defaultTime)
	}
	for try := 1; ; try++ {
		var answer *dns.Msg
		o := u.with(deadline, func(c *conn, s *server, limit time.Time) outcome {
			queries := []query{{name: name, rrtype: rrtype}}
			o := u.askAll(c, s, queries, limit)
			answer = queries[0].answer
			return o
		})
		if o.verdict == accepted {
			return answer, nil
		}
		if o.verdict == denied || try > maxDown*len(u.servers.list) && !o.stale || ctx.Err() != nil || !time.Now().Before(deadline) {
			return nil, o.err
		}
		if u.servers.allRest(time.Now()) || o.verdict == failing {
			timer := time.NewTimer(backoff(try))
			select {
			case <-timer.C:
			case <-ctx.Done():
				timer.Stop()
				return nil, o.err
			}
		}
	}
}
