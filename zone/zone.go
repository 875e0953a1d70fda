// Package zone is the contract between what asks for changes of a zone and what
// makes them, wherever the zone lives. Package zonetest tests it.
package zone

import (
	"context"
	"strconv"
	"strings"
)

// Zone changes one zone. Any number of goroutines may use it at once.
type Zone interface {
	// Apply makes the changes and returns one result for each, in the same order.
	// All of them happen together; only if the backend refuses them so are they
	// tried name by name, those of one name never parted. It returns when every
	// change has its result or ctx ends. The slices of a result are shared and must
	// not be changed.
	Apply(ctx context.Context, changes []Change) []Result
}

// Type is the type of an RRset, by its IANA number.
type Type uint16

// The types that a zone has to take.
const (
	TypeA     Type = 1
	TypeTXT   Type = 16
	TypeAAAA  Type = 28
	TypeHTTPS Type = 65
)

// Types are all that a zone has to take, in the order in which replies have them.
var Types = [...]Type{TypeA, TypeAAAA, TypeHTTPS, TypeTXT}

// ParseType returns the type of a mnemonic, and false if a zone need not take it.
func ParseType(mnemonic string) (Type, bool) {
	for _, t := range Types {
		if strings.EqualFold(mnemonic, t.String()) {
			return t, true
		}
	}
	return 0, false
}

// String returns the type's mnemonic, or the generic form of RFC 3597.
func (t Type) String() string {
	switch t {
	case TypeA:
		return "A"
	case TypeTXT:
		return "TXT"
	case TypeAAAA:
		return "AAAA"
	case TypeHTTPS:
		return "HTTPS"
	}
	return "TYPE" + strconv.Itoa(int(t))
}

// Action says what a Change does with its RRset.
type Action uint8

const (
	// None asks for nothing, not even to look. No valid change has it.
	None Action = iota
	// Keep leaves the RRset as it is and reports its values.
	Keep
	// Delete removes the RRset.
	Delete
	// Set replaces the whole RRset by the values of the change.
	Set
	// Add puts the values of the change into the RRset.
	Add
	// Remove takes the values of the change out of the RRset.
	Remove
)

// Change is the wish for one RRset.
type Change struct {
	// Name is the absolute owner name; case and a missing trailing dot do not matter.
	Name   string
	Type   Type
	Action Action
	// NotNameServer makes the change only while no NS record at the zone's apex
	// points to Name or, if that is underscored, to its host (RFC 8552): a challenge at
	// _acme-challenge gets certificates for it. Else its error has the reason [NameServer].
	NotNameServer bool
	// TTL is the wanted time to live in seconds of the whole RRset with [Set] and
	// [Add]. An RRset with another TTL is a change.
	TTL uint32
	// Values are those of [Set], [Add] and [Remove]: an address as netip.Addr
	// prints it, the text of a TXT record, or the data of another record as a zone
	// file has it, with absolute names (RFC 1035 section 5, RFC 9460 section 2.1).
	Values []string
	// Expect, unless it is nil, makes the change only while the RRset holds just
	// these values, none meaning that there is no RRset. Else the change is a [Keep].
	Expect []string
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
	// Proven tells whether the backend has proof that the change was made once,
	// from Old to New. If not, New stands in the zone, but the change may have been
	// made before, or another writer may have set New.
	Proven bool
	// Err is nil if the backend confirmed all of the above, otherwise an
	// [*Error]; the other fields then mean nothing. Of another error clients are told
	// only that there is one.
	Err error
}
