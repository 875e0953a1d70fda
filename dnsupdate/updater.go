package dnsupdate

import (
	"context"
	"fmt"

	"github.com/caddy-dyndns/dyndns/zone"
)

// Updater changes one zone. One message at a time is under way: what arrives
// meanwhile gathers and leaves together with the next, so that a nameserver's
// disk is waited for once per group and not once per change.
type Updater struct {
	*requester
	queue       queue
	engine      *engine
	nameServers nameServerCache
	parent      parentZone
}

var _ interface {
	zone.Zone
	zone.NameServerLister
	zone.Checker
	zone.StatusReporter
} = (*Updater)(nil)

// Apply makes the changes and returns one result for each, in the same order. All
// of them travel in one message, so that the zone never shows a part; only if
// the nameserver refuses that message are they tried name by name. Changes
// of one name are never parted.
//
// Apply returns when every change has its result or ctx ends. A change that was
// already sent by then is reported as a [zone.Error] with Unknown set. Without a
// deadline in ctx it takes ten seconds at most. The slices in a result are
// shared and must not be changed.
func (u *Updater) Apply(ctx context.Context, changes []zone.Change) []zone.Result {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, defaultTime)
		defer cancel()
	}
	c := newCall(ctx, u.zone, changes)
	if len(c.items) == 0 {
		return c.results
	}
	if err := ctx.Err(); err != nil {
		return c.giveUp(zone.Error{Reason: zone.Timeout, Zone: u.zone, Cause: err})
	}
	if length, ok := u.queue.enter(c); !ok {
		return c.giveUp(zone.Error{Reason: zone.Busy, Zone: u.zone, Hint: fmt.Sprintf("too many changes are waiting, %d; try again in a few seconds", length)})
	}
	select {
	case <-c.done:
		return c.results
	case <-ctx.Done():
	}
	unknown := u.queue.leave(c)
	select {
	case <-c.done:
		return c.results
	default:
		return c.giveUp(zone.Error{Reason: zone.Timeout, Zone: u.zone, Unknown: unknown, Cause: ctx.Err()})
	}
}

// Retire ends the probes of resting nameservers. Apply works on, for requests
// that hold the updater a little longer.
func (u *Updater) Retire() { u.servers.Retire() }

// Close ends the probes of resting nameservers and waits until everything in the
// queue has been settled, but for what waits for a lost message to expire. It cuts
// nothing: Apply works on, for requests that hold the updater a little longer.
func (u *Updater) Close() {
	u.Retire()
	u.queue.wait()
}

// Status tells how the updater and its nameservers are.
func (u *Updater) Status() zone.Status {
	u.mu.Lock()
	counts := u.counts
	u.mu.Unlock()
	return zone.Status{Zone: u.zone, Key: u.key.String(), Servers: u.servers.Status(), Waiting: u.queue.waiting(), Counts: counts}
}
