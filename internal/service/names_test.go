package service

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddy-dyndns/dyndns/internal/await"
	"github.com/caddy-dyndns/dyndns/zone"
)

func TestNames(t *testing.T) {
	tests := []struct {
		name   string
		client string
		host   Host
		want   string
		zone   string
		reason Reason
	}{
		{name: "as configured", host: pointed("home.dyn.test."), want: "home.dyn.test.", zone: "dyn.test."},
		{name: "without dot", host: pointed("home.dyn.test"), want: "home.dyn.test.", zone: "dyn.test."},
		{name: "upper case", host: pointed("HOME.Dyn.TEST"), want: "home.dyn.test.", zone: "dyn.test."},
		{name: "IDN", host: pointed("Müller.dyn.test"), want: "xn--mller-kva.dyn.test.", zone: "dyn.test."},
		{name: "IDN as A-label", host: pointed("xn--mller-kva.dyn.test"), want: "xn--mller-kva.dyn.test.", zone: "dyn.test."},
		{name: "wildcard", host: pointed("*.dyn.test"), want: "*.dyn.test.", zone: "dyn.test."},
		{name: "apex", host: pointed("dyn.test"), want: "dyn.test.", zone: "dyn.test."},
		{name: "sub-label", host: pointed("a.b.c.dyn.test"), want: "a.b.c.dyn.test.", zone: "dyn.test."},
		{name: "longest zone", host: pointed("home.deep.dyn.test"), want: "home.deep.dyn.test.", zone: "deep.dyn.test."},
		{name: "apex of the longer zone", host: pointed("deep.dyn.test"), want: "deep.dyn.test.", zone: "deep.dyn.test."},
		{name: "zone given", host: Host{Name: "home.dyn.test", Zone: "DYN.test."}, want: "home.dyn.test.", zone: "dyn.test."},
		{name: "shorter zone given", host: Host{Name: "home.deep.dyn.test", Zone: "dyn.test"}, want: "home.deep.dyn.test.", reason: BadName},
		{name: "longer zone given", host: Host{Name: "deep.dyn.test", Zone: "a.deep.dyn.test"}, want: "deep.dyn.test.", reason: BadName},
		{name: "no zone name given", host: Host{Name: "home.dyn.test", Zone: "dyn..test"}, want: "home.dyn.test.", reason: BadName},
		{name: "no label boundary", host: pointed("notdyn.test"), want: "notdyn.test.", reason: NoZone},
		{name: "no zone", host: pointed("home.example.com"), want: "home.example.com.", reason: NoZone},
		{name: "no zone, for who may name all", client: "all", host: pointed("home.example.com"), want: "home.example.com.", reason: NoZone},
		{name: "no zone, for who may not", client: "exact", host: pointed("home.example.com"), want: "home.example.com.", reason: NotGranted},
		{name: "no zone given, for who may not", client: "exact", host: Host{Name: "a.other.test", Zone: "nope.test"}, want: "a.other.test.", reason: NotGranted},
		{name: "underscore", host: pointed("_home.dyn.test"), want: "_home.dyn.test", reason: BadName},
		{name: "empty label", host: pointed("a..dyn.test"), want: "a..dyn.test", reason: BadName},
		{name: "empty", host: pointed(""), want: "", reason: BadName},
		{name: "an address", host: pointed("192.0.2.1"), want: "192.0.2.1", reason: BadName},
		{name: "wildcard in the middle", host: pointed("a.*.dyn.test"), want: "a.*.dyn.test", reason: BadName},
		{name: "markup", host: pointed("<b>.dyn.test"), want: "?b?.dyn.test", reason: BadName},
		{name: "too long", host: pointed(strings.Repeat("a.", 200) + "dyn.test"), want: strings.Repeat("a.", 40), reason: BadName},
		{name: "short names are not for this dialect", host: pointed("home"), want: "home.", reason: NoZone},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t)
			if tt.client == "" {
				tt.client = "secret"
			}
			tt.host.A = set("192.0.2.1")
			out := f.do(t, tt.client, Submission{Hosts: []Host{tt.host}})
			if out.Err != nil || len(out.Hosts) != 1 || out.Client != tt.client {
				t.Fatalf("got %+v", out)
			}
			h := out.Hosts[0]
			if h.Name != tt.want || h.Zone != tt.zone || reason(h.Err) != tt.reason {
				t.Errorf("got %s in %q, error %v", h.Name, h.Zone, h.Err)
			}
			if changed := tt.reason == ""; out.Changed() != changed || (f.written() > 0) != changed {
				t.Errorf("changed: %t, messages: %d", out.Changed(), f.written())
			}
			if h.Err != nil && len(h.Records) > 0 {
				t.Errorf("an error comes with %v", h.Records)
			}
		})
	}
}

func TestGrants(t *testing.T) {
	tests := []struct {
		name   string
		client string
		host   string
		reason Reason
	}{
		{"exact: its own", "exact", "home.dyn.test", ""},
		{"exact: in another zone", "exact", "home.deep.dyn.test", ""},
		{"exact: below its own", "exact", "a.home.dyn.test", NotGranted},
		{"exact: another", "exact", "work.dyn.test", NotGranted},
		{"exact: the nameserver", "exact", "ns1.dyn.test", ""},
		{"exact: the apex", "exact", "dyn.test", ""},
		{"exact: a wildcard below", "exact", "*.home.dyn.test", NotGranted},
		{"IDN pattern", "german", "MÜLLER.dyn.test", ""},
		{"below: one label", "below", "home.dyn.test", ""},
		{"below: three labels", "below", "a.b.c.dyn.test", ""},
		{"below: in a zone below", "below", "home.deep.dyn.test", ""},
		{"below: the apex", "below", "dyn.test", NotGranted},
		{"below: the apex of a zone below", "below", "deep.dyn.test", NotGranted},
		{"below: the nameserver", "below", "NS1.dyn.test", NotGranted},
		{"below: the nameserver of a zone below", "below", "ns1.deep.dyn.test", NotGranted},
		{"below: the nameserver of another zone", "below", "ns2.dyn.test", NotGranted},
		{"below: the literal wildcard", "below", "*.dyn.test", NotGranted},
		{"below: a deeper wildcard", "below", "*.a.dyn.test", NotGranted},
		{"below: no label boundary", "below", "notdyn.test", NotGranted},
		{"below: another zone", "below", "home.other.test", NotGranted},
		{"all: a host", "all", "home.other.test", ""},
		{"all: the apex", "all", "other.test", NotGranted},
		{"all: the nameserver", "all", "ns1.other.test", NotGranted},
		{"all: the nameserver of another zone", "all", "ns2.dyn.test", NotGranted},
		{"all: a wildcard", "all", "*.other.test", NotGranted},
		{"secret: the apex", "secret", "other.test", ""},
		{"secret: the nameserver", "secret", "ns1.other.test", ""},
		{"secret: a wildcard", "secret", "*.other.test", ""},
		{"router: a LAN host", "router", "nas.dyn.test", NotGranted},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t)
			f.other.servers = append(f.other.servers, "ns2.dyn.test.")
			out := f.do(t, tt.client, Submission{Hosts: []Host{pointed(tt.host)}})
			if got := reason(out.Hosts[0].Err); got != tt.reason {
				t.Errorf("got %v, want reason %q", out.Hosts[0].Err, tt.reason)
			}
			if (f.written() > 0) != (tt.reason == "") {
				t.Errorf("%d messages", f.written())
			}
		})
	}
}

// A zone that cannot be asked for its nameservers takes no other with it.
func TestGrantsWithoutOtherNameServers(t *testing.T) {
	f := newFixture(t)
	f.other.serversErr = &zone.Error{Reason: zone.Unreachable}
	out := f.do(t, "below", Submission{Hosts: []Host{pointed("home.dyn.test")}})
	if err := out.Hosts[0].Err; err != nil {
		t.Error(err)
	}
}

// While the nameservers are looked up again, what is known of them serves the others.
func TestNameServersWhileLookedUp(t *testing.T) {
	f := newFixture(t)
	change := Submission{Hosts: []Host{pointed("home.dyn.test")}}
	f.do(t, "below", change)
	f.nameServers.read = time.Now().Add(-time.Hour)
	f.other.held = make(chan struct{})
	slow := make(chan struct{})
	go func() {
		defer close(slow)
		f.do(t, "below", change)
	}()
	await.True(t, "the look-up to begin", func() bool {
		f.nameServers.mu.Lock()
		defer f.nameServers.mu.Unlock()
		return f.nameServers.running != nil
	})
	f.do(t, "below", change)
	select {
	case <-slow:
		t.Error("the look-up did not wait")
	default:
	}
	close(f.other.held)
	<-slow
}

// A request whose time is up does not wait for a look-up that hangs, whoever began it.
func TestNameServersHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.other.held = make(chan struct{})
		defer close(f.other.held)
		f.Timeout = time.Second
		began := time.Now()
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				out := f.do(t, "below", Submission{Hosts: []Host{pointed("home.dyn.test")}})
				if err := out.Hosts[0].Err; reason(err) != zone.Timeout {
					t.Errorf("got %v", err)
				}
			})
		}
		wg.Wait()
		if took := time.Since(began); took != f.Timeout {
			t.Errorf("it took %v", took)
		}
	})
}

// TestNameServersOfOtherZones shows whose nameservers a pattern does not cover
// while the other zone cannot be asked.
func TestNameServersOfOtherZones(t *testing.T) {
	down := &zone.Error{Reason: zone.Unreachable}
	tests := []struct {
		name string
		// now prepares the other zone, then an earlier moment, for which an hour has passed.
		before, now func(z *fakeZone)
		// restart forgets all but what was saved.
		restart bool
		reason  Reason
		warned  bool
	}{
		{name: "proven", reason: NotGranted},
		{name: "down, proven before", now: func(z *fakeZone) { z.serversErr = down }, before: func(*fakeZone) {}, reason: NotGranted},
		{name: "down, proven before the restart", now: func(z *fakeZone) { z.serversErr = down }, before: func(*fakeZone) {}, restart: true, reason: NotGranted},
		{name: "forged as empty, proven before", now: func(z *fakeZone) { z.servers, z.unproven = nil, true }, before: func(*fakeZone) {}, reason: NotGranted},
		{name: "moved", now: func(z *fakeZone) { z.servers = []string{"ns9.other.test."} }, before: func(*fakeZone) {}, reason: ""},
		{name: "only seen", now: func(z *fakeZone) { z.unproven = true }, reason: zone.Busy, warned: true},
		{name: "never seen", now: func(z *fakeZone) { z.serversErr = down }, reason: "", warned: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			warned := map[string]int{}
			f := newFixture(t, func(c *Config) { c.Warn = func(_, zone string, _ error) { warned[zone]++ } })
			f.other.servers = []string{"ns2.dyn.test."}
			ask := func() *Error {
				return f.do(t, "below", Submission{Hosts: []Host{pointed("ns2.dyn.test")}}).Hosts[0].Err
			}
			if tt.before != nil {
				if tt.before(f.other); reason(ask()) != NotGranted {
					t.Fatal("not protected at first")
				}
			}
			if tt.now != nil {
				tt.now(f.other)
			}
			f.nameServers.read = time.Time{}
			if tt.restart {
				f.Service = New(f.Config)
			}
			for range 2 {
				if err := ask(); reason(err) != tt.reason || (tt.reason == zone.Busy) != (err != nil && err.RetryAfter > 0) {
					t.Errorf("got %v, want reason %q", err, tt.reason)
				}
				f.nameServers.read = time.Time{}
			}
			if got := warned["other.test."]; (got == 1) != tt.warned || got > 1 {
				t.Errorf("%d warnings", got)
			}
		})
	}
}

// Who has a name exactly does not depend on the lookup that protects a zone.
func TestGrantsWithoutNameServers(t *testing.T) {
	tests := []struct {
		name   string
		client string
		err    error
		reason Reason
	}{
		{"by pattern, no answer", "below", &zone.Error{Reason: zone.Timeout}, zone.Timeout},
		{"by pattern, unreachable", "below", &zone.Error{Reason: zone.Unreachable}, zone.Unreachable},
		{"by pattern, another error", "below", errors.New("odd"), zone.Unreachable},
		{"exact", "exact", &zone.Error{Reason: zone.Timeout}, ""},
		{"secret", "secret", &zone.Error{Reason: zone.Timeout}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t)
			f.dyn.serversErr = tt.err
			out := f.do(t, tt.client, Submission{Hosts: []Host{pointed("home.dyn.test")}})
			if got := reason(out.Hosts[0].Err); got != tt.reason {
				t.Errorf("got %v, want reason %q", out.Hosts[0].Err, tt.reason)
			}
			if (f.written() > 0) != (tt.reason == "") {
				t.Errorf("%d messages", f.written())
			}
		})
	}
}

func TestShortNames(t *testing.T) {
	tests := []struct {
		name   string
		client string
		host   string
		want   string
		reason Reason
	}{
		{"label", "exact", "office", "office.dyn.test.", ""},
		{"upper case", "exact", "OFFICE", "office.dyn.test.", ""},
		{"whole name", "exact", "office.dyn.test", "office.dyn.test.", ""},
		{"IDN", "german", "Müller", "xn--mller-kva.dyn.test.", ""},
		{"A-label", "german", "xn--mller-kva", "xn--mller-kva.dyn.test.", ""},
		{"number", "german", "24", "24.dyn.test.", ""},
		{"full stop that is none in ASCII", "german", "24。dyn", "REDACTED", NotGranted},
		{"of two hosts", "exact", "home", "home", BadName},
		{"of none", "exact", "work", "work", NotGranted},
		{"a pattern's", "below", "home", "home", NotGranted},
		{"the secret has no hosts of its own", "secret", "home", "home", NotGranted},
		{"a LAN host", "router", "nas", "nas", NotGranted},
		{"empty", "exact", "", "", NotGranted},
		{"markup", "exact", "<b>", "?b?", NotGranted},
		{"wildcard", "exact", "*", "*", NotGranted},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t)
			out := f.do(t, tt.client, Submission{Hosts: []Host{pointed(tt.host)}, ShortNames: true})
			h := out.Hosts[0]
			if h.Name != tt.want || reason(h.Err) != tt.reason {
				t.Errorf("got %s, %v", h.Name, h.Err)
			}
		})
	}
}
