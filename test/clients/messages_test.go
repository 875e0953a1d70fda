//go:build integration && linux

package clients

import (
	"fmt"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/caddy-dyndns/dyndns/dnsupdate/dnstest"
)

// get is a dyndns2 request of the client home-router.
func get(query string) string {
	return crlf("GET /nic/update?"+query+" HTTP/1.1\nHost: dyndns.example.com\nBASIC\n\n", token)
}

// twenty names lie in two zones, in turn.
func twenty() []string {
	var names []string
	for i := range 10 {
		names = append(names, fmt.Sprintf("h%d.home.%s", i, zone), fmt.Sprintf("h%d.%s", i, otherZone))
	}
	return names
}

// The hosts of a request cost one message per zone: the first time as the second,
// changed or not.
func TestTwentyHosts(t *testing.T) {
	s := start(t, false)
	// The zones' nameservers are proven by a message each, once.
	s.send(t, get("hostname=first."+otherZone+"&myip=192.0.2.1"))
	for _, step := range []struct {
		name, address, word string
		changes             int
	}{
		{"new", "192.0.2.1,2001:db8::1", "good", 1},
		{"unchanged", "192.0.2.1,2001:db8::1", "nochg", 0},
		{"changed", "192.0.2.2,2001:db8::2", "good", 1},
	} {
		t.Run(step.name, func(t *testing.T) {
			before := [2]dnstest.Messages{s.dns.Zone(zone).Messages(), s.dns.Zone(otherZone).Messages()}
			body := strings.TrimSuffix(strings.Repeat(step.word+" "+step.address+"\n", 20), "\n")
			if got, want := s.send(t, get("hostname="+strings.Join(twenty(), ",")+"&myip="+step.address)), reply("HTTP/1.1", 200, body); got != want {
				t.Errorf("reply\ngot  %q\nwant %q", got, want)
			}
			for i, name := range []string{zone, otherZone} {
				after := s.dns.Zone(name).Messages()
				if updates, changes := after.Updates-before[i].Updates, after.Changes-before[i].Changes; updates != 1 || changes != step.changes {
					t.Errorf("%s got %d UPDATE messages and %d changes, want 1 and %d", name, updates, changes, step.changes)
				}
			}
		})
	}
	for _, name := range twenty() {
		in := s.dns.Zone(zone)
		if strings.HasSuffix(name, otherZone) {
			in = s.dns.Zone(otherZone)
		}
		if a, aaaa := in.Lookup(name, dns.TypeA), in.Lookup(name, dns.TypeAAAA); fmt.Sprint(a, aaaa) != "[192.0.2.2] [2001:db8::2]" {
			t.Errorf("%s has %v and %v", name, a, aaaa)
		}
	}
}

// Of two zones one fails: each line tells its own truth, and the status is the
// worse one only if nothing succeeded.
func TestOneZoneFails(t *testing.T) {
	const (
		hostHere  = "home.dyn.example.com"
		hostThere = "home.dyn.example.net"
	)
	s := start(t, false)
	// The names of the second zone alone are in the messages for it.
	there := func(e dnstest.Exchange) bool {
		m := new(dns.Msg)
		return m.Unpack(e.Query) == nil && m.Question[0].Name == otherZone+"."
	}
	for _, row := range []struct {
		name   string
		fault  dnstest.Action
		hosts  string
		status int
		body   string
		want   string
	}{
		{"refused", dnstest.RCode(dns.RcodeRefused), hostHere + "," + hostThere, 200, "good 192.0.2.1\ndnserr", hostHere + ". A 192.0.2.1"},
		{"refused, the other way round", dnstest.RCode(dns.RcodeRefused), hostThere + "," + hostHere, 200, "dnserr\ngood 192.0.2.1", hostHere + ". A 192.0.2.1"},
		{"no answer", dnstest.Drop(), hostHere + "," + hostThere + ",other.dyn.example.com", 200, "good 192.0.2.1\n911\nnohost", hostHere + ". A 192.0.2.1"},
		{"nothing succeeds", dnstest.Drop(), hostThere + ",other.dyn.example.com", 503, "911\nnohost", ""},
		{"a reply that nobody signed", dnstest.Unsigned(), hostHere + "," + hostThere, 200, "good 192.0.2.1\ndnserr", hostHere + ". A 192.0.2.1; " + hostThere + ". A 192.0.2.1"},
	} {
		t.Run(row.name, func(t *testing.T) {
			s.clear()
			s.link.SetFault(dnstest.OnUpdates(func(e dnstest.Exchange) dnstest.Action {
				if there(e) {
					return row.fault
				}
				return dnstest.Pass()
			}))
			defer s.link.SetFault(nil)
			if got, want := s.send(t, get("hostname="+row.hosts+"&myip=192.0.2.1")), reply("HTTP/1.1", row.status, row.body); got != want {
				t.Errorf("reply\ngot  %q\nwant %q", got, want)
			}
			if got := s.records(); got != row.want {
				t.Errorf("DNS has %q, want %q", got, row.want)
			}
		})
	}
}
