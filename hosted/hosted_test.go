package hosted_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libdns/libdns"

	"github.com/caddy-dyndns/dyndns/hosted"
	"github.com/caddy-dyndns/dyndns/hosted/hostedtest"
	"github.com/caddy-dyndns/dyndns/zone"
)

func set(name, address string) zone.Change {
	return zone.Change{Name: name + "." + apex, Type: zone.TypeA, Action: zone.Set, Values: []string{address}, TTL: 300}
}

func text(action zone.Action, values ...string) zone.Change {
	return zone.Change{Name: "_acme-challenge.home." + apex, Type: zone.TypeTXT, Action: action, Values: values, TTL: 60}
}

// succeed applies changes that succeed.
func succeed(t *testing.T, z *hosted.Zone, changes ...zone.Change) []zone.Result {
	t.Helper()
	results := z.Apply(t.Context(), changes)
	for i, r := range results {
		if r.Err != nil {
			t.Errorf("change %d: %v", i, r.Err)
		}
	}
	return results
}

// fail applies a change that fails with the reason.
func fail(t *testing.T, z *hosted.Zone, reason zone.Reason, c zone.Change) *zone.Error {
	t.Helper()
	var e *zone.Error
	if r := z.Apply(t.Context(), []zone.Change{c})[0]; !errors.As(r.Err, &e) || e.Reason != reason {
		t.Fatalf("got %+v, want an error with the reason %s", r, reason)
	}
	return e
}

// called compares the calls of the provider since it was asked last.
func called(t *testing.T, p *hostedtest.Provider, want ...string) {
	t.Helper()
	if got := p.Calls(); !slices.Equal(got, want) {
		t.Errorf("calls:\n got %q\nwant %q", got, want)
	}
}

// inBubble runs a test with a provider and a zone in its own time.
func inBubble(t *testing.T, habit func(*hostedtest.Provider), hooks hosted.Hooks, test func(*testing.T, *hostedtest.Provider, *hosted.Zone)) {
	synctest.Test(t, func(t *testing.T) {
		p := newProvider(habit)
		test(t, p, open(t, p, hosted.NewMemory(), hooks))
	})
}

// The provider is asked for what is not known, and told what differs.
func TestCalls(t *testing.T) {
	inBubble(t, nil, hosted.Hooks{}, func(t *testing.T, p *hostedtest.Provider, z *hosted.Zone) {
		const list = "GetRecords"
		for _, step := range []struct {
			name    string
			wait    time.Duration
			changes []zone.Change
			want    []string
		}{
			{"first sight of two names", 0, []zone.Change{set("a", "192.0.2.1"), set("b", "192.0.2.1")}, []string{list, "SetRecords a A 300 192.0.2.1 b A 300 192.0.2.1"}},
			{"unchanged", 9 * time.Minute, []zone.Change{set("a", "192.0.2.1"), set("b", "192.0.2.1")}, nil},
			{"first sight of another", 0, []zone.Change{set("c", "192.0.2.1")}, []string{"SetRecords c A 300 192.0.2.1"}},
			{"one of three, and how it replaces", 0, []zone.Change{set("a", "192.0.2.1"), set("b", "192.0.2.2"), set("c", "192.0.2.1")}, []string{"SetRecords b A 300 192.0.2.2", list}},
			{"unchanged, after ten minutes", 10 * time.Minute, []zone.Change{set("a", "192.0.2.1")}, []string{list}},
			{"another one", 0, []zone.Change{set("a", "192.0.2.2")}, []string{"SetRecords a A 300 192.0.2.2"}},
			{"it back, and another one", 0, []zone.Change{set("a", "192.0.2.2"), set("a", "192.0.2.1")}, []string{"SetRecords a A 300 192.0.2.1"}},
			{"what was listed goes", 0, []zone.Change{{Name: "b." + apex, Type: zone.TypeA, Action: zone.Delete}}, []string{"DeleteRecords b A 300 192.0.2.2"}},
			{"what was set goes", 0, []zone.Change{{Name: "a." + apex, Type: zone.TypeA, Action: zone.Delete}}, []string{list, "DeleteRecords a A 300 192.0.2.1"}},
			{"it is gone", 0, []zone.Change{{Name: "a." + apex, Type: zone.TypeA, Action: zone.Delete}}, nil},
			{"a value", 0, []zone.Change{text(zone.Add, "x")}, []string{"SetRecords _acme-challenge.home TXT 60 x"}},
			{"another beside it", 0, []zone.Change{text(zone.Add, "y")}, []string{"AppendRecords _acme-challenge.home TXT 60 y"}},
			{"one of them goes", 0, []zone.Change{text(zone.Remove, "x")}, []string{list, "DeleteRecords _acme-challenge.home TXT 60 x"}},
			{"the other", 0, []zone.Change{text(zone.Remove, "y")}, []string{"DeleteRecords _acme-challenge.home TXT 60 y"}},
			{"a TTL of zero is none of the provider's", 0, []zone.Change{{Name: "zero." + apex, Type: zone.TypeA, Action: zone.Set, Values: []string{"192.0.2.1"}}}, []string{"SetRecords zero A 0.001 192.0.2.1"}},
		} {
			time.Sleep(step.wait)
			for i, r := range z.Apply(t.Context(), step.changes) {
				if r.Err != nil || r.Proven {
					t.Errorf("%s, change %d: %+v", step.name, i, r)
				}
			}
			if got := p.Calls(); !slices.Equal(got, step.want) {
				t.Errorf("%s:\n got %q\nwant %q", step.name, got, step.want)
			}
		}
	})
}

// What comes while a call is in flight goes together with the next.
func TestGathers(t *testing.T) {
	habit := func(p *hostedtest.Provider) {
		p.Before = func(ctx context.Context, _ string, _ []libdns.Record) error { return sleep(ctx, time.Second) }
	}
	inBubble(t, habit, hosted.Hooks{}, func(t *testing.T, p *hostedtest.Provider, z *hosted.Zone) {
		var all sync.WaitGroup
		for i := range 20 {
			all.Go(func() { succeed(t, z, set(fmt.Sprint("h", i), "192.0.2.1")) })
		}
		all.Wait()
		got := p.Calls()
		if len(got) > 3 || strings.Count(strings.Join(got, " "), " A 300 ") != 20 || strings.Contains(strings.Join(got, " "), "beside") {
			t.Errorf("%d calls: %q", len(got), got)
		}
	})
}

// Two handlers with the same zone know the same of it, and make no two calls at once.
func TestSharedMemory(t *testing.T) {
	habit := func(p *hostedtest.Provider) {
		p.Before = func(ctx context.Context, _ string, _ []libdns.Record) error { return sleep(ctx, time.Second) }
	}
	synctest.Test(t, func(t *testing.T) {
		p, m := newProvider(habit), hosted.NewMemory()
		one, other := open(t, p, m, hosted.Hooks{}), open(t, p, m, hosted.Hooks{})
		var both sync.WaitGroup
		both.Go(func() { succeed(t, one, set("a", "192.0.2.1")) })
		both.Go(func() { succeed(t, other, set("b", "192.0.2.1")) })
		both.Wait()
		succeed(t, other, set("a", "192.0.2.2"))
		if r := succeed(t, one, set("a", "192.0.2.1"))[0]; !r.Changed {
			t.Errorf("what the other wrote is not known: %+v", r)
		}
		one.Close()
		if e := fail(t, one, zone.Busy, set("a", "192.0.2.3")); e.Unknown {
			t.Errorf("after the end: %v", e)
		}
		succeed(t, other, set("a", "192.0.2.1"))
		if calls := strings.Join(p.Calls(), ","); strings.Contains(calls, "beside") {
			t.Errorf("two calls at once: %s", calls)
		}
	})
}

// What fails now and then is tried again, at once and then after a second.
// A provider that refuses a group for one of its names gets each name alone.
// After too many calls there is none until the provider takes them again.
// A call has a deadline, and a caller its own.
// A provider that minds no deadline keeps nobody longer than that one's own.
// So many changes may wait, and no more.
// Another TTL than ours is told once, and left.
func TestTTLFloor(t *testing.T) {
	var told []string
	hooks := hosted.Hooks{Clamped: func(zone string, wanted, got uint32) { told = append(told, fmt.Sprint(zone, " ", wanted, " ", got)) }}
	habit := func(p *hostedtest.Provider) { p.MinTTL = time.Hour }
	inBubble(t, habit, hooks, func(t *testing.T, p *hostedtest.Provider, z *hosted.Zone) {
		succeed(t, z, set("a", "192.0.2.1"))
		for range 3 {
			time.Sleep(11 * time.Minute)
			p.Calls()
			if r := succeed(t, z, set("a", "192.0.2.1"), set("b", "192.0.2.1"))[0]; r.Changed || r.TTL != 3600 {
				t.Errorf("got %+v", r)
			}
		}
		called(t, p, "GetRecords")
		if want := []string{apex + " 300 3600"}; !slices.Equal(told, want) {
			t.Errorf("told %q, want %q", told, want)
		}
		// Somebody sets a TTL that the provider would have made of none of ours.
		longer := set("a", "192.0.2.1")
		longer.TTL = 7200
		succeed(t, z, longer)
		if got := p.TTL("a."+apex, zone.TypeA); got != 2*time.Hour {
			t.Errorf("the TTL is %v", got)
		}
	})
}

// SetRecords that leaves what was there is noticed, mended, and done without.
func TestAppends(t *testing.T) {
	habit := func(p *hostedtest.Provider) { p.Appends = true }
	inBubble(t, habit, hosted.Hooks{}, func(t *testing.T, p *hostedtest.Provider, z *hosted.Zone) {
		succeed(t, z, set("a", "192.0.2.1"))
		p.Calls()
		succeed(t, z, set("a", "192.0.2.2"))
		called(t, p, "SetRecords a A 300 192.0.2.2", "GetRecords", "DeleteRecords a A 300 192.0.2.1")
		succeed(t, z, set("a", "192.0.2.3"))
		called(t, p, "AppendRecords a A 300 192.0.2.3", "DeleteRecords a A 300 192.0.2.2")
		longer := set("a", "192.0.2.3")
		longer.TTL = 600
		succeed(t, z, longer)
		called(t, p, "GetRecords", "DeleteRecords a A 300 192.0.2.3", "AppendRecords a A 600 192.0.2.3")
		if got, _ := p.Values("a."+apex, zone.TypeA); !slices.Equal(got, []string{"192.0.2.3"}) {
			t.Errorf("there are %q", got)
		}
	})
}

// That a provider sets the first values of a name tells nothing of what it does where there
// are some.
func TestAppendsLater(t *testing.T) {
	for _, appends := range []bool{false, true} {
		inBubble(t, func(p *hostedtest.Provider) { p.Appends = appends }, hosted.Hooks{}, func(t *testing.T, p *hostedtest.Provider, z *hosted.Zone) {
			for _, values := range [][]string{{"1", "2"}, {"3", "4"}, {"4", "5"}} {
				succeed(t, z, text(zone.Set, values...))
				if got, err := p.Values("_acme-challenge.home."+apex, zone.TypeTXT); err != nil || !slices.Equal(got, values) {
					t.Errorf("appends %t: got %q %v, want %q", appends, got, err, values)
				}
			}
		})
	}
}

// Names that something blocks, or that carry the zone, are refused before any write.
func TestRefused(t *testing.T) {
	habit := func(p *hostedtest.Provider) {
		p.Put(libdns.RR{Name: "sub", Type: "NS", Data: "ns.example.net."}, libdns.RR{Name: "old", Type: "DNAME", Data: "new.example.net."})
	}
	inBubble(t, habit, hosted.Hooks{}, func(t *testing.T, p *hostedtest.Provider, z *hosted.Zone) {
		for _, test := range []struct{ name, hint string }{
			{"alias", "a CNAME stands at alias." + apex},
			{"home.sub", "the zone is delegated at sub." + apex},
			{"home.old", "a DNAME stands at old." + apex},
		} {
			if e := fail(t, z, zone.Conflict, set(test.name, "192.0.2.1")); e.Hint != test.hint || e.Unknown {
				t.Errorf("%s: got %+v", test.name, e)
			}
		}
		guarded := set("ns1", "192.0.2.1")
		guarded.NotNameServer = true
		fail(t, z, zone.NameServer, guarded)
		found, err := z.NameServers(t.Context())
		if want := []string{"ns1." + apex, "ns2.example.net."}; err != nil || !found.Proven || !slices.Equal(found.Names, want) {
			t.Errorf("got %+v, %v", found, err)
		}
		called(t, p, "GetRecords")
	})
	bare := open(t, &hostedtest.Provider{Zone: apex}, hosted.NewMemory(), hosted.Hooks{})
	if found, err := bare.NameServers(t.Context()); err == nil || found.Proven {
		t.Errorf("without NS records: %+v", found)
	}
	bare.Resolver = resolver{}
	found, err := bare.NameServers(t.Context())
	if want := []string{"a.example.net.", "b.example.net."}; err != nil || found.Proven || !slices.Equal(found.Names, want) {
		t.Errorf("by DNS: got %+v, %v", found, err)
	}
}

type resolver struct{}

func (resolver) LookupNS(_ context.Context, name string) ([]*net.NS, error) {
	if name != apex {
		return nil, errors.New("another name")
	}
	return []*net.NS{{Host: "b.example.net."}, {Host: "A.example.net."}}, nil
}

// The self-test writes and leaves nothing, and the status tells of the calls.
func TestCheck(t *testing.T) {
	inBubble(t, nil, hosted.Hooks{}, func(t *testing.T, p *hostedtest.Provider, z *hosted.Zone) {
		before := z.Status()
		var names []string
		for _, step := range z.Check(t.Context()) {
			if names = append(names, step.Name); step.Err != nil {
				t.Errorf("%s: %v", step.Name, step.Err)
			}
		}
		if want := []string{"read", "write", "remove"}; !slices.Equal(names, want) {
			t.Errorf("got %q, want %q", names, want)
		}
		after := z.Status()
		if before.Servers[0].Seen || !after.Servers[0].Up || after.Counts.Updates != 2 || after.Counts.Queries != 2 || after.Servers[0].Address != "memory" {
			t.Errorf("the status was %+v and is %+v", before, after)
		}
		p.Before = func(context.Context, string, []libdns.Record) error { return errors.New("403 Forbidden") }
		time.Sleep(time.Hour)
		if steps := z.Check(t.Context()); len(steps) != 1 || !steps[0].Failed() {
			t.Errorf("got %+v", steps)
		}
		if s := z.Status().Servers[0]; s.Up || s.LastError == nil {
			t.Errorf("the status is %+v", s)
		}
	})
}
