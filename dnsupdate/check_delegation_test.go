package dnsupdate

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/caddy-dyndns/dyndns/dnsupdate/dnstest"
)

// fakeResolver knows a few zones and hosts; of others it says that there are none.
type fakeResolver struct {
	zones, addresses map[string]string
	err              error // instead of any answer
}

func (r fakeResolver) find(in map[string]string, name string) (string, error) {
	if r.err != nil {
		return "", r.err
	}
	if found, ok := in[dns.CanonicalName(name)]; ok {
		return found, nil
	}
	return "", &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
}

func (r fakeResolver) LookupNS(_ context.Context, name string) ([]*net.NS, error) {
	host, err := r.find(r.zones, name)
	if err != nil {
		return nil, err
	}
	return []*net.NS{{Host: host}}, nil
}

func (r fakeResolver) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	address, err := r.find(r.addresses, host)
	if err != nil {
		return nil, err
	}
	return []netip.Addr{netip.MustParseAddr(address)}, nil
}

func TestCheckDelegation(t *testing.T) {
	known := fakeResolver{
		zones:     map[string]string{"com.": "a.gtld.example.", "example.com.": "ns.example.com."},
		addresses: map[string]string{"ns.example.com.": "192.0.2.1", "primary.example.net.": "192.0.2.53"},
	}
	for _, row := range []struct {
		name     string
		parent   []string // records of example.com
		resolver Resolver
		fault    func(dnstest.Exchange) dnstest.Action // at the parent
		server   string                                // instead of an address of loopback
		want     string                                // of the step, empty for none
		warning  bool
	}{
		{name: "delegated", parent: []string{"dyn NS ns.dyn", "ns.dyn A 192.0.2.9"}, want: "by example.com. to ns.dyn.example.com."},
		{name: "to a secondary too", parent: []string{"dyn NS ns.dyn", "dyn NS ns.example.org."}, want: "by example.com. to ns.dyn.example.com., ns.example.org."},
		{name: "not delegated", want: "example.com. has no NS records for dyn.example.com.: resolvers do not find its names", warning: true},
		{name: "to others", parent: []string{"dyn NS ns.old.example."}, want: "example.com. delegates the zone to ns.old.example., which are other nameservers than those of the zone here (ns.dyn.example.com.)", warning: true},
		{name: "to this address by glue", parent: []string{"dyn NS ns2.dyn", "ns2.dyn A 192.0.2.53"}, server: "192.0.2.53", want: "by example.com. to ns2.dyn.example.com."},
		{name: "to this address by the resolver", parent: []string{"dyn NS primary.example.net."}, server: "192.0.2.53", want: "by example.com. to primary.example.net."},
		{name: "to this name", parent: []string{"dyn NS primary.example.net."}, server: "primary.example.net", want: "by example.com. to primary.example.net."},
		{name: "truncated over UDP", parent: []string{"dyn NS ns.dyn"}, fault: func(x dnstest.Exchange) dnstest.Action {
			if x.Network == "udp" {
				return dnstest.Truncate()
			}
			return dnstest.Pass()
		}, want: "by example.com. to ns.dyn.example.com."},
		{name: "no UDP", parent: []string{"dyn NS ns.dyn"}, fault: func(x dnstest.Exchange) dnstest.Action {
			if x.Network == "udp" {
				return dnstest.Drop()
			}
			return dnstest.Pass()
		}, want: "by example.com. to ns.dyn.example.com."},
		{name: "the parent refuses", fault: dnstest.Always(dnstest.RCode(dns.RcodeRefused))},
		{name: "the parent is silent", fault: dnstest.Always(dnstest.Drop())},
		{name: "the resolver is silent", resolver: fakeResolver{err: errors.New("i/o timeout")}},
		{name: "the resolver knows nothing", resolver: fakeResolver{}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			parent := dnstest.NewServer(dnstest.Zone{Name: "example.com", Records: row.parent})
			t.Cleanup(parent.Close)
			proxy := dnstest.NewProxy(parent.Addr())
			t.Cleanup(proxy.Close)
			proxy.SetFault(row.fault)
			if row.resolver == nil {
				row.resolver = known
			}
			var w *world
			w = newWorldWith(t, dnstest.Zone{Records: []string{shortMinimum}}, Options{
				Resolver: row.resolver,
			}, func(ctx context.Context, network, address string) (net.Conn, error) {
				if address == "192.0.2.1:53" {
					address = proxy.Addr()
				} else {
					address = w.server.Addr()
				}
				return new(net.Dialer).DialContext(ctx, network, address)
			})
			u := w.Updater
			if row.server != "" {
				u = w.open(t, row.server)
			}
			steps := u.Check(t.Context())
			last := steps[len(steps)-1]
			if row.want == "" {
				if last.Name == "delegated" {
					t.Errorf("it says %q, %v", last.Detail, last.Err)
				}
				return
			}
			got := last.Detail
			if last.Err != nil {
				got = last.Err.Error()
			}
			if last.Name != "delegated" || !strings.HasPrefix(got, row.want) || last.Failed() || last.Warning != row.warning {
				t.Errorf("%s says %q, warning %v\nwant %q, %v", last.Name, got, last.Warning, row.want, row.warning)
			}
		})
	}
}
