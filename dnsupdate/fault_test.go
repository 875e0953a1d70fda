package dnsupdate

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/caddy-dyndns/dyndns/dnsupdate/dnstest"
	"github.com/caddy-dyndns/dyndns/zone"
)

var (
	signedAs = func(rcode int) dnstest.Action { return dnstest.Forge(rcode, serverKey(testKey)) }
	forgedAs = func(rcode int) dnstest.Action {
		return dnstest.Forge(rcode, dnstest.Key{Name: testKey.Name, Algorithm: testKey.Algorithm, Secret: []byte("another secret")})
	}
	once = func(a dnstest.Action) func(dnstest.Exchange) dnstest.Action { return dnstest.Sequence(a) }
)

// TestFaults gives a network or a nameserver that misbehaves. Whatever happens,
// the reply must be true, and the next change must work.
func TestFaults(t *testing.T) {
	const updated = "192.0.2.1 -> 192.0.2.2"
	for _, row := range []struct {
		name  string
		fault func(dnstest.Exchange) dnstest.Action
		// want is the result, or empty if err says what the error is.
		want string
		err  zone.Error
		hint string
	}{
		{name: "message lost", fault: once(dnstest.Drop()), want: updated},
		{name: "reply lost", fault: once(dnstest.DropReply()), want: updated},
		{name: "two replies lost", fault: dnstest.Sequence(dnstest.DropReply(), dnstest.DropReply()), want: updated},
		{name: "slow", fault: dnstest.Always(dnstest.DelayReply(200 * time.Millisecond)), want: updated},
		{name: "reset before", fault: once(dnstest.ResetBefore()), want: updated},
		{name: "reset after", fault: once(dnstest.ResetAfter()), want: updated},
		{name: "reset mid-message", fault: once(dnstest.ResetMid()), want: updated},
		{name: "garbage", fault: once(dnstest.Garbage()), want: updated},
		{name: "cut off", fault: once(dnstest.CutOff()), want: updated},
		{name: "truncated", fault: once(dnstest.Truncate()), want: updated},
		{name: "unsigned", fault: once(dnstest.Unsigned()), want: updated},
		{name: "wrong id", fault: once(dnstest.WrongID()), want: updated},
		{name: "replayed", fault: once(dnstest.Replay()), want: updated},
		{name: "forged", fault: once(forgedAs(dns.RcodeSuccess)), want: updated},
		{name: "transient SERVFAIL", fault: dnstest.Sequence(signedAs(dns.RcodeServerFailure), dnstest.RCode(dns.RcodeServerFailure)), want: updated},

		{name: "always unsigned", fault: dnstest.Always(dnstest.Unsigned()),
			err: zone.Error{Reason: zone.Refused, Unknown: true}, hint: "was not signed by key ddns-key."},
		{name: "always forged", fault: dnstest.Always(forgedAs(dns.RcodeSuccess)),
			err: zone.Error{Reason: zone.Refused, Unknown: true}, hint: "was not signed by key ddns-key."},
		{name: "always garbage", fault: dnstest.Always(dnstest.Garbage()), err: zone.Error{Reason: zone.Refused, Unknown: true}},
		{name: "always replayed", fault: dnstest.Always(dnstest.Replay()), err: zone.Error{Reason: zone.Refused, Unknown: true}},
		{name: "always reset", fault: dnstest.Always(dnstest.ResetMid()), err: zone.Error{Reason: zone.Unreachable, Unknown: true}},
		{name: "always lost", fault: dnstest.Always(dnstest.Drop()), err: zone.Error{Reason: zone.Timeout, Unknown: true}},
		{name: "unsigned prerequisite code", fault: dnstest.Always(dnstest.RCode(dns.RcodeNXRrset)), err: zone.Error{Reason: zone.Refused, Unknown: true}},
		{name: "lasting SERVFAIL", fault: dnstest.Always(signedAs(dns.RcodeServerFailure)), err: zone.Error{Reason: zone.Unreachable, Verified: true}},
		{name: "refused", fault: dnstest.Always(signedAs(dns.RcodeRefused)), err: zone.Error{Reason: zone.Refused, Verified: true}, hint: "update-policy"},
		{name: "refused without signature", fault: dnstest.Always(dnstest.RCode(dns.RcodeRefused)), err: zone.Error{Reason: zone.Refused, Unknown: true}, hint: "TSIG-ALLOW-DNSUPDATE"},
		{name: "a secondary", fault: dnstest.Always(signedAs(dns.RcodeNotImplemented)), err: zone.Error{Reason: zone.Refused, Verified: true}, hint: "not the primary"},
		{name: "zone not served", fault: dnstest.Always(signedAs(dns.RcodeNotAuth)), err: zone.Error{Reason: zone.Refused, Verified: true}, hint: "does not serve zone"},
		{name: "prerequisites never hold", fault: dnstest.Always(signedAs(dns.RcodeNXRrset)), err: zone.Error{Reason: zone.Refused, Verified: true}, hint: "keep changing"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			expect(t, apply(w.Updater, to(host("home"), "192.0.2.1")), "None -> 192.0.2.1")
			w.proxy.SetFault(dnstest.OnUpdates(row.fault))
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			defer cancel()
			got := w.Apply(ctx, []zone.Change{to(host("home"), "192.0.2.2")})
			held := w.zone.Lookup(host("home"), dns.TypeA)[0]
			if row.want != "" {
				expect(t, got, row.want)
				if held != "192.0.2.2" {
					t.Errorf("the zone holds %s", held)
				}
			} else {
				e := errorOf(t, got[0])
				if e.Reason != row.err.Reason || e.Unknown != row.err.Unknown || e.Verified != row.err.Verified || !strings.Contains(e.Error(), row.hint) {
					t.Errorf("got %#v: %v", e, e)
				}
				if !e.Unknown && held != "192.0.2.1" {
					t.Errorf("reported as failed, but the zone holds %s", held)
				}
			}
			w.proxy.SetFault(nil)
			next := line(apply(w.Updater, to(host("home"), "192.0.2.3"))[0])
			if next != held+" -> 192.0.2.3" {
				t.Errorf("afterwards: %s, with %s in the zone", next, held)
			}
		})
	}
}

// TestReadFaults is TestFaults for the read that comes before the first update
// of a name: nothing is unknown, because nothing was sent.
func TestReadFaults(t *testing.T) {
	queries := func(f func(dnstest.Exchange) dnstest.Action) func(dnstest.Exchange) dnstest.Action {
		return func(x dnstest.Exchange) dnstest.Action {
			if x.Opcode != dns.OpcodeQuery {
				return dnstest.Pass()
			}
			return f(x)
		}
	}
	for name, action := range map[string]dnstest.Action{
		"lost": dnstest.Drop(), "reset": dnstest.ResetMid(), "garbage": dnstest.Garbage(), "unsigned": dnstest.Unsigned(),
		"forged": forgedAs(dns.RcodeNameError), "wrong id": dnstest.WrongID(), "truncated": dnstest.Truncate(),
		"SERVFAIL": signedAs(dns.RcodeServerFailure), "refused": dnstest.RCode(dns.RcodeRefused),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "home 300 A 192.0.2.1")
			w.proxy.SetFault(queries(dnstest.Always(action)))
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if e := errorOf(t, w.Apply(ctx, []zone.Change{to(host("home"), "192.0.2.2")})[0]); e.Unknown {
				t.Errorf("got %v, but nothing was sent", e)
			}
			w.proxy.SetFault(nil)
			expect(t, apply(w.Updater, to(host("home"), "192.0.2.2")), "192.0.2.1 -> 192.0.2.2")
		})
	}
}

// TestLoss lets a third of all messages and replies disappear.
func TestLoss(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.proxy.SetFault(dnstest.Loss(30, 1))
	storm(t, 10, func(i int) {
		name := host(fmt.Sprintf("h%d", i))
		for _, address := range []string{"192.0.2.1", "192.0.2.2"} {
			ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
			r := w.Apply(ctx, []zone.Change{to(name, address)})[0]
			cancel()
			if r.Err == nil && (r.New[0] != address || !r.Changed) {
				t.Errorf("%s: %s", name, line(r))
			}
			if r.Err == nil && w.zone.Lookup(name, dns.TypeA)[0] != address {
				t.Errorf("%s: reported as done, but the zone has %v", name, w.zone.Lookup(name, dns.TypeA))
			}
		}
	})
	w.proxy.SetFault(nil)
	expect(t, apply(w.Updater, to(host("home"), "192.0.2.3")), "None -> 192.0.2.3")
}

func TestClock(t *testing.T) {
	w := newWorld(t)
	w.server.SetClock(func() time.Time { return time.Now().Add(-10 * time.Minute) })
	e := errorOf(t, apply(w.Updater, to(host("home"), "192.0.2.1"))[0])
	if e.TSIG != "BADTIME" || !e.Verified || !strings.Contains(e.Hint, "the clocks differ by") || !strings.Contains(e.Hint, "NTP") {
		t.Errorf("got %#v", e)
	}
}

func TestWrongKey(t *testing.T) {
	for _, row := range []struct {
		name string
		key  Key
		tsig string
	}{
		{"unknown", Key{"other-key.", "hmac-sha256", testKey.Secret}, "BADKEY"},
		{"other secret", Key{"ddns-key.", "hmac-sha256", []byte("another secret")}, "BADSIG"},
		{"other algorithm", Key{"ddns-key.", "hmac-sha512", testKey.Secret}, "BADKEY"},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := newWorld(t)
			u, err := w.client.Open(ZoneConfig{Name: zoneName, Servers: []string{w.server.Addr()}, Key: row.key})
			if err != nil {
				t.Fatal(err)
			}
			before := w.zone.Messages()
			storm(t, 64, func(i int) {
				e, ok := apply(u, to(host(fmt.Sprintf("h%d", i)), "192.0.2.1"))[0].Err.(*zone.Error)
				if !ok || e.Reason != zone.Refused || e.TSIG != row.tsig || e.Verified || !strings.Contains(e.Hint, "on both sides") {
					t.Errorf("got %#v", e)
				}
			})
			if got := w.zone.Messages().Updates - before.Updates; got > 64 {
				t.Errorf("%d messages with a useless key", got)
			}
		})
	}
}

// TestServers puts servers of all sorts before the one that works.
func TestServers(t *testing.T) {
	down := func(t *testing.T, w *world) string {
		p := dnstest.NewProxy(w.server.Addr())
		t.Cleanup(p.Close)
		p.Down()
		return p.Addr()
	}
	behaving := func(f func(dnstest.Exchange) dnstest.Action) func(*testing.T, *world) string {
		return func(t *testing.T, w *world) string {
			p := dnstest.NewProxy(w.server.Addr())
			t.Cleanup(p.Close)
			p.SetFault(f)
			return p.Addr()
		}
	}
	foreign := func(t *testing.T, _ *world) string {
		s := dnstest.NewServer(dnstest.Zone{Name: "example.org", Keys: []dnstest.Key{serverKey(testKey)}})
		t.Cleanup(s.Close)
		return s.Addr()
	}
	deaf := func(t *testing.T, _ *world) string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		return l.Addr().String()
	}
	for _, row := range []struct {
		name  string
		first func(*testing.T, *world) string
		// stays: the first server's answer is the last word.
		stays bool
	}{
		{"down", down, false},
		{"black hole", behaving(dnstest.Always(dnstest.Drop())), false},
		{"deaf", deaf, false},
		{"closes at once", behaving(dnstest.Always(dnstest.ResetBefore())), false},
		{"other zone", foreign, false},
		{"secondary", behaving(dnstest.OnUpdates(dnstest.Always(signedAs(dns.RcodeNotImplemented)))), false},
		{"reply lost", behaving(dnstest.OnUpdates(dnstest.Always(dnstest.DropReply()))), false},
		{"refuses", behaving(dnstest.OnUpdates(dnstest.Always(signedAs(dns.RcodeRefused)))), true},
		{"unsigned not implemented", behaving(dnstest.OnUpdates(dnstest.Always(dnstest.RCode(dns.RcodeNotImplemented)))), true},
		{"unsigned not served", behaving(dnstest.OnUpdates(dnstest.Always(dnstest.RCode(dns.RcodeNotAuth)))), true},
		{"unsigned success", behaving(dnstest.OnUpdates(dnstest.Always(dnstest.RCode(dns.RcodeSuccess)))), true},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "home 300 A 192.0.2.1")
			u := w.open(t, row.first(t, w), w.server.Addr())
			ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
			defer cancel()
			got := line(u.Apply(ctx, []zone.Change{to(host("home"), "192.0.2.2")})[0])
			status := u.Status()
			if row.stays {
				if !strings.HasPrefix(got, "error") || w.zone.Lookup(host("home"), dns.TypeA)[0] != "192.0.2.1" || !status.Servers[0].Up {
					t.Errorf("got %s", got)
				}
				return
			}
			if got != "192.0.2.1 -> 192.0.2.2" {
				t.Errorf("got %s", got)
			}
			if status.Servers[0].Up || status.Servers[0].LastError == nil || !status.Servers[1].Up {
				t.Errorf("status %+v", status.Servers)
			}
			// The first rests; the next change does not wait for it.
			expect(t, apply(u, to(host("home"), "192.0.2.3")), "192.0.2.2 -> 192.0.2.3")
			if after := u.Status(); after.Servers[0].RestEnds != status.Servers[0].RestEnds {
				t.Error("the resting server was asked")
			}
		})
	}
}

// TestRestart kills kept connections: no request may notice.
func TestRestart(t *testing.T) {
	w := newWorld(t)
	for i, want := range []string{"None -> 192.0.2.1", "192.0.2.1 -> 192.0.2.2", "192.0.2.2 -> 192.0.2.1"} {
		expect(t, apply(w.Updater, to(host("home"), []string{"192.0.2.1", "192.0.2.2"}[i%2])), want)
		w.proxy.KillConnections()
	}
	w.proxy.Down()
	if e := errorOf(t, apply(w.Updater, to(host("home"), "192.0.2.9"))[0]); e.Reason != zone.Unreachable {
		t.Errorf("got %v", e)
	}
	if w.Status().Servers[0].Up {
		t.Error("the server does not rest")
	}
	w.proxy.Up()
	expect(t, apply(w.Updater, to(host("home"), "192.0.2.9")), "192.0.2.1 -> 192.0.2.9")
	if !w.Status().Servers[0].Up {
		t.Error("one success did not end the rest")
	}
}
