package history

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"slices"
	"sync"
	"time"
)

const (
	// dropAfter is how long the other instances' histories stay in memory after
	// a page that showed them.
	dropAfter = 5 * time.Minute
	// loadWait bounds how long a page waits for the storage; it then shows what is known.
	loadWait = 5 * time.Second
)

// Host is what is known of one name.
type Host struct {
	Name        string    `json:"name"`
	Current     []Current `json:"current"`
	First       time.Time `json:"first_submission"`
	Last        time.Time `json:"last_submission"`
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

// Hosts returns limit hosts from the offset on, sorted by name, and how many
// there are. A nil filter lets every name pass. The hosts come without a log.
func (s *Store) Hosts(ctx context.Context, filter func(name string) bool, offset, limit int) (page []Host, total int) {
	s.refresh(ctx)
	s.others.mu.RLock()
	defer s.others.mu.RUnlock()
	var names []string
	s.walk(func(h *host) {
		if filter == nil || filter(h.name) {
			names = append(names, h.name)
		}
	})
	for name := range s.others.hosts {
		if filter == nil || filter(name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	names = slices.Compact(names)
	for _, name := range window(names, offset, limit) {
		if h, ok := s.lookup(name); ok {
			h.log = nil
			page = append(page, h.export())
		}
	}
	return page, len(names)
}

// Host returns one host with its changes.
func (s *Store) Host(ctx context.Context, name string) (Host, bool) {
	s.refresh(ctx)
	s.others.mu.RLock()
	defer s.others.mu.RUnlock()
	h, ok := s.lookup(name)
	return h.export(), ok
}

// Latest returns limit submissions from the offset on, the newest first, and
// how many there are. A nil filter lets every name pass.
func (s *Store) Latest(ctx context.Context, filter func(name string) bool, offset, limit int) (page []Submission, total int) {
	s.refresh(ctx)
	s.others.mu.RLock()
	defer s.others.mu.RUnlock()
	subs := append(s.submissions(), s.others.latest...)
	slices.Reverse(subs) // for those of one second
	subs = slices.DeleteFunc(subs, func(sub submission) bool {
		return sub.At == 0 || filter != nil && !filter(sub.Name)
	})
	slices.SortStableFunc(subs, func(a, b submission) int { return cmp.Compare(b.At, a.At) })
	for _, sub := range window(subs, offset, limit) {
		page = append(page, sub.export())
	}
	return page, len(subs)
}

func window[T any](all []T, offset, limit int) []T {
	offset = min(max(offset, 0), len(all))
	return all[offset:min(offset+max(limit, 0), len(all))]
}

// lookup adds up one host; it needs the read lock of the others.
func (s *Store) lookup(name string) (host, bool) {
	s.mu.Lock()
	var sum host
	mine := s.byName[name]
	if mine != nil {
		sum = *mine
	}
	s.mu.Unlock()
	other := s.others.hosts[name]
	switch {
	case mine == nil && other == nil:
		return host{}, false
	case mine == nil:
		sum = *other
	case other != nil:
		sum.merge(other)
	}
	return sum, true
}

func (h *host) export() Host {
	e := Host{
		Name: h.name, First: moment(h.first), Last: moment(h.last), Changed: moment(h.changed),
		Submissions: h.submissions, Changes: h.changes, Failures: h.failures, LastResult: h.lastResult.String(),
		Client: h.origin.client, Source: sourceText(h.origin.source), UserAgent: h.origin.agent,
		Current: make([]Current, 0, len(types)),
	}
	for i, c := range h.current {
		if c.at != 0 {
			e.Current = append(e.Current, Current{Type: types[i].String(), Values: orEmpty(c.values)})
		}
	}
	e.Log, _ = unpack(h.log)
	slices.Reverse(e.Log)
	return e
}

func (sub *submission) export() Submission {
	return Submission{
		At: moment(sub.At), Name: sub.Name, Result: sub.Result.String(), Records: sub.Records, Message: sub.Message,
		Times: sub.Repeats + 1, Client: sub.origin.client, Source: sourceText(sub.origin.source), UserAgent: sub.origin.agent,
	}
}

// moment leaves the zero time for what never happened.
func moment(seconds int64) time.Time {
	if seconds == 0 {
		return time.Time{}
	}
	return time.Unix(seconds, 0).UTC()
}

// others is what the other instances wrote, summed up when a page asks for it.
type others struct {
	refreshing sync.Mutex

	mu     sync.RWMutex
	loaded time.Time
	hosts  map[string]*host
	latest []submission
}

// drop frees the memory if no page has asked for a while.
func (o *others) drop(now time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if now.Sub(o.loaded) > dropAfter {
		o.hosts, o.latest = nil, nil
	}
}

// refresh reads the other instances' objects if they may have changed.
func (s *Store) refresh(ctx context.Context) {
	if s.cfg.Storage == nil {
		return
	}
	s.others.refreshing.Lock()
	defer s.others.refreshing.Unlock()
	now := time.Now()
	s.others.mu.RLock()
	age := now.Sub(s.others.loaded)
	s.others.mu.RUnlock()
	if age >= 0 && age < saveInterval { // negative: the clock was set back
		return
	}
	loadCtx, cancel := context.WithTimeout(ctx, loadWait)
	defer cancel()
	for {
		own := s.key()
		hosts, latest, err := s.load(loadCtx, own, now)
		if ctx.Err() != nil {
			return // the visitor left
		}
		s.warn("list", "cannot read the other instances' histories", err)
		if s.showOthers(own, now, hosts, latest, err) {
			return
		}
	}
}

// showOthers puts what was loaded in the place of what was known. It does not if
// our own object was claimed since the load began and may be among the others';
// that happens once.
func (s *Store) showOthers(own string, now time.Time, hosts map[string]*host, latest []submission, err error) bool {
	s.others.mu.Lock()
	defer s.others.mu.Unlock()
	if s.key() != own {
		return false
	}
	s.others.loaded = now
	if err == nil {
		s.others.hosts, s.others.latest = hosts, latest
	}
	return true
}

// load sums up all objects but our own and removes those that have expired.
func (s *Store) load(ctx context.Context, own string, now time.Time) (map[string]*host, []submission, error) {
	keys, err := s.cfg.Storage.List(ctx, folder, false)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, nil, err
	}
	cutoff := s.cutoff(now)
	sum := make(map[string]*host)
	var latest []submission
	for _, key := range keys {
		if key == own || !isObject(key) {
			continue
		}
		data, err := s.cfg.Storage.Load(ctx, key)
		if errors.Is(err, fs.ErrNotExist) {
			continue // removed since it was listed
		}
		var hosts []host
		var subs []submission
		if err == nil {
			hosts, subs, err = decode(data, now, s.cfg.MaxHosts)
		}
		s.warn(key, "skipping a history object that cannot be read: "+key, err)
		if err != nil {
			continue
		}
		newest := int64(0)
		for i := range hosts {
			h := &hosts[i]
			newest = max(newest, h.last)
			if h.last < cutoff {
				continue
			}
			if known := sum[h.name]; known != nil {
				known.merge(h)
			} else if len(sum) < s.cfg.MaxHosts {
				sum[h.name] = h
			}
		}
		if newest < cutoff { // its instance is gone, or writes it again when it has news
			_ = s.cfg.Storage.Delete(ctx, key)
			continue
		}
		latest = append(latest, slices.DeleteFunc(subs, func(sub submission) bool { return sub.At < cutoff })...)
	}
	return sum, latest, nil
}
