// Package history remembers what was submitted: per host the present values,
// counts and the last changes; the latest submissions of all; and why clients were
// refused last.
//
// [Store.Record] touches memory alone. Some seconds later the memory is written as
// one object into a storage that several instances may share: each adds what is new
// to what the others wrote. A crash loses seconds of statistics, never a record in DNS.
package history

import (
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/caddy-dyndns/dyndns/internal/name"
)

const (
	defaultDays     = 30
	defaultMaxHosts = 100_000
	maxLatest       = 5_000
	maxClients      = 5_000 // with refusals
	maxRefusals     = 10    // of one client
	// sample is how many entries of a full map are compared to find an old one that
	// makes room, as Redis does: a list by age would cost each submission more.
	sample = 64
	// idStep is between the IDs of two lines of a store. The remainder is the store's own.
	idStep = 1 << 16
)

// Config says what a Store keeps and where.
type Config struct {
	// Days is how long a host is kept after its last submission; 0 means 30.
	Days int
	// MaxHosts bounds the hosts in memory; 0 means 100,000. Beyond it one of those
	// that were silent for longest makes room.
	MaxHosts int
	// Storage returns where the history is kept at present; nil, or a function that
	// returns nil, means memory alone.
	Storage func() Storage
	// Warn is told of trouble with the storage: once, then not again until it
	// has gone. It is needed with a storage.
	Warn func(message string, err error)
}

// Store is the history of one process. Its methods may be called at once from
// any number of goroutines.
type Store struct {
	cfg Config

	mu       sync.Mutex
	hosts    map[string]*host
	ordered  []*host // what inOrder returned, nil after the hosts have changed
	set      uint64  // how often they have changed
	latest   map[int64]*line
	lastID   int64                // of a line
	refusals map[string][]Refusal // by client, the oldest first

	saving
}

// New returns an empty Store.
func New(cfg Config) *Store {
	if cfg.Days <= 0 {
		cfg.Days = defaultDays
	}
	if cfg.MaxHosts <= 0 {
		cfg.MaxHosts = defaultMaxHosts
	}
	if cfg.Storage == nil {
		cfg.Storage = func() Storage { return nil }
	}
	return &Store{
		cfg: cfg, hosts: make(map[string]*host), refusals: make(map[string][]Refusal),
		latest: make(map[int64]*line), lastID: rand.Int64N(idStep),
		saving: saving{busy: make(chan struct{}, 1), trouble: make(map[string]bool)},
	}
}

func (s *Store) putHost(h *host) {
	s.hostsChange()
	put(s.hosts, s.cfg.MaxHosts, h.Name, h, func(h *host) int64 { return h.Last })
}

// hostsChange is called where another host comes or goes.
func (s *Store) hostsChange() {
	s.ordered = nil
	s.set++
}

func (s *Store) putLine(l *line) {
	put(s.latest, maxLatest, l.ID, l, func(l *line) int64 { return l.ID })
}

// putRefusal adds a refusal to those of its client. One that is known but for its
// time is kept once.
func (s *Store) putRefusal(r Refusal) {
	known := slices.DeleteFunc(s.refusals[r.Client], func(k Refusal) bool {
		same := k.Reason == r.Reason && k.Name == r.Name && k.Cause == r.Cause
		if same && k.At.After(r.At) {
			r.At = k.At
		}
		return same
	})
	known = append(known, r)
	slices.SortStableFunc(known, func(a, b Refusal) int { return a.At.Compare(b.At) })
	known = known[max(0, len(known)-maxRefusals):]
	put(s.refusals, maxClients, r.Client, known, func(all []Refusal) int64 { return all[len(all)-1].At.Unix() })
}

// put adds an entry to a map; if that is full, in the place of one of the oldest, or
// not at all if it is older itself.
func put[K comparable, V any](m map[K]V, limit int, key K, value V, age func(V) int64) {
	if _, known := m[key]; !known && len(m) >= limit {
		oldest, at, n := key, age(value), 0
		for k, v := range m { // each time in another order
			if a := age(v); a <= at {
				oldest, at = k, a
			}
			if n++; n == sample {
				break
			}
		}
		if oldest == key {
			return
		}
		delete(m, oldest)
	}
	m[key] = value
}

// all returns the hosts in no order. Their names may be read without the lock.
func (s *Store) all() []*host {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.AppendSeq(make([]*host, 0, len(s.hosts)), maps.Values(s.hosts))
}

func byName(a, b *host) int { return name.Compare(a.Name, b.Name) }

// inOrder returns the hosts in the order of [name.Compare]. The slice must not be changed.
// To sort a hundred thousand takes long: that is done without the lock, and lasts until a
// host comes or goes.
func (s *Store) inOrder() []*host {
	s.mu.Lock()
	ordered, set := s.ordered, s.set
	s.mu.Unlock()
	if ordered != nil {
		return ordered
	}
	ordered = s.all()
	slices.SortFunc(ordered, byName)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.set == set {
		s.ordered = ordered
	}
	return ordered
}

// each visits the hosts, with the lock for one at a time.
func (s *Store) each(visit func(*host)) {
	for _, h := range s.all() {
		s.mu.Lock()
		visit(h)
		s.mu.Unlock()
	}
}

// expire forgets what is older than the configured days.
func (s *Store) expire(now time.Time) {
	cutoff := now.AddDate(0, 0, -s.cfg.Days)
	s.each(func(h *host) {
		h.Last = min(h.Last, now.Unix()) // the clock ran ahead; else it would never expire
		if h.Last < cutoff.Unix() && s.hosts[h.Name] == h {
			delete(s.hosts, h.Name)
			s.hostsChange()
		}
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.DeleteFunc(s.latest, func(_ int64, l *line) bool { return l.At.Before(cutoff) })
	maps.DeleteFunc(s.refusals, func(_ string, all []Refusal) bool { return all[len(all)-1].At.Before(cutoff) })
}
