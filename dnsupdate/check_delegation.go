package dnsupdate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/caddy-dyndns/dyndns/dnsupdate/internal/transport"
	"github.com/caddy-dyndns/dyndns/internal/change"
	"github.com/caddy-dyndns/dyndns/zone"
)

// Resolver asks the public DNS; [net.Resolver] is one.
type Resolver interface {
	LookupNS(ctx context.Context, name string) ([]*net.NS, error)
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// maxParents bounds how many of the parent's nameservers are asked.
const maxParents = 4

// delegation is what the parent zone says of a zone.
type delegation struct {
	parent string
	// names are the nameservers, glue their addresses as far as the parent has them.
	names []string
	glue  map[string][]netip.Addr
}

// parentZone asks the public DNS what stands above a zone.
type parentZone struct {
	zone     string
	resolver Resolver // nil if nothing is to be asked
	dial     func(ctx context.Context, network, address string) (net.Conn, error)
}

// check asks the zone's parent whether it leads to the nameservers of
// the zone. It returns no step where nobody could be asked: what is wrong with the
// network of this machine is no matter of the zone.
func (p *parentZone) check(ctx context.Context, servers []*transport.Server, nameServers []string) []zone.CheckStep {
	if p.resolver == nil {
		return nil
	}
	started := time.Now()
	ctx, cancel := context.WithTimeout(ctx, delegationTime)
	defer cancel()
	d, ok := p.find(ctx)
	if !ok {
		return nil
	}
	step := zone.CheckStep{Name: "delegated", Warning: true}
	switch {
	case len(d.names) == 0:
		step.Err = fmt.Errorf("%s has no NS records for %s: resolvers do not find its names", d.parent, p.zone)
	case !p.leadsHere(ctx, d, servers, nameServers):
		step.Err = fmt.Errorf("%s delegates the zone to %s, which are other nameservers than those of the zone here (%s): resolvers may not see what is written",
			d.parent, strings.Join(d.names, ", "), strings.Join(nameServers, ", "))
	default:
		step.Warning = false
		step.Detail = "by " + d.parent + " to " + strings.Join(d.names, ", ")
	}
	step.Took = time.Since(started)
	return []zone.CheckStep{step}
}

// leadsHere tells whether a delegation leads to nameservers that the zone
// itself names, be they secondaries of a hidden primary, or to one of ours.
func (p *parentZone) leadsHere(ctx context.Context, d delegation, servers []*transport.Server, nameServers []string) bool {
	var ours []string
	for _, s := range servers {
		ours = append(ours, s.Address)
	}
	return slices.ContainsFunc(d.names, func(name string) bool {
		return slices.Contains(nameServers, name) || p.leadsTo(ctx, name, d.glue[name], ours)
	})
}

// leadsTo tells whether a nameserver's name is one of the servers, by its
// spelling, its known addresses or those that the resolver finds.
func (p *parentZone) leadsTo(ctx context.Context, name string, known []netip.Addr, servers []string) bool {
	ctx, cancel := context.WithTimeout(ctx, delegationTime)
	defer cancel()
	lookup := func(host string) []netip.Addr {
		if a, err := netip.ParseAddr(host); err == nil {
			return []netip.Addr{a.Unmap()}
		}
		if p.resolver == nil {
			return nil
		}
		// A name that is not found is none of the servers.
		found, _ := p.resolver.LookupNetIP(ctx, "ip", host)
		for i := range found {
			found[i] = found[i].Unmap()
		}
		return found
	}
	var ours []netip.Addr
	for _, s := range servers {
		host, _, err := net.SplitHostPort(s)
		if err != nil {
			continue
		}
		if dns.CanonicalName(host) == name {
			return true
		}
		ours = append(ours, lookup(host)...)
	}
	if len(known) == 0 {
		known = lookup(name)
	}
	return slices.ContainsFunc(known, func(a netip.Addr) bool { return slices.Contains(ours, a) })
}

// find asks the nameservers of the parent zone. It returns false
// if neither the resolver nor any of them answers.
func (p *parentZone) find(ctx context.Context) (delegation, bool) {
	for above := cmp.Or(change.Parent(p.zone), "."); ; above = cmp.Or(change.Parent(above), ".") {
		servers, err := p.resolver.LookupNS(ctx, above)
		var unknown *net.DNSError
		switch {
		case len(servers) == 0 && above != "." && (err == nil || errors.As(err, &unknown) && unknown.IsNotFound):
			continue // no zone begins there
		case len(servers) == 0:
			return delegation{}, false
		}
		asked := 0
		for _, s := range servers {
			addresses, _ := p.resolver.LookupNetIP(ctx, "ip", s.Host)
			for _, a := range addresses {
				if asked++; asked > maxParents {
					return delegation{}, false
				}
				if d, ok := p.ask(ctx, above, a); ok {
					return d, true
				}
			}
		}
		return delegation{}, false
	}
}

// ask asks one nameserver of the parent zone, over TCP if need be.
func (p *parentZone) ask(ctx context.Context, above string, server netip.Addr) (delegation, bool) {
	question := new(dns.Msg).SetQuestion(p.zone, dns.TypeNS)
	question.RecursionDesired = false
	question.SetEdns0(1232, false)
	for _, network := range []string{"udp", "tcp"} {
		answer, err := p.exchange(ctx, network, net.JoinHostPort(server.String(), "53"), question)
		if err != nil || answer.Truncated {
			continue
		}
		if answer.Rcode != dns.RcodeSuccess && answer.Rcode != dns.RcodeNameError {
			return delegation{}, false
		}
		d := delegation{parent: above, glue: make(map[string][]netip.Addr)}
		for _, rr := range slices.Concat(answer.Answer, answer.Ns) {
			if ns, ok := rr.(*dns.NS); ok && dns.CanonicalName(ns.Hdr.Name) == p.zone {
				d.names = append(d.names, dns.CanonicalName(ns.Ns))
			}
		}
		for _, rr := range answer.Extra {
			var ip net.IP
			switch rr := rr.(type) {
			case *dns.A:
				ip = rr.A
			case *dns.AAAA:
				ip = rr.AAAA
			}
			if a, ok := netip.AddrFromSlice(ip); ok {
				name := dns.CanonicalName(rr.Header().Name)
				d.glue[name] = append(d.glue[name], a.Unmap())
			}
		}
		slices.Sort(d.names)
		// Nothing but the parent itself knows that there is no delegation.
		return d, len(d.names) > 0 || answer.Authoritative
	}
	return delegation{}, false
}

// exchange asks one unsigned question.
func (p *parentZone) exchange(ctx context.Context, network, server string, question *dns.Msg) (*dns.Msg, error) {
	// Half of the rest, so that another can be asked.
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Until(deadline)/2)
		defer cancel()
	}
	nc, err := p.dial(ctx, network, server)
	if err != nil {
		return nil, err
	}
	conn := &dns.Conn{Conn: nc}
	defer conn.Close()
	answer, _, err := new(dns.Client).ExchangeWithConnContext(ctx, question, conn)
	return answer, err
}
