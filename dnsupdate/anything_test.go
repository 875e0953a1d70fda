package dnsupdate

import (
	"context"
	"encoding/binary"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/caddy-dyndns/dyndns/dnsupdate/dnstest"
	"github.com/caddy-dyndns/dyndns/zone"
)

// answerQueries has the nameserver answer queries for a name with these records,
// signed or not.
func answerQueries(signed bool, authoritative bool, answer, authority []string) func(dnstest.Exchange) dnstest.Action {
	var key *dnstest.Key
	if signed {
		k := serverKey(testKey)
		key = &k
	}
	parse := func(lines []string) (rrs []dns.RR) {
		for _, line := range lines {
			rr, err := dns.NewRR(line)
			if err != nil {
				panic(err)
			}
			rrs = append(rrs, rr)
		}
		return rrs
	}
	return func(x dnstest.Exchange) dnstest.Action {
		if x.Opcode != dns.OpcodeQuery {
			return dnstest.Pass()
		}
		return dnstest.Answer(key, func(m *dns.Msg) {
			m.Authoritative = authoritative
			m.Answer, m.Ns = parse(answer), parse(authority)
		})
	}
}

// TestForeignBlockers answers with records that block other names than the one
// that was asked for.
func TestForeignBlockers(t *testing.T) {
	for _, row := range []struct {
		name              string
		authoritative     bool
		answer, authority []string
		// fails: nothing can be known of the name.
		fails bool
	}{
		{name: "a DNAME elsewhere, behind an alias", authoritative: true, answer: []string{
			host("www") + " 60 CNAME www.corp.example.", "corp.example. 60 DNAME other.example.", "www.corp.example. 60 CNAME www.other.example."}},
		{name: "a DNAME above the zone", authoritative: true, answer: []string{"com. 60 DNAME example.", host("www") + " 60 CNAME dyn.example.example."}},
		{name: "a DNAME at the root", authoritative: true, answer: []string{". 60 DNAME example."}},
		{name: "a DNAME at the name itself", authoritative: true, answer: []string{host("www") + " 60 DNAME example."}},
		{name: "a DNAME beside it", authoritative: true, answer: []string{host("ww") + " 60 DNAME example."}},
		{name: "a referral above the zone", authority: []string{"com. 60 NS ns.example."}, fails: true},
		{name: "a referral beside it", authority: []string{host("w") + " 60 NS ns.example."}, fails: true},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := newWorldWith(t, dnstest.Zone{}, Options{Hooks: Hooks{Panic: func(_ string, v any, stack []byte) {
				t.Errorf("panic: %v\n%s", v, stack)
			}}})
			w.proxy.SetFault(answerQueries(true, row.authoritative, row.answer, row.authority))
			r := apply(w.Updater, to(host("www"), "192.0.2.1"))[0]
			if row.fails {
				if e := errorOf(t, r); e.Reason == zone.Conflict {
					t.Errorf("got %v", e)
				}
				return
			}
			expect(t, []zone.Result{r}, "None -> 192.0.2.1")
		})
	}
	t.Run("an alias of a wildcard to below a DNAME", func(t *testing.T) {
		w := newWorld(t, "*.pool CNAME x.below", "below DNAME example.org.")
		expect(t, apply(w.Updater, to(host("a.pool"), "192.0.2.1")), "None -> 192.0.2.1")
		if e := errorOf(t, apply(w.Updater, to(host("a.below"), "192.0.2.1"))[0]); e.Reason != zone.Conflict {
			t.Errorf("got %v", e)
		}
	})
}

// TestPanic meets a defect in each goroutine: it is an error of the call and
// an entry of the log, and the next call works.
func TestPanic(t *testing.T) {
	var raise atomic.Value // in which hook
	raise.Store("")
	panics := 0
	defect := func(where string) {
		if raise.CompareAndSwap(where, "") {
			panic("a defect")
		}
	}
	w := newWorldWith(t, dnstest.Zone{Records: []string{"alias CNAME ns"}}, Options{Hooks: Hooks{
		Group:    func(string, int) { defect("group") },
		Exchange: func(_, op string, _ time.Duration, _ *zone.Error) { defect(op) },
		Panic: func(_ string, value any, stack []byte) {
			panics++
			if value != "a defect" || !strings.Contains(string(stack), "TestPanic") {
				t.Errorf("got %v\n%s", value, stack)
			}
		},
	}})
	expect(t, apply(w.Updater, to(host("home"), "192.0.2.1")), "None -> 192.0.2.1")
	for i, row := range []struct {
		where string
		call  func() error
	}{
		// One of the changes has its result by then.
		{"group", func() error {
			results := apply(w.Updater, to(host("alias"), "192.0.2.2"), to(host("x"), "192.0.2.2"))
			if e := errorOf(t, results[0]); e.Reason != zone.Conflict {
				t.Errorf("got %v", e)
			}
			return results[1].Err
		}},
		{"update", func() error { return apply(w.Updater, to(host("home"), "192.0.2.2"))[0].Err }},
		{"connect", func() error { return apply(w.open(t, "127.0.0.1:1"), to(host("home"), "192.0.2.2"))[0].Err }},
		{"query", func() error { _, err := w.open(t, w.proxy.Addr()).NameServers(t.Context()); return err }},
	} {
		raise.Store(row.where)
		if err := row.call(); err == nil || !strings.Contains(err.Error(), errPanic.Error()) {
			t.Errorf("%d: got %v", i, err)
		}
		if panics != i+1 {
			t.Errorf("%d: the hook was called %d times", i, panics)
		}
	}
	if r := apply(w.Updater, to(host("home"), "192.0.2.3"))[0]; r.Err != nil {
		t.Error(r.Err)
	}
}

// TestProbe lets a nameserver come back that nobody asks.
func TestProbe(t *testing.T) {
	health := make(chan bool, 10)
	w := newWorldWith(t, dnstest.Zone{}, Options{Hooks: Hooks{Health: func(_ string, up bool) { health <- up }}})
	w.proxy.Down()
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	w.Apply(ctx, []zone.Change{to(host("home"), "192.0.2.1")})
	if <-health {
		t.Error("up at first")
	}
	if w.Status().Servers[0].Up {
		t.Error("it does not rest")
	}
	w.proxy.Up()
	if !<-health || !w.Status().Servers[0].Up {
		t.Error("it still rests")
	}
	if s := w.Status(); s.Counts.Updates != 0 || s.Counts.Failed == 0 {
		t.Errorf("counts %+v", s.Counts)
	}
}

// FuzzAnything lets a nameserver with the right key answer anything.
func FuzzAnything(f *testing.F) {
	f.Add([]byte("\x02\x00\x00"), uint8(0), uint8(3))
	for i, line := range []string{
		"dyn.example.com. 60 NS ns1.dyn.example.com.", "home.dyn.example.com. 60 A 192.0.2.1", "corp.example. 60 DNAME other.example.",
		"home.dyn.example.com. 60 CNAME corp.example.", "com. 60 DNAME org.", ". 60 DNAME org.", "home.dyn.example.com. 60 NS x.",
		"home.dyn.example.com. 60 TXT \"\\000\" \"\"", "home.dyn.example.com. 60 AAAA ::",
	} {
		rr, err := dns.NewRR(line)
		if err != nil {
			f.Fatal(err)
		}
		m := &dns.Msg{Answer: []dns.RR{rr}}
		wire, err := m.Pack()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(wire[12:], uint8(i), uint8(3))
		f.Add(wire[12:], uint8(4), uint8(7))
	}
	server := dnstest.NewServer(dnstest.Zone{Name: zoneName, Keys: []dnstest.Key{serverKey(testKey)}})
	f.Cleanup(server.Close)
	proxy := dnstest.NewProxy(server.Addr())
	f.Cleanup(proxy.Close)
	key := serverKey(testKey)
	f.Fuzz(func(t *testing.T, records []byte, rcode, flags uint8) {
		messages := 0
		proxy.SetFault(func(x dnstest.Exchange) dnstest.Action {
			messages++
			if messages > 6 || flags&1 == 0 && x.Opcode == dns.OpcodeQuery || flags&2 == 0 && x.Opcode == dns.OpcodeUpdate {
				return dnstest.Pass()
			}
			signer := &key
			if flags&4 != 0 {
				signer = nil
			}
			return dnstest.Answer(signer, func(m *dns.Msg) {
				// The records stand in whichever section the flags say.
				wire, err := m.Pack()
				if err != nil {
					return
				}
				binary.BigEndian.PutUint16(wire[6+2*int(flags>>4%3):], 1)
				got := new(dns.Msg)
				if got.Unpack(append(wire, records...)) == nil {
					m.Answer, m.Ns, m.Extra = got.Answer, got.Ns, got.Extra
				}
				m.Rcode = int(rcode) & 0xf
				m.Authoritative = flags&8 == 0
			})
		})
		client := NewClient(Options{Hooks: Hooks{Panic: func(_ string, v any, stack []byte) { t.Errorf("panic: %v\n%s", v, stack) }}})
		defer client.Close()
		u, err := client.Open(ZoneConfig{Name: zoneName, Servers: []string{proxy.Addr()}, Key: testKey})
		if err != nil {
			t.Fatal(err)
		}
		defer u.Close()
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		guarded := to(host("home"), "192.0.2.1")
		guarded.NotNameServer = true
		results := u.Apply(ctx, []zone.Change{guarded, to(host("home"), "2001:db8::1"), {Name: host("x"), Type: zone.TypeTXT, Action: zone.Delete}})
		for _, r := range results {
			if r.Err != nil && len(fmt.Sprint(r.Err)) == 0 {
				t.Error("an error without words")
			}
		}
		_, _ = u.NameServers(ctx)
	})
}
