package dnsupdate

import (
	"context"
	"time"

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
	pending int // items without a result; only the running goroutine uses it

	// The updater's mutex guards the rest.
	prev, next *call
	state      callState
	// mayApply: a message with its changes has an unknown outcome.
	mayApply bool
	// parked puts the call back into the queue when a lost message has expired; nil
	// while there is none to wait for. Other changes of the call may go on meanwhile.
	parked *time.Timer
}

type callState uint8

const (
	waiting   callState = iota // in the queue
	taken                      // in a group that has not been sent
	sent                       // in a message that may have reached a nameserver
	abandoned                  // its caller has gone
)

// item is one valid change of a call.
type item struct {
	call  *call
	index int // of the change and its result
	rrsetID
	action zone.Action
	values rrset  // with Set, Add and Remove
	expect *rrset // nil if anything may stand there
	// notNameServer: no apex NS record may point to the name.
	notNameServer bool
	// lost is what a message with an unknown outcome would have come to.
	lost *lostStep
	// unproven: a message that was lost may have made the change before.
	unproven bool
	done     bool // it has its result
}

// defaultTime is what an Apply may take whose context has no deadline.
const defaultTime = 10 * time.Second

// newCall checks the changes of an Apply. What is not valid gets its error at
// once, and so does everything else at the same name: a name's changes are one.
func (u *Updater) newCall(ctx context.Context, changes []zone.Change) *call {
	c := &call{
		items:   make([]item, 0, len(changes)),
		results: make([]zone.Result, len(changes)),
		done:    make(chan struct{}),
	}
	c.deadline, _ = ctx.Deadline()
	var spoiled map[string]bool
	for i, change := range changes {
		it, err := u.newItem(change)
		if err != nil {
			c.results[i].Err = &zone.Error{Reason: zone.Invalid, Zone: u.zone, Name: it.name, Cause: err}
			if it.name != "" {
				if spoiled == nil {
					spoiled = map[string]bool{}
				}
				spoiled[it.name] = true
			}
			continue
		}
		it.call, it.index = c, i
		c.items = append(c.items, it)
	}
	if spoiled != nil {
		kept := c.items[:0]
		for _, it := range c.items {
			if spoiled[it.name] {
				c.results[it.index].Err = &zone.Error{Reason: zone.Invalid, Zone: u.zone, Name: it.name, Hint: "another change of the same name is invalid"}
				continue
			}
			kept = append(kept, it)
		}
		c.items = kept
	}
	c.pending = len(c.items)
	// Changes of one name mostly stand side by side; an estimate is enough to size groups.
	for i := range c.items {
		if i == 0 || c.items[i].name != c.items[i-1].name {
			c.names++
		}
	}
	return c
}

// newItem checks one change. With an error the item has a name if that is valid.
func (u *Updater) newItem(change zone.Change) (item, error) {
	name, err := canonicalName(change.Name)
	if err != nil {
		return item{}, err
	}
	it := item{rrsetID: rrsetID{name, change.Type}, action: change.Action, notNameServer: change.NotNameServer}
	if !under(name, u.zone) {
		return it, errOutside
	}
	switch change.Type {
	case zone.TypeA, zone.TypeAAAA, zone.TypeTXT, zone.TypeHTTPS:
	default:
		return it, errType
	}
	if change.Expect != nil {
		expected, err := parseRRset(change.Type, change.Expect, 0)
		if err != nil {
			return it, err
		}
		it.expect = &expected
	}
	switch change.Action {
	case zone.Keep, zone.Delete:
	case zone.Set, zone.Add, zone.Remove:
		if len(change.Values) == 0 {
			return it, errNoValue
		}
		it.values, err = parseRRset(change.Type, change.Values, change.TTL)
	default:
		err = errAction
	}
	return it, err
}

// queue is the list of waiting calls. It is a list because a caller that gives
// up must be able to leave from anywhere in it at once.
type queue struct {
	front, back *call
	length      int // changes
}

func (q *queue) push(c *call) {
	if q.back == nil {
		q.front = c
	} else {
		q.back.next, c.prev = c, q.back
	}
	q.back = c
	q.length += len(c.items)
}

// pushFront puts back a call that had its turn before.
func (q *queue) pushFront(c *call) {
	if q.front == nil {
		q.back = c
	} else {
		q.front.prev, c.next = c, q.front
	}
	q.front = c
	q.length += len(c.items)
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
	c.prev, c.next = nil, nil
	q.length -= len(c.items)
}

// deliver sends an item its result.
func (it *item) deliver(r zone.Result) {
	it.done = true
	c := it.call
	c.results[it.index] = r
	if c.pending--; c.pending == 0 {
		close(c.done)
	}
}

// fail sends every item an error. A change whose message was lost may have been
// made all the same.
func (u *Updater) fail(items []*item, err *zone.Error) {
	for _, it := range items {
		e := *err
		e.Unknown = e.Unknown || it.lost != nil && it.lost.update.open > 0 && it.lost.update.fate == undecided
		if e.Name == "" {
			e.Name = it.name
		}
		it.deliver(zone.Result{Err: &e})
	}
}
