package dnsupdate

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/caddy-dyndns/dyndns/dnsupdate/dnstest"
	"github.com/caddy-dyndns/dyndns/zone"
)

// TestDroppedWrites has a nameserver acknowledge what its policy drops.
func TestDroppedWrites(t *testing.T) {
	drop := func(owner string, rrtype uint16) bool { return owner == host("bad") || rrtype == dns.TypeAAAA }
	for _, row := range []struct {
		name   string
		echoes bool
		prove  bool
	}{{"looks like PowerDNS", true, false}, {"prove_writes", false, true}} {
		t.Run(row.name, func(t *testing.T) {
			w := newWorldWith(t, dnstest.Zone{Drop: drop, Records: []string{"ttl 300 A 192.0.2.1", "bad 300 TXT x"}}, Options{})
			if row.echoes {
				w.server.EchoTime()
			}
			w.engine.proveWrites = row.prove
			results := apply(w.Updater, to(host("good"), "192.0.2.1"), to(host("bad"), "192.0.2.1"), to(host("half"), "192.0.2.1"), to(host("half"), "2001:db8::1"))
			if line(results[0]) != "None -> 192.0.2.1" || !results[0].Proven {
				t.Errorf("got %s", line(results[0]))
			}
			if e := errorOf(t, results[1]); e.Reason != zone.Refused || !strings.Contains(e.Hint, "lua-dnsupdate-policy-script") {
				t.Errorf("got %#v", e)
			}
			// Of two records at one name one was dropped: neither the old nor the new state stands.
			for _, r := range results[2:] {
				if e := errorOf(t, r); !e.Unknown {
					t.Errorf("got %#v", e)
				}
			}
			expect(t, apply(w.Updater, to(host("good"), "192.0.2.1"), to(host("good"), "192.0.2.2")), "unchanged 192.0.2.1", "192.0.2.1 -> 192.0.2.2")
			text := zone.Change{Name: host("bad"), Type: zone.TypeTXT, Action: zone.Set, Values: []string{"x"}, TTL: 60}
			if e := errorOf(t, apply(w.Updater, text)[0]); e.Reason != zone.Refused || !strings.Contains(e.Hint, "policy") {
				t.Errorf("a TTL alone: got %v", e)
			}
		})
	}
}

// TestIncomparable stands for YADIFA, which finds no values equal.
func TestIncomparable(t *testing.T) {
	warned := 0
	w := newWorldWith(t, dnstest.Zone{Unequal: true}, Options{Hooks: Hooks{Incomparable: func(string) { warned++ }}})
	guarded := func(c zone.Change) zone.Change {
		c.NotNameServer = true
		return c
	}
	expect(t, apply(w.Updater, to(host("home"), "192.0.2.1")), "None -> 192.0.2.1")
	expect(t, apply(w.Updater, to(host("home"), "192.0.2.1")), "192.0.2.1 -> 192.0.2.1")
	serial := w.zone.Serial()
	for range 3 {
		r := apply(w.Updater, to(host("home"), "192.0.2.1"))
		if expect(t, r, "unchanged 192.0.2.1"); r[0].Proven {
			t.Error("it says that it is proven")
		}
	}
	expect(t, apply(w.Updater, to(host("other"), "192.0.2.1")), "None -> 192.0.2.1")
	expect(t, apply(w.Updater, to(host("other"), "192.0.2.1")), "unchanged 192.0.2.1")
	w.zone.Edit("home 300 A 192.0.2.9")
	r := apply(w.Updater, to(host("home"), "192.0.2.2"))
	if expect(t, r, "192.0.2.9 -> 192.0.2.2"); r[0].Proven {
		t.Error("it says that it is proven")
	}
	expect(t, apply(w.Updater, guarded(to(host("home"), "192.0.2.3"))), "192.0.2.2 -> 192.0.2.3")
	for _, rr := range w.zone.Lookup(zoneName, dns.TypeNS) {
		if e := errorOf(t, apply(w.Updater, guarded(to(rr, "192.0.2.3")))[0]); e.Reason != zone.NameServer {
			t.Errorf("got %v", e)
		}
	}
	if got := w.zone.Serial() - serial; got != 4 { // with the edit
		t.Errorf("the serial rose by %d, want 4", got)
	}
	if warned != 1 {
		t.Errorf("%d warnings", warned)
	}
	n, err := w.NameServers(t.Context())
	if err != nil || !n.Proven {
		t.Errorf("got %v, %v", n, err)
	}
}

// TestOthersTTL has somebody else change TTLs: that is no limit of the zone.
func TestOthersTTL(t *testing.T) {
	var limits []string
	w := newWorldWith(t, dnstest.Zone{}, Options{Hooks: Hooks{Clamped: func(zone string, _, _ uint32) { limits = append(limits, zone) }}})
	w.engine.known.settleTTL = 0
	victim := to(host("victim"), "192.0.2.1")
	expect(t, apply(w.Updater, victim), "None -> 192.0.2.1")
	for i, address := range []string{"192.0.2.1", "192.0.2.2", "192.0.2.3"} {
		home := to(host("home"), address)
		apply(w.Updater, home)
		// Before our own write is read back.
		w.zone.Edit(fmt.Sprintf("home %d A %s", i, address))
		r := apply(w.Updater, home)
		if expect(t, r, address+" -> "+address); r[0].TTL != 300 {
			t.Errorf("TTL %d", r[0].TTL)
		}
		if r := apply(w.Updater, home); line(r[0]) != "unchanged "+address || r[0].TTL != 300 {
			t.Errorf("got %s, TTL %d", line(r[0]), r[0].TTL)
		}
	}
	// What was read is what is said.
	w.zone.Edit("home 7 A 192.0.2.3")
	later := to(host("home"), "192.0.2.3")
	later.TTL = 600
	apply(w.Updater, later)
	w.zone.Edit("home 7 A 192.0.2.3")
	apply(w.Updater, later)
	if r := apply(w.Updater, zone.Change{Name: host("home"), Type: zone.TypeA, Action: zone.Keep}); r[0].TTL != w.zone.TTL(host("home"), dns.TypeA) {
		t.Errorf("TTL %d", r[0].TTL)
	}
	if r := apply(w.Updater, victim); line(r[0]) != "unchanged 192.0.2.1" || r[0].TTL != 300 {
		t.Errorf("the other name: %s, TTL %d", line(r[0]), r[0].TTL)
	}
	if len(limits) > 0 {
		t.Errorf("taken for limits: %q", limits)
	}
}

// TestLimitGone shows that a limit is forgotten when it no longer shows.
func TestLimitGone(t *testing.T) {
	w := newWorldWith(t, dnstest.Zone{MaxTTL: 120}, Options{})
	w.engine.known.settleTTL = 0
	for range 3 {
		apply(w.Updater, to(host("home"), "192.0.2.1"))
	}
	if r := apply(w.Updater, to(host("home"), "192.0.2.1")); line(r[0]) != "unchanged 192.0.2.1" || r[0].TTL != 120 {
		t.Errorf("got %s, TTL %d", line(r[0]), r[0].TTL)
	}
	w.zone.Edit("home 200 A 192.0.2.9")
	apply(w.Updater, zone.Change{Name: host("home"), Type: zone.TypeA, Action: zone.Keep})
	if r := apply(w.Updater, to(host("home"), "192.0.2.9")); r[0].TTL != 300 {
		t.Errorf("got %s, TTL %d", line(r[0]), r[0].TTL)
	}
}

// badKey makes the reply that nameservers give to a key they do not know.
func badKey(m *dns.Msg) {
	m.Rcode = dns.RcodeNotAuth
	m.Extra = append(m.Extra, &dns.TSIG{
		Hdr:       dns.RR_Header{Name: testKey.Name, Rrtype: dns.TypeTSIG, Class: dns.ClassANY},
		Algorithm: testKey.Algorithm + ".", Error: dns.RcodeBadKey, OrigId: m.Id,
	})
}

// TestNotNameServer keeps a change from a nameserver's name.
func TestNotNameServer(t *testing.T) {
	const kept = "192.0.2.53"
	guarded := func(name string) zone.Change {
		c := to(name, "192.0.2.1")
		c.NotNameServer = true
		return c
	}
	forged := func(answer func(m *dns.Msg)) func(dnstest.Exchange) dnstest.Action {
		return func(x dnstest.Exchange) dnstest.Action {
			m := new(dns.Msg)
			if x.Opcode != dns.OpcodeQuery || m.Unpack(x.Query) != nil {
				return dnstest.Pass()
			}
			if m.IsTsig() != nil {
				return dnstest.Answer(nil, badKey)
			}
			return dnstest.Answer(nil, answer)
		}
	}
	for _, row := range []struct {
		name  string
		fault func(dnstest.Exchange) dnstest.Action
		// denied tells that the error is the one that says why.
		denied bool
	}{
		{name: "quiet", denied: true},
		{name: "an unsigned answer without nameservers", fault: forged(func(*dns.Msg) {})},
		{name: "an unsigned answer with another nameserver", fault: forged(func(m *dns.Msg) {
			if m.Question[0].Qtype == dns.TypeNS {
				m.Answer = []dns.RR{&dns.NS{Hdr: dns.RR_Header{Name: zoneName, Rrtype: dns.TypeNS, Class: dns.ClassINET}, Ns: "ns.elsewhere.example."}}
			}
		})},
		{name: "no query is answered", fault: func(x dnstest.Exchange) dnstest.Action {
			if x.Opcode == dns.OpcodeQuery {
				return dnstest.RCode(dns.RcodeRefused)
			}
			return dnstest.Pass()
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := newWorld(t, "@ NS ns1", "ns1 300 A "+kept)
			w.proxy.SetFault(row.fault)
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			e := errorOf(t, w.Apply(ctx, []zone.Change{guarded(host("ns1"))})[0])
			if (e.Reason == zone.NameServer) != row.denied {
				t.Errorf("got %v", e)
			}
			if got := w.zone.Lookup(host("ns1"), dns.TypeA); !slices.Equal(got, []string{kept}) {
				t.Errorf("the nameserver's address is %q", got)
			}
			w.proxy.SetFault(nil)
			expect(t, apply(w.Updater, guarded(host("home"))), "None -> 192.0.2.1")
		})
	}
	t.Run("an underscored name", func(t *testing.T) {
		w := newWorld(t, "@ NS ns1", "ns1 300 A "+kept)
		text := func(name string) zone.Change {
			return zone.Change{Name: host(name), Type: zone.TypeTXT, Action: zone.Set, Values: []string{"x"}, NotNameServer: true}
		}
		for _, name := range []string{"_acme-challenge.ns1", "_a._b.ns1"} {
			if e := errorOf(t, apply(w.Updater, text(name))[0]); e.Reason != zone.NameServer {
				t.Errorf("%s: got %v", name, e)
			}
		}
		expect(t, apply(w.Updater, text("_acme-challenge.home")), "None -> x")
		expect(t, apply(w.Updater, text("_acme-challenge.www.ns1")), "None -> x")
	})
	t.Run("a name that becomes a nameserver", func(t *testing.T) {
		w := newWorld(t, "@ NS ns1")
		expect(t, apply(w.Updater, guarded(host("home"))), "None -> 192.0.2.1")
		w.zone.Edit("@ NS ns1", "@ NS home")
		if e := errorOf(t, apply(w.Updater, guarded(host("home")))[0]); e.Reason != zone.NameServer {
			t.Errorf("got %v", e)
		}
		expect(t, apply(w.Updater, guarded(host("other")), to(host("home"), "192.0.2.2")), "None -> 192.0.2.1", "192.0.2.1 -> 192.0.2.2")
	})
}
