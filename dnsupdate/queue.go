package dnsupdate

import (
	"slices"
	"sync"
	"time"
)

// queue holds the calls that wait, and knows how far those are that do not. It is
// a list because a caller that gives up must be able to leave from anywhere in it.
type queue struct {
	// limit is the greatest number of waiting changes.
	limit int
	// work empties the queue. It runs on a goroutine of its own while anything
	// waits: an updater at rest holds none.
	work func()

	mu          sync.Mutex
	front, back *call
	length      int // changes
	running     bool
	idle        *sync.Cond // signalled when running becomes false
	batch       []*item
}

// enter puts a call into the queue, unless that is full, and sees to it that
// somebody works on it. It returns the number of waiting changes.
func (q *queue) enter(c *call) (length int, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.length > 0 && q.length+len(c.items) > q.limit {
		return q.length, false
	}
	if q.back == nil {
		q.front = c
	} else {
		q.back.next, c.prev = c, q.back
	}
	q.back = c
	c.queued = true
	q.length += len(c.items)
	q.start()
	return q.length, true
}

// start sees to it that somebody works on the queue. The caller holds the mutex.
func (q *queue) start() {
	if !q.running {
		q.running = true
		go q.work()
	}
}

// waiting returns the number of waiting changes.
func (q *queue) waiting() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.length
}

// next takes the next group of calls with at most that many names, or one call if
// it has more or has to go alone. It returns nil if nothing waits: then the caller
// is no longer the one that works on it.
func (q *queue) next(most int, alone func(*call) bool) []*item {
	q.mu.Lock()
	defer q.mu.Unlock()
	items, names := q.batch[:0], 0
	for c := q.front; c != nil; c = q.front {
		alone := alone(c)
		if names > 0 && (alone || names+c.names > most) {
			break
		}
		q.remove(c)
		// What was sent of a call that was parked is settled by now.
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
	if names == 0 {
		q.running = false
		if q.idle != nil {
			q.idle.Broadcast()
		}
		return nil
	}
	q.batch = items
	return items
}

func (q *queue) remove(c *call) {
	if c.prev == nil {
		q.front = c.next
	} else {
		c.prev.next = c.next
	}
	if c.next == nil {
		q.back = c.prev
	} else {
		c.next.prev = c.prev
	}
	c.prev, c.next, c.queued = nil, nil, false
	q.length -= len(c.items)
}

// leave takes out a call whose caller has gone. It tells whether a message with its
// changes may be applied all the same.
func (q *queue) leave(c *call) (mayApply bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	mayApply = c.mayApply || c.state == sent
	if c.queued {
		q.remove(c)
	}
	if c.parked != nil {
		c.parked.Stop()
	}
	c.state = abandoned
	return mayApply
}

// park puts a call back into the queue at a later time, before all others: it had
// its turn.
func (q *queue) park(c *call, until time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if c.state == abandoned || c.parked != nil {
		return
	}
	c.parked = time.AfterFunc(time.Until(until), func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		c.parked = nil
		// It may be back already for another of its names, and a part of it in flight.
		if c.state == abandoned || c.queued {
			return
		}
		if c.state != sent {
			c.state = waiting
		}
		c.queued = true
		if q.front == nil {
			q.back = c
		} else {
			q.front.prev, c.next = c, q.front
		}
		q.front = c
		q.length += len(c.items)
		q.start()
	})
}

// present drops the items whose callers have gone.
func (q *queue) present(items []*item) []*item {
	q.mu.Lock()
	defer q.mu.Unlock()
	return slices.DeleteFunc(items, func(it *item) bool { return it.call.state == abandoned })
}

// admit drops the items whose callers have gone and marks the others as sent,
// right before a message leaves.
func (q *queue) admit(items []*item) []*item {
	q.mu.Lock()
	defer q.mu.Unlock()
	kept := items[:0]
	for _, it := range items {
		if it.call.state != abandoned {
			it.call.state = sent
			kept = append(kept, it)
		}
	}
	return kept
}

// mayApply notes that a message with the items has an unknown outcome.
func (q *queue) mayApply(items []*item) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, it := range items {
		it.call.mayApply = true
	}
}

// sent tells whether any of the items is in a message that may have reached a nameserver.
func (q *queue) sent(items []*item) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return slices.ContainsFunc(items, func(it *item) bool { return it.call.state == sent })
}

// wait waits until nobody works on the queue.
func (q *queue) wait() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.idle == nil {
		q.idle = sync.NewCond(&q.mu)
	}
	for q.running {
		q.idle.Wait()
	}
}
