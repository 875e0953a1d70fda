package dnsupdate

// Kind is the class of an Error: what a caller does about it.
type Kind uint8

const (
	// Refused: the nameserver said no, or its reply cannot be trusted.
	Refused Kind = iota
	// Unreachable: no nameserver could be reached, or it failed (SERVFAIL).
	Unreachable
	// Timeout: no answer in time, or the caller gave up.
	Timeout
	// Busy: the queue is full; nothing was sent.
	Busy
	// Conflict: a CNAME, DNAME or delegation stands at or above the name.
	Conflict
	// Invalid: the change itself is no good; nothing was sent.
	Invalid
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
	// Unknown tells that the change may have been applied all the same.
	Unknown bool
	// Hint is a sentence on what to mend, without a final stop.
	Hint string
	// Cause is the underlying error, if any.
	Cause error
}
