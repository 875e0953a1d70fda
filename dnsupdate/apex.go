package dnsupdate

import (
	"slices"

	"github.com/miekg/dns"

	"github.com/caddy-dyndns/dyndns/dnsupdate/internal/wire"
	"github.com/caddy-dyndns/dyndns/internal/change"
	"github.com/caddy-dyndns/dyndns/zone"
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

func (n *apexNS) require(m *wire.Message) {
	switch id := (wire.RRsetID{Name: m.Zone, Type: typeNS}); {
	case len(n.rdata) == 0:
		m.RequireAbsent(id)
	case n.loose:
		m.RequireExists(id)
	default:
		m.RequireExactly(id, n.rdata)
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

// prove asks whether the records are what was read.
func (n *apexNS) prove(s *session) outcome {
	n.require(s.begin())
	o := s.sendProof()
	switch o.verdict {
	case accepted:
		n.proven = true
	case unmet:
		n.missedAgain()
	}
	return o
}

// spareNameServers ends the items that would change a nameserver's name and must not.
func (a *attempt) spareNameServers() outcome {
	n := &a.engine.apexNS
	hits := func(it *item) bool {
		return it.wish.NotNameServer && slices.Contains(n.targets, change.HostOf(it.Name))
	}
	if !slices.ContainsFunc(a.round.items, hits) {
		return outcome{verdict: accepted}
	}
	if !n.proven {
		if o := n.prove(a.session); o.verdict != accepted {
			return o
		}
	}
	err := a.failure(zone.NameServer, nil)
	err.Verified = true
	a.round.end(hits, err)
	return outcome{verdict: accepted}
}
