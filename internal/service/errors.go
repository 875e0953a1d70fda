package service

import (
	"time"

	"github.com/caddy-dyndns/dyndns/zone"
)

// Reason is why a request or a name was refused; every dialect has its own word
// and status for each. Those of package zone are among them.
type Reason = zone.Reason

const (
	// NoCredential: the request presented none.
	NoCredential Reason = "no_credential"
	// BadCredential: a wrong or malformed one, or two that disagree.
	BadCredential Reason = "bad_credential"
	// ClientsFailed: nobody can tell at present whose credential it is.
	ClientsFailed Reason = "clients_failed"
	// Throttled: too many wrong credentials from this network.
	Throttled Reason = "throttled"
	// ClientDisabled: a known client that may do nothing for the time being.
	ClientDisabled Reason = "client_disabled"
	// WrongNetwork: a known client that may not ask from this address.
	WrongNetwork Reason = "wrong_network"
	// LimitReached: the client has changed as many addresses as it may for now.
	LimitReached Reason = "limit_reached"
	// CrossSite: a browser sent the request for another site.
	CrossSite Reason = "cross_site"
	// BadMethod: the endpoint does not take this method.
	BadMethod Reason = "bad_method"
	// BadMediaType: a body of another type than a form.
	BadMediaType Reason = "bad_media_type"
	// BadParameter: an unknown, repeated, missing or contradictory argument, or a bad TTL.
	BadParameter Reason = "bad_parameter"
	// TooManyHosts: more names than one request may carry.
	TooManyHosts Reason = "too_many_hosts"
	// Unsupported: the client asked for something that the service does not
	// offer (dyndns2's offline).
	Unsupported Reason = "unsupported"
	// BadName: not a host name.
	BadName Reason = "bad_name"
	// NoZone: a name in no configured zone.
	NoZone Reason = "no_zone"
	// NotGranted: a name that this client may not change.
	NotGranted = zone.NameServer
	// BadAddress: not an address, or one that is never published.
	BadAddress Reason = "bad_address"
)

// Reasons are all of them.
var Reasons = [...]Reason{
	NoCredential, BadCredential, ClientsFailed, Throttled, ClientDisabled, WrongNetwork, LimitReached, CrossSite, BadMethod,
	BadMediaType, BadParameter, TooManyHosts, Unsupported, BadName, NoZone, NotGranted, BadAddress,
	zone.Conflict, zone.Refused, zone.Invalid, zone.Unreachable, zone.Timeout, zone.Busy,
}

// resultOf tells a refusal that the client has to act on from one for the operator.
func resultOf(r Reason) Result {
	switch r {
	case ClientsFailed, zone.Refused, zone.Invalid, zone.Unreachable, zone.Timeout, zone.Busy:
		return Failed
	}
	return Refused
}

// FromDNS tells whether the client was allowed to change the name and zone or
// nameserver were in the way.
func (e *Error) FromDNS() bool {
	return e.Reason == zone.Conflict || e.Reason != ClientsFailed && resultOf(e.Reason) == Failed
}

// Error is a refusal that the client is told about.
type Error struct {
	Reason Reason
	// Message is one plain sentence. It never holds a secret, and nothing of
	// the request's own text but what Echo lets through.
	Message string
	// RetryAfter is set with Throttled, ClientsFailed, LimitReached and [zone.Busy].
	RetryAfter time.Duration
	// Cause is for the log; nil if the message says it all.
	Cause error
	// InURL tells, with BadCredential, that it was presented in the URL, the
	// body or as a bearer token, where a challenge would mislead.
	InURL bool
}

func (e *Error) Error() string { return e.Message }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }
