package dnsupdate

import (
	"maps"
	"slices"
	"time"

	"github.com/caddy-dyndns/dyndns/zone"
)

const (
	// suspectTime is how long a refused name goes alone.
	suspectTime = time.Minute
	maxSuspects = 4096
	// trustTime is how long our key is trusted after a success.
	trustTime = time.Minute
	// restateTime is how long a nameserver is taken to deny messages without changes.
	restateTime = time.Minute
)

// engine settles one group of changes after the other, on one goroutine at a time.
type engine struct {
	*requester
	queue *queue
	// group is how many names a message may change, at most maxGroup.
	group       int
	proveWrites bool

	known    *memory
	apexNS   apexNS
	lost     lostUpdates
	suspects map[string]time.Time // names that go alone, until when
	plan     plan

	keyWorked   time.Time // when a change was last made
	emptyDenied time.Time // when a message without changes may have been denied
	taken       []*item   // all of the group, of which rounds drop what is settled
}

// run settles group after group until the queue is empty.
func (e *engine) run() {
	for {
		now := time.Now()
		items := e.queue.next(e.group, func(c *call) bool { return e.suspect(c, now) })
		if items == nil {
			return
		}
		e.settleSafely(items)
		// Let go of what the callers have by now.
		clear(items)
		clear(e.taken)
	}
}

// settleSafely makes of a panic an error of the items, and forgets all that was
// believed: a defect met with one answer must not end the process.
func (e *engine) settleSafely(items []*item) {
	defer func() {
		v := recover()
		if v == nil {
			return
		}
		err := e.panicked(v)
		e.known, e.apexNS, e.plan = newMemory(maxKnown, e.known.learned), apexNS{}, plan{}
		left := slices.DeleteFunc(slices.Clone(e.taken), func(it *item) bool { return it.done })
		err.Unknown = e.queue.sent(left)
		fail(left, err)
	}()
	e.taken = append(e.taken[:0], items...)
	e.settle(items)
}

// settle brings every item to its result.
func (e *engine) settle(items []*item) {
	work := []*round{{engine: e, items: items, started: time.Now()}}
	for len(work) > 0 {
		parts := work[0].try()
		work = append(parts, work[1:]...)
	}
}

// suspect tells whether a call has a name whose change was refused lately.
func (e *engine) suspect(c *call, now time.Time) bool {
	if len(e.suspects) == 0 {
		return false
	}
	for i := range c.items {
		if until, ok := e.suspects[c.items[i].Name]; ok {
			if now.Before(until) {
				return true
			}
			delete(e.suspects, c.items[i].Name)
		}
	}
	return false
}

// quarantine lets a name go alone for a while, so that it spoils no group.
func (e *engine) quarantine(name string, now time.Time) {
	if len(e.suspects) >= maxSuspects {
		maps.DeleteFunc(e.suspects, func(_ string, until time.Time) bool { return now.After(until) })
	}
	if len(e.suspects) < maxSuspects {
		e.suspects[name] = now.Add(suspectTime)
	}
}

// adapt keeps messages short of half a second: PowerDNS takes 5 ms per name in a
// zone of a thousand names, and 400 ms in one of a hundred thousand.
func (e *engine) adapt(names int, took time.Duration) {
	switch {
	case took > 500*time.Millisecond:
		e.group = max(e.group/2, 1)
	case took < 100*time.Millisecond && names >= e.group:
		e.group = min(e.group*2, maxGroup)
	}
}

// keyTrusted tells whether our key has changed something of late.
func (e *engine) keyTrusted() bool { return time.Since(e.keyWorked) < trustTime }

// restates tells whether what is unchanged has to be written once more, because
// the nameserver denies messages without changes.
func (e *engine) restates() bool { return time.Since(e.emptyDenied) < restateTime }

// unclear is the error of a change whose message may have been applied before
// somebody else changed the name.
func (e *engine) unclear(name string) *zone.Error {
	return &zone.Error{Reason: zone.Timeout, Zone: e.zone, Name: name, Unknown: true,
		Hint: "a message got no answer, and the name holds neither what was before it nor what it was to be"}
}
