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
	maxAgent   = 80
	maxMessage = 200
	maxText    = 80 // of one TXT value
	maxValues  = 8  // of one RRset
)

// origin is who submitted and from where.
type origin struct {
	client string
	source netip.Addr // of IPv6 the /64
	agent  string
}

// host is one name in memory. Times are Unix seconds. What is not a number is
// replaced, never changed in place, so that a copy stays good without the lock.
type host struct {
	name                           string
	origin                         origin
	first, last, changed           int64
	submissions, changes, failures uint64
	current                        [len(types)]current
	log                            []byte // see appendChange
	lastResult                     service.Result

	slot         int
	latest       uint64 // number of its last submission in the ring
	older, newer *host
}

// current is what a host holds in one type.
type current struct {
	values []string
	at     int64 // 0 if the type was never submitted
}

// types are the record types that are remembered, in the order of a reply.
var types = [...]zone.Type{zone.TypeA, zone.TypeAAAA, zone.TypeTXT}

func typeIndex(t zone.Type) int {
	for i, known := range types {
		if t == known {
			return i
		}
	}
	return -1
}

// setCurrent takes over a confirmed value and tells whether it was news.
func (h *host) setCurrent(r *service.Record, at int64) bool {
	i := typeIndex(r.Type)
	if i < 0 {
		return false
	}
	values := shorten(r.New)
	known := h.current[i].at != 0 && slices.Equal(h.current[i].values, values)
	h.current[i].at = at
	if !known {
		h.current[i].values = slices.Clone(values)
	}
	return !known
}

// shorten bounds what is kept of an RRset. It does not allocate for the usual one.
func shorten(values []string) []string {
	values = values[:min(len(values), maxValues)]
	for i, v := range values {
		if len(v) > maxText {
			values = slices.Clone(values)
			for ; i < len(values); i++ {
				values[i] = strings.Clone(cut(values[i], maxText))
			}
			break
		}
	}
	return values
}

func cut(s string, n int) string {
	if len(s) > n {
		return s[:n]
	}
	return s
}

// network is as much of an address as the history keeps: an IPv6 address
// contains an identifier of the device in its lower half.
func network(a netip.Addr) netip.Addr {
	a = a.Unmap().WithZone("")
	if a.Is6() {
		p, _ := a.Prefix(64)
		return p.Addr()
	}
	return a
}

// sourceText is how a network is shown.
func sourceText(a netip.Addr) string {
	switch {
	case !a.IsValid():
		return ""
	case a.Is6():
		return a.String() + "/64"
	}
	return a.String()
}

// cleanText cuts a text and escapes what is not printable ASCII.
func cleanText(s string, n int) string {
	s = cut(s, n)
	for i := 0; i < len(s); i++ {
		if s[i] < ' ' || s[i] > '~' {
			quoted := strconv.QuoteToASCII(s)
			return cut(quoted[1:len(quoted)-1], n)
		}
	}
	return s
}

// submission is one line of the latest submissions.
type submission struct {
	At      int64
	Name    string
	origin  origin
	Result  service.Result
	Records []Change
	Message string
	Repeats uint64
}

// changed tells whether the submission changed a value, which a failed one may have.
func (s *submission) changed() bool {
	return slices.ContainsFunc(s.Records, func(c Change) bool { return !slices.Equal(c.Old, c.New) })
}

// submissionAt returns the submission of that number if it still is in the ring.
func (s *Store) submissionAt(n uint64) *submission {
	if n >= s.next || s.next-n > uint64(len(s.latest)) {
		return nil
	}
	return &s.latest[n%maxLatest]
}

// submissions returns a copy of the ring, the oldest submission first.
func (s *Store) submissions() []submission {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.latest) < maxLatest {
		return slices.Clone(s.latest)
	}
	start := s.next % maxLatest
	return slices.Concat(s.latest[start:], s.latest[:start])
}

// push adds a submission to the ring.
func (s *Store) push(sub submission) {
	if len(s.latest) < maxLatest {
		s.latest = append(s.latest, sub)
	} else {
		s.latest[s.next%maxLatest] = sub
	}
	s.next++
}

// describe lists what the nameserver confirmed. Its values are shared with the
// outcome, which nobody changes any more.
func describe(o *service.HostOutcome) []Change {
	if len(o.Records) == 0 {
		return nil
	}
	changes := make([]Change, 0, len(o.Records))
	for _, r := range o.Records {
		changes = append(changes, Change{Type: r.Type.String(), Old: orEmpty(shorten(r.Old)), New: orEmpty(shorten(r.New))})
	}
	return changes
}

// orEmpty makes "none" an empty list for JSON.
func orEmpty(values []string) []string {
	if values == nil {
		return []string{}
	}
	return values
}

func failure(o *service.HostOutcome) string {
	if o.Err == nil {
		return ""
	}
	return cleanText(o.Err.Message, maxMessage)
}
