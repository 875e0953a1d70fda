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

// checkDelegation asks the zone's parent whether it leads to the nameservers of
// the zone. It returns no step where nobody could be asked: what is wrong with the
// network of this machine is no matter of the zone.
func (u *Updater) checkDelegation(ctx context.Context, nameServers []string) []zone.CheckStep {
	if u.client.options.Resolver == nil {
		return nil
	}
	started := time.Now()
	ctx, cancel := context.WithTimeout(ctx, delegationTime)
	defer cancel()
	d, ok := u.findDelegation(ctx)
	if !ok {
		return nil
	}
	step := zone.CheckStep{Name: "delegated", Warning: true}
	switch {
	case len(d.names) == 0:
		step.Err = fmt.Errorf("%s has no NS records for %s: resolvers do not find its names", d.parent, u.zone)
	case !u.delegatedHere(ctx, d, nameServers):
		step.Err = fmt.Errorf("%s delegates the zone to %s, which are other nameservers than those of the zone here (%s): resolvers may not see what is written",
			d.parent, strings.Join(d.names, ", "), strings.Join(nameServers, ", "))
	default:
		step.Warning = false
		step.Detail = "by " + d.parent + " to " + strings.Join(d.names, ", ")
	}
	step.Took = time.Since(started)
	return []zone.CheckStep{step}
}

// delegatedHere tells whether a delegation leads to nameservers that the zone
// itself names, be they secondaries of a hidden primary, or to one of ours.
func (u *Updater) delegatedHere(ctx context.Context, d delegation, nameServers []string) bool {
	var servers []string
	for _, s := range u.servers.list {
		servers = append(servers, s.pool.address)
	}
	return slices.ContainsFunc(d.names, func(name string) bool {
		return slices.Contains(nameServers, name) || u.leadsTo(ctx, name, d.glue[name], servers)
	})
}

// leadsTo tells whether a nameserver's name is one of the servers, by its
// spelling, its known addresses or those that the resolver finds.
func (u *Updater) leadsTo(ctx context.Context, name string, known []netip.Addr, servers []string) bool {
	ctx, cancel := context.WithTimeout(ctx, delegationTime)
	defer cancel()
	resolver := u.client.options.Resolver
	lookup := func(host string) []netip.Addr {
		if a, err := netip.ParseAddr(host); err == nil {
			return []netip.Addr{a.Unmap()}
		}
		if resolver == nil {
			return nil
		}
		// A name that is not found is none of the servers.
		found, _ := resolver.LookupNetIP(ctx, "ip", host)
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

// findDelegation asks the nameservers of the parent zone. It returns false
// if neither the resolver nor any of them answers.
func (u *Updater) findDelegation(ctx context.Context) (delegation, bool) {
	resolver := u.client.options.Resolver
	for above := cmp.Or(parent(u.zone), "."); ; above = cmp.Or(parent(above), ".") {
		servers, err := resolver.LookupNS(ctx, above)
		var unknown *net.DNSError
		switch {
		case len(servers) == 0 && above != "." && (err == nil || errors.As(err, &unknown) && unknown.IsNotFound):
			continue // no zone begins there
		case len(servers) == 0:
			return delegation{}, false
		}
		asked := 0
		for _, s := range servers {
			addresses, _ := resolver.LookupNetIP(ctx, "ip", s.Host)
			for _, a := range addresses {
				if asked++; asked > maxParents {
					return delegation{}, false
				}
				if d, ok := u.askParent(ctx, above, a); ok {
					return d, true
				}
			}
		}
		return delegation{}, false
	}
}

// askParent asks one nameserver of the parent zone, over TCP if need be.
func (u *Updater) askParent(ctx context.Context, parent string, server netip.Addr) (delegation, bool) {
	question := new(dns.Msg).SetQuestion(u.zone, dns.TypeNS)
	question.RecursionDesired = false
	question.SetEdns0(1232, false)
	for _, network := range []string{"udp", "tcp"} {
		answer, err := u.askPlain(ctx, network, net.JoinHostPort(server.String(), "53"), question)
		if err != nil || answer.Truncated {
			continue
		}
		if answer.Rcode != dns.RcodeSuccess && answer.Rcode != dns.RcodeNameError {
			return delegation{}, false
		}
		d := delegation{parent: parent, glue: make(map[string][]netip.Addr)}
		for _, rr := range slices.Concat(answer.Answer, answer.Ns) {
			if ns, ok := rr.(*dns.NS); ok && dns.CanonicalName(ns.Hdr.Name) == u.zone {
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

// askPlain asks one unsigned question.
func (u *Updater) askPlain(ctx context.Context, network, server string, question *dns.Msg) (*dns.Msg, error) {
	// Half of the rest, so that another can be asked.
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Until(deadline)/2)
		defer cancel()
	}
	nc, err := u.client.options.Dial(ctx, network, server)
	if err != nil {
		return nil, err
	}
	conn := &dns.Conn{Conn: nc}
	defer conn.Close()
	answer, _, err := new(dns.Client).ExchangeWithConnContext(ctx, question, conn)
	return answer, err
}
