package dnsupdate

import (
	"fmt"
	"strings"
)

// Kind is the class of an Error: what a caller does about it.
type Kind uint8

const (
	// Refused: the nameserver said no, or its reply cannot be trusted.
	Refused Kind = iota
	// Unreachable: no nameserver could be reached, or it failed (SERVFAIL).
	Unreachable
	// Timeout: no answer in time, or the caller gave up.
	Timeout
	// Busy: the queue is full, or a lost message has to expire first; nothing was sent.
	Busy
	// Conflict: a CNAME, DNAME or delegation stands at or above the name.
	Conflict
	// Invalid: the change itself is no good; nothing was sent.
	Invalid
	// NameServer: an NS record at the apex points to the name, and the change
	// asked not to touch it.
	NameServer
)

// Error says why a change was not confirmed and what to mend.
type Error struct {
	Kind Kind
	// Server is the address asked last, empty if none was.
	Server string
	// Zone and Name are absolute names; Name is empty where the whole message failed.
	Zone, Name string
	// RCode is the reply's mnemonic such as "REFUSED", empty without a reply.
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
	// Hint is a sentence on what to mend, without a final stop.
	Hint string
	// Cause is the underlying error, if any.
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
	if e.Server == "" {
		who = "the nameserver"
	}
	switch e.Kind {
	case Unreachable:
		if e.RCode != "" {
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
