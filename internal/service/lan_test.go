package service

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"github.com/caddy-dyndns/dyndns/zone"
)

// The client router has nas.dyn.test ::1:0:0:0:a, router.dyn.test ::1 and cam.other.test ::b.
func TestLAN(t *testing.T) {
	const (
		nas    = "nas.dyn.test. AAAA []>[2001:db8:0:1::a]"
		router = "router.dyn.test. AAAA []>[2001:db8::1]"
		cam    = "cam.other.test. AAAA []>[2001:db8::b]"
	)
	home := func(a, aaaa Wish) []Host { return []Host{{Name: "router.dyn.test", A: a, AAAA: aaaa}} }
	tests := []struct {
		name   string
		client string
		adjust func(*Config)
		prefix string
		hosts  []Host
		want   []string
		lan    []string
		// err is the reason for which all is refused.
		err Reason
	}{
		{name: "no prefix", hosts: home(set("192.0.2.1"), Wish{}), want: []string{"router.dyn.test. A []>[192.0.2.1]"}},
		{name: "prefix alone", prefix: "2001:db8::/56", lan: []string{nas, router, cam}},
		{name: "prefix of a client without LAN", client: "exact", prefix: "2001:db8::/56"},
		{name: "beside an IPv4 address", prefix: "2001:db8::/48", hosts: home(set("192.0.2.1"), Wish{}),
			want: []string{"router.dyn.test. A []>[192.0.2.1]"}, lan: []string{nas, router, cam}},
		{name: "the host has an address of its own", prefix: "2001:db8::/56", hosts: home(Wish{}, set("2001:db8::ff")),
			want: []string{"router.dyn.test. AAAA []>[2001:db8::ff]"}, lan: []string{nas, cam}},
		{name: "the host's is deleted", prefix: "2001:db8::/56", hosts: home(Wish{}, Wish{Action: zone.Delete}),
			want: []string{"router.dyn.test. AAAA []>[]"}, lan: []string{nas, cam}},
		{name: "the host's is detected", prefix: "2001:db8::/56", hosts: home(Wish{Detect: true}, Wish{Detect: true}),
			want: []string{"router.dyn.test. AAAA []>[2001:db8::77]"}, lan: []string{nas, cam}},
		{name: "the host leaves its own open", prefix: "2001:db8::/56", hosts: home(set("192.0.2.1"), Wish{Action: zone.Keep}),
			want: []string{"router.dyn.test. A []>[192.0.2.1] AAAA []>[2001:db8::1]"}, lan: []string{nas, cam}},
		{name: "subnet bits inside the prefix", prefix: "2001:db8::/64", hosts: home(set("192.0.2.1"), Wish{}),
			want: []string{"router.dyn.test. A []>[192.0.2.1]"},
			lan:  []string{fmt.Sprint("nas.dyn.test. error ", BadAddress), router, cam}},
		{name: "subnet bits inside the prefix, of a host that is named", client: "gate", prefix: "2001:db8::/64",
			hosts: []Host{{Name: "gate.dyn.test", A: set("192.0.2.1"), AAAA: Wish{Action: zone.Keep}}},
			want:  []string{"gate.dyn.test. A []>[192.0.2.1] AAAA []>[]"},
			lan:   []string{fmt.Sprint("gate.dyn.test. error ", BadAddress)}},
		{name: "a LAN host cannot be named", prefix: "2001:db8::/56", hosts: []Host{{Name: "nas.dyn.test", AAAA: set("2001:db8::ff")}},
			want: []string{fmt.Sprint("nas.dyn.test. error ", NotGranted)}, lan: []string{nas, router, cam}},
		{name: "a LAN host cannot be named without prefix", hosts: []Host{{Name: "nas.dyn.test", AAAA: set("2001:db8::ff")}},
			want: []string{fmt.Sprint("nas.dyn.test. error ", NotGranted)}},
		{name: "private prefix", prefix: "fd00:0:0::/56", lan: []string{
			"nas.dyn.test. AAAA []>[fd00:0:0:1::a]", "router.dyn.test. AAAA []>[fd00::1]", "cam.other.test. AAAA []>[fd00::b]"}},
		{name: "private prefix, public only", adjust: func(c *Config) { c.PublicOnly = true }, prefix: "fd00::/56", err: BadAddress},
		{name: "6to4 prefix of a private address, public only", adjust: func(c *Config) { c.PublicOnly = true }, prefix: "2002:a00:1::/48", err: BadAddress},
		{name: "public prefix, public only", adjust: func(c *Config) { c.PublicOnly = true }, prefix: "2001:db8::/56", lan: []string{nas, router, cam}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t)
			if tt.adjust != nil {
				f = newFixture(t, tt.adjust)
			}
			if tt.client == "" {
				tt.client = "router"
			}
			sub := Submission{Hosts: tt.hosts, Detected: netip.MustParseAddr("2001:db8::77")}
			if tt.prefix != "" {
				sub.Prefix = netip.MustParsePrefix(tt.prefix)
			}
			out := f.do(t, tt.client, sub)
			if reason(out.Err) != tt.err {
				t.Fatalf("got %v", out.Err)
			}
			if got := lines(out.Hosts); !slices.Equal(got, tt.want) {
				t.Errorf("hosts: got  %q\nwant %q", got, tt.want)
			}
			if got := lines(out.LAN); !slices.Equal(got, tt.lan) {
				t.Errorf("LAN: got  %q\nwant %q", got, tt.lan)
			}
			if len(f.dyn.applied) > 1 || len(f.other.applied) > 1 {
				t.Errorf("%d and %d messages, want one for each zone", len(f.dyn.applied), len(f.other.applied))
			}
			seen := make(map[rrset]bool)
			for _, message := range slices.Concat(f.dyn.applied, f.other.applied) {
				for _, c := range message {
					if at := (rrset{c.Name, c.Type}); seen[at] {
						t.Errorf("%s %v is changed twice", c.Name, c.Type)
					} else {
						seen[at] = true
					}
				}
			}
		})
	}
}

// The prefix itself is nobody's address.
func TestPrefixIsNotPublished(t *testing.T) {
	f := newFixture(t)
	f.do(t, "router", Submission{Prefix: netip.MustParsePrefix("2001:db8::/56"), Hosts: []Host{{Name: "router.dyn.test", A: set("192.0.2.1")}}})
	for at, v := range f.dyn.records {
		if at.kind == zone.TypeAAAA && slices.Contains(v.values, "2001:db8::") {
			t.Errorf("%s has it", at.name)
		}
	}
}
