// Package dnsupdate changes a zone on an authoritative nameserver with
// TSIG-signed DNS UPDATE messages (RFC 2136, RFC 8945).
//
// A [Client] owns the connections to nameservers. [Client.Open] gives an
// [Updater] for one zone, which any number of goroutines may use at once:
// changes that arrive while a message is in flight leave together in the next.
//
// What a [Result] says was proven by the nameserver: the old values by the
// prerequisites of the very message that wrote the new ones, the success by a
// reply that our key signed. A change that finds its values in place is sent as
// prerequisites alone and writes nothing.
package dnsupdate

import "strconv"

// Type is the type of an RRset that the package can change.
type Type uint16

// The record types that an update may touch, by their IANA numbers.
const (
	TypeA    Type = 1
	TypeTXT  Type = 16
	TypeAAAA Type = 28
)

// String returns the type's mnemonic, or the generic form of RFC 3597.
func (t Type) String() string {
	switch t {
	case TypeA:
		return "A"
	case TypeTXT:
		return "TXT"
	case TypeAAAA:
		return "AAAA"
	}
	return "TYPE" + strconv.Itoa(int(t))
}

// Action says what a Change does with its RRset.
type Action uint8

const (
	// Keep leaves the RRset as it is and reports its values.
	Keep Action = iota
	// Delete removes the RRset.
	Delete
	// Set replaces the whole RRset by the values of the change.
	Set
)

// Change is the wish for one RRset.
type Change struct {
	// Name is the absolute owner name; case and a missing trailing dot do not matter.
	Name   string
	Type   Type
	Action Action
	// Values are the RRset's values with [Set]: an address as netip.Addr
	// prints it, or the text of a TXT record.
	Values []string
	// TTL is the wanted time to live in seconds with [Set]. A record with
	// another TTL is a change.
	TTL uint32
}

// Result is what became of one Change.
type Result struct {
	// Old and New are the values before and after, sorted; empty means that
	// there is no such RRset.
	Old, New []string
	// TTL is that of New in seconds, 0 if New is empty.
	TTL uint32
	// Changed tells whether something was written: values or TTL.
	Changed bool
	// Err is nil if the nameserver confirmed all of the above, otherwise an
	// [*Error]; the other fields then mean nothing.
	Err error
}
