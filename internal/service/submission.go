// Package service is the policy between a dialect and the nameserver: who asks,
// for which names, in which zones, with which addresses. It knows nothing of HTTP.
package service

import (
	"iter"
	"net/netip"

	"github.com/caddy-dyndns/dyndns/internal/name"
	"github.com/caddy-dyndns/dyndns/zone"
)

// Submission is what one request asks for, whatever dialect it came in. Names
// and addresses are as the client wrote them where a dialect has to answer for
// each on its own, parsed where one bad value spoils the request.
type Submission struct {
	// Hosts are the names to change, in the order of the request.
	Hosts []Host
	// Prefix moves the LAN hosts of the client, and the hosts that ask to move; invalid if
	// none was given.
	Prefix netip.Prefix
	// TTL is the wanted TTL in seconds; nil means the zone's own.
	TTL *uint32
	// Detected is the address that the request came from, unmapped and without
	// zone; invalid if unknown (a unix socket).
	Detected netip.Addr
	// ShortNames lets a name without a dot stand for the one exact host of the
	// client that has it as its first label.
	ShortNames bool
	// List asks what stands at those of the hosts that are the client's, or at all that it has
	// without a pattern if there are none. Nothing is changed.
	List bool
	// Check asks for a self-test of every zone instead of an update.
	Check bool
}

// Host is one name of a submission and what it should hold.
type Host struct {
	// Name is as the client gave it.
	Name string
	// Own stands for a name that the client did not give: its one exact host.
	Own bool
	// Zone is the zone that the client named for it, empty if none: a shorter
	// one than the configured zone is an error.
	Zone string
	// A and AAAA are the host's addresses.
	A, AAAA Wish
	// HTTPS are its service bindings, in zone file syntax (RFC 9460 section 2.1).
	HTTPS Wish
	// TXT are the texts at Name, which may have underscores if this is mentioned.
	TXT Wish
	// Challenge are the values of ACME, at _acme-challenge below Name (RFC 8555 section 8.4).
	Challenge Wish

	// fqdn and err are what FQDN returned, if it was called.
	fqdn string
	err  error
}

// FQDN returns what [name.Normalize] makes of Name or, if it is about TXT alone,
// [name.Owner]. It is asked once, because an internationalized name is slow to
// normalise: the host must not change afterwards.
func (h *Host) FQDN() (string, error) {
	if h.fqdn == "" && h.err == nil {
		normalize := name.Normalize
		if h.TXT.Mentioned() && !h.A.Mentioned() && !h.AAAA.Mentioned() && !h.HTTPS.Mentioned() && !h.Challenge.Mentioned() {
			normalize = name.Owner
		}
		h.fqdn, h.err = normalize(h.Name)
	}
	return h.fqdn, h.err
}

// SameName tells whether two hosts have the same name, an IDN also in its two
// forms, or the same text that is no name.
func (h *Host) SameName(other *Host) bool {
	fqdn, err := h.FQDN()
	otherFQDN, otherErr := other.FQDN()
	if err != nil && otherErr != nil {
		return h.Name == other.Name
	}
	return fqdn == otherFQDN
}

// Wish is what a host should hold in one record type. The zero value says nothing
// of it.
type Wish struct {
	Action zone.Action
	// Detect sets the address that the request came from, if that is of this
	// family. Otherwise Action stands.
	Detect bool
	// Move moves the present IPv6 addresses behind the prefix of the submission. Where
	// there are none, that is an error with [zone.Set], and with [zone.Keep] only if the
	// client has no LAN hosts, which the prefix may have been meant for.
	Move bool
	// Roll tells of a TXT wish that its client removes no values: the older ones go when
	// another is added, and a removal without values takes all of them.
	Roll bool
	// Values are those of [zone.Set], [zone.Add] and [zone.Remove]: addresses as netip.Addr
	// prints them, unmapped and publishable as far as that does not depend on policy.
	// Several hosts may share them: they are not to be changed.
	Values []string
	// TTL is the wanted TTL in seconds; nil means that of the submission.
	TTL *uint32
}

// Mentioned tells whether the wish says anything.
func (w Wish) Mentioned() bool { return w.Action != zone.None || w.Detect }

// Outcome is what became of a submission: the one truth that the reply, the log,
// the metrics, the events and the history are all made from.
type Outcome struct {
	// Client is the configured name of the client, empty if none was recognised.
	Client string
	// Err is set if the whole request was refused; Hosts is then empty.
	Err *Error
	// Hosts are in the order of the submission.
	Hosts []HostOutcome
	// LAN are the client's LAN hosts that a prefix moved.
	LAN []HostOutcome
	// Checks are the zones' self-tests, if one was asked for.
	Checks []ZoneCheck
}

// HostOutcome is what became of one name.
type HostOutcome struct {
	// Name is the normalised absolute name, or the client's own text if that is no name.
	Name string
	// Zone is the absolute name of its zone, empty if there is none.
	Zone string
	// Records are what the nameserver confirmed, in the order of the fields of Host.
	Records []Record
	// Lagging are the nameservers that did not serve a new challenge in time.
	Lagging []string
	// Err is set if this name was refused, or if one of its records failed. The
	// others stand in Records all the same: they may have been changed.
	Err *Error
}

// Record is one RRset before and after.
type Record struct {
	// Name is its owner, an absolute name.
	Name     string
	Type     zone.Type
	Old, New []string
	TTL      uint32
	Changed  bool
	// Kept tells that the submission asked for no change, as of a family that it does
	// not mention.
	Kept bool
	// Proven tells whether the nameserver proved Old.
	Proven bool
}

// Names are the submitted hosts and then the LAN hosts.
func (o *Outcome) Names() iter.Seq[*HostOutcome] {
	return func(yield func(*HostOutcome) bool) {
		for _, hosts := range [...][]HostOutcome{o.Hosts, o.LAN} {
			for i := range hosts {
				if !yield(&hosts[i]) {
					return
				}
			}
		}
	}
}

// Changed tells whether anything was written.
func (o *Outcome) Changed() bool {
	for h := range o.Names() {
		for i := range h.Records {
			if h.Records[i].Changed {
				return true
			}
		}
	}
	return false
}

// ZoneCheck is the self-test of one zone.
type ZoneCheck struct {
	Zone  string
	Steps []zone.CheckStep
}
