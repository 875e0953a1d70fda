package zone

import (
	"fmt"
	"net"
	"strings"
	"time"
)

// Reason classifies an error: what its receiver does about it. It is the word that
// log, metrics, events and history show. Packages above have more of them; that of a
// [Zone] is one of these, and any other counts as [Unreachable].
type Reason string

const (
	// Refused: the nameserver said no, or its reply cannot be trusted.
	Refused Reason = "dns_refused"
	// Unreachable: no nameserver could be reached, or it failed (SERVFAIL).
	Unreachable Reason = "dns_failed"
	// Timeout: no answer in time, or the caller gave up.
	Timeout Reason = "dns_timeout"
	// Busy: too much is waiting, or a lost message has to expire first; nothing was sent.
	Busy Reason = "dns_busy"
	// Conflict: a CNAME, DNAME or delegation stands at or above the name.
	Conflict Reason = "dns_conflict"
	// Invalid: the change itself is no good; nothing was sent.
	Invalid Reason = "dns_invalid"
	// NameServer: an NS record at the apex points to the name, and the change
	// asked not to touch it.
	NameServer Reason = "not_granted"
)

// Error says why a change was not confirmed and what to mend.
type Error struct {
	Reason Reason
	// Server is what was asked last, a nameserver's address or a hoster's name; empty
	// if nothing was.
	Server string
	// Zone and Name are absolute names; Name is empty where the whole message failed.
	Zone, Name string
	// RCode is a nameserver's reply, by its mnemonic such as "REFUSED"; empty without one.
	RCode string
	// TSIG is the TSIG error's mnemonic such as "BADKEY", empty if there is none.
	TSIG string
	// EDE is the text of the reply's extended DNS errors (RFC 8914).
	EDE []string
	// Verified tells whether our key signed the reply.
	Verified bool
	// Unknown tells that the change may have been applied all the same, or may be
	// applied later.
	Unknown bool
	// RetryAfter is when another try is worth it, 0 if that is not known.
	RetryAfter time.Duration
	// Hint is a sentence on what to mend, without a final stop.
	Hint string
	// Cause is the underlying error, if any. Clients are told its text, which must hold
	// no secret, such as a URL with a token in it.
	Cause error
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Error returns one sentence without a final stop.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.subject())
	if e.Name != "" {
		fmt.Fprintf(&b, " for %s in zone %s", e.Name, e.Zone)
	} else {
		fmt.Fprintf(&b, " for zone %s", e.Zone)
	}
	if e.RCode != "" {
		b.WriteString(": " + e.RCode)
		if e.TSIG != "" {
			b.WriteString(", TSIG error " + e.TSIG)
		}
		if !e.Verified {
			b.WriteString(", unsigned")
		}
	}
	for _, text := range e.EDE {
		b.WriteString(", " + text)
	}
	if e.Cause != nil {
		b.WriteString(": " + e.Cause.Error())
	}
	if e.Hint != "" {
		b.WriteString(": " + e.Hint)
	}
	if e.Unknown {
		b.WriteString("; it may have been applied")
	}
	return b.String()
}

// subject says in a few words who did what.
func (e *Error) subject() string {
	who := "nameserver " + e.Server
	_, _, err := net.SplitHostPort(e.Server)
	switch {
	case e.Server == "":
		who = "the nameserver"
	case err != nil:
		who = "the DNS hoster " + e.Server
	}
	switch e.Reason {
	case Unreachable:
		if e.RCode != "" || e.Server != "" && err != nil {
			return who + " failed"
		}
		return who + " could not be reached"
	case Timeout:
		if e.Server == "" {
			return "no answer in time"
		}
		return who + " did not answer in time"
	case Busy:
		return "the change has to wait"
	case Conflict:
		return "no record can stand"
	case Invalid:
		return "the change is not valid"
	case NameServer:
		return "an NS record points to the name"
	}
	return who + " refused the update"
}
