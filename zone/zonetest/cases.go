package zonetest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/caddy-dyndns/dyndns/zone"
)

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
		{"octets", zone.TypeTXT, "\x00\x1f\x7f", "\u00fc;@\xff"},
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
	s.expect("remove what is not there from one", append(one(zone.Remove, "c"), one(zone.Remove, "c", "x")...), want{"a,c", "a", true}, want{"a", "a", false})
	if !s.NoTTL {
		longer := one(zone.Add, "a", "c")
		longer[0].TTL = 600
		s.expect("add with another TTL", longer, want{"a", "a,c", true})
		longer[0].TTL = 900
		s.expect("add nothing but another TTL", longer, want{"a,c", "a,c", true})
		remove := one(zone.Remove, "c")
		remove[0].TTL = 60
		if r := s.apply(remove...)[0]; r.Err != nil || r.TTL != 900 {
			s.t.Errorf("remove with another TTL: got %+v, want the TTL as it is, 900", r)
		}
	}
	s.expect("remove the last", one(zone.Remove, "a"), want{"a", "", true})
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

// apex changes a text beside what others have at the zone's own name.
func (s suite) apex() {
	add := change(s.Name, zone.TypeTXT, zone.Add, "zonetest "+s.id)
	before := s.apply(change(s.Name, zone.TypeTXT, zone.Keep))[0]
	if before.TTL > 0 {
		add.TTL = before.TTL
	}
	r := s.apply(add)[0]
	if want := slices.Sorted(slices.Values(append(slices.Clone(before.New), add.Values...))); r.Err != nil || !slices.Equal(r.New, want) {
		s.t.Errorf("add: got %+v, want %q", r, want)
	}
	add.Action = zone.Remove
	if r := s.apply(add)[0]; r.Err != nil || !slices.Equal(r.New, before.New) {
		s.t.Errorf("remove: got %+v, want %q", r, before.New)
	}
}

// limits sets the most that is valid.
func (s suite) limits() {
	text := strings.Repeat("0123456789abcdef", 4096/16)
	s.expect("the longest text", []zone.Change{change(s.host("a"), zone.TypeTXT, zone.Set, text)}, want{"", text, true})
	if !s.NoTTL {
		longest := change(s.host("a"), zone.TypeA, zone.Set, "192.0.2.1")
		longest.TTL = 1<<31 - 1
		s.expect("the longest TTL", []zone.Change{longest}, want{"", "192.0.2.1", true})
	}
}

// slices has callers write to what is theirs, and compares what they were told before.
func (s suite) slices() {
	c := change(s.host("a"), zone.TypeTXT, zone.Set, "a")
	first := s.apply(c)[0]
	c.Values[0] = "x"
	s.expect("a caller writes to the values of its change", []zone.Change{change(c.Name, c.Type, zone.Keep)}, want{"a", "a", false})
	s.expect("another value", []zone.Change{change(c.Name, c.Type, zone.Set, "b")}, want{"a", "b", true})
	s.expect("and another", []zone.Change{change(c.Name, c.Type, zone.Set, "c")}, want{"b", "c", true})
	if !slices.Equal(first.New, []string{"a"}) {
		s.t.Errorf("a result changed afterwards, from a to %q", first.New)
	}
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
		{"service parameters of two lines", set(s.host("a"), zone.TypeHTTPS, "1 .\nx 300 IN A 192.0.2.1")},
		{"a text too long", set(s.host("a"), zone.TypeTXT, strings.Repeat("x", 4097))},
		{"a TTL too long", long},
		{"an unknown type", set(s.host("a"), 65_280, "x")},
		{"outside the zone", set("zonetest.invalid.", zone.TypeA, "192.0.2.1")},
		{"an empty label", set("a.."+s.Name, zone.TypeA, "192.0.2.1")},
		{"no name", set("", zone.TypeA, "192.0.2.1")},
		{"an expectation that is no value", zone.Change{Name: s.host("a"), Type: zone.TypeA, Action: zone.Keep, Expect: []string{"x"}}},
		{"an expectation of another family", zone.Change{Name: s.host("a"), Type: zone.TypeA, Action: zone.Delete, Expect: []string{"2001:db8::1"}}},
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
	if err != nil || s.Proven && !found.Proven || !slices.IsSorted(found.Names) {
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
		s.t.Errorf("a context that has ended: got %+v, want an error with the reason %s", r, zone.Timeout)
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
