package dnsupdate

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/caddy-dyndns/dyndns/dnsupdate/internal/wire"
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
	// The arrays spare an allocation each in the usual call, for two families.
	itemArray   [2]item
	resultArray [2]zone.Result
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
	call  *call
	index int // of the change and its result
	wire.RRsetID
	values rrset  // with Set, Add and Remove
	expect *rrset // nil if anything may stand there
	// lost is what a message with an unknown outcome would have come to.
	lost   *lostStep
	action zone.Action
	// notNameServer: no apex NS record may point to the name.
	notNameServer bool
	// unproven: a message that was lost may have made the change before.
	unproven bool
	done     bool // it has its result
}

// defaultTime is what an Apply may take whose context has no deadline.
const defaultTime = 10 * time.Second

var (
	errOutside = errors.New("the name is not in the zone")
	errType    = errors.New("the package does not change records of this type")
	errAction  = errors.New("unknown action")
	errNoValue = errors.New("there is no value to set")
)

// newCall checks the changes of an Apply. What is not valid gets its error at
// once, and so does everything else at the same name: a name's changes are one.
func newCall(ctx context.Context, apex string, changes []zone.Change) *call {
	c := &call{done: make(chan struct{})}
	c.items = c.itemArray[:0]
	c.results = append(c.resultArray[:0], make([]zone.Result, len(changes))...)
	c.deadline, _ = ctx.Deadline()
	var spoiled map[string]bool
	for i, change := range changes {
		it, err := newItem(apex, change)
		if err != nil {
			c.results[i].Err = &zone.Error{Reason: zone.Invalid, Zone: apex, Name: it.Name, Cause: err}
			if it.Name != "" {
				if spoiled == nil {
					spoiled = map[string]bool{}
				}
				spoiled[it.Name] = true
			}
			continue
		}
		it.call, it.index = c, i
		c.items = append(c.items, it)
	}
	if spoiled != nil {
		kept := c.items[:0]
		for _, it := range c.items {
			if spoiled[it.Name] {
				c.results[it.index].Err = &zone.Error{Reason: zone.Invalid, Zone: apex, Name: it.Name, Hint: "another change of the same name is invalid"}
				continue
			}
			kept = append(kept, it)
		}
		c.items = kept
	}
	c.pending = len(c.items)
	// Changes of one name mostly stand side by side; an estimate is enough to size groups.
	for i := range c.items {
		if i == 0 || c.items[i].Name != c.items[i-1].Name {
			c.names++
		}
	}
	return c
}

// newItem checks one change. With an error the item has a name if that is valid.
func newItem(apex string, change zone.Change) (item, error) {
	name, err := wire.CanonicalName(change.Name)
	if err != nil {
		return item{}, err
	}
	it := item{RRsetID: wire.RRsetID{Name: name, Type: change.Type}, action: change.Action, notNameServer: change.NotNameServer}
	if !wire.Under(name, apex) {
		return it, errOutside
	}
	if !slices.Contains(zone.Types[:], change.Type) {
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

// deliver sends an item its result.
func (it *item) deliver(r zone.Result) {
	if it.done { // a panic can come after the delivery
		return
	}
	it.done = true
	c := it.call
	c.results[it.index] = r
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
		if valid == len(c.items) || c.items[valid].index != i {
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
