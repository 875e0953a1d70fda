package dnsupdate

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/caddy-dyndns/dyndns/zone"
)

// Updater changes one zone. One message at a time is under way: what arrives
// meanwhile gathers and leaves together with the next, so that a nameserver's
// disk is waited for once per group and not once per change.
type Updater struct {
	client             *Client
	zone               string
	apex               []byte // the zone's wire name
	signer             *signer
	proveWrites        bool
	maxGroup, maxQueue int
	servers            servers
	nameServers        nameServerCache
	// settleTTL is how long after a write a read is taken for what the
	// nameserver made of our TTL: with inline signing reads lag behind.
	settleTTL time.Duration

	mu      sync.Mutex
	queue   queue
	running bool
	idle    *sync.Cond // signalled when running becomes false
	counts  zone.Counts

	// Only the running goroutine uses the rest; mu hands it over.
	group     int // the adaptive limit of names in a group
	known     *memory
	apexNS    apexNS
	suspects  map[string]time.Time // names that go alone, until when
	wildcards map[wildcard]rrset
	lost      lostUpdates
	keyWorked time.Time // when a change was last made
	// incomparable is when the nameserver was last seen to find no values equal.
	incomparable time.Time
	emptyDenied  time.Time // when a message without changes may have been denied
	limitSeen    bool      // the hook Clamped was called
	batch        []*item
	taken        []*item // all of the group, of which rounds drop what is settled
	plan         plan
}

var (
	errOutside = errors.New("the name is not in the zone")
	errType    = errors.New("the package does not change records of this type")
	errAction  = errors.New("unknown action")
	errNoValue = errors.New("there is no value to set")
)

// Apply makes the changes and returns one result for each, in the same order. All
// of them travel in one message, so that the zone never shows a part; only if
// the nameserver refuses that message are they tried name by name. Changes
// of one name are never parted.
//
// Apply returns when every change has its result or ctx ends. A change that was
// already sent by then is reported as an [zone.Error] with Unknown set. Without a
// deadline in ctx it takes ten seconds at most. The slices in a result are
// shared and must not be changed.
func (u *Updater) Apply(ctx context.Context, changes []zone.Change) []zone.Result {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, defaultTime)
		defer cancel()
	}
	c := u.newCall(ctx, changes)
	if len(c.items) == 0 {
		return c.results
	}
	if err := ctx.Err(); err != nil {
		return c.giveUp(zone.Error{Reason: zone.Timeout, Zone: u.zone, Cause: err})
	}
	if length, ok := u.enqueue(c); !ok {
		return c.giveUp(zone.Error{Reason: zone.Busy, Zone: u.zone, Hint: fmt.Sprintf("too many changes are waiting, %d; try again in a few seconds", length)})
	}
	select {
	case <-c.done:
		return c.results
	case <-ctx.Done():
	}
	u.mu.Lock()
	unknown := c.mayApply || c.state == sent
	if c.state == waiting {
		u.queue.remove(c)
	}
	if c.parked != nil {
		c.parked.Stop()
	}
	c.state = abandoned
	u.mu.Unlock()
	select {
	case <-c.done:
		return c.results
	default:
		return c.giveUp(zone.Error{Reason: zone.Timeout, Zone: u.zone, Unknown: unknown, Cause: ctx.Err()})
	}
}

// giveUp returns a fresh set of results, with err for every valid change: the
// running goroutine may still be writing to those of the call.
func (c *call) giveUp(err zone.Error) []zone.Result {
	results := make([]zone.Result, len(c.results))
	valid := 0
	for i := range results {
		if valid == len(c.items) || c.items[valid].index != i {
			results[i] = c.results[i]
			continue
		}
		e := err
		e.Name = c.items[valid].name
		results[i].Err = &e
		valid++
	}
	return results
}

// enqueue puts a call into the queue, unless that is full, and sees to it that
// somebody works on it. It returns the number of waiting changes.
func (u *Updater) enqueue(c *call) (length int, ok bool) {
	u.mu.Lock()
	if u.queue.length > 0 && u.queue.length+len(c.items) > u.maxQueue {
		defer u.mu.Unlock()
		return u.queue.length, false
	}
	u.queue.push(c)
	length = u.queue.length
	u.start()
	u.mu.Unlock()
	u.queueHook(length)
	return length, true
}

// start sees to it that somebody works on the queue. The caller holds the mutex.
func (u *Updater) start() {
	if !u.running {
		u.running = true
		go u.run()
	}
}

func (u *Updater) queueHook(length int) {
	if hook := u.client.options.Hooks.Queue; hook != nil {
		hook(u.zone, length)
	}
}

// run settles group after group until the queue is empty, then ends: an updater
// at rest holds no goroutine.
func (u *Updater) run() {
	for {
		items := u.take()
		if items == nil {
			return
		}
		u.settleSafely(items)
		// Let go of what the callers have by now.
		clear(items)
		clear(u.taken)
	}
}

// settleSafely makes of a panic an error of the items, and forgets all that the
// updater believed: a defect met with one answer must not end the process.
func (u *Updater) settleSafely(items []*item) {
	defer func() {
		v := recover()
		if v == nil {
			return
		}
		if hook := u.client.options.Hooks.Panic; hook != nil {
			hook(u.zone, v, debug.Stack())
		}
		u.known, u.apexNS, u.plan = newMemory(maxKnown), apexNS{}, plan{}
		left := slices.DeleteFunc(slices.Clone(u.taken), func(it *item) bool { return it.done })
		u.mu.Lock()
		unknown := slices.ContainsFunc(left, func(it *item) bool { return it.call.state == sent })
		u.mu.Unlock()
		u.fail(left, &zone.Error{Reason: zone.Unreachable, Zone: u.zone, Unknown: unknown, Cause: errPanic})
	}()
	u.taken = append(u.taken[:0], items...)
	u.settle(items)
}

var errPanic = errors.New("an internal error, which the log describes")

// take removes the next group from the queue, and returns nil if there is none:
// then the caller is no longer the one that works on it.
func (u *Updater) take() []*item {
	u.mu.Lock()
	items, names := u.batch[:0], 0
	now := time.Now()
	for c := u.queue.front; c != nil; c = u.queue.front {
		alone := u.suspect(c, now)
		if names > 0 && (alone || names+c.names > u.group) {
			break
		}
		u.queue.remove(c)
		c.state = taken
		for i := range c.items {
			// A call that was parked may have been settled in part.
			if !c.items[i].done {
				items = append(items, &c.items[i])
			}
		}
		names += c.names
		if alone {
			break
		}
	}
	length := u.queue.length
	if names == 0 {
		u.running = false
		if u.idle != nil {
			u.idle.Broadcast()
		}
		u.mu.Unlock()
		return nil
	}
	u.batch = items
	u.mu.Unlock()
	u.queueHook(length)
	return items
}

// suspect tells whether a call has a name whose change was refused lately.
func (u *Updater) suspect(c *call, now time.Time) bool {
	if len(u.suspects) == 0 {
		return false
	}
	for i := range c.items {
		if until, ok := u.suspects[c.items[i].name]; ok {
			if now.Before(until) {
				return true
			}
			delete(u.suspects, c.items[i].name)
		}
	}
	return false
}

// Close ends the probes of resting nameservers and waits until everything in the
// queue has been settled, but for what waits for a lost message to expire. It cuts
// nothing: Apply works on, for requests that hold the updater a little longer.
func (u *Updater) Close() {
	u.Retire()
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.idle == nil {
		u.idle = sync.NewCond(&u.mu)
	}
	for u.running {
		u.idle.Wait()
	}
}

// present drops the items whose callers have gone.
func (u *Updater) present(items []*item) []*item {
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.DeleteFunc(items, func(it *item) bool { return it.call.state == abandoned })
}

// admit drops the items whose callers have gone and marks the others as sent,
// right before a message leaves.
func (u *Updater) admit(items []*item) []*item {
	u.mu.Lock()
	defer u.mu.Unlock()
	kept := items[:0]
	for _, it := range items {
		if it.call.state != abandoned {
			it.call.state = sent
			kept = append(kept, it)
		}
	}
	return kept
}
