package dnstest

import (
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

func TestZoneDefaults(t *testing.T) {
	s := NewServer(Zone{Name: "Dyn.Example.COM"})
	defer s.Close()
	z := s.Zone("dyn.example.com")
	want := []string{
		"dyn.example.com. 3600 IN NS ns.dyn.example.com.",
		"dyn.example.com. 3600 IN SOA ns.dyn.example.com. hostmaster.dyn.example.com. 1 7200 3600 1209600 300",
	}
	if got := z.Records(); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := z.Messages(); got != (Messages{}) {
		t.Errorf("messages %+v before any", got)
	}
}

func TestEdit(t *testing.T) {
	tests := []struct {
		name  string
		lines []string
		want  []string
	}{
		{"replace a set", []string{"www 60 A 192.0.2.7", "www 60 A 192.0.2.8"}, []string{
			"-www.dyn.example.com. 300 IN A 192.0.2.1", "-www.dyn.example.com. 300 IN A 192.0.2.2",
			"+www.dyn.example.com. 60 IN A 192.0.2.7", "+www.dyn.example.com. 60 IN A 192.0.2.8"}},
		{"delete a set", []string{"WWW TXT"}, []string{"-www.dyn.example.com. 300 IN TXT \"hello\""}},
		{"delete one and add another", []string{"alias CNAME", "alias.dyn.example.com. A 192.0.2.7"}, []string{
			"-alias.dyn.example.com. 300 IN CNAME www.dyn.example.com.", "+alias.dyn.example.com. 3600 IN A 192.0.2.7"}},
		{"apex", []string{"@ 60 IN A 192.0.2.7"}, []string{"-dyn.example.com. 300 IN A 192.0.2.1", "+dyn.example.com. 60 IN A 192.0.2.7"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := NewServer(Zone{Name: testZone, Records: updateRecords})
			defer s.Close()
			z := s.Zone(testZone)
			before := z.Records()
			z.Edit(test.lines...)
			if got := changes(before, z.Records()); !slices.Equal(got, test.want) {
				t.Errorf("changes\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(test.want, "\n"))
			}
			if z.Serial() != 11 {
				t.Errorf("serial %d, want 11", z.Serial())
			}
		})
	}
}

func TestLookupAndTTL(t *testing.T) {
	s := NewServer(Zone{Name: testZone, Records: updateRecords})
	defer s.Close()
	z := s.Zone(testZone)
	tests := []struct {
		name, owner string
		rrtype      uint16
		want        []string
		ttl         uint32
	}{
		{"several, in another case", "WWW." + testZone, dns.TypeA, []string{"192.0.2.1", "192.0.2.2"}, 300},
		{"without trailing dot", strings.TrimSuffix("mx."+testZone, "."), dns.TypeMX, []string{"10 Mail.Example.com."}, 300},
		{"no wildcard", "x.wild." + testZone, dns.TypeA, nil, 0},
		{"no alias", "alias." + testZone, dns.TypeA, nil, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := z.Lookup(test.owner, test.rrtype); !slices.Equal(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
			if got := z.TTL(test.owner, test.rrtype); got != test.ttl {
				t.Errorf("TTL %d, want %d", got, test.ttl)
			}
		})
	}
}

func TestMessages(t *testing.T) {
	s := NewServer(Zone{Name: testZone, Keys: []Key{testKey}, Records: updateRecords})
	defer s.Close()
	for _, line := range []string{"add x 60 A 192.0.2.9", "add x 60 A 192.0.2.9", "has none"} {
		wire, _ := signed(t, script(t, line), testKey, time.Now())
		exchange(t, "tcp", s.Addr(), wire)
	}
	exchange(t, "udp", s.Addr(), pack(t, ask("www A")))
	exchange(t, "udp", s.Addr(), pack(t, new(dns.Msg).SetQuestion("example.org.", dns.TypeA)))
	if got, want := s.Zone(testZone).Messages(), (Messages{Updates: 3, Changes: 1, Queries: 1}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestPanics(t *testing.T) {
	s := NewServer(Zone{Name: testZone})
	defer s.Close()
	tests := []struct {
		name string
		f    func()
	}{
		{"malformed record", func() { NewServer(Zone{Name: testZone, Records: []string{"www A not-an-address"}}) }},
		{"record outside the zone", func() { NewServer(Zone{Name: testZone, Records: []string{"example.org. A 192.0.2.1"}}) }},
		{"unknown algorithm", func() { NewServer(Zone{Name: testZone, Keys: []Key{{Name: "k", Algorithm: "hmac-md5"}}}) }},
		{"forging with an unknown algorithm", func() { Forge(0, Key{Name: "k", Algorithm: "rot13"}) }},
		{"unknown zone", func() { s.Zone("example.org") }},
		{"editing without a type", func() { s.Zone(testZone).Edit("www") }},
		{"editing with bad data", func() { s.Zone(testZone).Edit("www 60 A nonsense") }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			test.f()
		})
	}
}

func TestClose(t *testing.T) {
	s := NewServer(Zone{Name: testZone})
	conn := dial(t, "tcp", s.Addr())
	send(t, conn, pack(t, ask("@ SOA")))
	if _, err := receive(conn); err != nil {
		t.Fatal(err)
	}
	s.Close()
	if _, err := receive(conn); err == nil {
		t.Error("a connection outlives the server")
	}
	if _, err := net.Dial("tcp", s.Addr()); err == nil {
		t.Error("the port is still open")
	}
}
