// Package dnsupdate changes a zone on an authoritative nameserver with
// TSIG-signed DNS UPDATE messages (RFC 2136, RFC 8945).
//
// A [Client] owns the connections to nameservers. [Client.Open] returns an
// [Updater] for one zone, which any number of goroutines may use at once:
// changes that arrive while a message is in flight leave together in the next.
//
// # What a result rests on
//
// What a [Result] says was proven by the nameserver: the old values by the
// prerequisites of the very message that wrote the new ones, the success by a
// reply that our key signed. A change that finds its values in place is sent as
// prerequisites alone and writes nothing.
//
// A message that gets no reply which our key signed may have been applied, may be
// applied later, or never; so may one that gets an unsigned refusal, which
// anybody on the way can make. Nothing but the zone itself can tell. The message
// is sent again with the same prerequisites. If they hold, the first one had not
// been applied, or another writer has brought the name back meanwhile. If they do
// not, prerequisites alone ask for the values that it would have left; another
// writer may have set these, too. Either is a success with Proven unset. Anything
// else is an [Error] with Unknown set.
//
// # Messages that come late
//
// What follows a message without a reply goes on the same connection as long as
// that lives, so that the nameserver's order decides; what it costs is nothing
// where nothing was lost. After a lost connection, on another nameserver of the
// list, or when somebody sends a recorded message again, only TSIG bounds how
// long the message lives: it is signed by the nameserver's clock, with a fudge of
// 5 seconds and the uncertainty of that clock, once a signed reply has told it.
// Until then, and for PowerDNS, which puts the time of our request into its reply
// (dnspacket.cc), it is 300 seconds by our own clock. As long as a lost message
// lives, an updater does not bring its names back to where it would apply: a
// change that asks for that waits or, if its context ends before, gets [Busy].
// Another updater or program can bring them there; then the lost message is
// applied a second time. The zone's serial could not tell: Knot counts several
// messages as one, PowerDNS counts those that change nothing, and with inline
// signing a query shows another one.
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
	// NotNameServer makes the change only while no NS record at the zone's apex
	// points to Name; else its error has the kind [NameServer]. The NS records
	// are a prerequisite of the message that makes the change.
	NotNameServer bool
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
	// Proven tells whether the change was made once, from Old to New. If not, New
	// stands in the zone, but a message of the change had an unknown outcome: it may
	// have been applied before, or another writer may have set New, and Old is
	// what that message required. It is also false on a nameserver that finds no
	// values equal, where Old is what a read showed.
	Proven bool
	// Err is nil if the nameserver confirmed all of the above, otherwise an
	// [*Error]; the other fields then mean nothing.
	Err error
}
