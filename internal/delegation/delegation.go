// Package delegation asks the public DNS what stands above a zone.
package delegation

import (
	"cmp"
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/miekg/dns"

	"github.com/caddy-dyndns/dyndns/internal/change"
)

// maxParents bounds how many of the parent's nameservers are asked.
const maxParents = 4

// Resolver asks the public DNS; [net.Resolver] is one.
type Resolver interface {
	LookupNS(ctx context.Context, name string) ([]*net.NS, error)
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// Asker asks of one zone.
type Asker struct {
	// Zone is its canonical name.
	Zone     string
	Resolver Resolver
	Dial     func(ctx context.Context, network, address string) (net.Conn, error)
}

// Delegation is what the parent zone says of a zone.
type Delegation struct {
	// Parent is the name of the zone above.
	Parent string
	// NameServers are the canonical names that it delegates to, sorted; none if it does not.
	NameServers []string
	// Glue are the addresses of these names as far as the parent has them.
	Glue map[string][]netip.Addr
}

// Find asks the nameservers of the parent zone. It returns false if neither the resolver
// nor any of them answers: what is wrong with the network of this machine is no matter of
// the zone.
func (a *Asker) Find(ctx context.Context) (Delegation, bool) {
	for above := cmp.Or(change.Parent(a.Zone), "."); ; above = cmp.Or(change.Parent(above), ".") {
		servers, err := a.Resolver.LookupNS(ctx, above)
		var unknown *net.DNSError
		switch {
		case len(servers) == 0 && above != "." && (err == nil || errors.As(err, &unknown) && unknown.IsNotFound):
			continue // no zone begins there
		case len(servers) == 0:
			return Delegation{}, false
		}
		asked := 0
		for _, s := range servers {
			addresses, _ := a.Resolver.LookupNetIP(ctx, "ip", s.Host)
			for _, address := range addresses {
				if asked++; asked > maxParents {
					return Delegation{}, false
				}
				if d, ok := a.askParent(ctx, above, address); ok {
					return d, true
				}
			}
		}
		return Delegation{}, false
	}
}

// askParent asks one nameserver of the parent zone, over TCP if need be.
func (a *Asker) askParent(ctx context.Context, above string, server netip.Addr) (Delegation, bool) {
	for _, network := range []string{"udp", "tcp"} {
		answer, err := a.Ask(ctx, network, server, dns.TypeNS)
		if err != nil || answer.Truncated {
			continue
		}
		if answer.Rcode != dns.RcodeSuccess && answer.Rcode != dns.RcodeNameError {
			return Delegation{}, false
		}
		d := Delegation{Parent: above, Glue: make(map[string][]netip.Addr)}
		for _, rr := range slices.Concat(answer.Answer, answer.Ns) {
			if ns, ok := rr.(*dns.NS); ok && dns.CanonicalName(ns.Hdr.Name) == a.Zone {
				d.NameServers = append(d.NameServers, dns.CanonicalName(ns.Ns))
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
			if address, ok := netip.AddrFromSlice(ip); ok {
				name := dns.CanonicalName(rr.Header().Name)
				d.Glue[name] = append(d.Glue[name], address.Unmap())
			}
		}
		slices.Sort(d.NameServers)
		// Nothing but the parent itself knows that there is no delegation.
		return d, len(d.NameServers) > 0 || answer.Authoritative
	}
	return Delegation{}, false
}

// Ask asks a nameserver at port 53 for a type at the zone's apex, unsigned and without
// recursion. It takes at most half of the time that is left, so that another can be asked.
func (a *Asker) Ask(ctx context.Context, network string, server netip.Addr, qtype uint16) (*dns.Msg, error) {
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Until(deadline)/2)
		defer cancel()
	}
	question := new(dns.Msg).SetQuestion(a.Zone, qtype)
	question.RecursionDesired = false
	question.SetEdns0(1232, false)
	nc, err := a.Dial(ctx, network, net.JoinHostPort(server.String(), "53"))
	if err != nil {
		return nil, err
	}
	conn := &dns.Conn{Conn: nc}
	defer conn.Close()
	answer, _, err := new(dns.Client).ExchangeWithConnContext(ctx, question, conn)
	return answer, err
}

// Addresses returns those that a name has by the delegation or else by the resolver. A
// name that is not found has none.
func (a *Asker) Addresses(ctx context.Context, d Delegation, name string) []netip.Addr {
	if glue := d.Glue[name]; len(glue) > 0 {
		return glue
	}
	return a.Lookup(ctx, name)
}

// Lookup returns the addresses of a host, which may be written as one, by the resolver.
func (a *Asker) Lookup(ctx context.Context, host string) []netip.Addr {
	if address, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{address.Unmap()}
	}
	if a.Resolver == nil {
		return nil
	}
	found, _ := a.Resolver.LookupNetIP(ctx, "ip", host)
	for i := range found {
		found[i] = found[i].Unmap()
	}
	return found
}
