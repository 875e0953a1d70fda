package dnsupdate

import (
	"context"
	"time"

	"github.com/caddy-dyndns/dyndns/dnsupdate/internal/wire"
	"github.com/caddy-dyndns/dyndns/internal/change"
	"github.com/caddy-dyndns/dyndns/zone"
)

// call is one Apply on its way through the engine.
type call struct {
	items    []item
	results  []zone.Result
	names    int
	deadline time.Time
	// done is closed when every item has its result.
	done    chan struct{}
	pending int // items without a result; only the engine uses it

	// The queue's mutex guards the rest.
	prev, next *call
	queued     bool
	state      callState
	// mayApply: a message with its changes has an unknown outcome.
	mayApply bool
	// parked puts the call back into the queue when a lost message has expired; nil
	// while there is none to wait for. Other changes of the call may go on meanwhile.
	parked *time.Timer
}

type callState uint8

const (
	waiting   callState = iota // for its turn
	taken                      // in a group that has not been sent
	sent                       // in a message that may have reached a nameserver
	abandoned                  // its caller has gone
)

// item is one valid change of a call.
type item struct {
	call *call
	wire.RRsetID
	wish *change.Change
	// belief is what the last attempt found to be believed of the RRset, and planned the
	// index of that in its plan.
	belief  *belief
	planned int
	// lost is what a message with an unknown outcome would have come to.
	lost *lostStep
	// unproven: a message that was lost may have made the change before.
	unproven bool
	done     bool // it has its result
}

// defaultTime is what an Apply may take whose context has no deadline.
const defaultTime = 10 * time.Second

// newCall checks the changes of an Apply. What is not valid gets its error at once.
func newCall(ctx context.Context, apex string, changes []zone.Change) *call {
	c := &call{done: make(chan struct{})}
	valid, results := change.Check(apex, changes)
	c.results, c.items, c.pending = results, make([]item, len(valid)), len(valid)
	c.deadline, _ = ctx.Deadline()
	for i := range valid {
		wish := &valid[i]
		c.items[i] = item{call: c, RRsetID: wire.RRsetID{Name: wish.Name, Type: wish.Type}, wish: wish}
		// Changes of one name mostly stand side by side; an estimate is enough to size groups.
		if i == 0 || wish.Name != valid[i-1].Name {
			c.names++
		}
	}
	return c
}

// deliver sends an item its result.
func (it *item) deliver(r zone.Result) {
	if it.done { // a panic can come after the delivery
		return
	}
	it.done = true
	c := it.call
	c.results[it.wish.Index] = r
	if c.pending--; c.pending == 0 {
		close(c.done)
	}
}

// fail sends every item an error. A change whose message was lost may have been
// made all the same, also where the name was found as before: somebody else may have
// brought it back.
func fail(items []*item, err *zone.Error) {
	for _, it := range items {
		e := *err
		e.Unknown = e.Unknown || it.unproven
		for step := range it.lost.all() {
			e.Unknown = e.Unknown || step.update.fate == applied || step.update.open > 0 && step.update.fate == undecided
		}
		if e.Name == "" {
			e.Name = it.Name
		}
		it.deliver(zone.Result{Err: &e})
	}
}

// giveUp returns a fresh set of results, with err for every valid change: the
// engine may still be writing to those of the call.
func (c *call) giveUp(err zone.Error) []zone.Result {
	results := make([]zone.Result, len(c.results))
	valid := 0
	for i := range results {
		if valid == len(c.items) || c.items[valid].wish.Index != i {
			results[i] = c.results[i]
			continue
		}
		e := err
		e.Name = c.items[valid].Name
		results[i].Err = &e
		valid++
	}
	return results
}
