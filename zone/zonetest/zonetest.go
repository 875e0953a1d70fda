// Package zonetest tests whether a backend keeps the contract of package zone.
package zonetest

import (
	"context"
	crand "crypto/rand"
	"strings"
	"testing"
	"time"

	"github.com/caddy-dyndns/dyndns/zone"
)

// Config says what is tested.
type Config struct {
	// Name is the absolute name of the zone. The tests change names below
	// "zonetest" in it, others in each run, and add and remove a text at its apex.
	Name string
	// Open returns the zone as somebody sees it who has not used it before.
	Open func(testing.TB) zone.Zone
	// Proven tells that the backend claims proof of what it does. Without it, it may still
	// have proof of the zone's nameservers.
	Proven bool
	// NoTTL tells that the backend may hold TTLs down, or change none alone.
	NoTTL bool
	// View looks at the zone past the backend. Without it, nil, the backend is believed
	// what it says that it wrote.
	View View
}

// View is what somebody sees of a zone who asks for its records.
type View interface {
	// Values returns the values of an RRset in the form of [zone.Result], sorted; none
	// if there is no such RRset.
	Values(name string, t zone.Type) ([]string, error)
	// Serial returns the zone's serial number, another after each write.
	Serial() (uint32, error)
}

// suite is one run of the tests.
type suite struct {
	Config
	t *testing.T
	z zone.Zone
	// proven and all count the results of expect.
	proven, all *int
	// id is another one in each run, so that a zone need not be emptied.
	id string
}

// Run runs all tests.
func Run(t *testing.T, c Config) {
	s := suite{Config: c, id: strings.ToLower(crand.Text()[:8])}
	for _, test := range []struct {
		name string
		run  func(suite)
	}{
		{"changes", suite.changes},
		{"single values", suite.singleValues},
		{"expectations", suite.expectations},
		{"several names", suite.severalNames},
		{"apex", suite.apex},
		{"limits", suite.limits},
		{"slices", suite.slices},
		{"invalid changes", suite.invalid},
		{"names of nameservers", suite.nameServers},
		{"contexts", suite.contexts},
		{"fresh sight", suite.freshSight},
		{"challenges side by side", suite.challenges},
		{"together", suite.together},
		{"histories", suite.histories},
		// The last: what was sent for them may be made later, and move the serial number.
		{"callers that give up", suite.abandoned},
	} {
		t.Run(test.name, func(t *testing.T) {
			s.t, s.z, s.proven, s.all = t, c.Open(t), new(int), new(int)
			test.run(s)
			// A nameserver may fail now and then, so that a change is made twice.
			if s.Proven && *s.proven < *s.all*3/4 {
				t.Errorf("of %d results only %d are proven", *s.all, *s.proven)
			}
		})
	}
}

// host returns a name that only this test uses. A label has at most 63 octets.
func (s suite) host(label string) string {
	test := s.t.Name()[strings.LastIndex(s.t.Name(), "/")+1:]
	return label + "." + strings.ReplaceAll(test, "_", "-") + "." + s.id + ".zonetest." + s.Name
}

func (s suite) apply(changes ...zone.Change) []zone.Result {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 30*time.Second)
	defer cancel()
	results := s.z.Apply(ctx, changes)
	if len(results) != len(changes) {
		s.t.Errorf("%d results of %d changes", len(results), len(changes))
		return make([]zone.Result, len(changes))
	}
	return results
}

// want is what a result has to be: the values before and after, joined by commas.
type want struct {
	old, new string
	changed  bool
}

// expect applies changes that succeed, while nobody else changes the zone.
func (s suite) expect(step string, changes []zone.Change, wants ...want) {
	s.t.Helper()
	before, changed := s.serial(), false
	for i, r := range s.apply(changes...) {
		w, c := wants[i], changes[i]
		changed = changed || w.changed
		*s.all++
		if r.Proven {
			*s.proven++
		}
		old, now := strings.Join(r.Old, ","), strings.Join(r.New, ",")
		switch {
		case r.Err != nil:
			s.t.Errorf("%s, change %d: %v", step, i, r.Err)
		case old != w.old || now != w.new || r.Changed != w.changed:
			s.t.Errorf("%s, change %d: got %q -> %q (changed: %t), want %q -> %q (%t)", step, i, old, now, r.Changed, w.old, w.new, w.changed)
		case r.Proven && !s.Proven:
			s.t.Errorf("%s, change %d: it claims proof", step, i)
		case now == "" && r.TTL != 0:
			s.t.Errorf("%s, change %d: nothing is there, with the TTL %d", step, i, r.TTL)
		case !s.NoTTL && now != "" && r.TTL != c.TTL:
			s.t.Errorf("%s, change %d: the TTL is %d, want %d", step, i, r.TTL, c.TTL)
		}
	}
	if s.View == nil {
		return
	}
	if after := s.serial(); (after != before) != changed {
		s.t.Errorf("%s: the serial number was %d and is %d, but something was to be written: %t", step, before, after, changed)
	}
	last := make(map[string]string)
	for i, c := range changes {
		last[c.Name+" "+c.Type.String()] = wants[i].new
	}
	for _, c := range changes {
		if got, want := s.seen(c), last[c.Name+" "+c.Type.String()]; got != want {
			s.t.Errorf("%s: %s %s shows %q, want %q", step, c.Name, c.Type, got, want)
		}
	}
}

// serial returns the zone's serial number, 0 without a view.
func (s suite) serial() uint32 {
	s.t.Helper()
	if s.View == nil {
		return 0
	}
	serial, err := s.View.Serial()
	if err != nil {
		s.t.Error(err)
	}
	return serial
}

// seen returns the values that the view shows, joined by commas; none without a view.
func (s suite) seen(c zone.Change) string {
	s.t.Helper()
	if s.View == nil {
		return ""
	}
	values, err := s.View.Values(c.Name, c.Type)
	if err != nil {
		s.t.Error(err)
	}
	return strings.Join(values, ",")
}

// change returns a change with a TTL, which is also what the result is to say.
func change(name string, t zone.Type, a zone.Action, values ...string) zone.Change {
	return zone.Change{Name: name, Type: t, Action: a, Values: values, TTL: 300}
}
