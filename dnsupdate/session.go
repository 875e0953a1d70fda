package dnsupdate

import (
	"errors"
	"time"

	"github.com/miekg/dns"

	"github.com/caddy-dyndns/dyndns/dnsupdate/internal/transport"
	"github.com/caddy-dyndns/dyndns/dnsupdate/internal/wire"
	"github.com/caddy-dyndns/dyndns/zone"
)

// session is some exchanges on one connection to one nameserver, all of which end
// before limit.
type session struct {
	*requester
	conn   *transport.Conn
	server *transport.Server
	limit  time.Time
}

// begin starts an UPDATE of the zone.
func (s *session) begin() *wire.Message {
	s.conn.Out.Begin(dns.OpcodeUpdate, s.zone, dns.TypeSOA)
	return &s.conn.Out
}

// failure returns an error about the nameserver.
func (s *session) failure(reason zone.Reason, cause error) *zone.Error {
	return &zone.Error{Reason: reason, Server: s.server.Address, Zone: s.zone, Cause: cause}
}

// send sends the UPDATE that was begun. The outcome is unknown unless our key
// signed the reply.
func (s *session) send(at wire.Stamp) outcome {
	started := time.Now()
	r, unverified, err := s.conn.Update(s.signer, s.apex, at, s.limit)
	var o outcome
	if err != nil {
		o = s.silence(lost, err)
	} else {
		o = s.judge(r, unverified)
		o.inStep = true
		o.answered = unverified == nil
		if o.answered && r.TSIG.Error == dns.RcodeBadTime && len(r.TSIG.Other) == 6 &&
			s.conn.Clock.Corrected(wire.Uint48(r.TSIG.Other), started, time.Now()) {
			o.verdict = retimed
		}
	}
	o.unknown = o.verdict == lost || o.verdict == failing || err == nil && unverified != nil
	s.exchanged(s.server, "update", time.Since(started), o)
	return o
}

// sendProof sends an UPDATE that has prerequisites alone: nothing is lost with it.
func (s *session) sendProof() outcome {
	o := s.send(wire.StampAt(time.Now()))
	if o.unknown = false; o.verdict == lost {
		o.verdict = unread
	}
	return o
}

// prove asks whether an RRset exists, in the one way that neither a wildcard nor
// a signing nameserver's lag can fake: a prerequisite without updates. The
// outcome is accepted if either was proven.
func (s *session) prove(id wire.RRsetID) (exists bool, o outcome) {
	s.begin().RequireExists(id)
	o = s.sendProof()
	exists = o.verdict == accepted
	if o.verdict == unmet {
		o = outcome{verdict: accepted}
	}
	return exists, o
}

// askAll sends queries and judges every reply. Each has an answer if the
// outcome is accepted.
func (s *session) askAll(queries []transport.Query) outcome {
	o := s.askSigned(s.signer, queries)
	switch {
	case o.verdict != denied:
		return o
	case o.err.TSIG == "BADKEY":
		// With a rule that denies some updates to a key Knot answers none of its
		// queries. What is read unsigned is a guess, as every read.
		for i := range queries {
			queries[i] = transport.Query{RRsetID: queries[i].RRsetID}
		}
		if plain := s.askSigned(nil, queries); plain.verdict != denied {
			return plain
		}
		return o
	}
	// Nameservers refuse a query for a zone that they do not serve in the same
	// words as one that they do not allow. To an UPDATE they say which it is.
	s.begin()
	probe := s.sendProof()
	if probe.verdict == accepted {
		o.err.Hint = "the nameserver takes updates from this key but does not let it query: BIND: allow-query"
		return o
	}
	return probe
}

// askSigned sends queries signed by a key or, if that is nil, unsigned.
func (s *session) askSigned(key *wire.Signer, queries []transport.Query) (o outcome) {
	started := time.Now()
	defer func() { s.exchanged(s.server, "query", time.Since(started), o) }()
	if err := s.conn.Ask(key, queries, s.limit); err != nil {
		return s.silence(unread, err)
	}
	for i := range queries {
		q := &queries[i]
		if q.Unverified == nil && q.Reply.RCode == dns.RcodeNameError {
			// That a name does not exist is an answer like any other.
			q.Reply.RCode = dns.RcodeSuccess
		}
		if o = s.judge(q.Reply, q.Unverified); o.verdict == lost {
			o.verdict = unread
		}
		if o.verdict != accepted {
			return o
		}
		if !q.Answer.Authoritative && s.referral(q.Name, q.Answer) == "" {
			err := s.failure(zone.Refused, nil)
			err.Verified, err.Hint = true, "the nameserver is not authoritative for the zone"
			return outcome{verdict: elsewhere, err: err}
		}
	}
	return o
}

// silence returns the outcome of an exchange that ended without a usable reply.
// v is lost or unread.
func (s *session) silence(v verdict, err error) outcome {
	o := outcome{verdict: v, err: s.failure(zone.Unreachable, err)}
	switch {
	case transport.IsTimeout(err):
		o.err.Reason, o.inStep = zone.Timeout, !errors.Is(err, transport.ErrBroken)
	case errors.Is(err, wire.ErrMalformed), errors.Is(err, transport.ErrNotOurs):
		o.err.Reason, o.blameless = zone.Refused, true
	default:
		o.stale = s.conn.Reused()
	}
	return o
}
