package history

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"io/fs"
	"strings"
	"time"
)

const (
	// objectKey is raised where an older reader would misunderstand the object.
	objectKey = "dyndns/history/3.jsonl"

	saveInterval = 30 * time.Second
	// share keeps a large history from being read and written all the time: after a
	// second of it the next time is this many away.
	share = 20
	// saveWait and pageWait bound how long a save and a page use the storage.
	saveWait = time.Minute
	pageWait = 5 * time.Second
)

// Storage is the part of certmagic.Storage that the package uses.
type Storage interface {
	Lock(ctx context.Context, name string) error
	Unlock(ctx context.Context, name string) error
	Store(ctx context.Context, key string, value []byte) error
	Load(ctx context.Context, key string) ([]byte, error)
}

// saving is what a store knows of its storage.
type saving struct {
	// The store's lock guards these.
	timer   *time.Timer // of the next save, nil if nothing has changed
	stopped bool
	rest    time.Time // until then no page uses the storage, and no save is begun

	// Who has put a value into busy has the storage and these.
	busy    chan struct{}
	hash    uint64 // of the object that was read or written last
	size    int    // of the object that was written last
	trouble map[string]bool
}

var seed = maphash.MakeSeed()

// object is a line of the object in the storage; one of its fields is set.
type object struct {
	Host    *host    `json:",omitempty"`
	Line    *line    `json:",omitempty"`
	Refusal *Refusal `json:",omitempty"`
}

// changed has the memory saved soon. It needs the lock.
func (s *Store) changed() {
	if s.timer == nil && !s.stopped {
		if s.rest.IsZero() {
			go s.refresh() // so that a repeat of what was submitted to an earlier run is one
		}
		s.timer = time.AfterFunc(max(saveInterval, time.Until(s.rest)), func() { s.save(context.Background()) })
	}
}

// Stop saves what has changed; it returns when that is done or given up, at the
// latest when ctx ends. Record and the queries still work.
func (s *Store) Stop(ctx context.Context) {
	s.mu.Lock()
	s.stopped = true
	s.mu.Unlock()
	s.save(ctx)
}

// save adds what is new to the object.
func (s *Store) save(ctx context.Context) {
	s.use(ctx, saveWait, func(ctx context.Context, storage Storage) {
		s.mu.Lock()
		changed := s.timer != nil
		if changed {
			s.timer.Stop()
			s.timer = nil
		}
		s.mu.Unlock()
		if !changed {
			return
		}
		err := s.write(ctx, storage)
		s.warn("cannot save the history; updates are not affected", err)
		if err != nil {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.changed()
		}
	})
}

// refresh takes in what others stored, before a page is shown.
func (s *Store) refresh() {
	ctx, cancel := context.WithTimeout(context.Background(), pageWait)
	defer cancel()
	s.use(ctx, pageWait, func(ctx context.Context, storage Storage) {
		s.mu.Lock()
		rest := time.Until(s.rest)
		s.mu.Unlock()
		if rest <= 0 {
			s.warn("cannot read the history", s.read(ctx, storage))
		}
	})
}

// use works with the storage, one goroutine at a time and for so long.
func (s *Store) use(ctx context.Context, limit time.Duration, do func(context.Context, Storage)) {
	select {
	case s.busy <- struct{}{}:
		defer func() { <-s.busy }()
	case <-ctx.Done():
		return
	}
	storage := s.cfg.Storage()
	if storage == nil {
		return
	}
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	do(ctx, storage)
	s.mu.Lock()
	defer s.mu.Unlock()
	if rest := time.Now().Add(share * time.Since(began)); rest.After(s.rest) {
		s.rest = rest
	}
}

// warn tells of trouble of one kind once, and again only after it had gone.
func (s *Store) warn(kind string, err error) {
	if err != nil && !s.trouble[kind] {
		s.cfg.Warn(kind, err)
	}
	s.trouble[kind] = err != nil
}

func (s *Store) write(ctx context.Context, storage Storage) error {
	if err := storage.Lock(ctx, objectKey); err != nil {
		return fmt.Errorf("locking %s: %w", objectKey, err)
	}
	// The lock may be gone already where locks end by themselves.
	defer func() { _ = storage.Unlock(context.WithoutCancel(ctx), objectKey) }()
	if err := s.read(ctx, storage); err != nil {
		return err
	}
	data, err := s.encode()
	if err != nil {
		return fmt.Errorf("encoding %s: %w", objectKey, err)
	}
	// Even if this fails: should it have been written all the same, nothing in it is news.
	s.hash, s.size = maphash.Bytes(seed, data), len(data)
	if err := storage.Store(ctx, objectKey, data); err != nil {
		return fmt.Errorf("storing %s: %w", objectKey, err)
	}
	s.each(func(h *host) { h.fresh, h.sent = h.fresh.minus(h.sent), counts{} })
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.latest {
		l.fresh, l.sent = l.fresh-l.sent, 0
	}
	return nil
}

// encode writes the memory, host by host: it is no picture of one instant.
func (s *Store) encode() ([]byte, error) {
	var b bytes.Buffer
	b.Grow(s.size + s.size/8) // doubling a large buffer would hold three times its size
	enc := json.NewEncoder(&b)
	var err error
	var copied host
	for _, h := range s.all() {
		s.mu.Lock()
		h.sent = h.fresh
		copied = *h
		s.mu.Unlock()
		err = cmp.Or(err, enc.Encode(object{Host: &copied}))
	}
	var rest []object
	s.mu.Lock()
	for _, l := range s.latest {
		l.sent = l.fresh
		copied := *l
		rest = append(rest, object{Line: &copied})
	}
	for _, all := range s.refusals {
		for _, r := range all {
			rest = append(rest, object{Refusal: &r})
		}
	}
	s.mu.Unlock()
	for _, o := range rest {
		err = cmp.Or(err, enc.Encode(o))
	}
	return b.Bytes(), err
}

// read takes in the object if it is not the one that was read or written last, and
// forgets what has expired.
func (s *Store) read(ctx context.Context, storage Storage) error {
	now := time.Now()
	defer s.expire(now)
	data, err := storage.Load(ctx, objectKey)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("loading %s: %w", objectKey, err)
	}
	if hash := maphash.Bytes(seed, data); hash != s.hash {
		s.hash = hash
		if err := s.decode(data, now); err != nil {
			s.cfg.Warn("skipping what cannot be read of the history object "+objectKey, err)
		}
	}
	return nil
}

// decode takes in an object that this or another instance wrote, and returns the
// first error. It trusts nothing in it: the storage may be shared, old or damaged.
func (s *Store) decode(data []byte, now time.Time) (first error) {
	for text := range bytes.Lines(data) {
		var o object
		err := json.Unmarshal(text, &o)
		if err == nil {
			err = s.takeIn(o, now)
		}
		first = cmp.Or(first, err)
	}
	return first
}

// takeIn adds a line of the object to what is known.
func (s *Store) takeIn(o object, now time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if h := o.Host; h != nil {
		if _, whole := split(h.Log); !whole || !usableName(h.Name) {
			return fmt.Errorf("a host without a usable name or with a damaged log: %.80q", h.Name)
		}
		present := func(at *int64) { *at = min(*at, now.Unix()) } // a clock ran ahead; else it would stand for long
		present(&h.First)
		present(&h.Last)
		present(&h.Changed)
		for i := range h.Held {
			present(&h.Held[i].At)
			present(&h.Held[i].Seen)
		}
		if known := s.hosts[h.Name]; known != nil {
			known.merge(h)
		} else {
			s.putHost(h)
		}
	}
	if l := o.Line; l != nil {
		if !usableName(l.Name) {
			return fmt.Errorf("a submission without a usable name: %.80q", l.Name)
		}
		if known := s.latest[l.ID]; known != nil {
			l.Times, l.fresh = l.Times+known.fresh, known.fresh
			if known.At.After(l.At) {
				l.At = known.At
			}
		}
		s.putLine(l)
	}
	if o.Refusal != nil {
		s.putRefusal(*o.Refusal)
	}
	return nil
}

// usableName checks what a name is shown as.
func usableName(s string) bool {
	return s != "" && len(s) <= maxName && cleanText(s, maxName) == s && !strings.Contains(s, " ")
}
