package zonetest

import (
	"context"
	"errors"
	"fmt"
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
		case r.Err != nil && !errors.As(r.Err, &e):
			s.t.Errorf("value %d: the error %v is no zone.Error", i, r.Err)
		case r.Err != nil && !e.Unknown && stands:
			s.t.Errorf("value %d was not added (%v), and is there", i, r.Err)
		}
	}
}

// histories has callers make random changes of few values at few names, and checks
// that each result is what the change makes of the old value, and that the old and new
// values of a name fit one order of events.
func (s suite) histories() {
	const callers, each, names = 8, 25, 3
	// Half of the callers see the zone without the memory of the others.
	zones := []zone.Zone{s.z, s.Open(s.t)}
	var mu sync.Mutex
	histories := make([]History, names)
	start := time.Now()
	unknown := 0
	tell := func(one suite, client string, n int, c zone.Change) {
		o := Operation{Client: client, Call: time.Since(start), Effect: Written}
		r := one.apply(c)[0]
		o.Reply, o.Old, o.New = time.Since(start), strings.Join(r.Old, ","), strings.Join(r.New, ",")
		mu.Lock()
		defer mu.Unlock()
		var e *zone.Error
		switch after := step(r.Old, c); {
		case errors.As(r.Err, &e) && e.Unknown:
			unknown++
			o.UnknownCause = r.Err.Error()
		case r.Err != nil:
			s.t.Errorf("%s: %v", describe(c), r.Err)
			return
		case r.Proven:
			o.Effect = Proven
			histories[n] = append(histories[n], o)
			if !slices.Equal(r.New, after) || r.Changed == slices.Equal(r.Old, r.New) {
				s.t.Errorf("%s: got %+v, want %q -> %q", describe(c), r, r.Old, after)
			}
			return
		default:
			histories[n] = append(histories[n], o)
			o.UnknownCause = "may have been made before"
		}
		o.Effect = Unknown
		for _, o.New = range outcomes(c) {
			histories[n] = append(histories[n], o)
		}
	}
	var wg sync.WaitGroup
	for caller := range callers {
		wg.Go(func() {
			one := s
			one.z = zones[caller%len(zones)]
			random := rand.New(rand.NewPCG(1, uint64(caller)))
			for range each {
				n := random.IntN(names)
				tell(one, fmt.Sprint("caller ", caller), n, randomChange(s.host(fmt.Sprint("n", n)), random))
			}
		})
	}
	wg.Wait()
	if unknown > callers*each/4 {
		s.t.Errorf("the outcomes of %d of %d changes are unknown", unknown, callers*each)
	}
	for n := range histories {
		last := change(s.host(fmt.Sprint("n", n)), zone.TypeTXT, zone.Keep)
		tell(s, "last look", n, last)
		if s.View != nil {
			at, seen := time.Since(start), s.seen(last)
			histories[n] = append(histories[n], Operation{Client: "view", Call: at, Reply: time.Since(start), Old: seen, New: seen, Effect: Proven})
		}
		if v := histories[n].Judge(time.Minute); v.CheckResult != porcupine.Ok {
			s.t.Errorf("no order of events explains the history of name %d (%s):\n%s", n, v.CheckResult, v.Describe(nil))
		}
	}
}

// words are few, so that callers write equal values.
var words = []string{"v0", "v1", "v2"}

func randomChange(name string, random *rand.Rand) zone.Change {
	value := func() string { return words[random.IntN(len(words))] }
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

// outcomes returns what a random change can make of an RRset. If it is not known what
// it found there, it may have been any of them.
func outcomes(c zone.Change) []string {
	var made []string
	for subset := range 1 << len(words) {
		var before []string
		for i, word := range words {
			if subset>>i&1 == 1 {
				before = append(before, word)
			}
		}
		if after := step(before, c); !slices.Equal(before, after) {
			made = append(made, strings.Join(after, ","))
		}
	}
	return normal(made)
}

// step returns the values of an RRset after a change, TTLs apart: the contract in a
// few lines.
func step(values []string, c zone.Change) []string {
	if c.Expect != nil && !slices.Equal(normal(c.Expect), values) {
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

// normal returns the values sorted, each once.
func normal(values []string) []string {
	values = slices.Clone(values)
	slices.Sort(values)
	return slices.Compact(values)
}

// describe shows a change for a message.
func describe(c zone.Change) string {
	return fmt.Sprintf("%d %s %v expecting %v", c.Action, c.Type, c.Values, c.Expect)
}
