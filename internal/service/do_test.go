package service

import (
	"context"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddy-dyndns/dyndns/zone"
)

func TestTTL(t *testing.T) {
	seconds := func(n uint32) *uint32 { return &n }
	tests := []struct {
		name string
		ttl  *uint32
		host string
		want uint32
		bad  bool
	}{
		{name: "the zone's", host: "home.dyn.test", want: 300},
		{name: "the other zone's", host: "home.deep.dyn.test", want: 60},
		{name: "the request's", ttl: seconds(3600), host: "home.dyn.test", want: 3600},
		{name: "least", ttl: seconds(60), host: "home.dyn.test", want: 60},
		{name: "most", ttl: seconds(86400), host: "home.dyn.test", want: 86400},
		{name: "too small", ttl: seconds(59), host: "home.dyn.test", bad: true},
		{name: "zero", ttl: seconds(0), host: "home.dyn.test", bad: true},
		{name: "too large", ttl: seconds(86401), host: "home.dyn.test", bad: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t)
			out := f.do(t, "exact", Submission{Hosts: []Host{pointed(tt.host)}, TTL: tt.ttl})
			if tt.bad {
				if reason(out.Err) != BadParameter || f.written() > 0 {
					t.Errorf("got %v and %d messages", out.Err, f.written())
				}
				return
			}
			if out.Err != nil || out.Hosts[0].Err != nil {
				t.Fatal(out.Err, out.Hosts[0].Err)
			}
			if got := out.Hosts[0].Records[0].TTL; got != tt.want {
				t.Errorf("got %d, want %d", got, tt.want)
			}
		})
	}
}

// line is an outcome as one comparable text.
func line(h HostOutcome) string {
	if h.Err != nil {
		return fmt.Sprintf("%s error %v", h.Name, h.Err.Reason)
	}
	var b strings.Builder
	b.WriteString(h.Name)
	for _, r := range h.Records {
		fmt.Fprintf(&b, " %v %v>%v", r.Type, r.Old, r.New)
	}
	return b.String()
}

func lines(outcomes []HostOutcome) []string {
	var all []string
	for _, h := range outcomes {
		all = append(all, line(h))
	}
	return all
}

func TestSeveralHosts(t *testing.T) {
	timeout := &zone.Error{Reason: zone.Timeout}
	tests := []struct {
		name   string
		client string
		fail   func(*fixture)
		hosts  []string
		want   []string
		// messages are how many were sent to each zone.
		messages [3]int
	}{
		{
			name:  "one zone, one message",
			hosts: []string{"a.dyn.test", "b.dyn.test"},
			want:  []string{"a.dyn.test. A []>[192.0.2.1]", "b.dyn.test. A []>[192.0.2.1]"}, messages: [3]int{1, 0, 0},
		},
		{
			name:  "three zones, interleaved",
			hosts: []string{"a.dyn.test", "a.other.test", "b.deep.dyn.test", "c.dyn.test", "b.other.test"},
			want: []string{
				"a.dyn.test. A []>[192.0.2.1]", "a.other.test. A []>[192.0.2.1]", "b.deep.dyn.test. A []>[192.0.2.1]",
				"c.dyn.test. A []>[192.0.2.1]", "b.other.test. A []>[192.0.2.1]",
			}, messages: [3]int{1, 1, 1},
		},
		{
			name:     "of two zones one fails",
			fail:     func(f *fixture) { f.other.err = timeout },
			hosts:    []string{"a.dyn.test", "a.other.test"},
			want:     []string{"a.dyn.test. A []>[192.0.2.1]", fmt.Sprint("a.other.test. error ", zone.Timeout)},
			messages: [3]int{1, 0, 1},
		},
		{
			name:     "of two names in a zone one fails",
			fail:     func(f *fixture) { f.dyn.errs["a.dyn.test."] = &zone.Error{Reason: zone.Conflict} },
			hosts:    []string{"a.dyn.test", "b.dyn.test"},
			want:     []string{fmt.Sprint("a.dyn.test. error ", zone.Conflict), "b.dyn.test. A []>[192.0.2.1]"},
			messages: [3]int{1, 0, 0},
		},
		{
			name:     "a duplicate tells the same and is sent once",
			hosts:    []string{"a.dyn.test", "b.dyn.test", "A.dyn.test."},
			want:     []string{"a.dyn.test. A []>[192.0.2.1]", "b.dyn.test. A []>[192.0.2.1]", "a.dyn.test. A []>[192.0.2.1]"},
			messages: [3]int{1, 0, 0},
		},
		{
			name:     "a duplicate of what fails",
			fail:     func(f *fixture) { f.dyn.err = timeout },
			hosts:    []string{"a.dyn.test", "a.dyn.test"},
			want:     []string{fmt.Sprint("a.dyn.test. error ", zone.Timeout), fmt.Sprint("a.dyn.test. error ", zone.Timeout)},
			messages: [3]int{1, 0, 0},
		},
		{
			name:   "bad, foreign and good ones",
			client: "exact",
			hosts:  []string{"_.dyn.test", "work.dyn.test", "home.dyn.test", "work.dyn.test"},
			want: []string{
				fmt.Sprint("_.dyn.test error ", BadName), fmt.Sprint("work.dyn.test. error ", NotGranted),
				"home.dyn.test. A []>[192.0.2.1]", fmt.Sprint("work.dyn.test. error ", NotGranted),
			}, messages: [3]int{1, 0, 0},
		},
		{
			name:   "none is granted",
			client: "exact",
			hosts:  []string{"work.dyn.test", "work.other.test"},
			want:   []string{fmt.Sprint("work.dyn.test. error ", NotGranted), fmt.Sprint("work.other.test. error ", NotGranted)},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t)
			if tt.fail != nil {
				tt.fail(f)
			}
			if tt.client == "" {
				tt.client = "secret"
			}
			var sub Submission
			for _, h := range tt.hosts {
				sub.Hosts = append(sub.Hosts, pointed(h))
			}
			out := f.do(t, tt.client, sub)
			if out.Err != nil {
				t.Fatal(out.Err)
			}
			if got := lines(out.Hosts); !slices.Equal(got, tt.want) {
				t.Errorf("got  %q\nwant %q", got, tt.want)
			}
			if got := [3]int{len(f.dyn.applied), len(f.deep.applied), len(f.other.applied)}; got != tt.messages {
				t.Errorf("got %v messages, want %v", got, tt.messages)
			}
		})
	}
}

// What was changed stands in the outcome although something else failed.
func TestPartOfAHost(t *testing.T) {
	f := newFixture(t)
	f.dyn.errs["_acme-challenge.home.dyn.test."] = &zone.Error{Reason: zone.Refused}
	home := pointed("home.dyn.test")
	home.Challenge = Wish{Action: zone.Add, Values: []string{digest(1)}}
	for i, want := range []string{"A []>[192.0.2.1]", "A [192.0.2.1]>[192.0.2.1]"} {
		out := f.do(t, "secret", Submission{Hosts: []Host{home, home}})
		if changed := i == 0; out.Changed() != changed {
			t.Errorf("changed: %t, want %t", out.Changed(), changed)
		}
		for _, h := range out.Hosts {
			err := h.Err
			h.Err = nil
			if reason(err) != zone.Refused || line(h) != "home.dyn.test. "+want {
				t.Errorf("got %s, %v", line(h), err)
			}
		}
	}
}

// An address of the other family can leave nothing to do.
func TestNothingToDo(t *testing.T) {
	f := newFixture(t)
	out := f.do(t, "exact", Submission{
		Hosts:    []Host{{Name: "home.dyn.test", AAAA: Wish{Detect: true}}},
		Detected: netip.MustParseAddr("192.0.2.7"),
	})
	if got := lines(out.Hosts); out.Err != nil || !slices.Equal(got, []string{"home.dyn.test."}) || f.written() > 0 {
		t.Errorf("got %v, %q and %d messages", out.Err, got, f.written())
	}
}

// A family that is only reported can be told from one that was submitted.
func TestKept(t *testing.T) {
	f := newFixture(t)
	host := pointed("home.dyn.test")
	host.AAAA = Wish{Action: zone.Keep}
	for _, r := range f.do(t, "exact", Submission{Hosts: []Host{host}}).Hosts[0].Records {
		if r.Kept != (r.Type == zone.TypeAAAA) {
			t.Errorf("%s: kept %v", r.Type, r.Kept)
		}
	}
}

// A submission may be carried out again, for another client or from another address.
func TestSubmissionIsNotChanged(t *testing.T) {
	f := newFixture(t)
	detect := Wish{Detect: true, Action: zone.Keep}
	hosts := []Host{{Name: "router.dyn.test", A: detect, AAAA: detect}, {Name: "_.dyn.test", AAAA: detect}}
	before := slices.Clone(hosts)
	sub := Submission{Hosts: hosts, Prefix: netip.MustParsePrefix("2001:db8::/56")}
	for _, address := range []string{"192.0.2.7", "2001:db8::7", "192.0.2.8"} {
		sub.Detected = netip.MustParseAddr(address)
		out := f.do(t, "router", sub)
		if err := out.Hosts[0].Err; err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(hosts, before) {
			t.Fatalf("from %s: the hosts became %+v", address, hosts)
		}
	}
	if got := f.dyn.get("router.dyn.test.", zone.TypeA); !slices.Equal(got, []string{"192.0.2.8"}) {
		t.Errorf("got %q", got)
	}
}

func TestErrorMapping(t *testing.T) {
	const url = "https://api.test/?token=0123456789abcdef"
	tests := []struct {
		name    string
		err     error
		want    Reason
		message string
	}{
		{"refused", &zone.Error{Reason: zone.Refused, Zone: "z."}, zone.Refused, "the nameserver refused the update for zone z."},
		{"unreachable", &zone.Error{Reason: zone.Unreachable, Zone: "z."}, zone.Unreachable, "the nameserver could not be reached for zone z."},
		{"timeout", &zone.Error{Reason: zone.Timeout, Zone: "z."}, zone.Timeout, "no answer in time for zone z."},
		{"busy", &zone.Error{Reason: zone.Busy, Zone: "z."}, zone.Busy, "the change has to wait for zone z."},
		{"conflict", &zone.Error{Reason: zone.Conflict, Zone: "z."}, zone.Conflict, "no record can stand for zone z."},
		{"invalid", &zone.Error{Reason: zone.Invalid, Zone: "z."}, zone.Invalid, "the change is not valid for zone z."},
		{"a nameserver's name", &zone.Error{Reason: zone.NameServer, Name: "a.z."}, NotGranted, "you may not change a.z."},
		{"no reason", &zone.Error{Zone: "z."}, zone.Unreachable, "the nameserver could not be reached for zone z."},
		{"a reason of its own", &zone.Error{Reason: "quota of 0123456789", Zone: "z."}, zone.Unreachable, "the nameserver could not be reached for zone z."},
		{"a reason that is not a backend's", &zone.Error{Reason: BadCredential, Zone: "z."}, zone.Unreachable, "the nameserver could not be reached for zone z."},
		{"wrapped", fmt.Errorf("asking %s: %w", url, &zone.Error{Reason: zone.Busy, Zone: "z."}), zone.Busy, "the change has to wait for zone z."},
		{"another", fmt.Errorf("asking %s: no route", url), zone.Unreachable, "what changes the zone failed"},
		{"nil in an interface", (*zone.Error)(nil), zone.Unreachable, "what changes the zone failed"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t)
			f.dyn.err = tt.err
			out := f.do(t, "exact", Submission{Hosts: []Host{pointed("home.dyn.test")}})
			h := out.Hosts[0]
			if out.Err != nil || reason(h.Err) != tt.want {
				t.Fatalf("got %v and %v, want reason %q", out.Err, h.Err, tt.want)
			}
			if h.Err.Message != tt.message || tt.want != NotGranted && h.Err.Cause.Error() != fmt.Sprint(tt.err) {
				t.Errorf("got %q, cause %v", h.Err.Message, h.Err.Cause)
			}
			if (h.Err.RetryAfter > 0) != (tt.want == zone.Busy) {
				t.Errorf("retry after %v", h.Err.RetryAfter)
			}
		})
	}
}

// The nameserver's work is bounded, whatever the request's own deadline is.
func TestTimeout(t *testing.T) {
	f := newFixture(t)
	f.Timeout = time.Hour
	var got time.Time
	f.Zones[0].Backend = deadlineZone{f.dyn, &got}
	f.do(t, "secret", Submission{Hosts: []Host{pointed("home.dyn.test")}})
	if left := time.Until(got); left <= 0 || left > time.Hour {
		t.Errorf("the deadline is in %v", left)
	}
}

// deadlineZone notes the deadline of an Apply.
type deadlineZone struct {
	*fakeZone
	deadline *time.Time
}

func (z deadlineZone) Apply(ctx context.Context, changes []zone.Change) []zone.Result {
	*z.deadline, _ = ctx.Deadline()
	return z.fakeZone.Apply(ctx, changes)
}

// panicZone has a defect in everything that it can do.
type panicZone struct{}

func (panicZone) Apply(context.Context, []zone.Change) []zone.Result    { panic("apply") }
func (panicZone) Check(context.Context) []zone.CheckStep                { panic("check") }
func (panicZone) NameServers(context.Context) (zone.NameServers, error) { panic("name servers") }

// A panic in a backend is an error of its changes and a line in the log.
func TestBackendPanics(t *testing.T) {
	var mu sync.Mutex
	warned := 0
	f := newFixture(t, func(c *Config) {
		c.Warn = func(message, _ string, err error) {
			mu.Lock()
			defer mu.Unlock()
			if strings.HasPrefix(message, "internal error") && strings.Contains(err.Error(), "goroutine") {
				warned++
			}
		}
	})
	f.Zones[2].Backend = panicZone{}
	out := f.do(t, "all", Submission{Hosts: []Host{pointed("home.dyn.test"), pointed("home.other.test")}})
	if len(out.Hosts) != 2 || out.Hosts[0].Err != nil || reason(out.Hosts[1].Err) != zone.Unreachable {
		t.Errorf("got %+v", out)
	}
	if check := f.do(t, "all", Submission{Check: true}); check.Result() != Failed {
		t.Errorf("the check: %+v", check)
	}
	if warned != 3 {
		t.Errorf("%d panics are in the log, want 3", warned)
	}
}
