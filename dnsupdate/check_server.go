package dnsupdate

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/miekg/dns"

	"github.com/caddy-dyndns/dyndns/dnsupdate/internal/transport"
	"github.com/caddy-dyndns/dyndns/dnsupdate/internal/wire"
	"github.com/caddy-dyndns/dyndns/internal/delegation"
	"github.com/caddy-dyndns/dyndns/zone"
)

// serverCheck is what was found out about one nameserver without writing.
type serverCheck struct {
	*Updater
	address string
	steps   []zone.CheckStep
	// usable: it answers for the zone and takes updates.
	usable bool
	// soa and nameServers are the zone's as the nameserver answered, nil if it
	// did not.
	soa         *dns.SOA
	nameServers []string

	// apex are the signed queries, plain is the unsigned one that is sent if no
	// reply to them is signed.
	apex, plain []transport.Query
	// asked, askedPlain and probed are the outcomes of both and of an UPDATE
	// without changes.
	asked, askedPlain, probed outcome

	started   time.Time
	connected bool
	// took holds the times from the start until the connection was open and until
	// the queries were answered, and that of the UPDATE alone.
	took struct{ connection, query, update time.Duration }
}

// checkServer tests one nameserver.
func checkServer(ctx context.Context, u *Updater, s *transport.Server, limit time.Time) *serverCheck {
	c := &serverCheck{Updater: u, address: s.Address, started: time.Now()}
	ended := u.on(s, nil, limit, c.exchange)
	// A kept connection may have been closed meanwhile, and the others with it.
	if c.asked.stale {
		ended = u.on(s, nil, limit, c.exchange)
	}
	if !c.connected {
		c.step("reachable", time.Since(c.started), "", unreachable(ended.err))
		return c
	}
	// An exchange that ended in a panic has judged nothing.
	for _, o := range []*outcome{&c.asked, &c.probed} {
		if o.verdict == unjudged {
			o.err = ended.err
		}
	}
	c.step("reachable", c.took.connection, "TCP connection open", nil)
	c.report(ctx, s)
	return c
}

// exchange asks, signed, for what stands at the zone's apex, and sends an UPDATE
// that changes nothing.
func (c *serverCheck) exchange(s *session) outcome {
	c.apex = []transport.Query{{RRsetID: c.at(typeSOA)}, {RRsetID: c.at(typeNS)}}
	c.plain = []transport.Query{{RRsetID: c.at(typeSOA)}}
	c.connected, c.took.connection = true, time.Since(c.started)
	c.asked = s.askSigned(s.signer, c.apex)
	c.took.query = time.Since(c.started)
	switch {
	case c.apex[0].Reply == nil:
		return c.asked
	case c.apex[0].Unverified != nil:
		// Unsigned it may tell whether the zone is there at all.
		c.askedPlain = s.askSigned(nil, c.plain)
		return c.askedPlain
	}
	s.begin().RequireExists(c.at(typeSOA))
	started := time.Now()
	c.probed = s.sendProof()
	c.took.update = time.Since(started)
	return c.probed
}

// report adds the steps that follow the connection.
func (c *serverCheck) report(ctx context.Context, s *transport.Server) {
	key := c.key.String()
	signed := "the reply is signed by " + key
	e := c.asked.err
	switch reply := c.apex[0].Reply; {
	case reply == nil, c.asked.verdict == unread && e.RCode == "":
		c.step("answers", c.took.query, "", silent(e))
	case c.apex[0].Unverified != nil:
		c.unsigned(ctx)
	case reply.TSIG.Error == dns.RcodeBadTime:
		c.step("key", c.took.query, signed, nil)
		c.step("clock", c.took.query, "", said(e, "a query", e.Hint))
	case reply.TSIG.Error != 0:
		c.step("key", c.took.query, "", said(e, "a query", e.Hint))
	default:
		c.step("key", c.took.query, signed, nil)
		skew := time.Until(reply.TSIG.ServerTime()).Round(time.Second)
		clock := fmt.Sprintf("%.0f s apart, %d s are allowed", max(skew, -skew).Seconds(), wire.WideFudge)
		if s.Clock.Echoes() {
			clock = fmt.Sprintf("no more than %d s apart, as allowed; the reply repeats our time, as PowerDNS does", wire.WideFudge)
		}
		c.step("clock", c.took.query, clock, nil)
		if c.authoritative() {
			c.updates(ctx)
		}
	}
}

// step adds what was found.
func (c *serverCheck) step(name string, took time.Duration, detail string, err error) {
	c.steps = append(c.steps, zone.CheckStep{Name: name, Server: c.address, Took: took, Detail: detail, Err: err})
}

// unreachable says what to look at when no connection could be opened.
func unreachable(e *zone.Error) error {
	failed := *e
	var unresolved *net.DNSError
	switch {
	case errors.As(e.Cause, &unresolved), errors.Is(e.Cause, transport.ErrNoSlot):
	case transport.IsTimeout(e.Cause):
		failed.Hint = "nothing came back: a firewall may drop the packets, so let TCP port 53 through, not UDP alone"
	case errors.Is(e.Cause, syscall.ECONNREFUSED):
		failed.Hint = "nothing listens there: start the nameserver, let it listen on TCP as well as UDP, or mend the address"
	}
	return &failed
}

// silent says what to look at when a connection brought no DNS message.
func silent(e *zone.Error) error {
	if transport.IsTimeout(e.Cause) {
		return fmt.Errorf("%s took the connection and sends no DNS message: it is overloaded or stopped, or no nameserver is at this port", e.Server)
	}
	return fmt.Errorf("%s took the connection and sends no DNS message: %w: no nameserver at this port?", e.Server, e.Cause)
}

// said words what a nameserver made of a message that was to change nothing: the
// sentences of [zone.Error] are about updates.
func said(e *zone.Error, message, hint string) error {
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
func (c *serverCheck) unsigned(ctx context.Context) {
	e, plain := c.asked.err, c.plain[0]
	hint := e.Hint
	soa := apexSOA(plain.Answer, c.zone)
	switch {
	case soa == nil && plain.Reply != nil && e.TSIG == "":
		hint = "" // Knot speaks so of a zone that it does not serve
	case soa != nil && c.askedPlain.verdict == accepted && e.TSIG != "BADSIG" && e.TSIG != "BADTRUNC":
		if primary := c.primary(ctx, soa); primary != "" {
			hint += "; or, as it serves the zone, " + primary
		}
	}
	c.step("key", c.took.query, "", said(e, "a query", hint))
	if soa == nil && plain.Reply != nil {
		c.step("authoritative", c.took.query, "", c.foreign(plain, c.askedPlain.err))
	}
}

// authoritative tells whether the nameserver answers for the zone.
func (c *serverCheck) authoritative() bool {
	c.soa = apexSOA(c.apex[0].Answer, c.zone)
	switch {
	case c.asked.verdict == accepted && c.soa != nil:
		for _, rr := range c.apex[1].Answer.Answer {
			if ns, ok := rr.(*dns.NS); ok && dns.CanonicalName(ns.Hdr.Name) == c.zone {
				c.nameServers = append(c.nameServers, dns.CanonicalName(ns.Ns))
			}
		}
		slices.Sort(c.nameServers)
		c.step("authoritative", c.took.query, fmt.Sprintf("serial %d", c.soa.Serial), nil)
		return true
	case c.asked.verdict == denied && c.probed.verdict == accepted:
		c.step("authoritative", c.took.query, "", said(c.asked.err, "a query", "it takes updates from this key but does not let it query: BIND: allow-query"))
	default:
		c.step("authoritative", c.took.query, "", c.foreign(c.apex[0], c.asked.err))
	}
	return false
}

// foreign says that no zone of ours is there, and which one is.
func (c *serverCheck) foreign(q transport.Query, e *zone.Error) error {
	zone := c.zone
	switch {
	case e == nil || e.RCode == "":
	case e.RCode == "SERVFAIL":
		return said(e, "a query", e.Hint)
	default:
		return said(e, "a query", "it shows this machine no zone "+zone+": mend the zone's name or the address, or allow the query")
	}
	if q.Answer == nil || !q.Answer.Authoritative {
		return fmt.Errorf("nameserver %s is not authoritative for zone %s: it is a resolver, or the zone has expired there", c.address, zone)
	}
	for _, rr := range q.Answer.Ns {
		if soa, ok := rr.(*dns.SOA); ok {
			return fmt.Errorf("no zone begins at %s on nameserver %s: it serves %s there, so mend the zone's name on one side", zone, c.address, soa.Hdr.Name)
		}
	}
	return fmt.Errorf("no zone begins at %s on nameserver %s: mend the zone's name on one side", zone, c.address)
}

// updates tells whether the nameserver takes updates of the zone.
func (c *serverCheck) updates(ctx context.Context) {
	e := c.probed.err
	switch c.probed.verdict {
	case accepted, unmet:
		c.usable = true
		c.step("updates", c.took.update, "an empty one was taken", nil)
		return
	case denied, elsewhere:
		hint := "its policy denies key " + c.key.String() + ": BIND: update-policy or allow-update; Knot: acl; PowerDNS: dnsupdate=yes, ALLOW-DNSUPDATE-FROM and TSIG-ALLOW-DNSUPDATE"
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

// primary returns where updates belong, empty if the SOA record names this very
// nameserver: a secondary is authoritative as well, and refuses an update in the
// words of a primary whose policy denies it.
func (c *serverCheck) primary(ctx context.Context, soa *dns.SOA) string {
	name := dns.CanonicalName(soa.Ns)
	if c.parent.leadsTo(ctx, delegation.Delegation{}, name, []string{c.address}) {
		return ""
	}
	return "it may be a secondary: ask the primary, " + name + " by the SOA record, or let it forward updates"
}

// apexSOA returns the SOA record of the zone in an answer, nil if there is none.
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
