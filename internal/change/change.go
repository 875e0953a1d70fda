// Package change is what every zone that holds RRsets makes of a [zone.Change]: whether
// it is valid, and what an RRset is after it.
package change

import (
	"errors"
	"slices"
	"strings"

	"github.com/caddy-dyndns/dyndns/zone"
)

// Change is a valid change.
type Change struct {
	// Index is that of the change and of its result in the call.
	Index int
	// Name is canonical.
	Name   string
	Type   zone.Type
	Action zone.Action
	// Values are those of Set, Add and Remove.
	Values Set
	// Expect is nil if anything may stand there.
	Expect *Set
	// NotNameServer: no apex NS record may point to the name.
	NotNameServer bool
}

var (
	errOutside = errors.New("the name is not in the zone")
	errType    = errors.New("the package does not change records of this type")
	errAction  = errors.New("unknown action")
	errNoValue = errors.New("there is no value to set")
)

// Check returns the changes of a call that are valid, in their order, and the results of
// the call, with the errors of those that are not. What is not valid gets its error, and
// so does everything else at the same name: a name's changes are one.
func Check(apex string, changes []zone.Change) ([]Change, []zone.Result) {
	valid, results := make([]Change, 0, len(changes)), make([]zone.Result, len(changes))
	var spoiled map[string]bool
	for i, wish := range changes {
		c, err := check(apex, wish)
		if err != nil {
			results[i].Err = &zone.Error{Reason: zone.Invalid, Zone: apex, Name: c.Name, Cause: err}
			if c.Name != "" {
				if spoiled == nil {
					spoiled = map[string]bool{}
				}
				spoiled[c.Name] = true
			}
			continue
		}
		c.Index = i
		valid = append(valid, c)
	}
	if spoiled != nil {
		valid = slices.DeleteFunc(valid, func(c Change) bool {
			if spoiled[c.Name] {
				results[c.Index].Err = &zone.Error{Reason: zone.Invalid, Zone: apex, Name: c.Name, Hint: "another change of the same name is invalid"}
			}
			return spoiled[c.Name]
		})
	}
	return valid, results
}

// check returns with an error a change that has its name if that is valid.
func check(apex string, wish zone.Change) (Change, error) {
	name, err := CanonicalName(wish.Name)
	if err != nil {
		return Change{}, err
	}
	c := Change{Name: name, Type: wish.Type, Action: wish.Action, NotNameServer: wish.NotNameServer}
	if !Under(name, apex) {
		return c, errOutside
	}
	if !slices.Contains(zone.Types[:], wish.Type) {
		return c, errType
	}
	if wish.Expect != nil {
		expected, err := ParseSet(wish.Type, wish.Expect, 0)
		if err != nil {
			return c, err
		}
		c.Expect = &expected
	}
	switch wish.Action {
	case zone.Keep, zone.Delete:
	case zone.Set, zone.Add, zone.Remove:
		if len(wish.Values) == 0 {
			return c, errNoValue
		}
		if c.Values, err = ParseSet(wish.Type, wish.Values, wish.TTL); err == nil && wish.Action != zone.Remove {
			err = checkBindings(wish.Type, c.Values)
		}
	default:
		err = errAction
	}
	return c, err
}

// Of returns what the change makes of an RRset, and whether it gives it a TTL.
func (c *Change) Of(s Set) (after Set, setsTTL bool) {
	if c.Expect != nil && !slices.Equal(c.Expect.Text, s.Text) {
		return s, false
	}
	switch c.Action {
	case zone.Delete:
		return Set{}, false
	case zone.Remove:
		return s.minus(c.Type, c.Values), false
	case zone.Set:
		return c.Values, true
	case zone.Add:
		return s.plus(c.Type, c.Values), true
	}
	return s, false
}

// HostOf returns the host that an underscored name tells something of (RFC 8552
// section 1.1), another name as it is.
func HostOf(name string) string {
	for strings.HasPrefix(name, "_") {
		name = Parent(name)
	}
	return name
}
