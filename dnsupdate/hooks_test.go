package dnsupdate

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/caddy-dyndns/dyndns/dnsupdate/dnstest"
	"github.com/caddy-dyndns/dyndns/zone"
)

func TestHooks(t *testing.T) {
	var mu sync.Mutex
	var seen []string
	note := func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, fmt.Sprintf(format, args...))
	}
	w := newWorldWith(t, dnstest.Zone{}, Options{Hooks: Hooks{
		Exchange: func(_, op string, _ time.Duration, err *zone.Error) {
			kind := "good"
			if err != nil {
				kind = err.RCode
			}
			note("%s %s", op, kind)
		},
		Group:  func(zone string, names int) { note("group %d", names) },
		Health: func(_ string, up bool) { note("up %t", up) },
	}})
	steps := func(want ...string) {
		t.Helper()
		mu.Lock()
		defer mu.Unlock()
		if !slices.Equal(seen, want) {
			t.Errorf("\n got %q\nwant %q", seen, want)
		}
		seen = nil
	}
	change := []zone.Change{to(host("a"), "192.0.2.1"), to(host("b"), "192.0.2.1")}
	apply(w.Updater, change...)
	steps("up true", "query good", "group 2", "update good")
	w.zone.Edit("a 300 A 192.0.2.9")
	apply(w.Updater, change...)
	steps("group 2", "update good", "query good", "group 2", "update good")
	w.proxy.SetFault(dnstest.OnUpdates(dnstest.Always(signedAs(dns.RcodeNotImplemented))))
	apply(w.Updater, change...)
	steps("group 2", "up false", "update NOTIMP")
	w.proxy.SetFault(nil)
	apply(w.Updater, change...)
	steps("group 2", "up true", "update good")
}

func TestErrorSentence(t *testing.T) {
	for want, e := range map[string]*zone.Error{
		"nameserver 192.0.2.53:53 refused the update for home.dyn.example.com. in zone dyn.example.com.: NOTAUTH, TSIG error BADKEY, unsigned, Prohibited: check the key": {
			Reason: zone.Refused, Server: "192.0.2.53:53", Zone: zoneName, Name: host("home"), RCode: "NOTAUTH", TSIG: "BADKEY", EDE: []string{"Prohibited"}, Hint: "check the key"},
		"nameserver 192.0.2.53:53 did not answer in time for zone dyn.example.com.; it may have been applied": {
			Reason: zone.Timeout, Server: "192.0.2.53:53", Zone: zoneName, Unknown: true},
		"no answer in time for zone dyn.example.com.: gone":           {Reason: zone.Timeout, Zone: zoneName, Cause: fmt.Errorf("gone")},
		"nameserver ns:53 failed for zone dyn.example.com.: SERVFAIL": {Reason: zone.Unreachable, Server: "ns:53", Zone: zoneName, RCode: "SERVFAIL", Verified: true},
		"nameserver ns:53 could not be reached for zone dyn.example.com.": {
			Reason: zone.Unreachable, Server: "ns:53", Zone: zoneName},
		"the change has to wait for zone dyn.example.com.: why": {Reason: zone.Busy, Zone: zoneName, Hint: "why"},
		"no record can stand for a. in zone dyn.example.com.: a CNAME stands at a.": {
			Reason: zone.Conflict, Server: "ns:53", Zone: zoneName, Name: "a.", Verified: true, Hint: "a CNAME stands at a."},
	} {
		if got := e.Error(); got != want {
			t.Errorf("\n got %s\nwant %s", got, want)
		}
	}
}
