package dnsupdate

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/miekg/dns"
)

// serverCheck is what was found out about one nameserver without writing.
type serverCheck struct {
	updater *Updater
	address string
	steps   []CheckStep
	// usable: it answers for the zone and takes updates.
	usable bool
	// soa and nameServers are the zone's as the nameserver answered, nil if it
	// did not.
	soa         *dns.SOA
	nameServers []string

	// took is how long it was until the connection was open, the queries were
	// answered and the UPDATE was.
	took struct{ connection, query, update time.Duration }
}

// checkServer tests one nameserver: it asks, signed, for what stands at the
// zone's apex, and sends an UPDATE that changes nothing.
func (u *Updater) checkServer(ctx context.Context, s *server, limit time.Time) *serverCheck {
	c := &serverCheck{updater: u, address: s.pool.address}
	var (
		started                       = time.Now()
		connected                     bool
		apex, plain                   []query
		ended, asked, plainly, probed outcome
	)
	exchange := func(conn *conn, s *server, limit time.Time) outcome {
		apex = []query{{name: u.zone, rrtype: dns.TypeSOA}, {name: u.zone, rrtype: dns.TypeNS}}
		plain = []query{{name: u.zone, rrtype: dns.TypeSOA}}
		connected, c.took.connection = true, time.Since(started)
		asked = u.askSigned(conn, s, u.signer, apex, limit)
		c.took.query = time.Since(started)
		switch {
		case apex[0].reply == nil:
			return asked
		case apex[0].unverified != nil:
			// Unsigned it may tell whether the zone is there at all.
			plainly = u.askSigned(conn, s, nil, plain, limit)
			return plainly
		}
		conn.out.begin(dns.OpcodeUpdate, u.zone, dns.TypeSOA)
		conn.out.requireExists(u.zone, Type(dns.TypeSOA))
		started := time.Now()
		probed = u.sendProof(conn, s, limit)
		c.took.update = time.Since(started)
		return probed
	}
	// A kept connection may have been closed meanwhile, and the others with it.
	if ended = u.on(s, nil, limit, exchange); asked.stale {
		ended = u.on(s, nil, limit, exchange)
	}
	if !connected {
		c.step("reachable", time.Since(started), "", unreachable(ended.err))
		return c
	}
	// An exchange that ended in a panic has judged nothing.
	for _, o := range []*outcome{&asked, &probed} {
		if o.verdict == unjudged {
			o.err = ended.err
		}
	}
	c.step("reachable", c.took.connection, "TCP connection open", nil)
	const signed = "the reply is signed by "
	key := u.signer.key.String()
	switch reply := apex[0].reply; {
	case reply == nil, asked.verdict == unread && asked.err.RCode == "":
		c.step("answers", c.took.query, "", silent(asked.err))
	case apex[0].unverified != nil:
		c.unsigned(ctx, asked.err, plain[0], plainly)
	case reply.tsig.error == dns.RcodeBadTime:
		c.step("key", c.took.query, signed+key, nil)
		c.step("clock", c.took.query, "", said(asked.err, "a query", asked.err.Hint))
	case reply.tsig.error != 0:
		c.step("key", c.took.query, "", said(asked.err, "a query", asked.err.Hint))
	default:
		c.step("key", c.took.query, signed+key, nil)
		skew := time.Until(reply.tsig.serverTime()).Round(time.Second)
		clock := fmt.Sprintf("%.0f s apart, %d s are allowed", max(skew, -skew).Seconds(), wideFudge)
		if s.pool.clock.suspectEcho() {
			clock = fmt.Sprintf("no more than %d s apart, as allowed; the reply repeats our time, as PowerDNS does", wideFudge)
		}
		c.step("clock", c.took.query, clock, nil)
		if c.authoritative(apex, asked, probed) {
			c.updates(ctx, probed)
		}
	}
	return c
}

// step adds what was found.
func (c *serverCheck) step(name string, took time.Duration, detail string, err error) {
	c.steps = append(c.steps, CheckStep{Name: name, Server: c.address, Took: took, Detail: detail, Err: err})
}

// unreachable says what to look at when no connection could be opened.
func unreachable(e *Error) error {
	failed := *e
	var unresolved *net.DNSError
	switch {
	case errors.As(e.Cause, &unresolved), errors.Is(e.Cause, errNoSlot):
	case isTimeout(e.Cause):
		failed.Hint = "nothing came back: a firewall may drop the packets, so let TCP port 53 through, not UDP alone"
	case errors.Is(e.Cause, syscall.ECONNREFUSED):
		failed.Hint = "nothing listens there: start the nameserver, let it listen on TCP as well as UDP, or mend the address"
	}
	return &failed
}

// silent says what to look at when a connection brought no DNS message.
func silent(e *Error) error {
	if isTimeout(e.Cause) {
		return fmt.Errorf("%s took the connection and sends no DNS message: it is overloaded or stopped, or no nameserver is at this port", e.Server)
	}
	return fmt.Errorf("%s took the connection and sends no DNS message: %w: no nameserver at this port?", e.Server, e.Cause)
}

// said words what a nameserver made of a message that was to change nothing: the
// sentences of [Error] are about updates.
func said(e *Error, message, hint string) error {
	answer := e.RCode
	if e.RCode == "" {
		answer = "NOERROR"
	}
	if e.TSIG != "" {
		answer += ", TSIG error " + e.TSIG
	}
	if !e.Verified {
		answer += ", not signed"
	}
	answer = strings.Join(append([]string{answer}, e.EDE...), ", ")
	if e.Cause != nil {
		answer += ": " + e.Cause.Error()
	}
	if hint != "" {
		hint = ": " + hint
	}
	return fmt.Errorf("nameserver %s answered %s to %s%s", e.Server, answer, message, hint)
}

// unsigned reports a reply that our key did not sign, and what the nameserver
// says to everybody.
func (c *serverCheck) unsigned(ctx context.Context, e *Error, plain query, plainly outcome) {
	hint := e.Hint
	soa := apexSOA(plain.answer, c.updater.zone)
	switch {
	case soa == nil && plain.reply != nil && e.TSIG == "":
		hint = "" // Knot speaks so of a zone that it does not serve
	case soa != nil && plainly.verdict == accepted && e.TSIG != "BADSIG" && e.TSIG != "BADTRUNC":
		if primary := c.primary(ctx, soa); primary != "" {
			hint += "; or, as it serves the zone, " + primary
		}
	}
	c.step("key", c.took.query, "", said(e, "a query", hint))
	if soa == nil && plain.reply != nil {
		c.step("authoritative", c.took.query, "", c.foreign(plain, plainly.err))
	}
}

// authoritative tells whether the nameserver answers for the zone.
func (c *serverCheck) authoritative(apex []query, asked, probed outcome) bool {
	u := c.updater
	c.soa = apexSOA(apex[0].answer, u.zone)
	switch {
	case asked.verdict == accepted && c.soa != nil:
		for _, rr := range apex[1].answer.Answer {
			if ns, ok := rr.(*dns.NS); ok && dns.CanonicalName(ns.Hdr.Name) == u.zone {
				c.nameServers = append(c.nameServers, dns.CanonicalName(ns.Ns))
			}
		}
		slices.Sort(c.nameServers)
		c.step("authoritative", c.took.query, fmt.Sprintf("serial %d", c.soa.Serial), nil)
		return true
	case asked.verdict == denied && probed.verdict == accepted:
		c.step("authoritative", c.took.query, "", said(asked.err, "a query", "it takes updates from this key but does not let it query: BIND: allow-query"))
	default:
		c.step("authoritative", c.took.query, "", c.foreign(apex[0], asked.err))
	}
	return false
}

// foreign says that no zone of ours is there, and which one is.
func (c *serverCheck) foreign(q query, e *Error) error {
	zone := c.updater.zone
	switch {
	case e == nil || e.RCode == "":
	case e.RCode == "SERVFAIL":
		return said(e, "a query", e.Hint)
	default:
		return said(e, "a query", "it shows this machine no zone "+zone+": mend the zone's name or the address, or allow the query")
	}
	if q.answer == nil || !q.answer.Authoritative {
		return fmt.Errorf("nameserver %s is not authoritative for zone %s: it is a resolver, or the zone has expired there", c.address, zone)
	}
	for _, rr := range q.answer.Ns {
		if soa, ok := rr.(*dns.SOA); ok {
			return fmt.Errorf("no zone begins at %s on nameserver %s: it serves %s there, so mend the zone's name on one side", zone, c.address, soa.Hdr.Name)
		}
	}
	return fmt.Errorf("no zone begins at %s on nameserver %s: mend the zone's name on one side", zone, c.address)
}

// updates tells whether the nameserver takes updates of the zone.
func (c *serverCheck) updates(ctx context.Context, probed outcome) {
	u := c.updater
	e := probed.err
	switch probed.verdict {
	case accepted, unmet:
		c.usable = true
		c.step("updates", c.took.update, "an empty one was taken", nil)
		return
	case denied, elsewhere:
		hint := "its policy denies key " + u.signer.key.String() + ": BIND: update-policy or allow-update; Knot: acl; PowerDNS: dnsupdate=yes, ALLOW-DNSUPDATE-FROM and TSIG-ALLOW-DNSUPDATE"
		if primary := c.primary(ctx, c.soa); primary != "" {
			hint = primary + "; if it is the primary, " + hint
		}
		c.step("updates", c.took.update, "", said(e, "an update without changes", hint))
	case failing:
		c.step("updates", c.took.update, "", said(e, "an update without changes", e.Hint))
	default:
		c.step("updates", c.took.update, "", e)
	}
}

// primary says where updates belong, empty if the SOA record names this very
// nameserver: a secondary is authoritative as well, and refuses an update in the
// words of a primary whose policy denies it.
func (c *serverCheck) primary(ctx context.Context, soa *dns.SOA) string {
	name := dns.CanonicalName(soa.Ns)
	if c.updater.leadsTo(ctx, name, nil, []string{c.address}) {
		return ""
	}
	return "it may be a secondary: ask the primary, " + name + " by the SOA record, or let it forward updates"
}

// apexSOA is the SOA record of the zone in an answer, nil if there is none.
func apexSOA(answer *dns.Msg, zone string) *dns.SOA {
	if answer == nil {
		return nil
	}
	for _, rr := range answer.Answer {
		if soa, ok := rr.(*dns.SOA); ok && dns.CanonicalName(soa.Hdr.Name) == zone {
			return soa
		}
	}
	return nil
}

// leadsTo tells whether a nameserver's name is one of the servers, by its
// spelling, its known addresses or those that the resolver gives.
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
		// Who is not found is nobody's address.
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
