package service

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/caddy-dyndns/dyndns/clients"
)

// house returns a service whose one client has that many hosts and LAN hosts.
func house(t testing.TB, hosts, lan int) (*Service, *clients.Client) {
	t.Helper()
	spec := clients.Spec{Name: "house", Tokens: []string{token("house")}}
	for i := range hosts {
		spec.Hosts = append(spec.Hosts, fmt.Sprintf("h%d.dyn.test", i))
	}
	for i := range lan {
		spec.LAN = append(spec.LAN, clients.LAN{Name: fmt.Sprintf("l%d.dyn.test", i), InterfaceID: netip.MustParseAddr("::1")})
	}
	source, err := clients.NewStatic([]clients.Spec{spec}, clients.NewConfig([]string{"dyn.test."}))
	if err != nil {
		t.Fatal(err)
	}
	zone := &fakeZone{records: make(map[rrset]values)}
	s := New(Config{Zones: []Zone{{Name: "dyn.test.", TTL: 300, Backend: zone}}, Clients: source, MaxTTL: 86400, Timeout: time.Minute})
	client, err := source.FindClient(t.Context(), clients.DigestOf(token("house")))
	if err != nil {
		t.Fatal(err)
	}
	return s, client
}

// long are 20 names that take long to normalise.
func long() (hosts []Host) {
	for i := range 20 {
		hosts = append(hosts, pointed(fmt.Sprintf("b%dü%s", i, strings.Repeat("ö", 20))))
	}
	return hosts
}

// A short name is normalised once, however many hosts it may stand for.
func TestShortNamesOfManyHosts(t *testing.T) {
	s, client := house(t, 1000, 0)
	if allocations := testing.AllocsPerRun(1, func() {
		out := s.Do(context.Background(), client, Submission{Hosts: long(), ShortNames: true})
		if err := out.Hosts[19].Err; reason(err) != NotGranted {
			t.Errorf("got %v", err)
		}
	}); allocations > 1500 {
		t.Errorf("%v allocations", allocations)
	}
}

func BenchmarkShortNamesOfManyHosts(b *testing.B) {
	s, client := house(b, 1000, 0)
	sub := Submission{Hosts: long(), ShortNames: true}
	b.ReportAllocs()
	for b.Loop() {
		s.Do(context.Background(), client, sub)
	}
}

func BenchmarkManyLANHosts(b *testing.B) {
	s, client := house(b, 1, 1000)
	sub := Submission{Hosts: []Host{pointed("h0.dyn.test")}, Prefix: netip.MustParsePrefix("2001:db8::/56")}
	b.ReportAllocs()
	for b.Loop() {
		s.Do(context.Background(), client, sub)
	}
}
