package dnsupdate

import (
	"context"
	"slices"
	"time"

	"github.com/miekg/dns"

	"github.com/caddy-dyndns/dyndns/zone"
)

const (
	// nameServerTime is how long the apex NS records are remembered.
	nameServerTime = 5 * time.Minute
	// nameServerGrace is how long they still count after they could not be read again.
	nameServerGrace = 30 * time.Second
)

// apexNS is what is believed of the NS records at the apex. They are pinned in
// every message with a change that must not touch a nameserver's name.
type apexNS struct {
	// rdata are the records' as they stand on the wire, in the case in which they
	// were read: PowerDNS compares text.
	rdata, targets []string
	known          bool
	// signed: our key signed the answer they were read from.
	signed bool
	// proven: a prerequisite showed them.
	proven bool
	// loose: the nameserver does not find them equal to what it shows.
	loose bool
	// missed counts how often pinned was required in vain.
	missed int
	pinned []string
}

func (n *apexNS) forget() { n.known, n.proven = false, false }

func (n *apexNS) require(m *message) {
	switch id := (rrsetID{m.zone, typeNS}); {
	case len(n.rdata) == 0:
		m.requireAbsent(id)
	case n.loose:
		m.requireExists(id)
	default:
		m.requireExactly(id, n.rdata)
	}
}

// take reads the records out of an answer.
func (n *apexNS) take(zone string, answer *dns.Msg, signed, loose bool) {
	*n = apexNS{known: true, signed: signed, loose: signed && (loose || n.loose), missed: n.missed, pinned: n.pinned}
	for _, rr := range answer.Answer {
		ns, ok := rr.(*dns.NS)
		if !ok || dns.CanonicalName(ns.Hdr.Name) != zone {
			continue
		}
		wire := make([]byte, 256)
		end, err := dns.PackDomainName(ns.Ns, wire, 0, nil, false)
		if err != nil {
			continue
		}
		n.rdata = append(n.rdata, string(wire[:end]))
		n.targets = append(n.targets, dns.CanonicalName(ns.Ns))
	}
	slices.Sort(n.rdata)
	slices.Sort(n.targets)
}

// missedAgain notes that the records were required in vain: they are read again
// or, if they keep reading the same, only their existence is required.
func (n *apexNS) missedAgain() {
	if n.missed++; !slices.Equal(n.pinned, n.rdata) {
		n.pinned, n.missed = n.rdata, 1
	}
	if n.signed && n.missed >= loosenAfter {
		n.loose = true
		return
	}
	n.forget()
}

// sparesNameServers ends the items that would change a nameserver's name and must not.
func (u *Updater) sparesNameServers(c *conn, s *server, r *round, limit time.Time) outcome {
	hits := func(it *item) bool { return it.notNameServer && slices.Contains(u.apexNS.targets, it.name) }
	if !slices.ContainsFunc(r.items, hits) {
		return outcome{verdict: accepted}
	}
	if !u.apexNS.proven {
		if o := u.proveApex(c, s, limit); o.verdict != accepted {
			return o
		}
	}
	u.end(r, hits, &zone.Error{Reason: zone.NameServer, Server: s.pool.address, Zone: u.zone, Verified: true})
	return outcome{verdict: accepted}
}

// proveApex asks whether the NS records are what was read.
func (u *Updater) proveApex(c *conn, s *server, limit time.Time) outcome {
	c.out.begin(dns.OpcodeUpdate, u.zone, dns.TypeSOA)
	u.apexNS.require(&c.out)
	o := u.sendProof(c, s, limit)
	switch o.verdict {
	case accepted:
		u.apexNS.proven = true
	case unmet:
		u.apexNS.missedAgain()
	}
	return o
}

// nameServerCache holds what NameServers has found. turn is a lock that a caller
// can stop waiting for.
type nameServerCache struct {
	turn    chan struct{}
	found   zone.NameServers
	expires time.Time
}

// NameServers returns the names that the zone's apex NS records point to. They
// are remembered for five minutes, what was proven for longer while it cannot be
// proven again; one look-up at a time is under way.
func (u *Updater) NameServers(ctx context.Context) (zone.NameServers, error) {
	cache := &u.nameServers
	select {
	case cache.turn <- struct{}{}:
		defer func() { <-cache.turn }()
	case <-ctx.Done():
		return zone.NameServers{}, &zone.Error{Reason: zone.Timeout, Zone: u.zone, Cause: ctx.Err()}
	}
	if time.Now().Before(cache.expires) {
		return cache.found, nil
	}
	found, err := u.findNameServers(ctx)
	switch {
	case err == nil && (found.Proven || !cache.found.Proven):
		cache.found, cache.expires = found, time.Now().Add(nameServerTime)
	case cache.found.Proven || err == nil:
		cache.expires = time.Now().Add(nameServerGrace)
	default:
		return zone.NameServers{}, err
	}
	return cache.found, nil
}

// findNameServers reads the NS records and proves them.
func (u *Updater) findNameServers(ctx context.Context) (zone.NameServers, error) {
	var apex apexNS
	o := u.ask(ctx, func(c *conn, s *server, limit time.Time) outcome {
		for {
			queries := []query{{name: u.zone, rrtype: dns.TypeNS}}
			if o := u.askAll(c, s, queries, limit); o.verdict != accepted {
				return o
			}
			apex.take(u.zone, queries[0].answer, queries[0].signed, false)
			c.out.begin(dns.OpcodeUpdate, u.zone, dns.TypeSOA)
			apex.require(&c.out)
			o := u.sendProof(c, s, limit)
			switch o.verdict {
			case accepted:
				apex.proven = true
			case unmet:
				// A nameserver that finds no records equal has to be believed what it signs.
				if apex.missedAgain(); !apex.loose && apex.missed < loosenAfter {
					continue
				}
				apex.proven = apex.loose
			case denied:
				// Knot answers so to a message without changes under a rule that denies
				// some names. A change that is allowed proves them.
			default:
				return o
			}
			return outcome{verdict: accepted}
		}
	})
	if o.verdict != accepted {
		return zone.NameServers{}, o.err
	}
	return zone.NameServers{Names: slices.Compact(apex.targets), Proven: apex.proven}, nil
}
