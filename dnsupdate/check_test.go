package dnsupdate

import (
	"context"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/caddy-dyndns/dyndns/dnsupdate/dnstest"
	"github.com/caddy-dyndns/dyndns/zone"
)

// stepNames shows the steps of a check in a row, with "!" behind those that failed
// and "?" behind warnings.
func stepNames(steps []zone.CheckStep) string {
	var names []string
	for _, s := range steps {
		name := s.Name
		switch {
		case s.Failed():
			name += "!"
		case s.Err != nil:
			name += "?"
		}
		names = append(names, name)
	}
	return strings.Join(names, ", ")
}

// onChanges passes on what changes nothing, and does something else to the
// messages that do.
func onChanges(f func(dnstest.Exchange) dnstest.Action) func(dnstest.Exchange) dnstest.Action {
	return dnstest.OnUpdates(func(x dnstest.Exchange) dnstest.Action {
		m := new(dns.Msg)
		if m.Unpack(x.Query) == nil && len(m.Ns) > 0 {
			return f(x)
		}
		return dnstest.Pass()
	})
}

const shortMinimum = "@ 3600 SOA ns hostmaster 1 7200 3600 1209600 60"

func TestCheck(t *testing.T) {
	const server = "reachable, key, clock, authoritative, updates"
	const good = server + ", write, read back, remove, SOA minimum"
	for _, row := range []struct {
		name  string
		zone  dnstest.Zone
		fault func(dnstest.Exchange) dnstest.Action
		clock time.Duration
		want  string
		hint  string // of the step that failed, or its detail
	}{
		{name: "good", want: good},
		{name: "long SOA minimum", zone: dnstest.Zone{Records: []string{"@ 3600 SOA ns hostmaster 1 7200 3600 1209600 300"}}, want: good + "?", hint: "remember for 300 s"},
		{name: "short SOA TTL", zone: dnstest.Zone{Records: []string{"@ 60 SOA ns hostmaster 1 7200 3600 1209600 300"}}, want: good},
		{name: "clock a little off", clock: time.Minute, want: good},
		{name: "clock off", clock: 10 * time.Minute, want: "reachable, key, clock!", hint: "the clocks differ by"},
		{name: "TXT not allowed", zone: dnstest.Zone{Allow: func(_, _ string, rrtype uint16) bool { return rrtype == dns.TypeA }}, want: server + ", write!, SOA minimum", hint: "update-policy"},
		{name: "secondary that refuses", fault: dnstest.OnUpdates(dnstest.Always(signedAs(dns.RcodeRefused))), want: "reachable, key, clock, authoritative, updates!", hint: "it may be a secondary: ask the primary, ns.dyn.example.com. by the SOA record"},
		{name: "secondary that does not forward", fault: dnstest.OnUpdates(dnstest.Always(signedAs(dns.RcodeNotImplemented))), want: "reachable, key, clock, authoritative, updates!", hint: "it may be a secondary"},
		{name: "secondary that refuses unsigned", fault: dnstest.OnUpdates(dnstest.Always(dnstest.RCode(dns.RcodeRefused))), want: "reachable, key, clock, authoritative, updates!", hint: "it may be a secondary"},
		{name: "no answer to updates", fault: dnstest.OnUpdates(dnstest.Always(dnstest.ResetBefore())), want: "reachable, key, clock, authoritative, updates!", hint: "could not be reached"},
		{name: "key unknown", fault: func(x dnstest.Exchange) dnstest.Action {
			if strings.Contains(string(x.Query), "ddns-key") {
				return dnstest.RCode(dns.RcodeRefused)
			}
			return dnstest.Pass()
		}, want: "reachable, key!", hint: "it may be a secondary: ask the primary"},
		{name: "refuses everything", fault: dnstest.Always(dnstest.RCode(dns.RcodeRefused)), want: "reachable, key!, authoritative!", hint: "REFUSED"},
		{name: "queries denied", fault: func(x dnstest.Exchange) dnstest.Action {
			if x.Opcode == dns.OpcodeQuery {
				return signedAs(dns.RcodeRefused)
			}
			return dnstest.Pass()
		}, want: "reachable, key, clock, authoritative!", hint: "does not let it query: BIND: allow-query"},
		{name: "zone not loaded", fault: dnstest.Always(signedAs(dns.RcodeServerFailure)), want: "reachable, key, clock, authoritative!", hint: "the nameserver's log says why"},
		{name: "nothing answers", fault: dnstest.Always(dnstest.Drop()), want: "reachable, answers!", hint: "overloaded or stopped, or no nameserver is at this port"},
		{name: "hangs up", fault: dnstest.Always(dnstest.ResetBefore()), want: "reachable, answers!", hint: "no nameserver at this port?"},
		{name: "garbage", fault: dnstest.Always(dnstest.Garbage()), want: "reachable, answers!", hint: "no nameserver at this port?"},
		{name: "unsigned", fault: dnstest.Always(dnstest.Unsigned()), want: "reachable, key!", hint: "something between here and the nameserver"},
		{name: "does not show it", fault: func(x dnstest.Exchange) dnstest.Action {
			m := new(dns.Msg)
			if x.Opcode == dns.OpcodeQuery && m.Unpack(x.Query) == nil && m.Question[0].Qtype == dns.TypeTXT {
				return signedAs(dns.RcodeNameError)
			}
			return dnstest.Pass()
		}, want: server + ", write, read back!, remove, SOA minimum", hint: "holds the record but does not show it"},
		{name: "drops what it acknowledges", fault: onChanges(dnstest.Always(signedAs(dns.RcodeSuccess))), want: server + ", write, read back!, remove, SOA minimum", hint: "lua-dnsupdate-policy-script"},
		{name: "cannot remove", fault: onChanges(dnstest.Sequence(dnstest.Pass(), signedAs(dns.RcodeRefused))), want: server + ", write, read back, remove!, SOA minimum", hint: "may still be there, remove it by hand"},
		{name: "written, and refused unsigned", fault: onChanges(dnstest.Sequence(dnstest.RCodeAfter(dns.RcodeRefused))), want: server + ", write!, remove, SOA minimum", hint: "had been written and is gone"},
		{name: "written, and always refused unsigned", fault: onChanges(dnstest.Always(dnstest.RCodeAfter(dns.RcodeRefused))), want: server + ", write!, remove!, SOA minimum", hint: "it may have been applied"},
		{name: "not written, and refused unsigned", fault: onChanges(dnstest.Always(dnstest.RCode(dns.RcodeRefused))), want: server + ", write!, remove, SOA minimum", hint: "should the message still arrive"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			if row.zone.Records == nil {
				row.zone.Records = []string{shortMinimum}
			}
			w := newWorldWith(t, row.zone, Options{})
			w.proxy.SetFault(row.fault)
			if row.clock != 0 {
				w.server.SetClock(func() time.Time { return time.Now().Add(row.clock) })
			}
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			before := w.zone.Records()
			steps := w.Check(ctx)
			if got := stepNames(steps); got != row.want {
				t.Errorf("got %s\nwant %s", got, row.want)
			}
			said := ""
			var remove zone.CheckStep
			for _, s := range steps {
				if s.Name == "remove" {
					remove = s
				}
				if s.Err != nil {
					said += s.Err.Error() + "\n"
				}
				said += s.Detail + "\n"
			}
			if !strings.Contains(said, row.hint) {
				t.Errorf("nobody says %q in\n%s", row.hint, said)
			}
			if !strings.Contains(row.want, "write!") && !strings.Contains(row.want, "remove!") && strings.Contains(said, "refused the update") {
				t.Errorf("nothing was to be updated:\n%s", said)
			}
			left := slices.ContainsFunc(w.zone.Records(), func(r string) bool { return strings.HasPrefix(r, "_dyndns-check-") })
			if left && (remove.Err == nil || !strings.Contains(remove.Detail, "remove it by hand")) {
				t.Errorf("the check left something without a word: %q, before %q", w.zone.Records(), before)
			}
		})
	}
}

// What is wrong with one server of a list is a warning if the whole way works.
func TestCheckServers(t *testing.T) {
	w := newWorld(t, shortMinimum)
	down := dnstest.NewProxy(w.server.Addr())
	t.Cleanup(down.Close)
	down.Down()
	foreign := dnstest.NewServer(dnstest.Zone{Name: "example.org", Keys: []dnstest.Key{serverKey(testKey)}})
	t.Cleanup(foreign.Close)
	above := dnstest.NewServer(dnstest.Zone{Name: "example.com", Keys: []dnstest.Key{serverKey(testKey)}})
	t.Cleanup(above.Close)
	u := w.open(t, down.Addr(), foreign.Addr(), above.Addr(), w.server.Addr())
	steps := u.Check(t.Context())
	const served = "reachable, key, clock, authoritative"
	if got, want := stepNames(steps), "reachable?, "+served+"?, "+served+"?, "+served+", updates, write, read back, remove, SOA minimum"; got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	for i, want := range map[int]struct{ server, text string }{
		0: {down.Addr(), "connection refused: nothing listens there"},
		4: {foreign.Addr(), "answered REFUSED to a query: it shows this machine no zone dyn.example.com."},
		8: {above.Addr(), "no zone begins at dyn.example.com. on nameserver " + above.Addr() + ": it serves example.com. there"},
	} {
		if s := steps[i]; s.Server != want.server || s.Failed() || !strings.Contains(s.Err.Error(), want.text) || strings.Contains(s.Err.Error(), "refused the update") {
			t.Errorf("step %d of %s says %v", i, s.Server, s.Err)
		}
	}
	if s := u.Status(); s.Zone != zoneName || s.Key != "ddns-key. (hmac-sha256)" || len(s.Servers) != 4 || s.Counts.Updates == 0 || s.Counts.Failed == 0 {
		t.Errorf("status %+v", s)
	}
	// Where nothing works, each is a failure.
	steps = w.open(t, down.Addr(), foreign.Addr()).Check(t.Context())
	if got, want := stepNames(steps), "reachable!, "+served+"!"; got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

// A dial that nobody answers is what a firewall makes.
func TestCheckFirewall(t *testing.T) {
	w := newWorldWith(t, dnstest.Zone{}, Options{}, func(ctx context.Context, _, _ string) (net.Conn, error) {
		<-ctx.Done()
		return nil, &net.OpError{Op: "dial", Err: context.DeadlineExceeded}
	})
	steps := w.Check(t.Context())
	if len(steps) != 1 || steps[0].Name != "reachable" || !steps[0].Failed() || !strings.Contains(steps[0].Err.Error(), "a firewall may drop the packets, so let TCP port 53 through") {
		t.Errorf("got %+v", steps)
	}
}

// The SOA record may name the very nameserver: then it is none of the secondaries.
func TestCheckPrimaryRefuses(t *testing.T) {
	for _, row := range []struct{ name, address string }{
		{"by its name", "ns.dyn.example.com"},
		{"by its address", "192.0.2.53"},
	} {
		t.Run(row.name, func(t *testing.T) {
			var w *world
			w = newWorldWith(t, dnstest.Zone{}, Options{
				Resolver: fakeResolver{addresses: map[string]string{"ns.dyn.example.com.": "192.0.2.53"}},
			}, func(ctx context.Context, network, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, network, w.proxy.Addr())
			})
			w.proxy.SetFault(dnstest.OnUpdates(dnstest.Always(signedAs(dns.RcodeRefused))))
			steps := w.open(t, row.address).Check(t.Context())
			last := steps[len(steps)-1]
			if last.Name != "updates" || last.Err == nil || strings.Contains(last.Err.Error(), "secondary") || !strings.Contains(last.Err.Error(), "its policy denies key ddns-key.") {
				t.Errorf("%s: %v", last.Name, last.Err)
			}
		})
	}
}

func TestNameServers(t *testing.T) {
	w := newWorld(t, "@ NS ns1", "@ NS NS.Example.net.", "sub NS other")
	want := []string{"ns.example.net.", "ns1." + zoneName}
	queries := w.zone.Messages().Queries
	storm(t, 10, func(int) {
		got, err := w.NameServers(context.Background())
		if err != nil || !slices.Equal(got.Names, want) || !got.Proven {
			t.Errorf("got %v, %v", got, err)
		}
	})
	if got := w.zone.Messages().Queries - queries; got != 1 {
		t.Errorf("%d queries, want 1", got)
	}
	// What was read once protects the zone's nameservers also while it is down.
	w.proxy.SetFault(dnstest.Always(dnstest.Drop()))
	w.nameServers.expires = time.Time{}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if got, err := w.NameServers(ctx); err != nil || !slices.Equal(got.Names, want) || !got.Proven {
		t.Errorf("got %v, %v", got, err)
	}
	w.proxy.SetFault(nil)
	u := w.open(t, "127.0.0.1:1")
	if got, err := u.NameServers(t.Context()); err == nil {
		t.Errorf("got %v from nobody", got)
	}
	ctx, cancel = context.WithCancel(t.Context())
	cancel()
	if _, err := w.open(t, w.proxy.Addr()).NameServers(ctx); err == nil {
		t.Error("an ended context was not noticed")
	}
}

func TestOpen(t *testing.T) {
	c := NewClient(Options{})
	for _, row := range []struct {
		name string
		zone ZoneConfig
		want string
	}{
		{"no name", ZoneConfig{Servers: []string{"ns"}, Key: testKey}, "zone: the name is empty"},
		{"no server", ZoneConfig{Name: "a", Key: testKey}, "zone a.: no nameserver"},
		{"no key", ZoneConfig{Name: "a", Servers: []string{"ns"}}, `zone a.: unknown algorithm: use one of`},
		{"server", ZoneConfig{Name: "a", Servers: []string{"ns/1"}, Key: testKey}, `zone a.: nameserver "ns/1" is not a host or host:port`},
		{"port", ZoneConfig{Name: "a", Servers: []string{"ns:99999"}, Key: testKey}, `zone a.: nameserver "ns:99999": "99999" is not a port`},
		{"two colons", ZoneConfig{Name: "a", Servers: []string{"a:b:c"}, Key: testKey}, `zone a.: nameserver "a:b:c" is not a host or host:port`},
	} {
		if _, err := c.Open(row.zone); err == nil || !strings.HasPrefix(err.Error(), row.want) {
			t.Errorf("%s: got %v, want %s", row.name, err, row.want)
		}
	}
	u, err := c.Open(ZoneConfig{Name: "A.example", Servers: []string{"ns", "192.0.2.1", "2001:db8::1", "[2001:db8::2]", "[2001:db8::3]:5353", "ns:domain"}, Key: testKey})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range u.Status().Servers {
		got = append(got, s.Address)
	}
	if want := "ns:53 192.0.2.1:53 [2001:db8::1]:53 [2001:db8::2]:53 [2001:db8::3]:5353 ns:domain"; strings.Join(got, " ") != want {
		t.Errorf("got %q, want %s", got, want)
	}
}
