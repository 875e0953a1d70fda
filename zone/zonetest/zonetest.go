// Package zonetest tests whether a backend keeps the contract of package zone.
package zonetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddy-dyndns/dyndns/zone"
)

// Config says what is tested.
type Config struct {
	// Name is the absolute name of the zone. The tests change names below
	// "zonetest" in it, which must not exist, and look at its apex.
	Name string
	// Open returns the zone as somebody sees it who has not used it before.
	Open func(testing.TB) zone.Zone
	// Proven tells that the backend claims proof of what it does.
	Proven bool
	// NoTTL tells that the backend may hold TTLs down, or change none alone.
	NoTTL bool
}

// suite is one run of the tests.
type suite struct {
	Config
	t *testing.T
	z zone.Zone
}

// Run runs all tests.
func Run(t *testing.T, c Config) {
	s := suite{Config: c}
	for _, test := range []struct {
		name string
		run  func(suite)
	}{
		{"changes", suite.changes},
		{"single values", suite.singleValues},
		{"expectations", suite.expectations},
		{"several names", suite.severalNames},
		{"invalid changes", suite.invalid},
		{"names of nameservers", suite.nameServers},
		{"contexts", suite.contexts},
		{"fresh sight", suite.freshSight},
		{"challenges side by side", suite.challenges},
		{"histories", suite.histories},
	} {
		t.Run(test.name, func(t *testing.T) {
			s.t, s.z = t, c.Open(t)
			test.run(s)
		})
	}
}

// host returns a name that only this test uses.
func (s suite) host(label string) string {
	test := strings.ToLower(strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, s.t.Name()))
	return label + "." + test[max(0, len(test)-40):] + "x.zonetest." + s.Name
}

func (s suite) apply(changes ...zone.Change) []zone.Result {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 30*time.Second)
	defer cancel()
	results := s.z.Apply(ctx, changes)
	if len(results) != len(changes) {
		s.t.Fatalf("%d results of %d changes", len(results), len(changes))
	}
	return results
}

// want is what a result has to be: the values before and after, joined by commas.
type want struct {
	old, new string
	changed  bool
}

// expect applies changes that succeed.
func (s suite) expect(step string, changes []zone.Change, wants ...want) {
	s.t.Helper()
	for i, r := range s.apply(changes...) {
		w, c := wants[i], changes[i]
		old, now := strings.Join(r.Old, ","), strings.Join(r.New, ",")
		switch {
		case r.Err != nil:
			s.t.Errorf("%s, change %d: %v", step, i, r.Err)
		case old != w.old || now != w.new || r.Changed != w.changed:
			s.t.Errorf("%s, change %d: got %q -> %q (changed: %t), want %q -> %q (%t)", step, i, old, now, r.Changed, w.old, w.new, w.changed)
		case r.Proven != s.Proven:
			s.t.Errorf("%s, change %d: proven is %t", step, i, r.Proven)
		case now == "" && r.TTL != 0:
			s.t.Errorf("%s, change %d: nothing is there, with the TTL %d", step, i, r.TTL)
		case !s.NoTTL && c.TTL > 0 && r.Changed && now != "" && c.Action != zone.Remove && r.TTL != c.TTL:
			s.t.Errorf("%s, change %d: the TTL is %d, want %d", step, i, r.TTL, c.TTL)
		}
	}
}

func change(name string, t zone.Type, a zone.Action, values ...string) zone.Change {
	return zone.Change{Name: name, Type: t, Action: a, Values: values, TTL: 300}
}

func (s suite) changes() {
	for _, row := range []struct {
		name     string
		t        zone.Type
		one, two string
	}{
		{"a", zone.TypeA, "192.0.2.1", "192.0.2.2"},
		{"aaaa", zone.TypeAAAA, "2001:db8::1", "2001:db8::2"},
		{"txt", zone.TypeTXT, `a "quoted" \ text`, strings.Repeat("long", 100)},
		{"https", zone.TypeHTTPS, `1 . alpn="h2,h3"`, `2 backup.example.com. ipv4hint="192.0.2.1"`},
		{"*", zone.TypeA, "192.0.2.1", "192.0.2.2"},
	} {
		set := func(values ...string) []zone.Change {
			return []zone.Change{change(s.host(row.name), row.t, zone.Set, values...)}
		}
		keep, remove := []zone.Change{change(s.host(row.name), row.t, zone.Keep)}, []zone.Change{change(s.host(row.name), row.t, zone.Delete)}
		both := row.one + "," + row.two
		s.expect(row.name+", keep nothing", keep, want{"", "", false})
		s.expect(row.name+", delete nothing", remove, want{"", "", false})
		s.expect(row.name+", set", set(row.one), want{"", row.one, true})
		s.expect(row.name+", again", set(row.one), want{row.one, row.one, false})
		s.expect(row.name+", other", set(row.two), want{row.one, row.two, true})
		s.expect(row.name+", several, one twice", set(row.two, row.one, row.two), want{row.two, both, true})
		s.expect(row.name+", in another order", set(row.one, row.two), want{both, both, false})
		s.expect(row.name+", keep", keep, want{both, both, false})
		if !s.NoTTL {
			longer := set(row.one, row.two)
			longer[0].TTL = 600
			s.expect(row.name+", TTL alone", longer, want{both, both, true})
		}
		s.expect(row.name+", delete", remove, want{both, "", true})
		s.expect(row.name+", delete again", remove, want{"", "", false})
	}
	s.expect("another spelling", []zone.Change{change(strings.ToUpper(strings.TrimSuffix(s.host("case"), ".")), zone.TypeA, zone.Set, "192.0.2.1")}, want{"", "192.0.2.1", true})
	s.expect("the same name", []zone.Change{change(s.host("case"), zone.TypeA, zone.Delete)}, want{"192.0.2.1", "", true})
	s.expect("a chain in one call", []zone.Change{
		change(s.host("chain"), zone.TypeA, zone.Set, "192.0.2.1"), change(s.host("chain"), zone.TypeA, zone.Set, "192.0.2.2"), change(s.host("chain"), zone.TypeA, zone.Keep),
	}, want{"", "192.0.2.1", true}, want{"192.0.2.1", "192.0.2.2", true}, want{"192.0.2.2", "192.0.2.2", false})
}

func (s suite) singleValues() {
	name := s.host("_acme-challenge")
	one := func(a zone.Action, values ...string) []zone.Change {
		return []zone.Change{change(name, zone.TypeTXT, a, values...)}
	}
	s.expect("remove from nothing", one(zone.Remove, "a"), want{"", "", false})
	s.expect("add to nothing", one(zone.Add, "b"), want{"", "b", true})
	s.expect("add to another", one(zone.Add, "a"), want{"b", "a,b", true})
	s.expect("add again", one(zone.Add, "a"), want{"a,b", "a,b", false})
	s.expect("remove what is not there", one(zone.Remove, "c"), want{"a,b", "a,b", false})
	s.expect("add several", one(zone.Add, "c", "d", "a"), want{"a,b", "a,b,c,d", true})
	s.expect("remove several", one(zone.Remove, "d", "b"), want{"a,b,c,d", "a,c", true})
	if !s.NoTTL {
		longer := one(zone.Add, "a")
		longer[0].TTL = 600
		s.expect("add with another TTL", longer, want{"a,c", "a,c", true})
	}
	s.expect("remove one", one(zone.Remove, "a"), want{"a,c", "c", true})
	s.expect("remove the last", one(zone.Remove, "c"), want{"c", "", true})
	s.expect("set over what was added", append(one(zone.Add, "a"), one(zone.Set, "b")...), want{"", "a", true}, want{"a", "b", true})
}

func (s suite) expectations() {
	expect := func(a zone.Action, value string, values ...string) []zone.Change {
		c := change(s.host("expect"), zone.TypeA, a, value)
		c.Expect = append([]string{}, values...)
		if a == zone.Delete {
			c.Values = nil
		}
		return []zone.Change{c}
	}
	s.expect("something, where nothing is", expect(zone.Set, "192.0.2.1", "192.0.2.9"), want{"", "", false})
	s.expect("nothing, where nothing is", expect(zone.Set, "192.0.2.1"), want{"", "192.0.2.1", true})
	s.expect("nothing, where something is", expect(zone.Set, "192.0.2.2"), want{"192.0.2.1", "192.0.2.1", false})
	s.expect("another, delete", expect(zone.Delete, "", "192.0.2.9"), want{"192.0.2.1", "192.0.2.1", false})
	s.expect("what is there, add", expect(zone.Add, "192.0.2.2", "192.0.2.1"), want{"192.0.2.1", "192.0.2.1,192.0.2.2", true})
	s.expect("a part of it", expect(zone.Delete, "", "192.0.2.1"), want{"192.0.2.1,192.0.2.2", "192.0.2.1,192.0.2.2", false})
	s.expect("all of it, in another order", expect(zone.Delete, "", "192.0.2.2", "192.0.2.1"), want{"192.0.2.1,192.0.2.2", "", true})
}

func (s suite) severalNames() {
	a, b := s.host("a"), s.host("b")
	s.expect("two names, two types", []zone.Change{
		change(a, zone.TypeA, zone.Set, "192.0.2.1"), change(b, zone.TypeA, zone.Set, "192.0.2.2"), change(a, zone.TypeAAAA, zone.Keep), change(b, zone.TypeAAAA, zone.Set, "2001:db8::2"),
	}, want{"", "192.0.2.1", true}, want{"", "192.0.2.2", true}, want{"", "", false}, want{"", "2001:db8::2", true})
	s.expect("some unchanged", []zone.Change{
		change(b, zone.TypeAAAA, zone.Delete), change(a, zone.TypeA, zone.Set, "192.0.2.1"),
	}, want{"2001:db8::2", "", true}, want{"192.0.2.1", "192.0.2.1", false})
}

func (s suite) invalid() {
	set := func(name string, t zone.Type, values ...string) zone.Change {
		return change(name, t, zone.Set, values...)
	}
	long := set(s.host("a"), zone.TypeA, "192.0.2.1")
	long.TTL = 1 << 31
	for _, row := range []struct {
		name   string
		change zone.Change
	}{
		{"no action", change(s.host("a"), zone.TypeA, zone.None)},
		{"unknown action", change(s.host("a"), zone.TypeA, 99)},
		{"no value to set", set(s.host("a"), zone.TypeA)},
		{"no value to add", change(s.host("a"), zone.TypeTXT, zone.Add)},
		{"no value to remove", change(s.host("a"), zone.TypeTXT, zone.Remove)},
		{"no address", set(s.host("a"), zone.TypeA, "192.0.2")},
		{"another family", set(s.host("a"), zone.TypeAAAA, "192.0.2.1")},
		{"a zone of an address", set(s.host("a"), zone.TypeAAAA, "fe80::1%eth0")},
		{"no service parameters", set(s.host("a"), zone.TypeHTTPS, "x")},
		{"a text too long", set(s.host("a"), zone.TypeTXT, strings.Repeat("x", 5000))},
		{"a TTL too long", long},
		{"an unknown type", set(s.host("a"), 65_280, "x")},
		{"outside the zone", set("zonetest.invalid.", zone.TypeA, "192.0.2.1")},
		{"an empty label", set("a.."+s.Name, zone.TypeA, "192.0.2.1")},
		{"no name", set("", zone.TypeA, "192.0.2.1")},
		{"an expectation that is no value", zone.Change{Name: s.host("a"), Type: zone.TypeA, Action: zone.Keep, Expect: []string{"x"}}},
	} {
		results := s.apply(row.change, set(s.host("neighbour"), zone.TypeA, "192.0.2.1"))
		var e *zone.Error
		if !errors.As(results[0].Err, &e) || e.Reason != zone.Invalid || e.Unknown {
			s.t.Errorf("%s: got %v, want an error with the reason %s", row.name, results[0].Err, zone.Invalid)
		}
		if results[1].Err != nil {
			s.t.Errorf("%s: its neighbour failed: %v", row.name, results[1].Err)
		}
	}
	results := s.apply(set(s.host("half"), zone.TypeA, "192.0.2.1"), set(s.host("half"), zone.TypeAAAA, "x"))
	if results[0].Err == nil {
		s.t.Error("half of a name was changed")
	}
	s.expect("half of a name", []zone.Change{change(s.host("half"), zone.TypeA, zone.Keep)}, want{"", "", false})
}

func (s suite) nameServers() {
	guarded := change(s.host("guarded"), zone.TypeA, zone.Set, "192.0.2.1")
	guarded.NotNameServer = true
	s.expect("a name that is no nameserver's", []zone.Change{guarded}, want{"", "192.0.2.1", true})
	lister, ok := s.z.(zone.NameServerLister)
	if !ok {
		return
	}
	ctx, cancel := context.WithTimeout(s.t.Context(), 30*time.Second)
	defer cancel()
	found, err := lister.NameServers(ctx)
	if err != nil || found.Proven != s.Proven || !slices.IsSorted(found.Names) {
		s.t.Errorf("the nameservers are %v: %v", found, err)
	}
	for _, name := range found.Names {
		if !strings.HasSuffix(name, "."+s.Name) {
			continue
		}
		challenge := change("_acme-challenge."+name, zone.TypeTXT, zone.Set, "a")
		challenge.NotNameServer, guarded.Name = true, name
		for _, c := range []zone.Change{guarded, challenge} {
			var e *zone.Error
			if r := s.apply(c)[0]; !errors.As(r.Err, &e) || e.Reason != zone.NameServer {
				s.t.Errorf("%s: got %+v, want an error with the reason %s", c.Name, r, zone.NameServer)
			}
		}
	}
}

func (s suite) contexts() {
	ctx, cancel := context.WithCancel(s.t.Context())
	cancel()
	set := change(s.host("a"), zone.TypeA, zone.Set, "192.0.2.1")
	var e *zone.Error
	if r := s.z.Apply(ctx, []zone.Change{set})[0]; !errors.As(r.Err, &e) || e.Reason != zone.Timeout || e.Unknown {
		s.t.Errorf("a context that has ended: got %+v", r)
	}
	s.expect("afterwards", []zone.Change{change(s.host("a"), zone.TypeA, zone.Keep)}, want{"", "", false})
	if got := s.z.Apply(s.t.Context(), nil); len(got) != 0 {
		s.t.Errorf("no changes have the results %v", got)
	}
}

// freshSight has somebody without memory see what somebody else has written.
func (s suite) freshSight() {
	a := []zone.Change{change(s.host("a"), zone.TypeA, zone.Set, "192.0.2.1")}
	s.expect("set", a, want{"", "192.0.2.1", true})
	first := s.z
	s.z = s.Open(s.t)
	s.expect("unchanged", a, want{"192.0.2.1", "192.0.2.1", false})
	s.expect("by the second", []zone.Change{change(s.host("a"), zone.TypeA, zone.Set, "192.0.2.2")}, want{"192.0.2.1", "192.0.2.2", true})
	s.z = first
	s.expect("behind the first one's back", a, want{"192.0.2.2", "192.0.2.1", true})
}

// describe shows a change for a message.
func describe(c zone.Change) string {
	return fmt.Sprintf("%d %s %v expecting %v", c.Action, c.Type, c.Values, c.Expect)
}
