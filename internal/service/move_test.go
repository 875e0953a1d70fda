package service

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"github.com/caddy-dyndns/dyndns/zone"
)

// movedTo is the prefix of the submissions.
var movedTo = netip.MustParsePrefix("2001:db8:1:2::/64")

// moved is a host that only asks to move behind it.
func moved(name string, action zone.Action) Host {
	return Host{Name: name, AAAA: Wish{Action: action, Move: true}}
}

// A prefix in the place of an address moves the address that the host has.
func TestMove(t *testing.T) {
	refused := fmt.Sprint("home.dyn.test. error ", BadAddress)
	tests := []struct {
		name, client string
		present      []string
		host         Host
		want, lan    []string
	}{
		{name: "one address", present: []string{"2001:db8::1:2:3:4"}, host: moved("home.dyn.test", zone.Keep),
			want: []string{"home.dyn.test. AAAA [2001:db8::1:2:3:4]>[2001:db8:1:2:1:2:3:4]"}},
		{name: "subnet bits go", present: []string{"2001:db8:5:6::1"}, host: moved("home.dyn.test", zone.Keep),
			want: []string{"home.dyn.test. AAAA [2001:db8:5:6::1]>[2001:db8:1:2::1]"}},
		{name: "two addresses", present: []string{"2001:db8::a", "2001:db8::b"}, host: moved("home.dyn.test", zone.Keep),
			want: []string{"home.dyn.test. AAAA [2001:db8::a 2001:db8::b]>[2001:db8:1:2::a 2001:db8:1:2::b]"}},
		{name: "two of the same host", present: []string{"2001:db8::a", "2001:db8:1::a"}, host: moved("home.dyn.test", zone.Keep),
			want: []string{"home.dyn.test. AAAA [2001:db8::a 2001:db8:1::a]>[2001:db8:1:2::a]"}},
		{name: "a private address stays", present: []string{"2001:db8::a", "fd00::a"}, host: moved("home.dyn.test", zone.Keep),
			want: []string{"home.dyn.test. AAAA [2001:db8::a fd00::a]>[2001:db8:1:2::a fd00::a]"}},
		{name: "there already", present: []string{"2001:db8:1:2::a"}, host: moved("home.dyn.test", zone.Keep),
			want: []string{"home.dyn.test. AAAA [2001:db8:1:2::a]>[2001:db8:1:2::a]"}},
		{name: "beside an IPv4 address", present: []string{"2001:db8::a"}, host: Host{Name: "home.dyn.test", A: set("192.0.2.1"), AAAA: moved("", zone.Keep).AAAA},
			want: []string{"home.dyn.test. A []>[192.0.2.1] AAAA [2001:db8::a]>[2001:db8:1:2::a]"}},
		{name: "nothing to move", host: moved("home.dyn.test", zone.Keep), want: []string{refused}},
		{name: "only a private address", present: []string{"fd00::a"}, host: moved("home.dyn.test", zone.Keep), want: []string{refused}},
		{name: "nothing to move, but LAN hosts", client: "gate", host: moved("router.dyn.test", zone.Keep),
			want: []string{fmt.Sprint("router.dyn.test. error ", NotGranted)}, lan: []string{fmt.Sprint("gate.dyn.test. error ", BadAddress)}},
		{name: "a LAN host, by its interface identifier", client: "router", host: moved("router.dyn.test", zone.Set),
			want: []string{"router.dyn.test. AAAA []>[2001:db8:1:2::1]"},
			lan:  []string{fmt.Sprint("nas.dyn.test. error ", BadAddress), "cam.other.test. AAAA []>[2001:db8:1:2::b]"}},
		{name: "the client's one host, without its name", client: "router", host: Host{Own: true, AAAA: moved("", zone.Keep).AAAA},
			want: []string{"router.dyn.test. AAAA []>[2001:db8:1:2::1]"},
			lan:  []string{fmt.Sprint("nas.dyn.test. error ", BadAddress), "cam.other.test. AAAA []>[2001:db8:1:2::b]"}},
		{name: "a LAN host that is not granted otherwise", client: "router", host: moved("cam.other.test", zone.Set),
			want: []string{"cam.other.test. AAAA []>[2001:db8:1:2::b]"},
			lan:  []string{fmt.Sprint("nas.dyn.test. error ", BadAddress), "router.dyn.test. AAAA []>[2001:db8:1:2::1]"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t)
			if tt.present != nil {
				f.dyn.seed("home.dyn.test.", zone.TypeAAAA, tt.present...)
			}
			if tt.client == "" {
				tt.client = "exact"
			}
			out := f.do(t, tt.client, Submission{Hosts: []Host{tt.host}, Prefix: movedTo})
			if got := lines(out.Hosts); out.Err != nil || !slices.Equal(got, tt.want) {
				t.Errorf("hosts: got  %q %v\nwant %q", got, out.Err, tt.want)
			}
			if got := lines(out.LAN); !slices.Equal(got, tt.lan) {
				t.Errorf("LAN: got  %q\nwant %q", got, tt.lan)
			}
		})
	}
}

// An address that changes between reading and moving is not overwritten.
func TestMoveFollows(t *testing.T) {
	for _, tt := range []struct {
		name    string
		changes int
		want    string
	}{
		{"once", 2, "home.dyn.test. AAAA [2001:db8::2]>[2001:db8:1:2::2]"},
		{"all the time", 100, fmt.Sprint("home.dyn.test. error ", zone.Busy)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t)
			n := 0 // the first Apply only reads
			f.dyn.between = func() {
				if n++; n <= tt.changes {
					f.dyn.seed("home.dyn.test.", zone.TypeAAAA, fmt.Sprintf("2001:db8::%d", n))
				}
			}
			out := f.do(t, "exact", Submission{Hosts: []Host{moved("home.dyn.test", zone.Set)}, Prefix: movedTo})
			if got := lines(out.Hosts); !slices.Equal(got, []string{tt.want}) {
				t.Errorf("got  %q\nwant %q", got, tt.want)
			}
		})
	}
}
