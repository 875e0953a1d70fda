// Package hosted changes a zone at a DNS hoster through a libdns provider.
//
// A hoster's API compares nothing before it writes, so no result is ever proven: that
// a value stands is what the provider said, and another writer may have come between.
package hosted

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/libdns/libdns"
	"github.com/miekg/dns"

	"github.com/caddy-dyndns/dyndns/internal/change"
	"github.com/caddy-dyndns/dyndns/zone"
)

// Provider is what a libdns provider has to offer.
type Provider interface {
	libdns.RecordGetter
	libdns.RecordAppender
	libdns.RecordSetter
	libdns.RecordDeleter
}

// Config says what zone is changed, and how.
type Config struct {
	// Name is the canonical name of the zone.
	Name     string
	Provider Provider
	// ProviderName stands in errors, such as "cloudflare".
	ProviderName string
	// Memory is what is known of the zone. Whoever changes the same zone at the same
	// provider has the same.
	Memory *Memory
	// Resolver finds the zone's nameservers where the provider does not list them; nil if
	// nobody is to be asked.
	Resolver Resolver
	// Redact returns the text of a provider's error without secrets.
	Redact func(string) string
	Hooks  Hooks
}

// Resolver finds nameservers; [net.Resolver] is one.
type Resolver interface {
	LookupNS(ctx context.Context, name string) ([]*net.NS, error)
}

// Hooks tell of what happens. Those that are nil are not called.
type Hooks struct {
	// Exchange tells of one call of the provider; op is "query" or "update".
	Exchange func(provider, op string, took time.Duration, err *zone.Error)
	// Clamped tells, once for a [Memory], that the provider makes another TTL of ours.
	Clamped func(zone string, wanted, got uint32)
	// Panic tells of a panic in the provider.
	Panic func(zone string, value any, stack []byte)
}

const (
	// maxQueue is how many changes may wait, maxGroup how many of them go together:
	// many providers make several requests of each record within one call.
	maxQueue, maxGroup = 1000, 50
	// defaultTime is what an Apply may take whose context has no deadline.
	defaultTime = 10 * time.Second
)

// Zone is a zone at a hoster. One call of the provider is in flight at a time, and what
// arrives meanwhile goes together with the next.
type Zone struct {
	Config
	ctx   context.Context // ends with Close
	close context.CancelFunc

	mu      sync.Mutex
	waiting []*call
	running bool // somebody works on what waits
	status  zone.ServerStatus
	counts  zone.Counts
}

var _ interface {
	zone.Zone
	zone.NameServerLister
	zone.Checker
	zone.StatusReporter
} = (*Zone)(nil)

// New returns the zone. It makes no call.
func New(c Config) *Zone {
	z := &Zone{Config: c, status: zone.ServerStatus{Address: c.ProviderName}}
	z.ctx, z.close = context.WithCancel(context.Background())
	return z
}

// Close cuts the call in flight. What waits, and any later change, is answered as busy.
func (z *Zone) Close() { z.close() }

// Apply makes the changes and returns one result for each, in the same order. What
// waits goes to the provider together; where that fails, each name goes alone. Without a
// deadline in ctx it takes ten seconds at most.
func (z *Zone) Apply(ctx context.Context, changes []zone.Change) []zone.Result {
	return z.run(ctx, newCall(change.Check(z.Name, changes)))
}

// run has a call worked on and returns its results.
func (z *Zone) run(ctx context.Context, c *call) []zone.Result {
	if len(c.items) == 0 {
		return c.results
	}
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, defaultTime)
		defer cancel()
	}
	c.deadline, _ = ctx.Deadline()
	if err := ctx.Err(); err != nil {
		return c.giveUp(zone.Error{Reason: zone.Timeout, Zone: z.Name, Cause: err})
	}
	if err := z.enter(c); err != nil {
		return c.giveUp(*err)
	}
	select {
	case <-c.done:
		return c.results
	case <-ctx.Done():
	}
	unknown := z.leave(c)
	select {
	case <-c.done:
		return c.results
	default:
		return c.giveUp(zone.Error{Reason: zone.Timeout, Zone: z.Name, Unknown: unknown, Cause: ctx.Err()})
	}
}

var errNoNameServers = errors.New("the provider lists no NS records at the zone's name")

// NameServers returns what the provider lists, which counts as proof: it comes over TLS
// from where the zone is made. Where it lists none, DNS tells.
func (z *Zone) NameServers(ctx context.Context) (zone.NameServers, error) {
	look := change.Change{Name: z.Name, Type: typeNS, Action: zone.Keep}
	r := z.run(ctx, newCall([]change.Change{look}, make([]zone.Result, 1)))[0]
	if r.Err != nil || len(r.New) > 0 {
		return zone.NameServers{Names: r.New, Proven: r.Err == nil}, r.Err
	}
	if z.Resolver == nil {
		return zone.NameServers{}, errNoNameServers
	}
	servers, err := z.Resolver.LookupNS(ctx, z.Name)
	var names []string
	for _, ns := range servers {
		names = append(names, dns.CanonicalName(ns.Host))
	}
	slices.Sort(names)
	return zone.NameServers{Names: names}, err
}

// Status tells how the provider is.
func (z *Zone) Status() zone.Status {
	z.mu.Lock()
	defer z.mu.Unlock()
	return zone.Status{Zone: z.Name, Servers: []zone.ServerStatus{z.status}, Waiting: z.length(), Counts: z.counts}
}

// Check looks at the zone, and writes and removes a record of its own.
func (z *Zone) Check(ctx context.Context) []zone.CheckStep {
	text := strings.ToLower(rand.Text())
	record := zone.Change{Name: "_dyndns-check-" + text + "." + z.Name, Type: zone.TypeTXT, Values: []string{text}, TTL: 60}
	var steps []zone.CheckStep
	for _, step := range []struct {
		name   string
		action zone.Action
	}{{"read", zone.Keep}, {"write", zone.Add}, {"remove", zone.Remove}} {
		record.Action = step.action
		started := time.Now()
		r := z.Apply(ctx, []zone.Change{record})[0]
		steps = append(steps, zone.CheckStep{Name: step.name, Server: z.ProviderName, Took: time.Since(started), Err: r.Err})
		last := &steps[len(steps)-1]
		switch {
		case r.Err == nil && step.action == zone.Add && r.TTL != record.TTL:
			last.Detail = fmt.Sprintf("the TTL %d became %d", record.TTL, r.TTL)
		case r.Err != nil && step.action == zone.Remove:
			last.Detail = record.Name + " TXT may still be there, remove it by hand"
		}
		var e *zone.Error
		if r.Err != nil && (!errors.As(r.Err, &e) || !e.Unknown) {
			break
		}
		if step.action == zone.Add { // The record must go even if the caller has.
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), defaultTime)
			defer cancel()
		}
	}
	return steps
}
