package service

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/caddy-dyndns/dyndns/zone"
)

func TestAddresses(t *testing.T) {
	detect := func(rest zone.Action) Wish { return Wish{Detect: true, Action: rest} }
	public := func(c *Config) { c.PublicOnly = true }
	private := func(c *Config) { c.PrivateClients = true }
	const keptA, keptAAAA = "192.0.2.99", "2001:db8::99"
	tests := []struct {
		name    string
		adjust  func(*Config)
		a, aaaa Wish
		// detected is the client's address, empty if that is unknown.
		detected string
		// wantA and wantAAAA are what the zone then holds.
		wantA, wantAAAA string
		// reported are the types of the outcome.
		reported string
		// message is part of the error, empty if there is none.
		message string
	}{
		{name: "explicit", a: set("192.0.2.1"), aaaa: set("2001:db8::1"), wantA: "192.0.2.1", wantAAAA: "2001:db8::1", reported: "A AAAA"},
		{name: "one family", a: set("192.0.2.1"), wantA: "192.0.2.1", wantAAAA: keptAAAA, reported: "A"},
		{name: "the other family kept", a: set("192.0.2.1"), aaaa: Wish{Action: zone.Keep}, wantA: "192.0.2.1", wantAAAA: keptAAAA, reported: "A AAAA"},
		{name: "the other family deleted", a: set("192.0.2.1"), aaaa: Wish{Action: zone.Delete}, wantA: "192.0.2.1", reported: "A AAAA"},
		{name: "explicit, whatever the client's own", a: set("192.0.2.1"), detected: "127.0.0.1", wantA: "192.0.2.1", wantAAAA: keptAAAA, reported: "A"},
		{name: "explicit private", a: set("10.0.0.1"), aaaa: set("fd00::1"), wantA: "10.0.0.1", wantAAAA: "fd00::1", reported: "A AAAA"},
		{name: "explicit private, public only", adjust: public, a: set("10.0.0.1"), message: "10.0.0.1 is a private address"},
		{name: "explicit shared, public only", adjust: public, a: set("100.64.0.1"), message: "100.64.0.1 is a private address"},
		{name: "explicit ULA, public only", adjust: public, a: set("192.0.2.1"), aaaa: set("fd00::1"), message: "fd00::1 is a private address"},
		{name: "explicit NAT64 of a private address, public only", adjust: public, aaaa: set("64:ff9b::a00:1"), message: "64:ff9b::a00:1 is a private address"},
		{name: "explicit 6to4 of a private address, public only", adjust: public, aaaa: set("2002:a00:1::1"), message: "2002:a00:1::1 is a private address"},
		{name: "explicit 6to4 of a private address", aaaa: set("2002:a00:1::1"), wantA: keptA, wantAAAA: "2002:a00:1::1", reported: "AAAA"},
		{name: "explicit public, public only", adjust: public, a: set("192.0.2.1"), wantA: "192.0.2.1", wantAAAA: keptAAAA, reported: "A"},

		{name: "detected IPv4", a: detect(zone.Keep), aaaa: detect(zone.Keep), detected: "192.0.2.7", wantA: "192.0.2.7", wantAAAA: keptAAAA, reported: "A AAAA"},
		{name: "detected IPv6", a: detect(zone.Keep), aaaa: detect(zone.Keep), detected: "2001:db8::7", wantA: keptA, wantAAAA: "2001:db8::7", reported: "A AAAA"},
		{name: "the other family goes unmentioned", a: detect(zone.None), aaaa: detect(zone.None), detected: "192.0.2.7", wantA: "192.0.2.7", wantAAAA: keptAAAA, reported: "A"},
		{name: "the other family is deleted", a: detect(zone.Delete), aaaa: detect(zone.Delete), detected: "192.0.2.7", wantA: "192.0.2.7", reported: "A AAAA"},
		{name: "detected is of the other family", aaaa: detect(zone.Keep), detected: "192.0.2.7", wantA: keptA, wantAAAA: keptAAAA, reported: "AAAA"},
		{name: "a private one of the other family does not matter", aaaa: detect(zone.Keep), detected: "10.0.0.7", wantA: keptA, wantAAAA: keptAAAA, reported: "AAAA"},
		{name: "detected beside an explicit one", a: set("192.0.2.1"), aaaa: detect(zone.Keep), detected: "2001:db8::7", wantA: "192.0.2.1", wantAAAA: "2001:db8::7", reported: "A AAAA"},
		{name: "detected private", a: detect(zone.Keep), detected: "10.0.0.7", message: "your address 10.0.0.7 is a private address; give one"},
		{name: "detected shared", a: detect(zone.Keep), detected: "100.64.0.7", message: "your address 100.64.0.7 is a private address; give one"},
		{name: "detected ULA", aaaa: detect(zone.Keep), detected: "fd00::7", message: "your address fd00::7 is a private address; give one"},
		{name: "detected 6to4 of a private address", aaaa: detect(zone.Keep), detected: "2002:a00:1::1", message: "your address 2002:a00:1::1 is a private address; give one"},
		{name: "detected NAT64 of loopback", adjust: private, aaaa: detect(zone.Keep), detected: "64:ff9b::7f00:1", message: "your address 64:ff9b::7f00:1 leads to 127.0.0.1, which is a loopback address; give one"},
		{name: "detected private, private clients", adjust: private, a: detect(zone.Keep), detected: "10.0.0.7", wantA: "10.0.0.7", wantAAAA: keptAAAA, reported: "A"},
		{name: "detected private, both options", adjust: func(c *Config) { public(c); private(c) }, a: detect(zone.Keep), detected: "10.0.0.7", message: "is a private address"},
		{name: "detected loopback", a: detect(zone.Keep), aaaa: detect(zone.Keep), detected: "127.0.0.1", message: "your address 127.0.0.1 is a loopback address; give one"},
		{name: "detected loopback, private clients", adjust: private, a: detect(zone.Keep), detected: "127.0.0.1", message: "your address 127.0.0.1 is a loopback address; give one"},
		{name: "detected IPv6 loopback", aaaa: detect(zone.Keep), detected: "::1", message: "your address ::1 is a loopback address; give one"},
		{name: "detected link-local", aaaa: detect(zone.Keep), detected: "fe80::1", message: "your address fe80::1 is a link-local address; give one"},
		{name: "unknown", a: detect(zone.Keep), aaaa: detect(zone.Keep), message: "your address is not known here; give one"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t)
			if tt.adjust != nil {
				f = newFixture(t, tt.adjust)
			}
			f.dyn.seed("home.dyn.test.", zone.TypeA, keptA)
			f.dyn.seed("home.dyn.test.", zone.TypeAAAA, keptAAAA)
			sub := Submission{Hosts: []Host{{Name: "home.dyn.test", A: tt.a, AAAA: tt.aaaa}}}
			if tt.detected != "" {
				sub.Detected = netip.MustParseAddr(tt.detected)
			}
			out := f.do(t, "exact", sub)
			if tt.message != "" {
				if reason(out.Err) != BadAddress || !strings.Contains(out.Err.Message, tt.message) {
					t.Errorf("got %v", out.Err)
				}
				if f.written() > 0 || len(out.Hosts) > 0 {
					t.Errorf("%d messages, outcome %v", f.written(), out.Hosts)
				}
				return
			}
			if out.Err != nil {
				t.Fatal(out.Err)
			}
			var reported []string
			for _, r := range out.Hosts[0].Records {
				reported = append(reported, r.Type.String())
			}
			if got := strings.Join(reported, " "); got != tt.reported {
				t.Errorf("reported %q, want %q", got, tt.reported)
			}
			for kind, want := range map[zone.Type]string{zone.TypeA: tt.wantA, zone.TypeAAAA: tt.wantAAAA} {
				if got := strings.Join(f.dyn.get("home.dyn.test.", kind), " "); got != want {
					t.Errorf("%v is %q, want %q", kind, got, want)
				}
			}
		})
	}
}

// A hint about the configuration is of use only where it would help.
func TestPrivateHint(t *testing.T) {
	sub := Submission{
		Hosts:    []Host{{Name: "home.dyn.test", A: Wish{Detect: true}}},
		Detected: netip.MustParseAddr("10.0.0.7"),
	}
	for _, publicOnly := range []bool{false, true} {
		f := newFixture(t, func(c *Config) { c.PublicOnly = publicOnly })
		out := f.do(t, "exact", sub)
		if hint := strings.Contains(out.Err.Message, "private_clients"); hint == publicOnly {
			t.Errorf("public_only %t: %q", publicOnly, out.Err.Message)
		}
	}
}
