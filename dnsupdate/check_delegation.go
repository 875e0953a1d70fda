package dnsupdate

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/caddy-dyndns/dyndns/dnsupdate/internal/transport"
	"github.com/caddy-dyndns/dyndns/internal/delegation"
	"github.com/caddy-dyndns/dyndns/zone"
)

// Resolver asks the public DNS; [net.Resolver] is one.
type Resolver = delegation.Resolver

// parentZone is what stands above a zone, asked by a resolver unless that is nil.
type parentZone struct{ delegation.Asker }

// check asks the zone's parent whether it leads to the nameservers of
// the zone. It returns no step where nobody could be asked.
func (p *parentZone) check(ctx context.Context, servers []*transport.Server, nameServers []string) []zone.CheckStep {
	if p.Resolver == nil {
		return nil
	}
	started := time.Now()
	ctx, cancel := context.WithTimeout(ctx, delegationTime)
	defer cancel()
	d, ok := p.Find(ctx)
	if !ok {
		return nil
	}
	step := zone.CheckStep{Name: "delegated", Warning: true}
	switch {
	case len(d.NameServers) == 0:
		step.Err = fmt.Errorf("%s has no NS records for %s: resolvers do not find its names", d.Parent, p.Zone)
	case !p.leadsHere(ctx, d, servers, nameServers):
		step.Err = fmt.Errorf("%s delegates the zone to %s, which are other nameservers than those of the zone here (%s): resolvers may not see what is written",
			d.Parent, strings.Join(d.NameServers, ", "), strings.Join(nameServers, ", "))
	default:
		step.Warning = false
		step.Detail = "by " + d.Parent + " to " + strings.Join(d.NameServers, ", ")
	}
	step.Took = time.Since(started)
	return []zone.CheckStep{step}
}

// leadsHere tells whether a delegation leads to nameservers that the zone
// itself names, be they secondaries of a hidden primary, or to one of ours.
func (p *parentZone) leadsHere(ctx context.Context, d delegation.Delegation, servers []*transport.Server, nameServers []string) bool {
	var ours []string
	for _, s := range servers {
		ours = append(ours, s.Address)
	}
	return slices.ContainsFunc(d.NameServers, func(name string) bool {
		return slices.Contains(nameServers, name) || p.leadsTo(ctx, d, name, ours)
	})
}

// leadsTo tells whether a nameserver's name is one of the servers, by its
// spelling or its addresses.
func (p *parentZone) leadsTo(ctx context.Context, d delegation.Delegation, name string, servers []string) bool {
	ctx, cancel := context.WithTimeout(ctx, delegationTime)
	defer cancel()
	found := p.Addresses(ctx, d, name)
	return slices.ContainsFunc(servers, func(server string) bool {
		host, _, err := net.SplitHostPort(server)
		if err != nil {
			return false
		}
		return dns.CanonicalName(host) == name || slices.ContainsFunc(p.Lookup(ctx, host), func(a netip.Addr) bool { return slices.Contains(found, a) })
	})
}
