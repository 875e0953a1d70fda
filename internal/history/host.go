package history

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/caddy-dyndns/dyndns/internal/service"
	"github.com/caddy-dyndns/dyndns/zone"
)

const (
	maxName    = 254 // with the final dot (RFC 1035 section 2.3.4)
	maxAgent   = 80
	maxMessage = 200
	maxText    = 80 // of one TXT value
	maxValues  = 16 // of one RRset, as many addresses as a request may give
)

// host is one name in memory and in the storage. Times are Unix seconds. What is not
// a number is replaced, never changed in place, so that a copy stays good without
// the lock.
type host struct {
	Name string
	origin
	First, Last, Changed int64
	counts
	Result service.Result
	Held   [len(types)]held
	Line   int64  // the ID of its last line, which may be gone
	Log    []byte `json:",omitempty"` // see appendChange

	fresh, sent counts // what of the counts is not stored yet, and what of that is being stored
}

// origin is who submitted and from where.
type origin struct {
	Client string       `json:",omitempty"`
	Source netip.Prefix `json:",omitzero"`
	Agent  string       `json:",omitempty"`
}

// counts are what several instances add up.
type counts struct{ Submissions, Changes, Failures uint64 }

func (c counts) plus(d counts) counts {
	return counts{c.Submissions + d.Submissions, c.Changes + d.Changes, c.Failures + d.Failures}
}

func (c counts) minus(d counts) counts {
	return counts{c.Submissions - d.Submissions, c.Changes - d.Changes, c.Failures - d.Failures}
}

// held is what a host holds in one type.
type held struct {
	Values []string `json:",omitempty"`
	At     int64    `json:",omitempty"` // when it was confirmed last, 0 if never
	Seen   int64    `json:",omitempty"` // when it was submitted last, 0 if never
}

// types are the record types that are remembered. Logs have their indices.
var types = [...]zone.Type{zone.TypeA, zone.TypeAAAA, zone.TypeTXT, zone.TypeHTTPS}

// line is one of the latest submissions in memory and in the storage. Several
// instances may count repeats in it.
type line struct {
	ID int64 // the greater the later
	Submission

	fresh, sent uint64 // as those of a host
}

// merge takes in what the storage has of the same host.
func (h *host) merge(stored *host) {
	h.counts = stored.counts.plus(h.fresh)
	h.First = min(h.First, stored.First)
	h.Changed = max(h.Changed, stored.Changed)
	if stored.Last > h.Last {
		h.Last, h.origin, h.Result, h.Line = stored.Last, stored.origin, stored.Result, stored.Line
	}
	for i, held := range stored.Held {
		seen := max(held.Seen, h.Held[i].Seen)
		if held.At > h.Held[i].At {
			h.Held[i] = held
		}
		h.Held[i].Seen = seen
	}
	h.Log = mergeLogs(stored.Log, h.Log)
}

// network is as much of an address as the history keeps: an IPv6 address
// contains an identifier of the device in its lower half.
func network(a netip.Addr) netip.Prefix {
	a = a.Unmap().WithZone("")
	p, _ := a.Prefix(min(64, a.BitLen()))
	return p
}

// source returns how the network is shown.
func (o origin) source() string {
	if !o.Source.IsValid() {
		return ""
	}
	return strings.TrimSuffix(o.Source.String(), "/32")
}

// shorten bounds what is kept of an RRset. It does not allocate for the usual one.
func shorten(values []string) []string {
	values = values[:min(len(values), maxValues)]
	if slices.ContainsFunc(values, func(v string) bool { return len(v) > maxText }) {
		values = slices.Clone(values)
		for i, v := range values {
			values[i] = strings.Clone(cut(v, maxText))
		}
	}
	return values
}

func cut(s string, n int) string { return s[:min(len(s), n)] }

// cleanText cuts a text and escapes what is not printable ASCII.
func cleanText(s string, n int) string {
	s = cut(s, n)
	if strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' }) {
		quoted := strconv.QuoteToASCII(s)
		return cut(quoted[1:len(quoted)-1], n)
	}
	return s
}
