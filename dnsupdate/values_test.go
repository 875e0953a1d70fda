package dnsupdate

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/miekg/dns"

	"github.com/caddy-dyndns/dyndns/zone"
)

// TestSingleValues adds and removes values of an RRset and makes changes that expect
// what stands there.
func TestSingleValues(t *testing.T) {
	name := "_acme-challenge." + host("home")
	long := strings.Repeat("x", 300)
	w := newWorld(t, "_acme-challenge.home 300 TXT \"other\"", "_acme-challenge.home 300 TXT \""+long[:200]+"\" \""+long[200:]+"\"")
	change := func(a zone.Action, expect []string, values ...string) zone.Change {
		return zone.Change{Name: name, Type: zone.TypeTXT, Action: a, Values: values, TTL: 60, Expect: expect}
	}
	for _, step := range []struct {
		name    string
		changes []zone.Change
		want    []string
		serials uint32
	}{
		{"the value that stands there, cut elsewhere", []zone.Change{change(zone.Remove, nil, long)}, []string{"other," + long + " -> other"}, 1},
		{"to another", []zone.Change{change(zone.Add, nil, "one")}, []string{"other -> one,other"}, 1},
		{"again", []zone.Change{change(zone.Add, nil, "one")}, []string{"unchanged one,other"}, 0},
		{"two in a call", []zone.Change{change(zone.Add, nil, "two"), change(zone.Add, nil, "three")}, []string{"one,other -> one,other,two", "one,other,two -> one,other,three,two"}, 1},
		{"several at once", []zone.Change{change(zone.Remove, nil, "three", "two", "none")}, []string{"one,other,three,two -> one,other"}, 1},
		{"one that is not there", []zone.Change{change(zone.Remove, nil, "none")}, []string{"unchanged one,other"}, 0},
		{"expected and there", []zone.Change{change(zone.Set, []string{"other", "one", "one"}, "new")}, []string{"one,other -> new"}, 1},
		{"expected and not there", []zone.Change{change(zone.Set, []string{"one"}, "newer")}, []string{"unchanged new"}, 0},
		{"nothing expected and something there", []zone.Change{change(zone.Delete, []string{})}, []string{"unchanged new"}, 0},
		{"the last one", []zone.Change{change(zone.Remove, nil, "new")}, []string{"new -> None"}, 1},
		{"the last one again", []zone.Change{change(zone.Remove, nil, "new")}, []string{"unchanged None"}, 0},
		{"nothing expected and nothing there", []zone.Change{change(zone.Add, []string{}, "first")}, []string{"None -> first"}, 1},
	} {
		t.Run(step.name, func(t *testing.T) {
			serial := w.zone.Serial()
			expect(t, apply(w.Updater, step.changes...), step.want...)
			if got := w.zone.Serial() - serial; got != step.serials {
				t.Errorf("the serial rose by %d, want %d", got, step.serials)
			}
		})
	}
	// A value that is added brings its TTL to the whole RRset (RFC 2181 section 5.2).
	longer := change(zone.Add, nil, "first")
	longer.TTL = 120
	if r := apply(w.Updater, longer)[0]; !r.Changed || r.TTL != 120 || w.zone.TTL(name, dns.TypeTXT) != 120 {
		t.Errorf("another TTL: %+v", r)
	}
}

// TestExpectChanged has somebody else change what a change expects: the prerequisites
// tell, whatever is remembered.
func TestExpectChanged(t *testing.T) {
	w := newWorld(t, "home 300 A 192.0.2.1")
	expected := to(host("home"), "192.0.2.2")
	expected.Expect = []string{"192.0.2.1"}
	expect(t, apply(w.Updater, zone.Change{Name: host("home"), Type: zone.TypeA, Action: zone.Keep}), "unchanged 192.0.2.1")
	w.zone.Edit("home 300 A 192.0.2.50")
	expect(t, apply(w.Updater, expected), "unchanged 192.0.2.50")
}

// TestConcurrentChallenges has a certificate for a name and its wildcard proven at
// the same time: both values stand until each is removed.
func TestConcurrentChallenges(t *testing.T) {
	w := newWorld(t)
	name := "_acme-challenge." + host("home")
	all := func(a zone.Action) {
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				c := zone.Change{Name: name, Type: zone.TypeTXT, Action: a, Values: []string{fmt.Sprint("value", i)}, TTL: 60}
				if r := apply(w.Updater, c)[0]; r.Err != nil || !r.Changed || !r.Proven {
					t.Errorf("value %d: %+v", i, r)
				}
			})
		}
		wg.Wait()
	}
	all(zone.Add)
	if n := len(w.zone.Lookup(name, dns.TypeTXT)); n != 20 {
		t.Errorf("%d values stand, want 20", n)
	}
	all(zone.Remove)
	if left := w.zone.Lookup(name, dns.TypeTXT); left != nil {
		t.Errorf("left: %v", left)
	}
}

func TestHTTPS(t *testing.T) {
	w := newWorld(t)
	set := func(values ...string) zone.Change {
		return zone.Change{Name: host("home"), Type: zone.TypeHTTPS, Action: zone.Set, Values: values, TTL: 300}
	}
	const first, second = `1 . alpn="h2,h3" ipv4hint="192.0.2.1"`, `2 backup.example.com. ech="AEX+DQ=="`
	expect(t, apply(w.Updater, set(`1 . ipv4hint=192.0.2.1 alpn=h2,h3`)), "None -> "+first)
	expect(t, apply(w.Updater, set(first)), "unchanged "+first)
	expect(t, apply(w.Updater, set(second, first)), first+" -> "+first+","+second)
	fresh := w.open(t, w.proxy.Addr())
	expect(t, apply(fresh, zone.Change{Name: host("home"), Type: zone.TypeHTTPS, Action: zone.Remove, Values: []string{first}}), first+","+second+" -> "+second)
	for _, bad := range []string{"", "x", "1", "1 . ipv4hint=x", "1 . port=x", "1 .\n1 .", "1 . ; comment\nhome A 192.0.2.1"} {
		if e := errorOf(t, apply(w.Updater, set(bad))[0]); e.Reason != zone.Invalid {
			t.Errorf("%q: got %v", bad, e)
		}
	}
}
