package dyndns

import (
	"context"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/caddy-dyndns/dyndns/clients"
	"github.com/caddy-dyndns/dyndns/internal/history"
	"github.com/caddy-dyndns/dyndns/internal/service"
	"github.com/caddy-dyndns/dyndns/test/caddytest"
	"github.com/caddy-dyndns/dyndns/zone"
)

// An address that no request confirms is removed from the nameserver, and what somebody
// else has put in its place stays.
func TestExpire(t *testing.T) {
	ns := caddytest.Nameserver(t, "dyn.test")
	t.Setenv("XDG_DATA_HOME", t.TempDir())
	h, err := provisioned(t, secretWord, strings.Replace(caddytest.ZoneBlock("dyn.test", ns.Addr()), "{\n", "{\nexpire 1h\n", 1))
	if err != nil {
		t.Fatal(err)
	}
	client := clients.NewUnrestricted("home")
	for _, name := range []string{"home.dyn.test", "changed.dyn.test"} {
		outcome := h.service.Do(t.Context(), client, service.Submission{Hosts: []service.Host{{
			Name: name, A: service.Wish{Action: zone.Set, Values: []string{"192.0.2.1"}}, AAAA: service.Wish{Action: zone.Keep},
		}}})
		if outcome.Err != nil || outcome.Hosts[0].Err != nil {
			t.Fatal(outcome)
		}
		h.history.Record(history.Entry{At: time.Now(), Source: netip.MustParseAddr("192.0.2.1"), Outcome: outcome})
	}
	ns.Zone("dyn.test").Edit("changed.dyn.test. A", "changed.dyn.test. 300 A 192.0.2.9")
	if len(h.expiry) != 1 {
		t.Fatalf("%d sweepers", len(h.expiry))
	}
	stands := func(name string) int { return len(ns.Zone("dyn.test").Lookup(name, dns.TypeA)) }
	start := time.Now()
	for _, step := range []struct {
		at    time.Duration
		stand int
	}{{0, 1}, {50 * time.Minute, 1}, {70 * time.Minute, 1}, {101 * time.Minute, 0}, {150 * time.Minute, 0}} {
		if err := h.expiry[0].Sweep(context.Background(), start.Add(step.at)); err != nil {
			t.Fatal(err)
		}
		if got := stands("home.dyn.test."); got != step.stand {
			t.Errorf("after %v there are %d addresses", step.at, got)
		}
	}
	if stands("changed.dyn.test.") != 1 {
		t.Error("somebody else's address is gone")
	}
	host, _ := h.history.Host("home.dyn.test.")
	if len(host.Current) == 0 || len(host.Current[0].Values) != 0 {
		t.Errorf("the history has %v", host.Current)
	}
}
