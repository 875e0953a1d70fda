package dnsupdate

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/caddy-dyndns/dyndns/dnsupdate/dnstest"
	"github.com/caddy-dyndns/dyndns/dnsupdate/internal/wire"
	"github.com/caddy-dyndns/dyndns/internal/change"
	"github.com/caddy-dyndns/dyndns/zone"
)

// TestUnsignedRefusal has an UPDATE applied and its reply replaced by a refusal
// without a signature, which proves nothing.
func TestUnsignedRefusal(t *testing.T) {
	for _, rcode := range []int{dns.RcodeRefused, dns.RcodeNotAuth, dns.RcodeNotImplemented, dns.RcodeFormatError, dns.RcodeNotZone, dns.RcodeServerFailure} {
		t.Run(dns.RcodeToString[rcode], func(t *testing.T) {
			w := newWorld(t, "home 300 A 192.0.2.1")
			w.proxy.SetFault(dnstest.OnUpdates(once(dnstest.RCodeAfter(rcode))))
			r := apply(w.Updater, to(host("home"), "192.0.2.2"))[0]
			if rcode == dns.RcodeServerFailure {
				// It is tried again, and then the zone holds what was wanted.
				if line(r) != "192.0.2.1 -> 192.0.2.2" || !r.Changed || r.Proven {
					t.Errorf("got %s, proven %t", line(r), r.Proven)
				}
			} else if e := errorOf(t, r); e.Reason != zone.Refused || !e.Unknown || e.Verified {
				t.Errorf("got %#v", e)
			}
			expect(t, apply(w.Updater, to(host("home"), "192.0.2.3")), "192.0.2.2 -> 192.0.2.3")
		})
		t.Run(dns.RcodeToString[rcode]+" for two names", func(t *testing.T) {
			w := newWorld(t, "a 300 A 192.0.2.1", "b 300 A 192.0.2.1")
			w.proxy.SetFault(dnstest.OnUpdates(once(dnstest.RCodeAfter(rcode))))
			for _, r := range apply(w.Updater, to(host("a"), "192.0.2.2"), to(host("b"), "192.0.2.2")) {
				if e, ok := r.Err.(*zone.Error); ok && e.Unknown {
					continue
				}
				if line(r) != "192.0.2.1 -> 192.0.2.2" || r.Proven {
					t.Errorf("got %s, proven %t", line(r), r.Proven)
				}
			}
		})
	}
}

// TestLost loses one message of which the nameserver is in one of three states
// when it is sent again.
func TestLost(t *testing.T) {
	for _, row := range []struct {
		name string
		// now is what somebody else makes of the name meanwhile.
		now  string
		want string
	}{
		{name: "nobody else", now: "home 300 A 192.0.2.1", want: "192.0.2.1 -> 192.0.2.2"},
		{name: "somebody else sets the wanted value", now: "home 300 A 192.0.2.2", want: "192.0.2.1 -> 192.0.2.2"},
		{name: "somebody else sets another value", now: "home 300 A 192.0.2.9"},
		{name: "somebody else removes it", now: "home A"},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := newWorld(t, "home 300 A 192.0.2.1")
			w.proxy.SetFault(dnstest.OnUpdates(once(dnstest.ResetBefore())))
			edited := false
			w.proxy.SetFault(dnstest.OnUpdates(func(dnstest.Exchange) dnstest.Action {
				if edited {
					return dnstest.Pass()
				}
				edited = true
				w.zone.Edit(row.now)
				return dnstest.ResetBefore()
			}))
			r := apply(w.Updater, to(host("home"), "192.0.2.2"))[0]
			if row.want == "" {
				if e := errorOf(t, r); e.Reason != zone.Timeout || !e.Unknown {
					t.Errorf("got %#v", e)
				}
				return
			}
			if line(r) != row.want || r.Proven || !r.Changed {
				t.Errorf("got %s, proven %t", line(r), r.Proven)
			}
		})
	}
}

// TestLostTogether loses a message with two names: neither result is proven.
func TestLostTogether(t *testing.T) {
	for _, fault := range []dnstest.Action{dnstest.ResetBefore(), dnstest.ResetAfter()} {
		w := newWorld(t, "a 300 A 192.0.2.1", "b 300 A 192.0.2.1")
		w.proxy.SetFault(dnstest.OnUpdates(once(fault)))
		for _, r := range apply(w.Updater, to(host("a"), "192.0.2.2"), to(host("b"), "192.0.2.2")) {
			if line(r) != "192.0.2.1 -> 192.0.2.2" || r.Proven {
				t.Errorf("got %s, proven %t", line(r), r.Proven)
			}
		}
	}
}

// TestLostChain loses the reply to a group in which changes of one name form a chain.
func TestLostChain(t *testing.T) {
	w := newWorld(t, "home 300 A 192.0.2.1")
	apply(w.Updater, to(host("home"), "192.0.2.1"))
	w.proxy.SetFault(dnstest.OnUpdates(once(dnstest.ResetAfter())))
	results := gather(t, w, []zone.Change{to(host("home"), "192.0.2.2")}, []zone.Change{to(host("home"), "192.0.2.3"), to(host("other"), "192.0.2.3")})
	for i, want := range []string{"192.0.2.1 -> 192.0.2.2", "192.0.2.2 -> 192.0.2.3"} {
		if r := results[i][0]; line(r) != want || r.Proven {
			t.Errorf("got %s, proven %t, want %s", line(r), r.Proven, want)
		}
	}
	expect(t, apply(w.Updater, to(host("home"), "192.0.2.3")), "unchanged 192.0.2.3")
}

// TestLostInPart has a group of two calls applied and refused by a forger: what the
// nameserver says of the call that changes nothing tells nothing of the other.
func TestLostInPart(t *testing.T) {
	w := newWorld(t, "a 300 A 192.0.2.5", "b 300 A 192.0.2.1")
	apply(w.Updater, to(host("a"), "192.0.2.5"), to(host("b"), "192.0.2.1"))
	w.proxy.SetFault(dnstest.OnUpdates(dnstest.Sequence(dnstest.RCodeAfter(dns.RcodeRefused))))
	results := gather(t, w, []zone.Change{to(host("a"), "192.0.2.5")}, []zone.Change{to(host("b"), "192.0.2.2")})
	expect(t, results[0], "unchanged 192.0.2.5")
	if r := results[1][0]; line(r) != "192.0.2.1 -> 192.0.2.2" || r.Proven {
		t.Errorf("got %s, proven %t", line(r), r.Proven)
	}
}

// TestLostChainInParts loses the reply to a group in which changes of one name form a chain,
// and then what is sent for the second of them alone: it has replaced what the first one
// left, as that was told.
func TestLostChainInParts(t *testing.T) {
	w := newWorld(t, "home 300 A 192.0.2.1", "other 300 A 192.0.2.1")
	apply(w.Updater, to(host("home"), "192.0.2.1"), to(host("other"), "192.0.2.1"))
	group, question, probe := dnstest.ResetAfter(), dnstest.RCode(dns.RcodeRefused), dnstest.Pass()
	w.proxy.SetFault(dnstest.OnUpdates(dnstest.Sequence(group, dnstest.Pass(), question, probe,
		dnstest.Pass(), dnstest.Pass(), // the first alone
		dnstest.Unsigned())))
	results := gather(t, w, []zone.Change{to(host("home"), "192.0.2.2"), to(host("other"), "192.0.2.2")}, []zone.Change{to(host("home"), "192.0.2.3")})
	for i, want := range []string{"192.0.2.1 -> 192.0.2.2", "192.0.2.2 -> 192.0.2.3"} {
		if r := results[i][0]; line(r) != want || r.Proven {
			t.Errorf("got %s, proven %t, want %s", line(r), r.Proven, want)
		}
	}
}

// TestLostThenFailing has a group of two calls refused by a forger, and then each
// fail: the group may still be applied.
func TestLostThenFailing(t *testing.T) {
	w := newWorld(t, "a 300 A 192.0.2.1", "b 300 A 192.0.2.1")
	apply(w.Updater, to(host("a"), "192.0.2.1"), to(host("b"), "192.0.2.1"))
	first := true
	w.proxy.SetFault(dnstest.OnUpdates(func(x dnstest.Exchange) dnstest.Action {
		m := new(dns.Msg)
		if err := m.Unpack(x.Query); err != nil {
			t.Error(err)
		}
		switch {
		case first:
			first = false
			return dnstest.RCode(dns.RcodeRefused)
		case len(m.Ns) == 0:
			return dnstest.Pass()
		}
		return signedAs(dns.RcodeServerFailure)
	}))
	for _, results := range gather(t, w, []zone.Change{to(host("a"), "192.0.2.2")}, []zone.Change{to(host("b"), "192.0.2.2")}) {
		if e := errorOf(t, results[0]); e.RCode != "SERVFAIL" || !e.Unknown {
			t.Errorf("got %#v", e)
		}
	}
}

// TestLostSum has two calls add up to what a lost update requires: they wait for it.
func TestLostSum(t *testing.T) {
	w := newWorld(t)
	id := wire.RRsetID{Name: host("home"), Type: zone.TypeA}
	both, err := change.ParseSet(zone.TypeA, []string{"192.0.2.1", "192.0.2.2"}, 300)
	if err != nil {
		t.Fatal(err)
	}
	w.engine.lost.add(&lostUpdate{open: 1, expires: time.Now().Add(time.Hour), before: map[wire.RRsetID]change.Set{id: both}})
	add := func(value string) []zone.Change {
		return []zone.Change{{Name: host("home"), Type: zone.TypeA, Action: zone.Add, Values: []string{value}, TTL: 300}}
	}
	results := gather(t, w, add("192.0.2.1"), add("192.0.2.2"))
	expect(t, results[0], "None -> 192.0.2.1")
	if e := errorOf(t, results[1][0]); e.Reason != zone.Busy || e.Unknown {
		t.Errorf("got %#v", e)
	}
}

// TestLostAndBroughtBack has a group applied and refused by a forger, and then somebody
// else bring both names back: that one is changed tells not that the other never was.
func TestLostAndBroughtBack(t *testing.T) {
	w := newWorld(t, "a 300 A 192.0.2.1", "b 300 A 192.0.2.1")
	apply(w.Updater, to(host("a"), "192.0.2.1"), to(host("b"), "192.0.2.1"))
	changes := 0
	w.proxy.SetFault(dnstest.OnUpdates(func(x dnstest.Exchange) dnstest.Action {
		m := new(dns.Msg)
		if err := m.Unpack(x.Query); err != nil {
			t.Error(err)
		}
		if len(m.Ns) == 0 {
			return dnstest.Pass()
		}
		switch changes++; changes {
		case 1:
			return dnstest.RCodeAfter(dns.RcodeRefused)
		case 2:
			w.zone.Edit("a 300 A 192.0.2.1", "b 300 A 192.0.2.1")
			return dnstest.Pass()
		}
		return signedAs(dns.RcodeRefused)
	}))
	results := gather(t, w, []zone.Change{to(host("a"), "192.0.2.2")}, []zone.Change{to(host("b"), "192.0.2.2")})
	if r := results[0][0]; line(r) != "192.0.2.1 -> 192.0.2.2" || r.Proven {
		t.Errorf("got %s, proven %t", line(r), r.Proven)
	}
	if e := errorOf(t, results[1][0]); e.Reason != zone.Refused || !e.Unknown {
		t.Errorf("got %#v", e)
	}
}

// TestLateReply has the reply come after its message was sent again, on the
// same connection.
func TestLateReply(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "home 300 A 192.0.2.1")
	release := make(chan struct{})
	messages := 0
	w.proxy.SetFault(dnstest.OnUpdates(func(dnstest.Exchange) dnstest.Action {
		if messages++; messages == 1 {
			return dnstest.HoldReply(release)
		}
		close(release)
		return dnstest.DelayReply(100 * time.Millisecond)
	}))
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	r := w.Apply(ctx, []zone.Change{to(host("home"), "192.0.2.2")})[0]
	if line(r) != "192.0.2.1 -> 192.0.2.2" || !r.Proven {
		t.Errorf("got %s, proven %t", line(r), r.Proven)
	}
	if _, total := w.proxy.Connections(); total != 1 {
		t.Errorf("%d connections, want one for both messages", total)
	}
}

// TestLateReplyOfName has the reply come late that settles a name of which the message
// changed one RRset of two.
func TestLateReplyOfName(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "home 300 A 192.0.2.1")
	release := make(chan struct{})
	messages := 0
	w.proxy.SetFault(dnstest.OnUpdates(func(dnstest.Exchange) dnstest.Action {
		switch messages++; messages {
		case 1:
			return dnstest.HoldReply(release)
		case 2:
			close(release)
			return dnstest.DelayReply(100 * time.Millisecond)
		}
		return dnstest.Drop()
	}))
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	keep := zone.Change{Name: host("home"), Type: zone.TypeAAAA, Action: zone.Keep}
	expect(t, w.Apply(ctx, []zone.Change{to(host("home"), "192.0.2.2"), keep}), "192.0.2.1 -> 192.0.2.2", "unchanged None")
}

// TestLateReplyBeforeRefusal has the reply of a lost update come while the nameserver is
// asked why it refuses the message that was sent again, and a forger refuse that too.
func TestLateReplyBeforeRefusal(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "a 300 A 192.0.2.1", "b 300 A 192.0.2.1")
	apply(w.Updater, to(host("a"), "192.0.2.1"), to(host("b"), "192.0.2.1"))
	release := make(chan struct{})
	messages := 0
	w.proxy.SetFault(dnstest.OnUpdates(func(dnstest.Exchange) dnstest.Action {
		switch messages++; messages {
		case 1:
			return dnstest.HoldReply(release)
		case 2:
			return dnstest.RCode(dns.RcodeNotAuth)
		}
		close(release) // the probe; what was held comes first
		return dnstest.RCode(dns.RcodeNotAuth).Later(100 * time.Millisecond)
	}))
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	for _, r := range w.Apply(ctx, []zone.Change{to(host("a"), "192.0.2.2"), to(host("b"), "192.0.2.2")}) {
		if line(r) != "192.0.2.1 -> 192.0.2.2" {
			t.Errorf("got %s", line(r))
		}
	}
}

// TestLateReplyOfOne has one of two messages answered late: the other may have been
// applied before, so that nothing is proven.
func TestLateReplyOfOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "home 300 A 192.0.2.1")
	release := make(chan struct{})
	messages := 0
	w.proxy.SetFault(dnstest.OnUpdates(func(dnstest.Exchange) dnstest.Action {
		switch messages++; messages {
		case 1:
			return dnstest.RCodeAfter(dns.RcodeServerFailure)
		case 2:
			// Somebody else has brought the name back by then.
			w.zone.Edit("home 300 A 192.0.2.1")
			return dnstest.HoldReply(release)
		}
		close(release)
		return dnstest.DelayReply(100 * time.Millisecond)
	}))
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	r := w.Apply(ctx, []zone.Change{to(host("home"), "192.0.2.2")})[0]
	if line(r) != "192.0.2.1 -> 192.0.2.2" || r.Proven {
		t.Errorf("got %s, proven %t", line(r), r.Proven)
	}
}

// TestFailedIsNotRefuted has a nameserver sign that it failed at what it has done.
func TestFailedIsNotRefuted(t *testing.T) {
	w := newWorld(t, "home 300 A 192.0.2.1")
	edited := false
	w.proxy.SetFault(dnstest.OnUpdates(func(dnstest.Exchange) dnstest.Action {
		if edited {
			return dnstest.Pass()
		}
		edited = true
		w.zone.Edit("home 300 A 192.0.2.2")
		return signedAs(dns.RcodeServerFailure)
	}))
	if r := apply(w.Updater, to(host("home"), "192.0.2.2"))[0]; line(r) != "192.0.2.1 -> 192.0.2.2" || r.Proven {
		t.Errorf("got %s, proven %t", line(r), r.Proven)
	}
}

// TestLateMessage lets a message that was given up arrive when the name is about
// to be what it was before.
func TestLateMessage(t *testing.T) {
	w := newWorld(t, "home 300 A 192.0.2.1")
	apply(w.Updater, to(host("home"), "192.0.2.1"))
	release := make(chan struct{})
	arrived := make(chan struct{}, 10)
	first := true
	w.proxy.SetFault(dnstest.OnUpdates(func(dnstest.Exchange) dnstest.Action {
		if first {
			first = false
			arrived <- struct{}{}
			return dnstest.Hold(release)
		}
		return dnstest.Pass()
	}))
	result := make(chan zone.Result)
	go func() { result <- apply(w.Updater, to(host("home"), "192.0.2.2"))[0] }()
	<-arrived
	w.proxy.KillConnections()
	if r := <-result; line(r) != "192.0.2.1 -> 192.0.2.2" || r.Proven {
		t.Fatalf("got %s, proven %t", line(r), r.Proven)
	}
	// The lost message applies to 192.0.2.1: nobody may bring the name there yet.
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	e := errorOf(t, w.Apply(ctx, []zone.Change{to(host("home"), "192.0.2.1")})[0])
	if e.Reason != zone.Busy || e.Unknown {
		t.Errorf("got %#v", e)
	}
	// Other values, and other names, need not wait.
	expect(t, apply(w.Updater, to(host("home"), "192.0.2.3"), to(host("other"), "192.0.2.1")), "192.0.2.2 -> 192.0.2.3", "None -> 192.0.2.1")
	close(release)
	expect(t, apply(w.Updater, to(host("home"), "192.0.2.4")), "192.0.2.3 -> 192.0.2.4")
	// When it has expired, the value is free again; a change that can waits for that.
	if left := time.Until(w.engine.lost.list[0].expires); left <= 0 || left > 15*time.Second {
		t.Errorf("the lost message lives for %v", left)
	}
	expires := time.Now().Add(200 * time.Millisecond)
	w.engine.lost.list[0].expires = expires
	expect(t, apply(w.Updater, to(host("home"), "192.0.2.1")), "192.0.2.4 -> 192.0.2.1")
	if time.Now().Before(expires) {
		t.Error("the change did not wait")
	}
}

// TestGivingUpParked cancels a call that waits for a lost message to expire.
func TestGivingUpParked(t *testing.T) {
	w := newWorld(t, "home 300 A 192.0.2.1")
	apply(w.Updater, to(host("home"), "192.0.2.2"))
	w.engine.lost.add(&lostUpdate{open: 1, expires: time.Now().Add(time.Hour), before: map[wire.RRsetID]change.Set{
		{Name: host("home"), Type: zone.TypeA}: w.engine.known.of(wire.RRsetID{Name: host("home"), Type: zone.TypeA}).Set}})
	apply(w.Updater, to(host("home"), "192.0.2.3"))
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Hour)
	result := make(chan zone.Result)
	go func() { result <- w.Apply(ctx, []zone.Change{to(host("home"), "192.0.2.2")})[0] }()
	waitFor(t, "the call to be taken", func() bool { return !w.isRunning() && w.Status().Waiting == 0 })
	cancel()
	if e := errorOf(t, <-result); e.Reason != zone.Timeout || e.Unknown {
		t.Errorf("got %#v", e)
	}
}

// TestClockFollowed lets the nameserver's clock be off, and step.
func TestClockFollowed(t *testing.T) {
	w := newWorld(t)
	offset := 100 * time.Second
	w.server.SetClock(func() time.Time { return time.Now().Add(offset) })
	fudges := map[uint16]int{}
	w.proxy.SetFault(func(x dnstest.Exchange) dnstest.Action {
		m := new(dns.Msg)
		if err := m.Unpack(x.Query); err == nil && m.IsTsig() != nil && len(m.Ns) > 0 {
			fudges[m.IsTsig().Fudge]++
		}
		return dnstest.Pass()
	})
	for i, step := range []time.Duration{100, -200, 299} {
		offset = step * time.Second
		expect(t, apply(w.Updater, to(host(fmt.Sprintf("h%d", i)), "192.0.2.1"), to(host("x"), fmt.Sprintf("192.0.2.%d", i)))[:1], "None -> 192.0.2.1")
		expect(t, apply(w.Updater, to(host(fmt.Sprintf("h%d", i)), "192.0.2.2")), "192.0.2.1 -> 192.0.2.2")
	}
	w.proxy.SetFault(nil)
	for fudge := range fudges {
		if fudge > 10 {
			t.Errorf("an UPDATE was signed with a fudge of %d s", fudge)
		}
	}
	// What is too far away is not followed.
	offset = 10 * time.Minute
	if e := errorOf(t, apply(w.Updater, to(host("far"), "192.0.2.1"))[0]); e.TSIG != "BADTIME" {
		t.Errorf("got %v", e)
	}
}

// TestLostLifetime sends a lost update again: it lives as long as the message that
// lives longest, and it is remembered although the first of them was answered.
func TestLostLifetime(t *testing.T) {
	for _, row := range []struct {
		name  string
		first outcome
	}{
		{"two without a reply", outcome{}},
		{"one that failed, one without a reply", outcome{answered: true}},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := newWorld(t)
			c := newCall(t.Context(), zoneName, []zone.Change{to(host("home"), "192.0.2.2")})
			items := []*item{&c.items[0]}
			items[0].belief = &belief{known: true}
			now := time.Now()
			lose := func(o outcome, lives time.Duration) {
				w.engine.plan.build(items, false)
				w.engine.lose(items, now.Add(lives), o, nil)
				w.Updater.engine.lost.prune(now)
			}
			lose(row.first, time.Hour)
			lose(outcome{}, time.Minute)
			list := w.Updater.engine.lost.list
			if len(list) != 1 || list[0] != items[0].lost.update || len(w.Updater.engine.lost.by) != 1 {
				t.Fatalf("remembered: %v", list)
			}
			want := now.Add(time.Hour)
			if row.first.answered {
				want = now.Add(time.Minute)
			}
			if got := list[0].expires; !got.Equal(want) {
				t.Errorf("it expires in %v, want %v", got.Sub(now), want.Sub(now))
			}
			w.Updater.engine.lost.prune(now.Add(2 * time.Hour))
			if l := w.Updater.engine.lost; len(l.list)+len(l.by)+l.size > 0 {
				t.Errorf("left: %+v", l)
			}
		})
	}
}

// TestDownAfterLoss has the only nameserver end with a message under way, and refuse
// connections: that is soon told, not when the time is up.
func TestDownAfterLoss(t *testing.T) {
	t.Parallel()
	var refused atomic.Int64
	w := newWorldWith(t, dnstest.Zone{}, Options{Hooks: Hooks{Exchange: func(_, op string, _ time.Duration, err *zone.Error) {
		if op == "connect" && err != nil {
			refused.Add(1)
		}
	}}})
	apply(w.Updater, to(host("home"), "192.0.2.1"))
	w.proxy.SetFault(dnstest.OnUpdates(func(dnstest.Exchange) dnstest.Action {
		go w.proxy.Down()
		return dnstest.Drop()
	}))
	if e := errorOf(t, apply(w.Updater, to(host("home"), "192.0.2.2"))[0]); e.Reason != zone.Unreachable || !e.Unknown {
		t.Errorf("got %#v", e)
	}
	if got := refused.Load(); got != maxDownLost {
		t.Errorf("%d connections were tried, want %d", got, maxDownLost)
	}
}
