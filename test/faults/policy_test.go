//go:build integration && linux

package faults

import (
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/caddy-dyndns/dyndns/dnsupdate"
	"github.com/caddy-dyndns/dyndns/dnsupdate/dnstest"
	"github.com/caddy-dyndns/dyndns/internal/await"
	"github.com/caddy-dyndns/dyndns/test/nameserver"
	"github.com/caddy-dyndns/dyndns/zone"
)

const policyZone = "dyn.example.com"

// A nameserver whose policy lets the key change everything below "ok", nothing
// at "no".
func withPolicy(t *testing.T, kind nameserver.Kind) (*nameserver.Server, nameserver.Key) {
	key := nameserver.NewKey("ddns-key")
	z := nameserver.Zone{Name: policyZone, Key: key}
	if kind == nameserver.BIND {
		z.UpdatePolicy = fmt.Sprintf("deny %[1]q name no.%[2]s A AAAA; grant %[1]q zonesub A AAAA;", key.Name, policyZone)
	} else {
		z.Only = []string{"ok." + policyZone + "."}
	}
	return nameserver.Run(t, kind, nameserver.Config{Zones: []nameserver.Zone{z}}), key
}

// One change of a group of 64 is denied: the others succeed, it alone gets the
// error, and finding it takes no more than 20 messages.
func TestPolicyDeniesOneOfAGroup(t *testing.T) {
	const members = 64
	for _, kind := range []nameserver.Kind{nameserver.BIND, nameserver.Knot} {
		for _, guilty := range []int{0, 40, members - 1} {
			t.Run(fmt.Sprintf("%s %d", kind, guilty), func(t *testing.T) {
				server, key := withPolicy(t, kind)
				proxy := behind(t, server)
				u := configuredZone{policyZone, key, []string{proxy.Addr()}}.open(t, dnsupdate.Hooks{})
				// The second time the guilty one is known and goes alone.
				for round, limit := range []int32{20, 4} {
					messages, results := group(t, u, proxy, members, func(i int) zone.Change {
						name := fmt.Sprintf("h%d.ok.%s", i, policyZone)
						if i == guilty {
							name = "no." + policyZone
						}
						return zone.Change{Name: name, Type: zone.TypeA, Action: zone.Set, Values: []string{ipv4(1 + round)}, TTL: 60}
					})
					for i, r := range results {
						var e *zone.Error
						switch {
						case i == guilty && (!errors.As(r.Err, &e) || e.Reason != zone.Refused || e.Unknown != !e.Verified):
							t.Errorf("the guilty one: %+v", r)
						case i != guilty && (r.Err != nil || !r.Changed || r.New[0] != ipv4(1+round)):
							t.Errorf("neighbour %d: %+v", i, r)
						case i != guilty:
							if got := server.MustLookup(t, fmt.Sprintf("h%d.ok.%s", i, policyZone), "A"); got != ipv4(1+round) {
								t.Errorf("the zone has %s", got)
							}
						}
					}
					if got := server.MustLookup(t, "no."+policyZone, "A"); got != "" {
						t.Errorf("denied, but the zone has %s", got)
					}
					if messages > limit {
						t.Errorf("round %d took %d messages, more than %d", round, messages, limit)
					}
					t.Logf("round %d: %d messages", round, messages)
				}
			})
		}
	}
}

// group makes changes that leave as one message, and counts the UPDATEs that it
// takes.
func group(t *testing.T, u *dnsupdate.Updater, proxy *dnstest.Proxy, members int, change func(i int) zone.Change) (int32, []zone.Result) {
	t.Helper()
	release, held := make(chan struct{}), make(chan struct{})
	var messages atomic.Int32
	proxy.SetFault(dnstest.OnUpdates(func(dnstest.Exchange) dnstest.Action {
		if messages.Add(1) == 1 {
			close(held)
			return dnstest.HoldReply(release)
		}
		return dnstest.Pass()
	}))
	defer proxy.SetFault(nil)
	apply := func(c zone.Change) zone.Result { return u.Apply(t.Context(), []zone.Change{c})[0] }
	var wg sync.WaitGroup
	wg.Go(func() {
		apply(zone.Change{Name: "h.ok." + policyZone, Type: zone.TypeA, Action: zone.Keep})
	})
	<-held
	results := make([]zone.Result, members)
	for i := range members {
		wg.Go(func() { results[i] = apply(change(i)) })
		await.True(t, "the change to queue", func() bool { return u.Status().Waiting > i })
	}
	close(release)
	wg.Wait()
	return messages.Load() - 1, results
}

// The hosts of one request share a message; the one that is denied fails alone.
func TestPolicyDeniesOneOfARequest(t *testing.T) {
	for _, kind := range []nameserver.Kind{nameserver.BIND, nameserver.Knot} {
		t.Run(string(kind), func(t *testing.T) {
			server, key := withPolicy(t, kind)
			s := serve(t, 5*time.Second, configuredZone{policyZone, key, []string{server.Addr()}})
			r, err := s.Get(t.Context(), "/nic/update?hostname=a.ok.dyn.example.com,no.dyn.example.com,b.ok.dyn.example.com&myip=192.0.2.1",
				"Authorization: Bearer "+secret)
			if err != nil {
				t.Fatal(err)
			}
			if r.Status != http.StatusOK || r.Body != "good 192.0.2.1\ndnserr\ngood 192.0.2.1" {
				t.Errorf("%d %q", r.Status, r.Body)
			}
			for name, want := range map[string]string{"a.ok": "192.0.2.1", "no": "", "b.ok": "192.0.2.1"} {
				if got := server.MustLookup(t, name+"."+policyZone, "A"); got != want {
					t.Errorf("%s has %q", name, got)
				}
			}
		})
	}
}

// Another client's bad updates make Knot answer SERVFAIL to the good ones that it
// takes in the same turn.
func TestKnotSERVFAIL(t *testing.T) {
	key := nameserver.NewKey("ddns-key")
	server := nameserver.Run(t, nameserver.Knot, nameserver.Config{Zones: []nameserver.Zone{{Name: policyZone, Key: key}}})
	var failures atomic.Int32
	u := configuredZone{policyZone, key, []string{server.Addr()}}.open(t, dnsupdate.Hooks{
		Exchange: func(_, _ string, _ time.Duration, err *zone.Error) {
			if err != nil && err.RCode == "SERVFAIL" {
				failures.Add(1)
			}
		},
	})
	stop := make(chan struct{})
	var others sync.WaitGroup
	for range 2 {
		others.Go(func() {
			outside, err := dns.NewRR("www.example.org. 60 A 192.0.2.1")
			if err != nil {
				t.Error(err)
				return
			}
			for {
				select {
				case <-stop:
					return
				default:
				}
				m := new(dns.Msg)
				m.SetUpdate(policyZone + ".")
				m.Insert([]dns.RR{outside})
				if r, err := server.Exchange(m, &key); err == nil && r.Rcode == dns.RcodeSuccess {
					t.Error("a record of another zone was added")
				}
			}
		})
	}
	now, done, failed := "", 0, 0
	for n := 1; n <= 500 && (failures.Load() < 5 || n <= 30); n++ {
		r := u.Apply(t.Context(), []zone.Change{{Name: "home." + policyZone, Type: zone.TypeAAAA, Action: zone.Set, Values: []string{ipv6(n)}, TTL: 60}})[0]
		var e *zone.Error
		switch {
		case errors.As(r.Err, &e):
			if failed++; e.Unknown || e.RCode != "SERVFAIL" {
				t.Errorf("%+v", e)
			}
		case fmt.Sprint(r.Old, r.New, r.Changed) != fmt.Sprintf("[%s] [%s] true", now, ipv6(n)):
			t.Errorf("%+v, where it was %s", r, now)
		default:
			done++
			now = ipv6(n)
		}
		if got := server.MustLookup(t, "home."+policyZone, "AAAA"); got != now {
			t.Errorf("the zone has %s, not %s", got, now)
		}
	}
	close(stop)
	others.Wait()
	if failures.Load() == 0 || done == 0 {
		t.Errorf("%d SERVFAIL, %d acknowledged", failures.Load(), done)
	}
	r := u.Apply(t.Context(), []zone.Change{{Name: "home." + policyZone, Type: zone.TypeAAAA, Action: zone.Delete}})[0]
	if r.Err != nil || fmt.Sprint(r.Old) != "["+now+"]" {
		t.Errorf("afterwards: %+v", r)
	}
	t.Logf("%d SERVFAIL seen; %d acknowledged, %d failed", failures.Load(), done, failed)
}
