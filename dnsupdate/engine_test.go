package dnsupdate

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/caddy-dyndns/dyndns/dnsupdate/dnstest"
	"github.com/caddy-dyndns/dyndns/zone"
)

const zoneName = "dyn.example.com."

var testKey = Key{Name: "ddns-key.", Algorithm: "hmac-sha256", Secret: []byte("a secret for tests, 32 bytes long")}

func serverKey(k Key) dnstest.Key {
	return dnstest.Key{Name: k.Name, Algorithm: k.Algorithm, Secret: k.Secret}
}

// world is a nameserver with the misbehaving network in front of it, and an
// updater that goes through both.
type world struct {
	server *dnstest.Server
	zone   *dnstest.ZoneState
	proxy  *dnstest.Proxy
	client *Client
	*Updater
}

// newWorld starts a world with records in the zone.
func newWorld(t testing.TB, records ...string) *world {
	return newWorldWith(t, dnstest.Zone{Records: records}, Options{})
}

// newWorldWith starts a world whose client dials with dial, if one is given.
func newWorldWith(t testing.TB, zone dnstest.Zone, o Options, dial ...func(ctx context.Context, network, address string) (net.Conn, error)) *world {
	t.Helper()
	zone.Name, zone.Keys = zoneName, []dnstest.Key{serverKey(testKey)}
	w := &world{server: dnstest.NewServer(zone), client: NewClient(o)}
	for _, d := range dial {
		w.client.dial = d
	}
	w.zone = w.server.Zone(zoneName)
	w.proxy = dnstest.NewProxy(w.server.Addr())
	w.Updater = w.open(t, w.proxy.Addr())
	t.Cleanup(func() {
		w.Updater.Close()
		w.client.Close()
		w.proxy.Close()
		w.server.Close()
	})
	return w
}

// open makes one more updater of the zone, without memory.
func (w *world) open(t testing.TB, servers ...string) *Updater {
	t.Helper()
	u, err := w.client.Open(ZoneConfig{Name: zoneName, Servers: servers, Key: testKey})
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func host(label string) string { return label + "." + zoneName }

// to makes the change that sets a name to an address.
func to(name, address string) zone.Change {
	c := zone.Change{Name: name, Type: zone.TypeA, Action: zone.Set, Values: []string{address}, TTL: 300}
	if strings.Contains(address, ":") {
		c.Type = zone.TypeAAAA
	}
	return c
}

// line shows a result as "old -> new", sets joined by commas.
func line(r zone.Result) string {
	if r.Err != nil {
		return "error: " + r.Err.Error()
	}
	set := func(values []string) string {
		if len(values) == 0 {
			return "None"
		}
		return strings.Join(values, ",")
	}
	if !r.Changed && slices.Equal(r.Old, r.New) {
		return "unchanged " + set(r.New)
	}
	return set(r.Old) + " -> " + set(r.New)
}

func lines(results []zone.Result) []string {
	var all []string
	for _, r := range results {
		all = append(all, line(r))
	}
	return all
}

// apply is Apply with the time that a patient client gives.
func apply(u *Updater, changes ...zone.Change) []zone.Result {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	return u.Apply(ctx, changes)
}

func expect(t *testing.T, got []zone.Result, want ...string) {
	t.Helper()
	if !slices.Equal(lines(got), want) {
		t.Errorf("results:\n got %q\nwant %q", lines(got), want)
	}
}

func errorOf(t *testing.T, r zone.Result) *zone.Error {
	t.Helper()
	e, ok := r.Err.(*zone.Error)
	if !ok {
		t.Fatalf("got %s, want an error", line(r))
	}
	return e
}

func TestApply(t *testing.T) {
	w := newWorld(t)
	keep := zone.Change{Name: host("home"), Type: zone.TypeAAAA, Action: zone.Keep}
	remove := zone.Change{Name: host("home"), Type: zone.TypeA, Action: zone.Delete}
	longer := to(host("home"), "192.0.2.2")
	longer.TTL = 600
	both := zone.Change{Name: host("home"), Type: zone.TypeA, Action: zone.Set, Values: []string{"192.0.2.9", "192.0.2.8", "192.0.2.9"}, TTL: 300}
	text := zone.Change{Name: "_acme-challenge." + host("home"), Type: zone.TypeTXT, Action: zone.Set, Values: []string{"a \"quoted\"\x00 \\ text " + strings.Repeat("x", 300)}, TTL: 0}
	for _, step := range []struct {
		name    string
		changes []zone.Change
		want    []string
		serials uint32
	}{
		{"both families at once", []zone.Change{to("HOME."+zoneName, "192.0.2.1"), to(host("home"), "2001:DB8:0::1")}, []string{"None -> 192.0.2.1", "None -> 2001:db8::1"}, 1},
		{"again", []zone.Change{to(host("home"), "192.0.2.1"), to("home.dyn.example.com", "2001:db8::1")}, []string{"unchanged 192.0.2.1", "unchanged 2001:db8::1"}, 0},
		{"one family", []zone.Change{to(host("home"), "192.0.2.2"), keep}, []string{"192.0.2.1 -> 192.0.2.2", "unchanged 2001:db8::1"}, 1},
		{"another TTL alone", []zone.Change{longer}, []string{"192.0.2.2 -> 192.0.2.2"}, 1},
		{"several values", []zone.Change{both}, []string{"192.0.2.2 -> 192.0.2.8,192.0.2.9"}, 1},
		{"one RRset twice in a call", []zone.Change{to(host("home"), "192.0.2.3"), to(host("home"), "192.0.2.4")}, []string{"192.0.2.8,192.0.2.9 -> 192.0.2.3", "192.0.2.3 -> 192.0.2.4"}, 1},
		{"removal", []zone.Change{remove}, []string{"192.0.2.4 -> None"}, 1},
		{"removal again", []zone.Change{remove}, []string{"unchanged None"}, 0},
		{"the apex", []zone.Change{to(zoneName, "192.0.2.7")}, []string{"None -> 192.0.2.7"}, 1},
		{"a literal wildcard", []zone.Change{to("*."+zoneName, "192.0.2.7")}, []string{"None -> 192.0.2.7"}, 1},
		{"text", []zone.Change{text}, []string{"None -> " + text.Values[0]}, 1},
		{"text again", []zone.Change{text}, []string{"unchanged " + text.Values[0]}, 0},
	} {
		t.Run(step.name, func(t *testing.T) {
			serial := w.zone.Serial()
			expect(t, apply(w.Updater, step.changes...), step.want...)
			if got := w.zone.Serial() - serial; got != step.serials {
				t.Errorf("the serial rose by %d, want %d", got, step.serials)
			}
		})
	}
}

// TestChangedBehindOurBack shows that a change is pinned to what the zone really holds
// when somebody else has changed it behind our back.
func TestChangedBehindOurBack(t *testing.T) {
	w := newWorld(t)
	expect(t, apply(w.Updater, to(host("home"), "192.0.2.1")), "None -> 192.0.2.1")
	w.zone.Edit("home 300 A 192.0.2.50", "home 300 A 192.0.2.51")
	expect(t, apply(w.Updater, to(host("home"), "192.0.2.1")), "192.0.2.50,192.0.2.51 -> 192.0.2.1")
	w.zone.Edit("home A")
	expect(t, apply(w.Updater, to(host("home"), "192.0.2.1")), "None -> 192.0.2.1")
	w.zone.Edit("home 300 A 192.0.2.50")
	expect(t, apply(w.Updater, zone.Change{Name: host("home"), Type: zone.TypeA, Action: zone.Keep}), "unchanged 192.0.2.50")
	if err := w.Status().Servers[0].LastError; err != nil {
		t.Errorf("the nameserver's status says %v", err)
	}
}

func TestWildcard(t *testing.T) {
	w := newWorld(t, "*.wild A 192.0.2.99", "*.alias CNAME ns")
	for label, want := range map[string]string{"a.wild": "None -> 192.0.2.99", "b.wild": "None -> 192.0.2.99", "c.deep.wild": "None -> 192.0.2.99", "a.alias": "None -> 192.0.2.99"} {
		expect(t, apply(w.Updater, to(host(label), "192.0.2.99")), want)
		expect(t, apply(w.open(t, w.proxy.Addr()), to(host(label), "192.0.2.99")), strings.Replace(want, "None ->", "unchanged", 1))
	}
	expect(t, apply(w.Updater, zone.Change{Name: host("unused.wild"), Type: zone.TypeA, Action: zone.Keep}), "unchanged None")
	// A storm of new names below the wildcard, and one that has the same address of its own.
	w.zone.Edit("h7.wild A 192.0.2.99")
	storm(t, 100, func(i int) {
		got := line(apply(w.Updater, to(host(fmt.Sprintf("h%d.wild", i)), "192.0.2.99"))[0])
		want := "None -> 192.0.2.99"
		if i == 7 {
			want = "192.0.2.99 -> 192.0.2.99" // another TTL
		}
		if got != want {
			t.Errorf("h%d: %s, want %s", i, got, want)
		}
	})
}

// storm runs n calls at once and waits for them.
func storm(t *testing.T, n int, call func(i int)) {
	t.Helper()
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { call(i) })
	}
	wg.Wait()
}

func TestConflict(t *testing.T) {
	w := newWorld(t, "alias CNAME ns", "sub NS ns.example.net.", "below DNAME example.net.", "both A 192.0.2.1")
	for name, hint := range map[string]string{
		"alias":     "a CNAME stands at alias." + zoneName,
		"sub":       "the zone is delegated at sub." + zoneName,
		"a.b.sub":   "the zone is delegated at sub." + zoneName,
		"x.below":   "a DNAME stands at below." + zoneName,
		"y.x.below": "a DNAME stands at below." + zoneName,
	} {
		t.Run(name, func(t *testing.T) {
			serial := w.zone.Serial()
			results := apply(w.Updater, to(host(name), "192.0.2.1"), to(host("neighbour-of-"+strings.ReplaceAll(name, ".", "-")), "192.0.2.2"))
			if e := errorOf(t, results[0]); e.Reason != zone.Conflict || e.Hint != hint || e.Name != host(name) || e.Unknown {
				t.Errorf("got %#v, want a conflict: %s", e, hint)
			}
			expect(t, results[1:], "None -> 192.0.2.2")
			if w.zone.Serial() != serial+1 || w.zone.Lookup(host(name), dns.TypeA) != nil {
				t.Error("the zone was changed at the conflict")
			}
		})
	}
	// What comes behind our back meets the prerequisites.
	expect(t, apply(w.Updater, to(host("later"), "192.0.2.1")), "None -> 192.0.2.1")
	w.zone.Edit("later A", "later CNAME ns")
	if e := errorOf(t, apply(w.Updater, to(host("later"), "192.0.2.1"))[0]); e.Reason != zone.Conflict {
		t.Errorf("got %v, want a conflict", e)
	}
	w.zone.Edit("later CNAME")
	expect(t, apply(w.Updater, to(host("later"), "192.0.2.1")), "None -> 192.0.2.1")
}

// TestChain shows that concurrent changes of one name answer with old and new
// values that form one chain.
func TestChain(t *testing.T) {
	w := newWorld(t)
	other := w.open(t, w.server.Addr())
	next := map[string]string{}
	var mu sync.Mutex
	storm(t, 40, func(i int) {
		u := w.Updater
		if i%4 == 3 {
			u = other // another writer that pins against us
		}
		r := apply(u, to(host("home"), fmt.Sprintf("192.0.2.%d", i+1)))[0]
		if r.Err != nil {
			t.Error(r.Err)
			return
		}
		mu.Lock()
		next[fmt.Sprint(r.Old)] = fmt.Sprint(r.New)
		mu.Unlock()
	})
	links := 0
	for at := "[]"; next[at] != ""; at = next[at] {
		links++
	}
	if links != 40 {
		t.Errorf("the chain has %d links, want 40: %v", links, next)
	}
}

func TestClamp(t *testing.T) {
	var clamped []string
	w := newWorldWith(t, dnstest.Zone{MaxTTL: 120}, Options{Hooks: Hooks{
		Clamped: func(zone string, wanted, got uint32) {
			clamped = append(clamped, fmt.Sprint(zone, " ", wanted, " ", got))
		},
	}})
	w.engine.known.settleTTL = 0
	expect(t, apply(w.Updater, to(host("a"), "192.0.2.1")), "None -> 192.0.2.1")
	// It is written once more: somebody else may have changed the TTL.
	expect(t, apply(w.Updater, to(host("a"), "192.0.2.1")), "192.0.2.1 -> 192.0.2.1")
	for range 3 {
		r := apply(w.Updater, to(host("a"), "192.0.2.1"))
		expect(t, r, "unchanged 192.0.2.1")
		if r[0].TTL != 120 {
			t.Errorf("TTL %d, want 120", r[0].TTL)
		}
	}
	if r := apply(w.Updater, to(host("b"), "192.0.2.1")); r[0].TTL != 300 {
		t.Errorf("TTL of another name %d, want 300", r[0].TTL)
	}
	if want := []string{"dyn.example.com. 300 120"}; !slices.Equal(clamped, want) {
		t.Errorf("hook: got %q, want %q", clamped, want)
	}
}

func TestInvalid(t *testing.T) {
	w := newWorld(t)
	set := func(name string, typ zone.Type, ttl uint32, values ...string) zone.Change {
		return zone.Change{Name: name, Type: typ, Action: zone.Set, Values: values, TTL: ttl}
	}
	for name, change := range map[string]zone.Change{
		"outside":         to("example.com.", "192.0.2.1"),
		"not on a label":  to("notdyn.example.com.", "192.0.2.1"),
		"empty":           to("", "192.0.2.1"),
		"empty label":     to("a.."+zoneName, "192.0.2.1"),
		"long label":      to(host(strings.Repeat("a", 64)), "192.0.2.1"),
		"long name":       to(host(strings.Repeat("a.", 125)), "192.0.2.1"),
		"inner asterisk":  to(host("a.*"), "192.0.2.1"),
		"escape":          to(host(`a\.b`), "192.0.2.1"),
		"type":            set(host("a"), 15, 300, "192.0.2.1"),
		"action":          {Name: host("a"), Type: zone.TypeA, Action: 9},
		"no value":        set(host("a"), zone.TypeA, 300),
		"family":          set(host("a"), zone.TypeAAAA, 300, "192.0.2.1"),
		"zone of address": set(host("a"), zone.TypeAAAA, 300, "fe80::1%eth0"),
		"no address":      set(host("a"), zone.TypeA, 300, "192.0.2"),
		"TTL":             set(host("a"), zone.TypeA, 1<<31, "192.0.2.1"),
		"long text":       set(host("a"), zone.TypeTXT, 300, strings.Repeat("x", 5000)),
	} {
		t.Run(name, func(t *testing.T) {
			results := apply(w.Updater, change, to(host("fine"), "192.0.2.1"))
			if e := errorOf(t, results[0]); e.Reason != zone.Invalid || e.Unknown {
				t.Errorf("got %v, want an invalid change", e)
			}
			if results[1].Err != nil {
				t.Errorf("its neighbour failed: %v", results[1].Err)
			}
		})
	}
	results := apply(w.Updater, to(host("half"), "192.0.2.1"), set(host("half"), zone.TypeAAAA, 300, "x"))
	if errorOf(t, results[0]).Reason != zone.Invalid || w.zone.Lookup(host("half"), dns.TypeA) != nil {
		t.Error("half of a name was changed")
	}
}
