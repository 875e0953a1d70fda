package history

import (
	"errors"
	"math"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/caddy-dyndns/dyndns/internal/service"
	"github.com/caddy-dyndns/dyndns/zone"
)

// Entry is one request and what became of it.
type Entry struct {
	At        time.Time
	Source    netip.Addr
	UserAgent string
	Outcome   service.Outcome
}

// Record takes note of every name that the request changed, confirmed, or was
// granted but failed at the nameserver, and of the refusals of a client. A name that
// was refused before is a refusal alone: the client could fill the memory with
// names that are not its own.
func (s *Store) Record(e Entry) {
	from := origin{Client: e.Outcome.Client, Source: network(e.Source), Agent: cleanText(e.UserAgent, maxAgent)}
	at := min(max(e.At.Unix(), 0), math.MaxUint32) // what a log can hold
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refuse(at, from.Client, &service.HostOutcome{Err: e.Outcome.Err})
	for o := range e.Outcome.Names() {
		s.refuse(at, from.Client, o)
		if o.Err == nil || o.Err.FromDNS() {
			s.record(at, from, o)
		}
	}
}

func (s *Store) record(at int64, from origin, o *service.HostOutcome) {
	s.changed()
	h := s.hosts[o.Name]
	if h == nil {
		h = &host{Name: strings.Clone(o.Name), First: at, Last: at}
		s.putHost(h)
	}
	one, result, news := counts{Submissions: 1}, o.Result(), h.origin != from
	if news {
		from.Agent = strings.Clone(from.Agent) // else it may hold a whole request
		h.origin = from
	}
	for i := range o.Records {
		r := &o.Records[i]
		news = h.hold(r, at) || news
		if r.Changed {
			one.Changes, h.Changed = 1, at
			h.Log = appendChange(h.Log, at, r)
		}
	}
	if result == service.Failed {
		one.Failures = 1
	}
	message := ""
	if o.Err != nil {
		message = cleanText(Cause(o), maxMessage)
	}
	news = news || one.Changes > 0 || result != h.Result
	h.counts, h.fresh = h.counts.plus(one), h.fresh.plus(one)
	h.First, h.Last, h.Result = min(h.First, at), at, result // First: a clock that was set back

	// A repeat is counted in its predecessor's line, so that a chatty router
	// does not push everyone else out of the list.
	l := s.latest[h.Line]
	if news || l == nil || l.Message != message || slices.ContainsFunc(l.Records, Change.Changed) {
		s.lastID = max(s.lastID+idStep, time.Now().UnixNano()/idStep*idStep+s.lastID%idStep)
		l = &line{ID: s.lastID, Submission: Submission{
			Name: h.Name, Result: result.String(), Records: describe(o), Message: message,
			Client: h.Client, Source: h.source(), UserAgent: h.Agent,
		}}
		h.Line = l.ID
		s.putLine(l)
	}
	l.At = moment(at)
	l.Times++
	l.fresh++
}

// hold takes over a confirmed value and tells whether it was news.
func (h *host) hold(r *service.Record, at int64) bool {
	i := slices.Index(types[:], r.Type)
	if i < 0 {
		return false
	}
	held, values := &h.Held[i], shorten(r.New)
	news := held.At == 0 || !slices.Equal(held.Values, values)
	if news {
		held.Values = slices.Clone(values)
	}
	held.At = at
	if !r.Kept {
		held.Seen = at
	}
	return news
}

// describe lists what the nameserver confirmed. Its values are shared with the
// outcome, which nobody changes any more.
func describe(o *service.HostOutcome) []Change {
	changes := []Change{}
	for _, r := range o.Records {
		changes = append(changes, Change{Type: r.Type.String(), Old: list(shorten(r.Old)), New: list(shorten(r.New))})
	}
	return changes
}

// refuse takes note of an error that a client was told, if there is one.
func (s *Store) refuse(at int64, client string, o *service.HostOutcome) {
	if o.Err != nil && client != "" {
		s.changed()
		s.putRefusal(Refusal{
			At: moment(at), Client: client, Reason: o.Err.Reason,
			Name: cleanText(o.Name, maxName), Cause: cleanText(Cause(o), maxMessage),
		})
	}
}

// Cause says in a sentence why a client was refused. What tells of a nameserver, its
// keys or its settings is for the operator alone.
func Cause(o *service.HostOutcome) string {
	if o.Err.Cause == nil {
		return o.Err.Message
	}
	told := zone.Error{Reason: o.Err.Reason, Name: o.Name, Zone: o.Zone}
	var failed *zone.Error
	if errors.As(o.Err.Cause, &failed) {
		told.RCode, told.Verified, told.Unknown = failed.RCode, failed.Verified, failed.Unknown
		switch failed.Reason {
		case zone.Conflict, zone.Busy, zone.Invalid: // the hint is about the name
			told.Hint = failed.Hint
		}
	}
	return told.Error()
}
