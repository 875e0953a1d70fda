package service

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddy-dyndns/dyndns/clients"
	"github.com/caddy-dyndns/dyndns/internal/quota"
	"github.com/caddy-dyndns/dyndns/zone"
)

// recordSource finds the clients of records.
type recordSource []*clients.Record

func (s recordSource) FindClient(_ context.Context, d clients.Digest) (*clients.Client, error) {
	config := clients.NewConfig([]string{"dyn.test.", "deep.dyn.test.", "other.test."})
	for _, r := range s {
		if r.Lists(d) {
			return config.RecordClient(r, d)
		}
	}
	return nil, nil
}

// withRecords makes these the clients of the fixture, each with the token of its name.
func withRecords(records ...*clients.Record) func(*Config) {
	for _, r := range records {
		r.Tokens = []clients.Token{{Digest: clients.DigestOf(token(r.Name))}}
	}
	return func(c *Config) { c.Clients, c.Quota = recordSource(records), quota.New() }
}

// told returns what became of each name and its records, as one text.
func told(out Outcome) string {
	var parts []string
	if out.Err != nil {
		parts = append(parts, string(out.Err.Reason))
	}
	for h := range out.Names() {
		text := strings.TrimSuffix(h.Name, ".test.")
		for _, r := range h.Records {
			text += " " + r.Result().String()
		}
		if h.Err != nil {
			text += " " + string(h.Err.Reason)
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, ", ")
}

func TestLimit(t *testing.T) {
	host := func(name, address string) Submission {
		return Submission{Hosts: []Host{{Name: name, A: set(address), AAAA: Wish{Action: zone.Keep}}}}
	}
	both := func(v4, v6 string) Submission {
		return Submission{Hosts: []Host{{Name: "home.dyn.test", A: set(v4), AAAA: set(v6)}}}
	}
	remove := Submission{Hosts: []Host{{Name: "home.dyn.test", A: Wish{Action: zone.Delete}, AAAA: Wish{Action: zone.Delete}}}}
	prefix := Submission{Hosts: []Host{{Name: "home.dyn.test", A: set("192.0.2.1")}}, Prefix: netip.MustParsePrefix("2001:db8:1::/56")}
	move := func(p string) Submission {
		return Submission{Hosts: []Host{{Name: "home.dyn.test", A: Wish{Action: zone.Keep}, AAAA: Wish{Action: zone.Set, Move: true}}}, Prefix: netip.MustParsePrefix(p)}
	}
	single := func(action zone.Action, address string) Submission {
		return Submission{Hosts: []Host{{Name: "home.dyn.test", A: Wish{Action: action, Values: []string{address}}}}}
	}
	record := func() *clients.Record {
		return &clients.Record{Name: "limited", Hosts: []string{"home.dyn.test", "cam.other.test"}, Limit: &clients.RecordLimit{Changes: 3, Per: "3h"}}
	}
	type step struct {
		after time.Duration
		sub   Submission
		want  string
	}
	for _, tt := range []struct {
		name  string
		lan   []clients.RecordLAN
		steps []step
	}{
		{"changes", nil, []step{
			{0, host("home.dyn.test", "192.0.2.1"), "home.dyn updated unchanged"},
			{0, host("home.dyn.test", "192.0.2.2"), "home.dyn updated unchanged"},
			{0, host("home.dyn.test", "192.0.2.3"), "home.dyn updated unchanged"},
			{0, host("home.dyn.test", "192.0.2.4"), "home.dyn unchanged limit_reached"},
			{0, host("home.dyn.test", "192.0.2.3"), "home.dyn unchanged unchanged"},
			{59 * time.Minute, host("home.dyn.test", "192.0.2.4"), "home.dyn unchanged limit_reached"},
			{time.Minute, host("home.dyn.test", "192.0.2.4"), "home.dyn updated unchanged"},
			{0, remove, "home.dyn unchanged limit_reached"},
			{time.Hour, remove, "home.dyn deleted unchanged"},
			{0, remove, "home.dyn unchanged unchanged"},
		}},
		{"what stays does not count", nil, []step{
			{0, host("home.dyn.test", "192.0.2.1"), "home.dyn updated unchanged"},
			{0, host("home.dyn.test", "192.0.2.1"), "home.dyn unchanged unchanged"},
			{0, host("home.dyn.test", "192.0.2.1"), "home.dyn unchanged unchanged"},
			{0, host("home.dyn.test", "192.0.2.1"), "home.dyn unchanged unchanged"},
			{0, host("home.dyn.test", "192.0.2.2"), "home.dyn updated unchanged"},
			{0, host("home.dyn.test", "192.0.2.3"), "home.dyn updated unchanged"},
		}},
		{"a request is not cut in two", nil, []step{
			{0, both("192.0.2.1", "2001:db8::1"), "home.dyn updated updated"},
			{0, both("192.0.2.2", "2001:db8::2"), "home.dyn updated updated"},
			{0, both("192.0.2.3", "2001:db8::2"), "home.dyn unchanged limit_reached"},
			{time.Hour, both("192.0.2.3", "2001:db8::2"), "home.dyn unchanged limit_reached"},
			{time.Hour, both("192.0.2.3", "2001:db8::2"), "home.dyn updated unchanged"},
		}},
		{"two zones", nil, []step{
			{0, both("192.0.2.1", "2001:db8::1"), "home.dyn updated updated"},
			{0, host("cam.other.test", "192.0.2.1"), "cam.other updated unchanged"},
			{0, Submission{Hosts: []Host{{Name: "home.dyn.test", A: set("192.0.2.1")}, {Name: "cam.other.test", A: set("192.0.2.9")}}}, "home.dyn unchanged, cam.other limit_reached"},
		}},
		{"both families and the LAN at once", []clients.RecordLAN{{Name: "nas.dyn.test", InterfaceID: "::a"}, {Name: "tv.dyn.test", InterfaceID: "::b"}}, []step{
			{0, prefix, "home.dyn updated, nas.dyn updated, tv.dyn updated"},
			{0, host("home.dyn.test", "192.0.2.2"), "home.dyn updated unchanged"},
			{0, prefix, "home.dyn limit_reached, nas.dyn unchanged, tv.dyn unchanged"},
		}},
		{"single values and service bindings", nil, []step{
			{0, single(zone.Add, "192.0.2.1"), "home.dyn updated"},
			{0, single(zone.Add, "192.0.2.2"), "home.dyn updated"},
			{0, Submission{Hosts: []Host{{Name: "home.dyn.test", HTTPS: set("1 .")}}}, "home.dyn updated"},
			{0, single(zone.Add, "192.0.2.3"), "home.dyn limit_reached"},
			{0, single(zone.Remove, "192.0.2.1"), "home.dyn limit_reached"},
			{0, single(zone.Add, "192.0.2.1"), "home.dyn unchanged"},
			{0, single(zone.Remove, "192.0.2.9"), "home.dyn unchanged"},
			{0, Submission{Hosts: []Host{{Name: "home.dyn.test", HTTPS: set("2 .")}}}, "home.dyn limit_reached"},
			{0, Submission{Hosts: []Host{{Name: "home.dyn.test", HTTPS: set("1 .")}}}, "home.dyn unchanged"},
		}},
		{"moves", nil, []step{
			{0, both("192.0.2.1", "2001:db8:1::1"), "home.dyn updated updated"},
			{0, move("2001:db8:2::/48"), "home.dyn unchanged updated"},
			{0, move("2001:db8:2::/48"), "home.dyn unchanged unchanged"},
			{0, move("2001:db8:3::/48"), "home.dyn unchanged limit_reached"},
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := record()
				r.LAN = tt.lan
				f := newFixture(t, withRecords(r))
				for i, step := range tt.steps {
					time.Sleep(step.after)
					out := f.do(t, "limited", step.sub)
					if got := told(out); got != step.want {
						t.Fatalf("step %d: got %s, want %s", i, got, step.want)
					}
					for h := range out.Names() {
						if h.Err != nil && (h.Err.RetryAfter <= 0 || h.Err.RetryAfter > 3*time.Hour) {
							t.Errorf("step %d: try again after %v", i, h.Err.RetryAfter)
						}
					}
				}
			})
		})
	}
}

// Challenges do not count, and a client that has reached its limit still gets its certificate.
func TestLimitChallenges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, withRecords(&clients.Record{Name: "limited", Hosts: []string{"home.dyn.test"}, Limit: &clients.RecordLimit{Changes: 1, Per: "1h"}}))
		text := func(n int) Submission {
			return Submission{Hosts: []Host{{Name: "home.dyn.test", Challenge: Wish{Action: zone.Add, Values: []string{digest(n)}}}}}
		}
		for n := range 2 {
			f.do(t, "limited", Submission{Hosts: []Host{pointed("home.dyn.test")}})
			f.do(t, "limited", Submission{Hosts: []Host{{Name: "home.dyn.test", A: set("192.0.2.7")}}})
			if got := told(f.do(t, "limited", text(n))); got != "home.dyn updated" {
				t.Errorf("got %s", got)
			}
		}
	})
}

// Requests at once do not share what is left.
func TestLimitTogether(t *testing.T) {
	f := newFixture(t, withRecords(&clients.Record{Name: "limited", Hosts: []string{"*.dyn.test"}, Limit: &clients.RecordLimit{Changes: 5, Per: "1h"}}))
	var all sync.WaitGroup
	for n := range 50 {
		client := f.client(t, "limited")
		all.Go(func() {
			f.Do(t.Context(), client, Submission{Hosts: []Host{{Name: fmt.Sprintf("h%d.dyn.test", n), A: set("192.0.2.1")}}})
		})
	}
	all.Wait()
	n := 0
	for _, held := range f.dyn.records {
		n += len(held.values)
	}
	if n != 5 {
		t.Errorf("%d names were changed", n)
	}
}

// A client that is known and may not ask gets another refusal than one with a wrong
// token, and does not count as one.
func TestMayNotAsk(t *testing.T) {
	f := newFixture(t, withRecords(
		&clients.Record{Name: "inside", Hosts: []string{"home.dyn.test"}, From: []string{"192.0.2.0/25", "2001:db8::1"}},
		&clients.Record{Name: "disabled", Hosts: []string{"home.dyn.test"}, Disabled: true},
	))
	f.Limit.Burst = 1
	for _, tt := range []struct {
		client, from string
		want         Reason
	}{
		{"inside", "192.0.2.1", ""},
		{"inside", "2001:db8::1", ""},
		{"inside", "192.0.2.128", WrongNetwork},
		{"inside", "2001:db8::2", WrongNetwork},
		{"inside", "", WrongNetwork},
		{"disabled", "192.0.2.1", ClientDisabled},
	} {
		var from netip.Addr
		if tt.from != "" {
			from = netip.MustParseAddr(tt.from)
		}
		for range 3 { // it is not throttled
			client, err := f.Authenticate(t.Context(), Credential{Secrets: []string{token(tt.client)}}, from, noon)
			if reason(err) != tt.want || client == nil || client.Name != tt.client {
				t.Errorf("%s from %s: got %v, %v, want %q", tt.client, tt.from, client, err, tt.want)
			}
		}
	}
}

// An owner's token changes nothing, whatever its client may change.
func TestOwner(t *testing.T) {
	r := &clients.Record{Name: "person", Hosts: []string{"*"}}
	change := withRecords(r)
	r.Owner = r.Tokens
	r.Tokens = nil
	f := newFixture(t, change)
	for name, sub := range map[string]Submission{"update": {Hosts: []Host{pointed("home.dyn.test")}}, "check": {Check: true}} {
		if got := told(f.do(t, "person", sub)); got != string(NotGranted) || f.written() > 0 {
			t.Errorf("%s: got %s", name, got)
		}
	}
}

func TestPurge(t *testing.T) {
	f := newFixture(t)
	f.dyn.seed("home.dyn.test.", zone.TypeA, "192.0.2.1")
	f.dyn.seed("home.dyn.test.", zone.TypeAAAA, "2001:db8::1")
	f.dyn.seed("home.dyn.test.", zone.TypeTXT, "text")
	f.dyn.seed("home.dyn.test.", zone.TypeHTTPS, "1 . ipv4hint=192.0.2.1")
	f.dyn.seed("_x.home.dyn.test.", zone.TypeTXT, "text")
	f.dyn.seed("office.dyn.test.", zone.TypeA, "192.0.2.2")
	f.other.seed("cam.other.test.", zone.TypeA, "192.0.2.3")
	failed := f.Purge(t.Context(), []string{"home.dyn.test.", "_x.home.dyn.test.", "cam.other.test.", "gone.dyn.test.", "elsewhere.invalid."})
	if len(failed) > 0 {
		t.Errorf("failed: %v", failed)
	}
	for _, left := range []struct {
		zone *fakeZone
		name string
		kind zone.Type
		want int
	}{
		{f.dyn, "home.dyn.test.", zone.TypeA, 0}, {f.dyn, "home.dyn.test.", zone.TypeAAAA, 0}, {f.dyn, "home.dyn.test.", zone.TypeTXT, 1},
		{f.dyn, "home.dyn.test.", zone.TypeHTTPS, 0}, {f.dyn, "_x.home.dyn.test.", zone.TypeTXT, 0},
		{f.dyn, "office.dyn.test.", zone.TypeA, 1}, {f.other, "cam.other.test.", zone.TypeA, 0},
	} {
		if got := left.zone.get(left.name, left.kind); len(got) != left.want {
			t.Errorf("%s %v is %v", left.name, left.kind, got)
		}
	}
	f.dyn.err = errors.New("refused")
	if failed := f.Purge(t.Context(), []string{"office.dyn.test."}); failed["office.dyn.test."] == nil {
		t.Error("a zone that fails is not told")
	}
}
