package history

import (
	"cmp"
	"slices"
	"time"

	"golang.org/x/crypto/cryptobyte"

	"github.com/caddy-dyndns/dyndns/internal/expiry"
	"github.com/caddy-dyndns/dyndns/internal/service"
	"github.com/caddy-dyndns/dyndns/zone"
)

// Host is what is known of one name.
type Host struct {
	Name        string    `json:"name"`
	Current     []Current `json:"current"`
	First       time.Time `json:"first_submission,omitzero"` // zero if there was none
	Last        time.Time `json:"last_submission,omitzero"`
	Changed     time.Time `json:"last_change,omitzero"`
	Submissions uint64    `json:"submissions"`
	Changes     uint64    `json:"changes"`
	Failures    uint64    `json:"failures"`
	LastResult  string    `json:"last_result"`
	Client      string    `json:"client"`
	Source      string    `json:"source"`
	UserAgent   string    `json:"user_agent"`
	// Log holds the last changes, the newest first.
	Log []Change `json:"log,omitempty"`
}

// Current is what a name holds in one type as far as is known.
type Current struct {
	Type   string   `json:"type"`
	Values []string `json:"values"`
	// Seen is when the type was last submitted, zero if it never was.
	Seen time.Time `json:"-"`
	// Expires is when it is removed if nobody confirms it, zero if never. The page sets it.
	Expires time.Time `json:"expires,omitzero"`
}

// ExpiresAfter returns when it is removed if nobody confirms it for so long and there were
// sweeps since that time, and false if it never is.
func (c Current) ExpiresAfter(since time.Time, after time.Duration) (time.Time, bool) {
	address := c.Type == zone.TypeA.String() || c.Type == zone.TypeAAAA.String()
	return expiry.Expires(c.Seen, since, after), address && !c.Seen.IsZero() && len(c.Values) > 0
}

// Submission is one line of the latest submissions.
type Submission struct {
	At        time.Time `json:"at"`
	Name      string    `json:"name"`
	Result    string    `json:"result"`
	Records   []Change  `json:"records"`
	Message   string    `json:"message,omitempty"`
	Times     uint64    `json:"times"` // more than 1 if it was repeated and nothing changed
	Client    string    `json:"client"`
	Source    string    `json:"source"`
	UserAgent string    `json:"user_agent"`
}

// Refusal is why a client was refused something.
type Refusal struct {
	At     time.Time // the last time
	Client string
	Reason service.Reason
	// Name is the host, or the client's own text if that is no name; empty if the
	// whole request was refused.
	Name string
	// Cause is a sentence that tells nothing of nameservers, keys or settings.
	Cause string
}

// Hosts returns limit hosts from the offset on, in the order of [name.Compare], and how
// many there are. A nil filter lets every name pass. The names in also are among them
// even if nothing was submitted for them. The hosts come without a log.
func (s *Store) Hosts(filter func(name string) bool, offset, limit int, also ...string) (page []Host, total int) {
	s.refresh()
	hosts := slices.Clone(s.inOrder())
	if filter != nil {
		hosts = slices.DeleteFunc(hosts, func(h *host) bool { return !filter(h.Name) })
	}
	missing := make(map[string]bool, len(also))
	for _, n := range also {
		missing[n] = true
	}
	for _, h := range hosts {
		delete(missing, h.Name)
	}
	for n := range missing {
		hosts = append(hosts, &host{Name: n})
	}
	if len(missing) > 0 {
		slices.SortFunc(hosts, byName)
	}
	for _, h := range window(hosts, offset, limit) {
		e := Host{Name: h.Name, Current: []Current{}}
		if !missing[h.Name] {
			e = s.export(h)
			e.Log = nil
		}
		page = append(page, e)
	}
	return page, len(hosts)
}

// Host returns one host with its changes.
func (s *Store) Host(name string) (Host, bool) {
	s.refresh()
	s.mu.Lock()
	h := s.hosts[name]
	s.mu.Unlock()
	if h == nil {
		return Host{}, false
	}
	return s.export(h), true
}

// Latest returns limit submissions from the offset on, the newest first, and
// how many there are. A nil filter lets every name pass.
func (s *Store) Latest(filter func(name string) bool, offset, limit int) (page []Submission, total int) {
	s.refresh()
	s.mu.Lock()
	lines := make([]line, 0, len(s.latest))
	for _, l := range s.latest {
		lines = append(lines, *l)
	}
	s.mu.Unlock()
	if filter != nil {
		lines = slices.DeleteFunc(lines, func(l line) bool { return !filter(l.Name) })
	}
	slices.SortFunc(lines, func(a, b line) int { return cmp.Or(b.At.Compare(a.At), cmp.Compare(b.ID, a.ID)) })
	for _, l := range window(lines, offset, limit) {
		page = append(page, l.Submission)
	}
	return page, len(lines)
}

// Refusals returns the last refusals of a client, the newest first.
func (s *Store) Refusals(client string) []Refusal {
	s.refresh()
	s.mu.Lock()
	defer s.mu.Unlock()
	all := slices.Clone(s.refusals[client])
	slices.Reverse(all)
	return all
}

func window[T any](all []T, offset, limit int) []T {
	offset = min(max(offset, 0), len(all))
	return all[offset:min(offset+max(limit, 0), len(all))]
}

func (s *Store) export(shared *host) Host {
	s.mu.Lock()
	h := *shared
	s.mu.Unlock()
	e := Host{
		Name: h.Name, First: moment(h.First), Last: moment(h.Last), Changed: moment(h.Changed),
		Submissions: h.Submissions, Changes: h.Changes, Failures: h.Failures, LastResult: h.Result.String(),
		Client: h.Client, Source: h.source(), UserAgent: h.Agent, Current: []Current{},
	}
	for i, c := range h.Held {
		if c.At != 0 {
			e.Current = append(e.Current, Current{Type: types[i].String(), Values: list(c.Values), Seen: moment(c.Seen)})
		}
	}
	for log := cryptobyte.String(h.Log); len(log) > 0; {
		var c Change
		readChange(&log, &c)
		e.Log = append(e.Log, c)
	}
	slices.Reverse(e.Log)
	return e
}

// list makes "none" an empty list for JSON.
func list(values []string) []string {
	if values == nil {
		return []string{}
	}
	return values
}

// moment leaves the zero time for what never happened.
func moment(seconds int64) time.Time {
	if seconds == 0 {
		return time.Time{}
	}
	return time.Unix(seconds, 0).UTC()
}
