package service

import "time"

// Reason is why a request or a name was refused; every dialect has its own word
// and status for each.
type Reason uint8

const (
	// NoCredential: the request presented none.
	NoCredential Reason = iota + 1
	// BadCredential: a wrong or malformed one, or two that disagree.
	BadCredential
	// Throttled: too many wrong credentials from this network.
	Throttled
	// CrossSite: a browser sent the request for another site.
	CrossSite
	// BadMethod: the endpoint does not take this method.
	BadMethod
	// BadMediaType: a body of another type than a form.
	BadMediaType
	// BadParameter: an unknown, repeated, missing or contradictory argument, or a bad TTL.
	BadParameter
	// TooManyHosts: more names than one request may carry.
	TooManyHosts
	// Unsupported: the client asked for something that the service does not
	// offer (dyndns2's offline).
	Unsupported
	// BadName: not a host name.
	BadName
	// NoZone: a name in no configured zone.
	NoZone
	// NotGranted: a name that this client may not change.
	NotGranted
	// BadAddress: not an address, or one that is never published.
	BadAddress
	// DNSConflict: a CNAME, DNAME or delegation stands at or above the name.
	DNSConflict
	// DNSRefused: the nameserver said no, or answered what cannot be trusted.
	DNSRefused
	// DNSFailed: no nameserver could be reached, or it failed.
	DNSFailed
	// DNSTimeout: no answer in time.
	DNSTimeout
	// DNSBusy: too much is waiting already.
	DNSBusy
)

var reasonWords = [...]string{
	0:             "unknown",
	NoCredential:  "no_credential",
	BadCredential: "bad_credential",
	Throttled:     "throttled",
	CrossSite:     "cross_site",
	BadMethod:     "bad_method",
	BadMediaType:  "bad_media_type",
	BadParameter:  "bad_parameter",
	TooManyHosts:  "too_many_hosts",
	Unsupported:   "unsupported",
	BadName:       "bad_name",
	NoZone:        "no_zone",
	NotGranted:    "not_granted",
	BadAddress:    "bad_address",
	DNSConflict:   "dns_conflict",
	DNSRefused:    "dns_refused",
	DNSFailed:     "dns_failed",
	DNSTimeout:    "dns_timeout",
	DNSBusy:       "dns_busy",
}

// String returns the word that stands in log entries and events.
func (r Reason) String() string { return reasonWords[r] }

// Result tells a refusal that the client has to act on from one for the operator.
func (r Reason) Result() Result {
	switch r {
	case DNSRefused, DNSFailed, DNSTimeout, DNSBusy:
		return Failed
	}
	return Refused
}

// FromDNS tells whether the client was allowed to change the name and zone or
// nameserver were in the way.
func (r Reason) FromDNS() bool { return r == DNSConflict || r.Result() == Failed }

// Error is a refusal that the client is told about.
type Error struct {
	Reason Reason
	// Message is one plain sentence. It never holds a secret, and nothing of
	// the request's own text but what Echo lets through.
	Message string
	// RetryAfter is set with Throttled and DNSBusy.
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
