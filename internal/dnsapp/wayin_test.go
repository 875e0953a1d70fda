package dnsapp

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"

	"github.com/miekg/dns"

	"github.com/caddy-dyndns/dyndns/dnsupdate/dnstest"
	"github.com/caddy-dyndns/dyndns/internal/delegation"
	"github.com/caddy-dyndns/dyndns/zone"
)

// publicDNS knows the nameserver of example.com and the addresses of a few hosts.
type publicDNS map[string]string

func (p publicDNS) LookupNS(_ context.Context, name string) ([]*net.NS, error) {
	if name == "example.com." {
		return []*net.NS{{Host: "ns.example.com."}}, nil
	}
	return nil, &net.DNSError{Name: name, IsNotFound: true}
}

func (p publicDNS) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	if address, ok := p[host]; ok {
		return []netip.Addr{netip.MustParseAddr(address)}, nil
	}
	return nil, &net.DNSError{Name: host, IsNotFound: true}
}

func TestWayIn(t *testing.T) {
	const (
		parentAddress = "192.0.2.1"
		zoneAddress   = "198.51.100.1"
		otherAddress  = "198.51.100.2"
	)
	ns1 := []string{"ns1.example.com."}
	for _, row := range []struct {
		name        string
		parent      []string // records of example.com
		hosts       publicDNS
		nameServers []string
		machine     string
		refused     string // a network over which nothing listens
		want        []string
	}{
		{
			name: "as it should be", nameServers: ns1,
			parent: []string{"dyn NS ns1", "ns1 A " + zoneAddress},
			want:   []string{"ok delegated by example.com. to ns1.example.com.", "ok udp answers for the zone", "ok tcp answers for the zone"},
		},
		{
			name: "nothing entered yet", nameServers: ns1, machine: zoneAddress,
			want: []string{
				`WARNING delegated example.com. has no NS records for dyn.example.com.: enter "ns1.example.com. A 198.51.100.1", and "dyn.example.com. NS ns1.example.com.", at the registrar or in example.com.`,
				`WARNING address ns1.example.com. has no address: enter "ns1.example.com. A 198.51.100.1" at the registrar or in the zone of that name`,
			},
		},
		{
			name: "a machine with IPv6 alone", nameServers: ns1, machine: "2001:db8::53",
			parent: []string{"dyn NS ns1"},
			want:   []string{"ok delegated by", `WARNING address ns1.example.com. has no address: enter "ns1.example.com. AAAA 2001:db8::53"`},
		},
		{
			name: "a machine behind NAT", nameServers: ns1, parent: []string{"dyn NS ns1"},
			want: []string{"ok delegated by", `WARNING address ns1.example.com. has no address: enter "ns1.example.com. A ..." with the public address of this machine`},
		},
		{
			name: "another nameserver", nameServers: []string{"ns1.example.com.", "ns2.example.net."},
			parent: []string{"dyn NS ns1", "ns1 A " + zoneAddress},
			hosts:  publicDNS{"ns2.example.net.": otherAddress},
			want: []string{
				"WARNING delegated example.com. delegates the zone to ns1.example.com., but ns says ns1.example.com., ns2.example.net.",
				"ok udp", "ok tcp",
				"WARNING udp it answers REFUSED and does not serve the zone", "WARNING tcp it answers REFUSED and does not serve the zone",
			},
		},
		{
			name: "UDP alone", nameServers: ns1, refused: "tcp",
			parent: []string{"dyn NS ns1", "ns1 A " + zoneAddress},
			want:   []string{"ok delegated", "ok udp", "WARNING tcp nothing listens there"},
		},
		{
			name: "a parent that is silent", nameServers: ns1, refused: "parent",
			want: []string{"WARNING delegated the zone above did not answer this machine"},
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			servers := map[string]*dnstest.Server{
				parentAddress: dnstest.NewServer(dnstest.Zone{Name: "example.com", Records: row.parent}),
				zoneAddress:   dnstest.NewServer(dnstest.Zone{Name: "dyn.example.com"}),
				otherAddress:  dnstest.NewServer(dnstest.Zone{Name: "example.org"}),
			}
			for _, s := range servers {
				t.Cleanup(s.Close)
			}
			hosts := publicDNS{"ns.example.com.": parentAddress}
			for name, address := range row.hosts {
				hosts[name] = address
			}
			way := wayIn{nameServers: row.nameServers, Asker: delegation.Asker{
				Zone: "dyn.example.com.", Resolver: hosts,
				Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
					host, _, _ := net.SplitHostPort(address)
					if network == row.refused || host == parentAddress && row.refused == "parent" {
						return nil, syscall.ECONNREFUSED
					}
					return new(net.Dialer).DialContext(ctx, network, servers[host].Addr())
				},
			}}
			if row.machine != "" {
				way.machine = []netip.Addr{netip.MustParseAddr(row.machine)}
			}
			steps := way.check(t.Context())
			if len(steps) != len(row.want) {
				t.Fatalf("%d steps, want %d: %v", len(steps), len(row.want), steps)
			}
			for i, want := range row.want {
				if got := describe(&steps[i]); !strings.HasPrefix(got, want) {
					t.Errorf("step %d is %q\nwant %q", i, got, want)
				}
			}
		})
	}
}

func describe(s *zone.CheckStep) string {
	switch {
	case s.Failed():
		return "FAILED " + s.Name + " " + s.Err.Error()
	case s.Err != nil:
		return "WARNING " + s.Name + " " + s.Err.Error()
	}
	return "ok " + s.Name + " " + s.Detail
}

func TestJudgeAnswer(t *testing.T) {
	answer := new(dns.Msg).SetQuestion("dyn.example.com.", dns.TypeSOA)
	answer.Authoritative = true
	if err := judgeAnswer("udp", answer, nil); err == nil {
		t.Error("an answer without a record is taken for one of the zone")
	}
	if err := judgeAnswer("udp", nil, context.DeadlineExceeded); err == nil || !strings.Contains(err.Error(), "over UDP") {
		t.Errorf("silence over UDP is called %v", err)
	}
}
