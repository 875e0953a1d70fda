// Package history remembers what was submitted: per host the present
// addresses, counts and the last changes, and the latest submissions of all.
//
// [Store.Record] touches memory alone. A goroutine between [Store.Start] and
// [Store.Stop] writes the memory as one object of this instance into a storage
// that several instances may share; the queries add up what all of them wrote.
// A crash loses seconds of statistics, never a record in DNS.
package history

import (
	"context"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/caddy-dyndns/dyndns/internal/service"
)

const (
	defaultDays     = 30
	defaultMaxHosts = 100_000
	maxLatest       = 5_000
	// scanChunk is how many hosts are looked at under one hold of the lock, so
	// that a page or a snapshot never makes a request wait noticeably.
	scanChunk = 512
)

// Storage is the part of certmagic.Storage that the package uses.
type Storage interface {
	Lock(ctx context.Context, name string) error
	Unlock(ctx context.Context, name string) error
	Store(ctx context.Context, key string, value []byte) error
	Load(ctx context.Context, key string) ([]byte, error)
	Delete(ctx context.Context, key string) error
	List(ctx context.Context, path string, recursive bool) ([]string, error)
}

// Config says what a Store keeps and where.
type Config struct {
	// Days is how long a host is kept after its last submission; 0 means 30.
	Days int
	// MaxHosts bounds the hosts in memory; 0 means 100,000. Beyond it the host
	// whose last submission is the oldest makes room.
	MaxHosts int
	// Storage keeps the snapshots; nil means memory alone.
	Storage Storage
	// Instance names this instance's object in the storage. Two processes that
	// give the same name get one object each. It is asked after Start only.
	Instance func() (string, error)
	// Warn is told of trouble with the storage: once, then not again until it
	// has gone. It may be nil.
	Warn func(message string, err error)
}

// Store is the history of one process. Its methods may be called at once from
// any number of goroutines.
type Store struct {
	cfg Config

	mu      sync.Mutex
	byName  map[string]*host
	slots   []*host // the same hosts in a fixed order, to walk them in chunks
	oldest  *host   // ends of the list in order of the last submission
	newest  *host
	latest  []submission // a ring: the one numbered n stands at n % maxLatest
	next    uint64       // the number of the next submission
	version uint64       // counts what is worth a new snapshot

	writer writer
	others others

	troubleMu sync.Mutex
	trouble   map[string]bool
}

// New returns an empty Store.
func New(cfg Config) *Store {
	if cfg.Days <= 0 {
		cfg.Days = defaultDays
	}
	if cfg.MaxHosts <= 0 {
		cfg.MaxHosts = defaultMaxHosts
	}
	if cfg.Warn == nil {
		cfg.Warn = func(string, error) {}
	}
	return &Store{cfg: cfg, byName: make(map[string]*host), trouble: make(map[string]bool)}
}

// Entry is one request and what became of it.
type Entry struct {
	At        time.Time
	Source    netip.Addr
	UserAgent string
	Outcome   service.Outcome
}

// Record takes note of every name that the request changed, confirmed, or was
// granted but failed at the nameserver. A name that was refused before is not
// recorded: the client could fill the memory with names that are not its own.
func (s *Store) Record(e Entry) {
	from := origin{client: e.Outcome.Client, source: network(e.Source), agent: cleanText(e.UserAgent, maxAgent)}
	at := e.At.Unix()
	s.mu.Lock()
	defer s.mu.Unlock()
	for o := range e.Outcome.Names() {
		if o.Err == nil || o.Err.FromDNS() {
			s.record(at, from, o)
		}
	}
}

// record needs the lock.
func (s *Store) record(at int64, from origin, o *service.HostOutcome) {
	s.version++
	h := s.byName[o.Name]
	if h == nil {
		h = s.insert(strings.Clone(o.Name))
		h.first = at
	}
	s.touch(h)
	news := h.origin != from
	if news {
		from.agent = strings.Clone(from.agent) // else it may hold a whole request
		h.origin = from
	}
	h.last = at
	h.first = min(h.first, at) // a clock that was set back
	h.submissions++
	result, written := o.Result(), false
	if result == service.Failed {
		h.failures++
	}
	for i := range o.Records {
		r := &o.Records[i]
		if h.setCurrent(r, at) {
			news = true
		}
		if r.Changed {
			written = true
			h.log = appendChange(h.log, at, r)
		}
	}
	if written {
		h.changes++
		h.changed = at
	}
	news = news || written || result != h.lastResult
	h.lastResult = result
	message := failure(o)
	// A repeat is counted in its predecessor's line, so that a chatty router
	// does not push everyone else out of the list.
	if prev := s.submissionAt(h.latest); !news && prev != nil && prev.Name == h.name && prev.Message == message && !prev.changed() {
		prev.At, prev.Repeats = at, prev.Repeats+1
		return
	}
	h.latest = s.next
	s.push(submission{
		At: at, Name: h.name, origin: h.origin, Result: result,
		Records: describe(o), Message: message,
	})
}

// insert adds a host, in the place of the one that was silent for longest if
// there is no room.
func (s *Store) insert(name string) *host {
	h := &host{name: name}
	if len(s.slots) >= s.cfg.MaxHosts {
		old := s.oldest
		s.unlink(old)
		delete(s.byName, old.name)
		h.slot = old.slot
		s.slots[h.slot] = h
	} else {
		h.slot = len(s.slots)
		s.slots = append(s.slots, h)
	}
	s.byName[name] = h
	return h
}

// remove forgets a host. It moves another one to its slot, which a page that
// walks the slots just now may miss; the snapshot is of the same goroutine.
func (s *Store) remove(h *host) {
	s.unlink(h)
	delete(s.byName, h.name)
	end := len(s.slots) - 1
	s.slots[h.slot] = s.slots[end]
	s.slots[h.slot].slot = h.slot
	s.slots[end] = nil
	s.slots = s.slots[:end]
}

// touch makes h the newest.
func (s *Store) touch(h *host) {
	if s.newest == h {
		return
	}
	s.unlink(h)
	h.older = s.newest
	if s.newest != nil {
		s.newest.newer = h
	} else {
		s.oldest = h
	}
	s.newest = h
}

func (s *Store) unlink(h *host) {
	if h.older != nil {
		h.older.newer = h.newer
	} else if s.oldest == h {
		s.oldest = h.newer
	}
	if h.newer != nil {
		h.newer.older = h.older
	} else if s.newest == h {
		s.newest = h.older
	}
	h.older, h.newer = nil, nil
}

// walk shows every host to visit, a chunk under the lock at a time. What visit
// keeps must be a copy.
func (s *Store) walk(visit func(*host)) {
	for start := 0; ; start += scanChunk {
		s.mu.Lock()
		end := min(start+scanChunk, len(s.slots))
		for _, h := range s.slots[min(start, end):end] {
			visit(h)
		}
		done := end == len(s.slots)
		s.mu.Unlock()
		if done {
			return
		}
	}
}

// expire forgets the hosts and submissions that are older than the configured days.
func (s *Store) expire(now time.Time) {
	cutoff := s.cutoff(now)
	var old []*host
	s.walk(func(h *host) {
		if h.last > now.Unix() {
			h.last = now.Unix() // the clock ran ahead; else it would never expire
		}
		if h.last < cutoff {
			old = append(old, h)
		}
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, h := range old {
		if s.byName[h.name] == h && h.last < cutoff {
			s.remove(h)
			s.version++
		}
	}
	for i := range s.latest {
		if s.latest[i].At < cutoff {
			s.latest[i] = submission{}
		}
	}
}

func (s *Store) cutoff(now time.Time) int64 {
	return now.AddDate(0, 0, -s.cfg.Days).Unix()
}

// warn reports trouble of one kind once, and again only after it had gone.
func (s *Store) warn(kind, message string, err error) {
	s.troubleMu.Lock()
	known := s.trouble[kind]
	if err == nil {
		delete(s.trouble, kind)
	} else {
		s.trouble[kind] = true
	}
	s.troubleMu.Unlock()
	if err != nil && !known {
		s.cfg.Warn(message, err)
	}
}
