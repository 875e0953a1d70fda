// Package histories records what many clients of the same names are told while
// everything fails, and checks that for each name some order of events explains it
// (linearizability: Herlihy and Wing, "Linearizability: A Correctness Condition for
// Concurrent Objects", 1990).
package histories

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/anishathalye/porcupine"
)

// effect is what a client knows about its operation.
type effect uint8

const (
	// unknown: the name gets the new value at any time after the call, even after
	// the reply, or never.
	unknown effect = iota
	// written: it got the new value between call and reply, whatever it had.
	written
	// proven: at one point between call and reply it had the old value, and got
	// the new one.
	proven
)

// operation is one client's change of one name. A value is the RRset's addresses,
// sorted and joined by commas; "" is no RRset.
type operation struct {
	client       string
	call, reply  time.Duration // since the run began
	old, new     string        // old only of those that are proven
	effect       effect
	unknownCause string
}

func (o operation) String() string {
	value := func(v string) string { return cmp.Or(v, "none") }
	text := fmt.Sprintf("%11.6f %11.6f  %-10s ", o.call.Seconds(), o.reply.Seconds(), o.client)
	switch o.effect {
	case proven:
		return text + value(o.old) + " -> " + value(o.new)
	case written:
		return text + "? -> " + value(o.new)
	default:
		return text + "perhaps -> " + value(o.new) + " (" + o.unknownCause + ")"
	}
}

// history is what the clients of one name were told, in any order.
type history []operation

// state is where an order of events has come to.
type state struct {
	value string
	// used counts the unknown operations that took effect, an octet for each value.
	used string
	// after is a time that the last event did not come before.
	after time.Duration
}

// model is the sequential specification of a name that had no RRset at first.
//
// Operations that are unknown are no operations of porcupine's: while they last to
// the end of the history, each doubles what is to be searched. They are part of the
// state instead, and used only where nothing else explains the old value of one that
// is proven, the earliest first. Nothing is lost: one that is not needed may never
// have taken effect, and of those with the same value a later one can do nothing that
// an earlier one cannot.
func (h history) model() porcupine.Model {
	perhaps := map[string][]time.Duration{} // the calls of unknown operations by value
	for _, o := range h {
		if o.effect == unknown {
			perhaps[o.new] = append(perhaps[o.new], o.call)
		}
	}
	var values []string
	for v, calls := range perhaps {
		values = append(values, v)
		slices.Sort(calls)
	}
	slices.Sort(values)
	step := func(s state, o operation) (bool, state) {
		s.after = max(s.after, o.call)
		if o.effect == proven && o.old != s.value {
			i := slices.Index(values, o.old)
			if i < 0 || int(s.used[i]) == len(perhaps[o.old]) {
				return false, s
			}
			s.after = max(s.after, perhaps[o.old][s.used[i]])
			used := []byte(s.used)
			used[i]++
			s.used = string(used)
		}
		s.value = o.new
		return s.after <= o.reply, s
	}
	return porcupine.Model{
		Init: func() any { return state{used: string(make([]byte, len(values)))} },
		Step: func(s, input, _ any) (bool, any) {
			ok, next := step(s.(state), input.(operation))
			return ok, next
		},
		DescribeOperation: func(input, _ any) string { return input.(operation).String() },
		DescribeState:     func(s any) string { return cmp.Or(s.(state).value, "none") },
	}
}

// verdict is what porcupine says about a history.
type verdict struct {
	porcupine.CheckResult
	history history
	model   porcupine.Model
	info    porcupine.LinearizationInfo
	clients map[string]int
}

// judge checks a history. It gives up after the time.
func (h history) judge(timeout time.Duration) verdict {
	v := verdict{history: slices.Clone(h), clients: map[string]int{}}
	slices.SortFunc(v.history, func(a, b operation) int { return cmp.Compare(a.call, b.call) })
	var operations []porcupine.Operation
	for _, o := range v.history {
		client, seen := v.clients[o.client]
		if !seen {
			client = len(v.clients)
			v.clients[o.client] = client
		}
		if o.effect != unknown {
			operations = append(operations, porcupine.Operation{
				ClientId: client, Input: o, Call: int64(o.call), Return: int64(o.reply),
			})
		}
	}
	v.model = v.history.model()
	v.CheckResult, v.info = porcupine.CheckOperationsVerbose(v.model, operations, timeout)
	return v
}

// incident is a fault that a history may be explained by.
type incident struct {
	where, what string
	begin, end  time.Duration
}

func (i incident) String() string {
	return fmt.Sprintf("%11.6f %11.6f  %-10s %s", i.begin.Seconds(), i.end.Seconds(), i.where, strings.ToUpper(i.what))
}

// describe is the history in the order of the calls, with the incidents that fell
// into its time.
func (v verdict) describe(incidents []incident) string {
	type line struct {
		at   time.Duration
		text string
	}
	var lines []line
	var last time.Duration
	for _, o := range v.history {
		lines = append(lines, line{o.call, o.String()})
		last = max(last, o.reply)
	}
	for _, i := range incidents {
		if i.end >= v.history[0].call && i.begin <= last {
			lines = append(lines, line{i.begin, i.String()})
		}
	}
	slices.SortStableFunc(lines, func(a, b line) int { return cmp.Compare(a.at, b.at) })
	var text strings.Builder
	for _, l := range lines {
		text.WriteString(l.text + "\n")
	}
	longest := 0
	for _, partition := range v.info.PartialLinearizations() {
		for _, order := range partition {
			longest = max(longest, len(order))
		}
	}
	fmt.Fprintf(&text, "no order explains more than %d of the operations whose outcome is known\n", longest)
	return text.String()
}

// visualize writes porcupine's page about the history into a file.
func (v verdict) visualize(path string, incidents []incident) error {
	var annotations []porcupine.Annotation
	for _, o := range v.history {
		if o.effect == unknown {
			annotations = append(annotations, porcupine.Annotation{
				ClientId: v.clients[o.client], Start: int64(o.call), End: int64(o.reply), Description: o.String(),
			})
		}
	}
	for _, i := range incidents {
		annotations = append(annotations, porcupine.Annotation{
			Tag: i.where, Start: int64(i.begin), End: int64(i.end), Description: i.what,
		})
	}
	v.info.AddAnnotations(annotations)
	return porcupine.VisualizePath(v.model, v.info, path)
}
