package zonetest

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/anishathalye/porcupine"
)

// Effect is what a client knows about its operation.
type Effect uint8

const (
	// Unknown: the name gets the new value at any time after the call, even after
	// the reply, or never.
	Unknown Effect = iota
	// Written: it got the new value between call and reply, whatever it had.
	Written
	// Proven: at one point between call and reply it had the old value, and got
	// the new one.
	Proven
)

// Operation is one client's change of one RRset. A value is the RRset's values, sorted
// and joined by commas; "" is no RRset.
type Operation struct {
	Client string
	// Call and Reply are times since the run began.
	Call, Reply time.Duration
	// Old means nothing unless the effect is proven.
	Old, New string
	Effect   Effect
	// UnknownCause says why the effect is unknown.
	UnknownCause string
}

func (o Operation) String() string {
	value := func(v string) string { return cmp.Or(v, "none") }
	text := fmt.Sprintf("%11.6f %11.6f  %-10s ", o.Call.Seconds(), o.Reply.Seconds(), o.Client)
	switch o.Effect {
	case Proven:
		return text + value(o.Old) + " -> " + value(o.New)
	case Written:
		return text + "? -> " + value(o.New)
	default:
		return text + "perhaps -> " + value(o.New) + " (" + o.UnknownCause + ")"
	}
}

// History is what the clients of one RRset were told, in any order. Some order of events
// has to explain it (linearizability: Herlihy and Wing, "Linearizability: A Correctness
// Condition for Concurrent Objects", 1990).
type History []Operation

// state is where an order of events has come to.
type state struct {
	value string
	// used counts the unknown operations that took effect, an octet for each value.
	used string
	// after is a time that the last event did not come before.
	after time.Duration
}

// model is the sequential specification of an RRset that did not exist at first.
//
// Operations that are unknown are no operations of porcupine's: while they last to
// the end of the history, each doubles what is to be searched. They are part of the
// state instead, and used only where nothing else explains the old value of one that
// is proven, the earliest first. Nothing is lost: one that is not needed may never
// have taken effect, and of those with the same value a later one can do nothing that
// an earlier one cannot.
func (h History) model() porcupine.Model {
	perhaps := map[string][]time.Duration{} // the calls of unknown operations by value
	for _, o := range h {
		if o.Effect == Unknown {
			perhaps[o.New] = append(perhaps[o.New], o.Call)
		}
	}
	var values []string
	for v, calls := range perhaps {
		values = append(values, v)
		slices.Sort(calls)
	}
	slices.Sort(values)
	step := func(s state, o Operation) (bool, state) {
		s.after = max(s.after, o.Call)
		if o.Effect == Proven && o.Old != s.value {
			i := slices.Index(values, o.Old)
			if i < 0 || int(s.used[i]) == len(perhaps[o.Old]) {
				return false, s
			}
			s.after = max(s.after, perhaps[o.Old][s.used[i]])
			used := []byte(s.used)
			used[i]++
			s.used = string(used)
		}
		s.value = o.New
		return s.after <= o.Reply, s
	}
	return porcupine.Model{
		Init: func() any { return state{used: string(make([]byte, len(values)))} },
		Step: func(s, input, _ any) (bool, any) {
			ok, next := step(s.(state), input.(Operation))
			return ok, next
		},
		DescribeOperation: func(input, _ any) string { return input.(Operation).String() },
		DescribeState:     func(s any) string { return cmp.Or(s.(state).value, "none") },
	}
}
