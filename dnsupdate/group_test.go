package dnsupdate

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/caddy-dyndns/dyndns/dnsupdate/dnstest"
	"github.com/caddy-dyndns/dyndns/dnsupdate/internal/transport"
	"github.com/caddy-dyndns/dyndns/internal/await"
	"github.com/caddy-dyndns/dyndns/zone"
)

// gather lets calls enter the queue, one after the other, before anybody works on it,
// so that they leave as one group. It returns their results in that order.
func gather(t *testing.T, w *world, calls ...[]zone.Change) [][]zone.Result {
	t.Helper()
	work := w.holdQueue()
	var wg sync.WaitGroup
	results := make([][]zone.Result, len(calls))
	waiting := 0
	for i, changes := range calls {
		wg.Go(func() { results[i] = apply(w.Updater, changes...) })
		waiting += len(changes)
		waitFor(t, "the call to queue", func() bool { return w.Status().Waiting == waiting })
	}
	work()
	wg.Wait()
	return results
}

// holdQueue keeps an updater at rest from working on what enters its queue, until
// work is called. Then one group may hold everything.
func (u *Updater) holdQueue() (work func()) {
	u.queue.wait()
	u.queue.mu.Lock()
	defer u.queue.mu.Unlock()
	u.engine.group = 1000
	u.queue.running = true
	return func() { go u.queue.work() }
}

func (u *Updater) isRunning() bool {
	u.queue.mu.Lock()
	defer u.queue.mu.Unlock()
	return u.queue.running
}

func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	await.True(t, what, ok)
}

func TestGroup(t *testing.T) {
	w := newWorld(t)
	var calls [][]zone.Change
	for i := range 60 {
		calls = append(calls, []zone.Change{to(host(fmt.Sprintf("h%d.sub.net", i%20)), fmt.Sprintf("192.0.2.%d", i)), to(host(fmt.Sprintf("h%d.sub.net", i%20)), "2001:db8::1")})
	}
	before := w.zone.Messages()
	serial := w.zone.Serial()
	for i, results := range gather(t, w, calls...) {
		want := []string{fmt.Sprintf("192.0.2.%d -> 192.0.2.%d", i-20, i), "unchanged 2001:db8::1"}
		if i < 20 {
			want = []string{fmt.Sprintf("None -> 192.0.2.%d", i), "None -> 2001:db8::1"}
		}
		expect(t, results, want...)
	}
	after := w.zone.Messages()
	if got := after.Updates - before.Updates; got != 1 {
		t.Errorf("%d messages, want one for all", got)
	}
	if got := w.zone.Serial() - serial; got != 1 {
		t.Errorf("the serial rose by %d, want 1", got)
	}
}

// TestGuilty puts one name that the policy refuses into a group of 64.
func TestGuilty(t *testing.T) {
	deny := func(_, owner string, _ uint16) bool { return owner != host("bad") }
	w := newWorldWith(t, dnstest.Zone{Allow: deny}, Options{})
	var calls [][]zone.Change
	for i := range 64 {
		name := host(fmt.Sprintf("h%d", i))
		if i == 41 {
			name = host("bad")
		}
		calls = append(calls, []zone.Change{to(name, "192.0.2.1")})
	}
	before := w.zone.Messages().Updates
	for i, results := range gather(t, w, calls...) {
		if i != 41 {
			expect(t, results, "None -> 192.0.2.1")
		} else if e := errorOf(t, results[0]); e.Reason != zone.Refused || e.Name != host("bad") || !e.Verified || e.Unknown {
			t.Errorf("got %#v", e)
		}
	}
	if got := w.zone.Messages().Updates - before; got > 20 {
		t.Errorf("%d messages to find one bad name of 64, want at most 20", got)
	}
	// From now on it goes alone.
	for i := range calls {
		calls[i][0].Values = []string{"192.0.2.2"}
	}
	before = w.zone.Messages().Updates
	gather(t, w, calls...)
	if got := w.zone.Messages().Updates - before; got > 3 {
		t.Errorf("%d messages with a name known to be bad, want 3", got)
	}
}

// TestGuiltyCall lets the policy refuse one name of a call with several.
func TestGuiltyCall(t *testing.T) {
	deny := func(_, owner string, rrtype uint16) bool { return owner != host("bad") || rrtype != dns.TypeAAAA }
	w := newWorldWith(t, dnstest.Zone{Allow: deny}, Options{})
	var call []zone.Change
	for _, label := range []string{"a", "b", "bad", "c"} {
		call = append(call, to(host(label), "192.0.2.1"), to(host(label), "2001:db8::1"))
	}
	for i, r := range apply(w.Updater, call...) {
		if bad := call[i].Name == host("bad"); bad != (r.Err != nil) {
			t.Errorf("%s: %s", call[i].Name, line(r))
		}
	}
	if w.zone.Lookup(host("bad"), dns.TypeA) != nil {
		t.Error("half of a name was changed")
	}
}

// TestUselessKey gives a key without any right: no halving can help.
func TestUselessKey(t *testing.T) {
	w := newWorld(t)
	messages := 0
	w.proxy.SetFault(dnstest.OnUpdates(func(dnstest.Exchange) dnstest.Action {
		messages++
		return signedAs(dns.RcodeRefused)
	}))
	var call []zone.Change
	for i := range 64 {
		call = append(call, to(host(fmt.Sprintf("h%d", i)), "192.0.2.1"))
	}
	for _, r := range apply(w.Updater, call...) {
		if e := errorOf(t, r); e.RCode != "REFUSED" || !e.Verified {
			t.Errorf("got %v", e)
		}
	}
	w.proxy.SetFault(nil) // after this no call of the function is under way
	if messages != 2 {
		t.Errorf("%d messages, want the group and a probe", messages)
	}
}

// TestLongCalls makes messages that one frame cannot hold.
func TestLongCalls(t *testing.T) {
	w := newWorld(t)
	text := func(i int) []zone.Change {
		return []zone.Change{{Name: host(fmt.Sprintf("h%d", i)), Type: zone.TypeTXT, Action: zone.Set, Values: []string{strings.Repeat("x", 4000)}, TTL: 1}}
	}
	var calls [][]zone.Change
	for i := range 40 {
		calls = append(calls, text(i))
	}
	for _, results := range gather(t, w, calls...) {
		if results[0].Err != nil || len(results[0].New) != 1 {
			t.Error(results[0].Err)
		}
	}
	if e := errorOf(t, apply(w.Updater, slices.Concat(calls...)...)[0]); e.Reason != zone.Invalid || e.Unknown {
		t.Errorf("got %v, want that one call is too long", e)
	}
}

func TestQueueBound(t *testing.T) {
	w := newWorld(t)
	w.queue.limit = 10
	work := w.holdQueue()
	var wg sync.WaitGroup
	for i := range 10 {
		wg.Go(func() { apply(w.Updater, to(host(fmt.Sprintf("h%d", i)), "192.0.2.1")) })
	}
	waitFor(t, "a full queue", func() bool { return w.Status().Waiting == 10 })
	if e := errorOf(t, apply(w.Updater, to(host("late"), "192.0.2.1"))[0]); e.Reason != zone.Busy || e.Unknown {
		t.Errorf("got %#v", e)
	}
	work()
	wg.Wait()
	expect(t, apply(w.Updater, to(host("late"), "192.0.2.1")), "None -> 192.0.2.1")
}

// TestGivingUp cancels a call in each of its states.
func TestGivingUp(t *testing.T) {
	w := newWorld(t)
	release := make(chan struct{})
	seen := make(chan struct{}, 100)
	w.proxy.SetFault(dnstest.OnUpdates(func(dnstest.Exchange) dnstest.Action {
		seen <- struct{}{}
		return dnstest.HoldReply(release)
	}))
	ctx, cancel := context.WithCancel(t.Context())
	results := make(chan zone.Result, 2)
	go func() { results <- w.Apply(ctx, []zone.Change{to(host("sent"), "192.0.2.1")})[0] }()
	<-seen
	go func() { results <- w.Apply(ctx, []zone.Change{to(host("waiting"), "192.0.2.1")})[0] }()
	waitFor(t, "the second to queue", func() bool { return w.Status().Waiting == 1 })
	patient := make(chan []zone.Result)
	go func() { patient <- apply(w.Updater, to(host("patient"), "192.0.2.1")) }()
	waitFor(t, "the third to queue", func() bool { return w.Status().Waiting == 2 })
	cancel()
	unknown := 0
	for range 2 {
		e := errorOf(t, <-results)
		if e.Reason != zone.Timeout || !errors.Is(e, context.Canceled) {
			t.Errorf("got %#v", e)
		}
		if e.Unknown {
			unknown++
		}
	}
	if unknown != 1 {
		t.Errorf("%d outcomes are unknown, want that of the change that was sent", unknown)
	}
	close(release)
	expect(t, <-patient, "None -> 192.0.2.1")
	if w.zone.Lookup(host("waiting"), dns.TypeA) != nil {
		t.Error("a change was sent whose caller had gone")
	}
	expect(t, apply(w.Updater, to(host("sent"), "192.0.2.1")), "unchanged 192.0.2.1")
	if e := errorOf(t, w.Apply(ctx, []zone.Change{to(host("late"), "192.0.2.1")})[0]); e.Reason != zone.Timeout || e.Unknown {
		t.Errorf("got %#v", e)
	}
}

// TestNothingLeft cancels ten thousand calls to a server that does not answer.
func TestNothingLeft(t *testing.T) {
	w := newWorld(t)
	apply(w.Updater, to(host("home"), "192.0.2.1"))
	before := runtime.NumGoroutine()
	w.proxy.SetFault(dnstest.Always(dnstest.Drop()))
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	storm(t, 10_000, func(i int) {
		if r := w.Apply(ctx, []zone.Change{to(host(fmt.Sprintf("h%d", i)), "192.0.2.1")})[0]; r.Err == nil {
			t.Error("a change succeeded without a reply")
		}
	})
	w.Updater.Close()
	w.client.Close()
	w.proxy.SetFault(nil)
	if w.queue.front != nil || w.queue.length != 0 {
		t.Errorf("%d changes are left in the queue", w.queue.length)
	}
	waitFor(t, "connections to end", func() bool { open, _ := w.proxy.Connections(); return open == 0 })
	waitFor(t, "goroutines to end", func() bool { return runtime.NumGoroutine() <= before })
	// A request that still holds the updater is not cut.
	expect(t, apply(w.Updater, to(host("home"), "192.0.2.2")), "192.0.2.1 -> 192.0.2.2")
	waitFor(t, "its connection to end", func() bool { open, _ := w.proxy.Connections(); return open == 0 })
}

// TestIdleConnections shows that connections are kept, shared by zones and, after
// a while, closed.
func TestIdleConnections(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	other := w.open(t, w.proxy.Addr())
	for i := range 20 {
		apply(w.Updater, to(host("a"), fmt.Sprintf("192.0.2.%d", i)))
		apply(other, to(host("b"), fmt.Sprintf("192.0.2.%d", i)))
	}
	if _, total := w.proxy.Connections(); total > 2 {
		t.Errorf("%d connections for one change after the other, want one per zone", total)
	}
	waitFor(t, "the idle connection to close", func() bool { open, _ := w.proxy.Connections(); return open == 0 })
}

// TestConnectionBound lets many zones of one nameserver work at once.
func TestConnectionBound(t *testing.T) {
	w := newWorld(t)
	release := make(chan struct{})
	w.proxy.SetFault(dnstest.OnUpdates(dnstest.Always(dnstest.Hold(release))))
	var wg sync.WaitGroup
	for i := range 3 * transport.MaxConns {
		u := w.open(t, w.proxy.Addr())
		wg.Go(func() {
			if r := apply(u, to(host(fmt.Sprintf("h%d", i)), "192.0.2.1"))[0]; r.Err != nil {
				t.Error(r.Err)
			}
		})
	}
	waitFor(t, "all connections to be in use", func() bool { open, _ := w.proxy.Connections(); return open == transport.MaxConns })
	close(release)
	wg.Wait()
	if _, total := w.proxy.Connections(); total != transport.MaxConns {
		t.Errorf("%d connections in all, want %d", total, transport.MaxConns)
	}
}

// TestTextCompare stands for PowerDNS with a record in its database that is not
// in canonical form: it reads as its prerequisites do not find it.
func TestTextCompare(t *testing.T) {
	w := newWorld(t, "home 300 AAAA 2001:db8::1")
	odd := true
	w.proxy.SetFault(dnstest.OnUpdates(func(x dnstest.Exchange) dnstest.Action {
		m := new(dns.Msg)
		if err := m.Unpack(x.Query); err != nil {
			t.Error(err)
		}
		exact := slices.ContainsFunc(m.Answer, func(rr dns.RR) bool { return rr.Header().Class == dns.ClassINET })
		switch {
		case odd && exact:
			return signedAs(dns.RcodeNXRrset)
		case len(m.Ns) > 0:
			odd = false // rewritten, in canonical form
		}
		return dnstest.Pass()
	}))
	expect(t, apply(w.Updater, zone.Change{Name: host("home"), Type: zone.TypeAAAA, Action: zone.Keep}), "unchanged 2001:db8::1")
	// No prerequisite notices that somebody else changes it.
	w.zone.Edit("home 300 AAAA 2001:db8::9")
	expect(t, apply(w.Updater, zone.Change{Name: host("home"), Type: zone.TypeAAAA, Action: zone.Keep}), "unchanged 2001:db8::9")
	expect(t, apply(w.Updater, to(host("home"), "2001:db8::2")), "2001:db8::9 -> 2001:db8::2")
	expect(t, apply(w.Updater, to(host("home"), "2001:db8::3")), "2001:db8::2 -> 2001:db8::3")
}
