package service

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"

	"github.com/caddy-dyndns/dyndns/internal/challenge"
	"github.com/caddy-dyndns/dyndns/internal/propagation"
	"github.com/caddy-dyndns/dyndns/zone"
)

// digest is a value of a challenge.
func digest(n int) string { return strings.Repeat("x", 40) + fmt.Sprintf("%03d", n) }

// text is a wish about values of a challenge.
func text(action zone.Action, roll bool, values ...int) Wish {
	w := Wish{Action: action, Roll: roll}
	for _, n := range values {
		w.Values = append(w.Values, digest(n))
	}
	return w
}

func TestChallenge(t *testing.T) {
	const at = "_acme-challenge.home.dyn.test."
	add := func(n int) Wish { return text(zone.Add, false, n) }
	remove := func(n int) Wish { return text(zone.Remove, false, n) }
	roll := func(n int) Wish { return text(zone.Add, true, n) }
	var nine []Wish
	for n := range 9 {
		nine = append(nine, add(n))
	}
	tests := []struct {
		name, client, host, owner string
		wishes                    []Wish
		// want are the values beside the one that somebody else has written, and ours
		// those that are noted.
		want, ours []int
		err        Reason // of the last wish
	}{
		{name: "one is added", wishes: []Wish{add(1)}, want: []int{1}, ours: []int{1}},
		{name: "two are added", wishes: []Wish{add(1), add(2)}, want: []int{1, 2}, ours: []int{1, 2}},
		{name: "one twice", wishes: []Wish{add(1), add(1)}, want: []int{1}, ours: []int{1}},
		{name: "one is removed", wishes: []Wish{add(1), add(2), remove(1)}, want: []int{2}, ours: []int{2}},
		{name: "what is not there is removed", wishes: []Wish{remove(1)}},
		{name: "a ninth", wishes: nine, want: []int{0, 1, 2, 3, 4, 5, 6, 7}, ours: []int{0, 1, 2, 3, 4, 5, 6, 7}, err: zone.Busy},
		{name: "the last two of those that roll", wishes: []Wish{roll(1), roll(2), roll(3), roll(4)}, want: []int{3, 4}, ours: []int{3, 4}},
		{name: "what does not roll stays", wishes: []Wish{add(1), roll(2), roll(3), roll(4)}, want: []int{1, 3, 4}, ours: []int{1, 3, 4}},
		{name: "all that rolled are removed", wishes: []Wish{add(1), roll(2), roll(3), text(zone.Remove, true)}, want: []int{1}, ours: []int{1}},
		{name: "nothing that rolled is removed", wishes: []Wish{text(zone.Remove, true)}},
		{name: "of the names below a wildcard", client: "secret", host: "*.dyn.test", owner: "_acme-challenge.dyn.test.", wishes: []Wish{add(1)}, want: []int{1}, ours: []int{1}},
		{name: "at a host alone", host: "_acme-challenge.home.dyn.test", wishes: []Wish{add(1)}, err: BadName},
		{name: "of another's host", client: "below", host: "dyn.test", wishes: []Wish{add(1)}, err: NotGranted},
		{name: "of a client that gets none", client: "bare", wishes: []Wish{add(1)}, err: NotGranted},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t)
				if tt.client == "" {
					tt.client = "exact"
				}
				if tt.host == "" {
					tt.host = "home.dyn.test"
				}
				if tt.owner == "" {
					tt.owner = at
				}
				f.dyn.seed(tt.owner, zone.TypeTXT, "somebody else's")
				var last *Error
				for _, w := range tt.wishes {
					last = f.do(t, tt.client, Submission{Hosts: []Host{{Name: tt.host, Challenge: w}}}).Hosts[0].Err
					time.Sleep(time.Second) // which tells the values apart
				}
				if reason(last) != tt.err {
					t.Errorf("got %v", last)
				}
				var want, ours, noted []string
				for _, n := range tt.want {
					want = append(want, digest(n))
				}
				for _, n := range tt.ours {
					ours = append(ours, digest(n))
				}
				got := slices.DeleteFunc(f.dyn.get(tt.owner, zone.TypeTXT), func(v string) bool { return v == "somebody else's" })
				if !slices.Equal(got, want) {
					t.Errorf("the zone has %q, want %q", got, want)
				}
				values, err := f.Challenges.At(t.Context(), "dyn.test.", tt.owner)
				for _, v := range values {
					noted = append(noted, v.Text)
				}
				if err != nil || !slices.Equal(noted, ours) {
					t.Errorf("noted are %q, %v, want %q", noted, err, ours)
				}
			})
		})
	}
}

// What nobody removes goes after a while, nothing else does, and what cannot be removed
// is tried again.
func TestSweepChallenges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		add := func(n int) {
			if err := f.do(t, "exact", Submission{Hosts: []Host{{Name: "home.dyn.test", Challenge: text(zone.Add, false, n)}}}).Hosts[0].Err; err != nil {
				t.Fatal(err)
			}
		}
		const at = "_acme-challenge.home.dyn.test."
		f.dyn.seed(at, zone.TypeTXT, "somebody else's")
		add(1)
		time.Sleep(challenge.Lifetime / 2)
		add(2)
		sweep := func(want ...string) {
			t.Helper()
			f.SweepChallenges(t.Context(), time.Now())
			if got := f.dyn.get(at, zone.TypeTXT); !slices.Equal(got, want) {
				t.Errorf("the zone has %q, want %q", got, want)
			}
		}
		sweep("somebody else's", digest(1), digest(2))
		time.Sleep(challenge.Lifetime/2 + time.Minute)
		f.dyn.err = &zone.Error{Reason: zone.Unreachable}
		sweep("somebody else's", digest(1), digest(2))
		f.dyn.err = nil
		sweep("somebody else's", digest(2))
		time.Sleep(challenge.Lifetime)
		sweep("somebody else's")
		if left, err := f.Challenges.At(t.Context(), "dyn.test.", ""); err != nil || left != nil {
			t.Errorf("noted are %v, %v", left, err)
		}
	})
}

// The reply waits until the zone's nameservers serve a new value, longer than the time of
// the change itself, but not of one that was not made.
func TestChallengePropagates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var warnings []string
		f := newFixture(t, func(c *Config) {
			c.Timeout = time.Second
			c.Warn = func(message, zone string, err error) {
				warnings = append(warnings, fmt.Sprint(message, " ", zone, " ", err))
			}
		})
		f.zones["dyn.test."].Propagation = &propagation.Watcher{
			Limit:   20 * time.Second,
			Servers: func(context.Context) []string { return []string{"192.0.2.53:53"} },
			Query: func(context.Context, string, *dns.Msg) (*dns.Msg, error) {
				return nil, errors.New("no answer")
			},
		}
		for _, tt := range []struct {
			name string
			wish Wish
			took time.Duration
		}{
			{"removed", text(zone.Remove, false, 1), 0},
			{"added", text(zone.Add, false, 1), 20 * time.Second},
		} {
			before := time.Now()
			if err := f.do(t, "exact", Submission{Hosts: []Host{{Name: "home.dyn.test", Challenge: tt.wish}}}).Hosts[0].Err; err != nil {
				t.Errorf("%s: %v", tt.name, err)
			}
			if took := time.Since(before); took != tt.took {
				t.Errorf("%s: it took %s", tt.name, took)
			}
		}
		if want := "nameservers do not serve a new challenge dyn.test. 192.0.2.53:53"; !slices.Equal(warnings, []string{want}) {
			t.Errorf("the log has %q", warnings)
		}
		time.Sleep(time.Minute)
	})
}
