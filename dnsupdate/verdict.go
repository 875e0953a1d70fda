package dnsupdate

import (
	"fmt"
	"math"
	"time"

	"github.com/miekg/dns"

	"github.com/caddy-dyndns/dyndns/dnsupdate/internal/wire"
	"github.com/caddy-dyndns/dyndns/zone"
)

// verdict is what one exchange tells about a message.
type verdict uint8

const (
	// unjudged: nothing is known of the exchange.
	unjudged verdict = iota
	// settled: every item has its result, and nothing had to be sent.
	settled
	// accepted: a verified NOERROR.
	accepted
	// unmet: a verified "a prerequisite does not hold". Nothing was changed.
	unmet
	// denied: the nameserver said no for another reason.
	denied
	// failing: SERVFAIL, which passes more often than not.
	failing
	// elsewhere: a verified "ask another server".
	elsewhere
	// unsent: no connection.
	unsent
	// lost: the message left and no reply that can be trusted came.
	lost
	// unread: a query got no reply; no UPDATE had left.
	unread
	// retimed: the nameserver has told its clock, by which the next message is signed.
	retimed
	// tooLong: nothing was sent, because one message cannot hold the group.
	tooLong
)

// outcome is a verdict and the error to report if it stays the last word.
type outcome struct {
	verdict verdict
	err     *zone.Error
	// rcode is the reply's, to tell the prerequisites apart.
	rcode int
	// stale: the connection had been idle and may have been closed meanwhile,
	// which tells nothing against the server.
	stale bool
	// unknown: the message may have been applied or may be applied later.
	unknown bool
	// answered: our key signed the reply.
	answered bool
	// inStep: the connection can be used on.
	inStep bool
	// blameless: no reason to rest the server. Else whoever forges replies could
	// choose which server is asked.
	blameless bool
}

// judge tells what a reply to an UPDATE or a query means. unverified says why
// our key did not sign it, nil if it did.
func (s *session) judge(r *wire.Reply, unverified error) outcome {
	if r.RCode == dns.RcodeSuccess && unverified == nil {
		return outcome{verdict: accepted}
	}
	e := s.failure(zone.Refused, nil)
	e.RCode, e.EDE, e.Verified = rcodeName(r.RCode), r.EDE, unverified == nil
	var tsigError uint16
	if r.TSIG != nil {
		if tsigError = r.TSIG.Error; tsigError != 0 {
			e.TSIG = rcodeName(int(tsigError))
		}
	}
	e.Hint = s.hint(r, tsigError, e.Verified)
	switch r.RCode {
	case dns.RcodeServerFailure:
		// Believing a forged one costs no more than a retry.
		e.Reason = zone.Unreachable
		return outcome{verdict: failing, err: e}
	case dns.RcodeSuccess, dns.RcodeYXDomain, dns.RcodeYXRrset, dns.RcodeNXRrset, dns.RcodeNameError:
		if unverified == nil {
			return outcome{verdict: unmet, err: e, rcode: r.RCode}
		}
		// No nameserver has a reason to say these without its signature.
		e.Cause = unverified
		e.Hint = fmt.Sprintf("the reply was not signed by key %s: something between here and the nameserver may be answering in its place", s.key.Name)
		return outcome{verdict: lost, err: e, blameless: true}
	case dns.RcodeNotImplemented:
		if unverified == nil {
			return outcome{verdict: elsewhere, err: e}
		}
	case dns.RcodeNotAuth:
		if unverified == nil && tsigError == 0 {
			return outcome{verdict: elsewhere, err: e}
		}
	}
	return outcome{verdict: denied, err: e}
}

// hint says what to mend, from what BIND, Knot and PowerDNS answer when.
func (q *requester) hint(r *wire.Reply, tsigError uint16, verified bool) string {
	key := fmt.Sprintf("key %s (%s)", q.key.Name, q.key.Algorithm)
	switch tsigError {
	case dns.RcodeBadTime:
		skew := time.Until(r.TSIG.ServerTime()).Round(time.Second)
		return fmt.Sprintf("the clocks differ by %.0f s: set both by NTP", math.Abs(skew.Seconds()))
	case dns.RcodeBadSig:
		return "the secrets of " + key + " differ: check secret and algorithm on both sides"
	case dns.RcodeBadKey:
		// Knot answers a denial by its acl so.
		return "check key name and algorithm on both sides: sent was " + key + "; on Knot also that the acl allows this key, name and type"
	case dns.RcodeBadTrunc:
		return "the nameserver wants a longer signature than " + key + " gives"
	}
	switch r.RCode {
	case dns.RcodeRefused:
		if verified {
			return "its policy denies this. BIND: grant " + key + " in update-policy; PowerDNS: name the key in TSIG-ALLOW-DNSUPDATE"
		}
		return "check " + key + " and the clocks on both sides, and that updates from here are allowed: PowerDNS says no more than this for a wrong key, a wrong clock, ALLOW-DNSUPDATE-FROM and TSIG-ALLOW-DNSUPDATE"
	case dns.RcodeNotAuth:
		return "the nameserver does not serve zone " + q.zone + " as its primary, or knows nothing of " + key
	case dns.RcodeNotImplemented:
		return "the nameserver is not the primary of the zone and does not forward updates"
	case dns.RcodeNotZone:
		return "the nameserver serves a zone of another name there: check the zone on both sides"
	case dns.RcodeFormatError:
		return "the nameserver could not read the message"
	case dns.RcodeServerFailure:
		return "the nameserver's log says why: zone not loaded, journal or folder not writable, database locked"
	}
	return ""
}

func rcodeName(rcode int) string {
	if name, ok := dns.RcodeToString[rcode]; ok {
		return name
	}
	return fmt.Sprintf("RCODE%d", rcode)
}
