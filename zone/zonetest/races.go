package zonetest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/caddy-dyndns/dyndns/zone"
)

// challenges adds values at one name by many callers at once, as certificates for a
// name and its wildcard do, and removes them again.
func (s suite) challenges() {
	const count = 20
	name := s.host("_acme-challenge")
	all := func(a zone.Action) {
		var wg sync.WaitGroup
		for i := range count {
			wg.Go(func() {
				r := s.apply(change(name, zone.TypeTXT, a, fmt.Sprint("value", i)))[0]
				if r.Err != nil || !r.Changed {
					s.t.Errorf("value %d: %+v", i, r)
				}
			})
		}
		wg.Wait()
	}
	all(zone.Add)
	if got := s.apply(change(name, zone.TypeTXT, zone.Keep))[0]; len(got.New) != count {
		s.t.Errorf("%d values stand side by side, want %d", len(got.New), count)
	}
	all(zone.Remove)
	s.expect("afterwards", []zone.Change{change(name, zone.TypeTXT, zone.Keep)}, want{"", "", false})
}

// together has callers look at two names while others give both the same value. They
// look in the other order, so that no regular turn of the callers hides what shows between.
func (s suite) together() {
	pair := func(a zone.Action, first, second string, values ...string) []zone.Change {
		return []zone.Change{change(s.host(first), zone.TypeTXT, a, values...), change(s.host(second), zone.TypeTXT, a, values...)}
	}
	var wg sync.WaitGroup
	for caller := range 2 {
		wg.Go(func() {
			for i := range 20 {
				s.apply(pair(zone.Set, "a", "b", fmt.Sprint(caller, i))...)
			}
		})
		wg.Go(func() {
			for range 20 {
				if r := s.apply(pair(zone.Keep, "b", "a")...); r[0].Err != nil || r[1].Err != nil || !slices.Equal(r[0].New, r[1].New) {
					s.t.Errorf("half of another caller's changes shows: %+v", r)
				}
			}
		})
	}
	wg.Wait()
}

// abandoned has callers give up at any time. What they were told stands, and nothing
// else but what is unknown.
func (s suite) abandoned() {
	const count = 40
	name := s.host("a")
	value := func(i int) string { return fmt.Sprint("value ", i) }
	results := make([]zone.Result, count)
	var wg sync.WaitGroup
	for i := range count {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(s.t.Context(), time.Duration(i)*100*time.Microsecond)
			defer cancel()
			results[i] = s.z.Apply(ctx, []zone.Change{change(name, zone.TypeTXT, zone.Add, value(i))})[0]
		})
	}
	wg.Wait()
	after := s.apply(change(name, zone.TypeTXT, zone.Keep))[0]
	for i, r := range results {
		stands := slices.Contains(after.New, value(i))
		var e *zone.Error
		switch {
		case r.Err == nil && !stands:
			s.t.Errorf("value %d was added, and is not there", i)
		case r.Err != nil && (!errors.As(r.Err, &e) || e.Reason != zone.Timeout):
			s.t.Errorf("value %d: got %v, want an error with the reason %s", i, r.Err, zone.Timeout)
		case r.Err != nil && !e.Unknown && stands:
			s.t.Errorf("value %d was not added (%v), and is there", i, r.Err)
		}
	}
}

// histories has callers make random changes of few values at few names, and checks
// that the results fit one order of events.
func (s suite) histories() {
	const callers, each, names = 8, 25, 3
	// Each caller sees the zone without the memory of the others.
	zones := []zone.Zone{s.z, s.Open(s.t)}
	var mu sync.Mutex
	histories := make([][]porcupine.Operation, names)
	unknown := int64(0)
	start := time.Now()
	var wg sync.WaitGroup
	for caller := range callers {
		wg.Go(func() {
			one := s
			one.z = zones[caller%len(zones)]
			random := rand.New(rand.NewPCG(1, uint64(caller)))
			for range each {
				n := random.IntN(names)
				c := randomChange(s.host(fmt.Sprint("n", n)), random)
				called := time.Since(start)
				r := one.apply(c)[0]
				returned := time.Since(start)
				op := porcupine.Operation{ClientId: caller, Input: c, Output: r, Call: int64(called), Return: int64(returned)}
				if r.Err != nil {
					// Where a backend cannot know it says so: the change may be made at any time.
					var e *zone.Error
					if !errors.As(r.Err, &e) || !e.Unknown {
						s.t.Errorf("%s: %v", describe(c), r.Err)
						continue
					}
					op.Return = math.MaxInt64
				}
				mu.Lock()
				histories[n] = append(histories[n], op)
				unknown += min(1, op.Return/math.MaxInt64)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if unknown > callers*each/2 {
		s.t.Errorf("the outcomes of %d of %d changes are unknown", unknown, callers*each)
	}
	for n, history := range histories {
		if porcupine.CheckOperationsTimeout(model, history, time.Minute) != porcupine.Ok {
			s.t.Errorf("the %d results at name %d fit no order of events", len(history), n)
		}
	}
}

func randomChange(name string, random *rand.Rand) zone.Change {
	value := func() string { return fmt.Sprint("v", random.IntN(3)) }
	c := change(name, zone.TypeTXT, []zone.Action{zone.Keep, zone.Delete, zone.Set, zone.Set, zone.Add, zone.Add, zone.Remove}[random.IntN(7)], value())
	if c.Action == zone.Keep || c.Action == zone.Delete {
		c.Values = nil
	}
	switch random.IntN(6) {
	case 0:
		c.Expect = []string{}
	case 1:
		c.Expect = []string{value()}
	}
	return c
}

// model is what an RRset does: its state are its values, sorted and joined. A change
// with an unknown outcome was made or was not.
var model = (&porcupine.NondeterministicModel{
	Init: func() []any { return []any{""} },
	Step: func(state, input, output any) []any {
		before, c, r := state.(string), input.(zone.Change), output.(zone.Result)
		values := split(before)
		after := Step(values, c)
		if r.Err != nil {
			return []any{before, strings.Join(after, ",")}
		}
		if !slices.Equal(r.Old, values) || !slices.Equal(r.New, after) || r.Changed == slices.Equal(after, values) {
			return nil
		}
		return []any{strings.Join(after, ",")}
	},
}).ToModel()

func split(state string) []string {
	if state == "" {
		return nil
	}
	return strings.Split(state, ",")
}

// Step returns the values of an RRset after a change, TTLs apart: the contract in a
// few lines. Values are sorted.
func Step(values []string, c zone.Change) []string {
	normal := func(values []string) []string {
		values = slices.Clone(values)
		slices.Sort(values)
		return slices.Compact(values)
	}
	if c.Expect != nil && !slices.Equal(normal(c.Expect), normal(values)) {
		return values
	}
	switch c.Action {
	case zone.Delete:
		return nil
	case zone.Set:
		return normal(c.Values)
	case zone.Add:
		return normal(slices.Concat(values, c.Values))
	case zone.Remove:
		return slices.DeleteFunc(slices.Clone(values), func(v string) bool { return slices.Contains(c.Values, v) })
	}
	return values
}

// describe shows a change for a message.
func describe(c zone.Change) string {
	return fmt.Sprintf("%d %s %v expecting %v", c.Action, c.Type, c.Values, c.Expect)
}
