package dnsupdate

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/caddy-dyndns/dyndns/dnsupdate/dnstest"
)

// stepNames shows the steps of a check in a row, with "!" behind those that failed.
func stepNames(steps []CheckStep) string {
	var names []string
	for _, s := range steps {
		name := s.Name
		if s.Err != nil {
			name += "!"
		}
		names = append(names, name)
	}
	return strings.Join(names, ", ")
}

func TestCheck(t *testing.T) {
	const good = "reachable, key, clock, authoritative"
	for _, row := range []struct {
		name  string
		zone  dnstest.Zone
		fault func(dnstest.Exchange) dnstest.Action
		clock time.Duration
		want  string
		hint  string
	}{
		{name: "good", want: good + ", write, read back, remove"},
		{name: "clock a little off", clock: time.Minute, want: good + ", write, read back, remove"},
		{name: "clock off", clock: 10 * time.Minute, want: "reachable, key, clock!", hint: "the clocks differ by"},
		{name: "TXT not allowed", zone: dnstest.Zone{Allow: func(_, _ string, rrtype uint16) bool { return rrtype == dns.TypeA }}, want: good + ", write!", hint: "update-policy"},
		{name: "no answer to the write", fault: dnstest.OnUpdates(dnstest.Sequence(dnstest.RCode(dns.RcodeRefused))), want: good + ", write!, remove"},
		{name: "key unknown", fault: dnstest.Always(dnstest.RCode(dns.RcodeRefused)), want: "reachable, key!", hint: "key ddns-key."},
		{name: "nothing answers", fault: dnstest.Always(dnstest.Drop()), want: "reachable, key!"},
		{name: "does not show it", fault: func(x dnstest.Exchange) dnstest.Action {
			m := new(dns.Msg)
			if x.Opcode == dns.OpcodeQuery && m.Unpack(x.Query) == nil && m.Question[0].Qtype == dns.TypeTXT {
				return signedAs(dns.RcodeNameError)
			}
			return dnstest.Pass()
		}, want: good + ", write, read back!, remove", hint: "does not show it"},
		{name: "cannot remove", fault: dnstest.OnUpdates(dnstest.Sequence(dnstest.Pass(), signedAs(dns.RcodeRefused))), want: good + ", write, read back, remove!"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
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
			last := steps[len(steps)-1]
			for _, s := range steps {
				if s.Err != nil && !strings.Contains(s.Err.Error(), row.hint) {
					t.Errorf("%s: %v", s.Name, s.Err)
				}
			}
			left := slices.ContainsFunc(w.zone.Records(), func(r string) bool { return strings.HasPrefix(r, "_dyndns-check-") })
			if last.Name == "remove" && last.Err != nil {
				if !left || !strings.Contains(last.Detail, "remove it by hand") {
					t.Errorf("the failed removal says %q", last.Detail)
				}
			} else if left {
				t.Errorf("the check left something: %q, before %q", w.zone.Records(), before)
			}
		})
	}
}

// TestCheckServers tests every server of a list, and writes if one is good.
func TestCheckServers(t *testing.T) {
	w := newWorld(t)
	down := dnstest.NewProxy(w.server.Addr())
	t.Cleanup(down.Close)
	down.Down()
	foreign := dnstest.NewServer(dnstest.Zone{Name: "example.org", Keys: []dnstest.Key{serverKey(testKey)}})
	t.Cleanup(foreign.Close)
	u := w.open(t, down.Addr(), foreign.Addr(), w.server.Addr())
	steps := u.Check(t.Context())
	if got, want := stepNames(steps), "reachable!, reachable, key, clock, authoritative!, reachable, key, clock, authoritative, write, read back, remove"; got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	if steps[0].Server != down.Addr() || steps[4].Server != foreign.Addr() {
		t.Errorf("the steps name other servers: %+v", steps)
	}
	if s := u.Status(); s.Zone != zoneName || s.Key != "ddns-key. (hmac-sha256)" || len(s.Servers) != 3 || s.Counts.Updates == 0 || s.Counts.Failed == 0 {
		t.Errorf("status %+v", s)
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
		{"no key", ZoneConfig{Name: "a", Servers: []string{"ns"}}, `zone a.: key : unknown algorithm ""`},
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
