package hosted

import (
	"fmt"
	"slices"
	"time"

	"github.com/caddy-dyndns/dyndns/internal/change"
	"github.com/caddy-dyndns/dyndns/zone"
)

// call is one Apply.
type call struct {
	items    []*item
	results  []zone.Result
	pending  int // items without a result
	deadline time.Time
	done     chan struct{} // closed when there are none

	// The zone's mutex guards the rest.
	sent      bool // a write with its changes may have reached the provider
	abandoned bool // its caller has gone
}

// item is one valid change of a call.
type item struct {
	call *call
	change.Change
	// result is what the last attempt would have come to.
	result zone.Result
	// failure is why it was not confirmed so far, and unclear tells that it may have
	// been made all the same.
	failure *zone.Error
	unclear bool
	done    bool
}

func (it *item) id() rrsetID { return rrsetID{it.Name, it.Type} }

func newCall(changes []change.Change, results []zone.Result) *call {
	c := &call{results: results, pending: len(changes), done: make(chan struct{})}
	for _, valid := range changes {
		c.items = append(c.items, &item{call: c, Change: valid})
	}
	return c
}

// enter puts a call behind those that wait, and sees to it that somebody works on them.
func (z *Zone) enter(c *call) *zone.Error {
	z.mu.Lock()
	defer z.mu.Unlock()
	if length := z.length(); length > 0 && length+len(c.items) > maxQueue {
		return &zone.Error{Reason: zone.Busy, Zone: z.Name, Hint: fmt.Sprintf("too many changes are waiting, %d; try again in a few seconds", length)}
	}
	z.waiting = append(z.waiting, c)
	if !z.running {
		z.running = true
		go z.work()
	}
	return nil
}

// length returns how many changes wait. The caller holds the mutex.
func (z *Zone) length() (length int) {
	for _, c := range z.waiting {
		length += len(c.items)
	}
	return length
}

// leave takes out a call whose caller has gone. It tells whether its changes may be
// made all the same.
func (z *Zone) leave(c *call) (mayApply bool) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.waiting = slices.DeleteFunc(z.waiting, func(w *call) bool { return w == c })
	c.abandoned = true
	return c.sent
}

// work brings everything that waits to its results.
func (z *Zone) work() {
	for working := true; working; {
		// What is known of the zone belongs to whoever has the turn.
		var held bool
		select {
		case z.Memory.turn <- struct{}{}:
			held = true
		case <-z.ctx.Done():
		}
		items := z.next()
		working = len(items) > 0
		if !held {
			for _, it := range items {
				it.fail(z.closed())
			}
			continue
		}
		if working {
			z.settle(items)
		}
		<-z.Memory.turn
	}
}

// closed is the error of what comes after Close.
func (z *Zone) closed() zone.Error {
	return zone.Error{Reason: zone.Busy, Server: z.ProviderName, Zone: z.Name, RetryAfter: pause, Hint: "the configuration was replaced meanwhile"}
}

// next takes the next group of calls, whole calls only. It returns nil if nothing waits:
// then nobody works on what waits any more.
func (z *Zone) next() (items []*item) {
	z.mu.Lock()
	defer z.mu.Unlock()
	n := 0
	for _, c := range z.waiting {
		if n > 0 && len(items)+len(c.items) > maxGroup {
			break
		}
		n++
		items = append(items, c.items...)
	}
	z.waiting = slices.Delete(z.waiting, 0, n)
	z.running = n > 0
	return items
}

// present returns the items without a result whose callers still wait. With sent their
// changes go to the provider next.
func (z *Zone) present(items []*item, sent bool) []*item {
	z.mu.Lock()
	defer z.mu.Unlock()
	var left []*item
	for _, it := range items {
		if !it.done && !it.call.abandoned {
			it.call.sent = it.call.sent || sent
			left = append(left, it)
		}
	}
	return left
}

// deliver sends an item its result.
func (it *item) deliver(r zone.Result) {
	if it.done {
		return
	}
	it.done = true
	c := it.call
	c.results[it.Index] = r
	if c.pending--; c.pending == 0 {
		close(c.done)
	}
}

// fail sends an item an error.
func (it *item) fail(err zone.Error) {
	err.Name, err.Unknown = it.Name, it.unclear
	it.deliver(zone.Result{Err: &err})
}

// giveUp returns a fresh set of results, with err for every valid change: those of the
// call may still be written to.
func (c *call) giveUp(err zone.Error) []zone.Result {
	results := make([]zone.Result, len(c.results))
	valid := 0
	for i := range results {
		if valid == len(c.items) || c.items[valid].Index != i {
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
