package dnsupdate

import (
	"context"
	"errors"
	"runtime/debug"
	"sync"
	"time"

	"github.com/miekg/dns"

	"github.com/caddy-dyndns/dyndns/dnsupdate/internal/transport"
	"github.com/caddy-dyndns/dyndns/dnsupdate/internal/wire"
	"github.com/caddy-dyndns/dyndns/internal/change"
	"github.com/caddy-dyndns/dyndns/zone"
)

// requester exchanges messages with the nameservers of one zone. Any number of
// goroutines may use it at once.
type requester struct {
	zone    string
	apex    []byte // the zone's wire name
	key     Key
	signer  *wire.Signer
	servers *transport.Servers
	hooks   Hooks

	mu     sync.Mutex
	counts zone.Counts
}

// probeTime is what a probe of a resting server may take.
const probeTime = 2 * time.Second

func newRequester(name string, key Key, pools []*transport.Pool, hooks Hooks) *requester {
	q := &requester{
		zone: name, apex: wire.Name(name), key: key, hooks: hooks,
		signer: wire.NewSigner(key.Name, key.Algorithm, key.Secret),
	}
	q.servers = transport.NewServers(pools, hooks.Health, func(server *transport.Server) {
		q.on(server, nil, time.Now().Add(probeTime), func(s *session) outcome {
			return s.askSigned(q.signer, []transport.Query{{RRsetID: q.at(typeSOA)}})
		})
	})
	return q
}

// at names an RRset at the zone's apex.
func (q *requester) at(t zone.Type) wire.RRsetID { return wire.RRsetID{Name: q.zone, Type: t} }

// on runs an exchange on a connection to one nameserver: on the one that is
// reserved for owner, if there is one. owner may be nil.
func (q *requester) on(server *transport.Server, owner any, limit time.Time, exchange func(*session) outcome) (o outcome) {
	s := &session{requester: q, server: server, limit: limit}
	defer func() {
		if v := recover(); v != nil {
			if s.conn != nil {
				server.Discard(s.conn)
			}
			o = outcome{err: q.panicked(v)}
			o.err.Server, o.err.Unknown = server.Address, true
		}
	}()
	now := time.Now()
	var err error
	if s.conn, err = server.Get(owner, limit); err != nil {
		o = outcome{verdict: unsent, err: s.failure(zone.Unreachable, err)}
		// A slot that nobody gave back, or a dial cut short by our own deadline,
		// tells nothing against the nameserver.
		if errors.Is(err, transport.ErrNoSlot) || transport.IsTimeout(err) && limit.Sub(now) < transport.DialTime {
			o.err.Reason, o.blameless = zone.Timeout, true
		}
		q.exchanged(server, "connect", time.Since(now), o)
		return o
	}
	o = exchange(s)
	if (o.verdict == lost || o.verdict == unread) && !(o.inStep && s.conn.Reserved()) {
		server.Discard(s.conn)
	} else {
		server.Put(s.conn)
	}
	return o
}

var errPanic = errors.New("an internal error, which the log describes")

// panicked returns the error of a panic, and tells the hook of it. What a nameserver
// says can show a defect of ours, but never more than that.
func (q *requester) panicked(value any) *zone.Error {
	if q.hooks.Panic != nil {
		q.hooks.Panic(q.zone, value, debug.Stack())
	}
	return &zone.Error{Reason: zone.Unreachable, Zone: q.zone, Cause: errPanic}
}

// ask runs an exchange that changes nothing, going on to other nameservers where
// that helps, until it is accepted or denied or ctx ends.
func (q *requester) ask(ctx context.Context, exchange func(*session) outcome) outcome {
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = time.Now().Add(defaultTime)
	}
	for try := 1; ; try++ {
		now := time.Now()
		if err := ctx.Err(); err != nil || !now.Before(deadline) {
			return outcome{verdict: unread, err: &zone.Error{Reason: zone.Timeout, Zone: q.zone, Cause: err}}
		}
		o := q.on(q.servers.Pick(now), nil, now.Add(deadline.Sub(now)/2), exchange)
		if o.verdict == accepted || o.verdict == denied || o.verdict == unjudged || try > maxDown*len(q.servers.All()) && !o.stale {
			return o
		}
		if o.verdict != unmet && o.verdict != failing && !q.servers.AllRest(time.Now()) {
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

// exchanged tells servers and hooks how an exchange went.
func (q *requester) exchanged(server *transport.Server, op string, took time.Duration, o outcome) {
	err := o.err
	if o.verdict == unmet { // an answer like any other
		err = nil
	}
	switch o.verdict {
	case accepted, unmet, denied, retimed:
		// A forged reply must not wake a server up.
		q.servers.Replied(server, took, err, o.err == nil || o.err.Verified)
	case failing:
		q.servers.Replied(server, took, o.err, false)
	default:
		if !o.stale && !o.blameless {
			q.servers.Rest(server, o.err)
		}
	}
	q.mu.Lock()
	count(&q.counts, op, o.verdict)
	q.mu.Unlock()
	if q.hooks.Exchange != nil {
		q.hooks.Exchange(server.Address, op, took, err)
	}
}

// count adds an exchange to the counts.
func count(c *zone.Counts, op string, v verdict) {
	switch op {
	case "query":
		c.Queries++
	case "update":
		c.Updates++
	}
	switch v {
	case accepted:
	case unmet:
		c.Unmet++
	case denied, elsewhere, retimed:
		c.Denied++
	default:
		c.Failed++
	}
}

// referral returns the name below our apex, at or above name, where an answer
// says that another zone begins, empty if it says no such thing.
func (q *requester) referral(name string, answer *dns.Msg) string {
	if answer.Authoritative {
		return ""
	}
	for _, rr := range answer.Ns {
		owner := dns.CanonicalName(rr.Header().Name)
		if rr.Header().Rrtype == dns.TypeNS && owner != q.zone && change.Under(owner, q.zone) && change.Under(name, owner) {
			return owner
		}
	}
	return ""
}
