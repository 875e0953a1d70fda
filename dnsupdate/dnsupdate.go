// Package dnsupdate changes a zone on an authoritative nameserver with
// TSIG-signed DNS UPDATE messages (RFC 2136, RFC 8945).
//
// A [Client] owns the connections to nameservers. [Client.Open] returns an
// [Updater] for one zone, which any number of goroutines may use at once:
// changes that arrive while a message is in flight leave together in the next.
//
// # What a result rests on
//
// What a [zone.Result] says was proven by the nameserver: the old values by the
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
// else is an [zone.Error] with Unknown set.
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
// change that asks for that waits or, if its context ends before, gets [zone.Busy].
// Another updater or program can bring them there; then the lost message is
// applied a second time. The zone's serial could not tell: Knot counts several
// messages as one, PowerDNS counts those that change nothing, and with inline
// signing a query shows another one.
package dnsupdate
