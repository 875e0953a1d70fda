package history

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"strings"
	"time"
)

const (
	// objectKey is raised where an older reader would misunderstand the object.
	objectKey = "dyndns/history/3.jsonl"
	// markKey holds the mark of the object, which may be too large to be read in vain.
	markKey = "dyndns/history/3.mark"

	saveInterval = 30 * time.Second
	// share keeps a large history from being read and written all the time: after a
	// second of it the next time is this many away.
	share = 20
	// saveWait and pageWait bound how long a save and a page wait for the storage.
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
	unsaved, stopped bool
	timer            *time.Timer // of the next save, nil if there is none
	rest             time.Time   // until then the storage is left alone

	// Who has put a value into busy has the storage and these.
	busy    chan struct{}
	mark    string // of the object that was read or written last
	size    int    // of the object that was written last
	trouble map[string]bool
}

// object is a line of the object in the storage; one of its fields is set.
type object struct {
	Mark    string   `json:",omitempty"` // differs each time
	Host    *host    `json:",omitempty"`
	Line    *line    `json:",omitempty"`
	Refusal *Refusal `json:",omitempty"`
}

// changed has the memory saved soon. It needs the lock.
func (s *Store) changed() {
	s.unsaved = true
	if s.timer == nil && !s.stopped {
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

func (s *Store) save(ctx context.Context) {
	s.mu.Lock()
	if s.timer != nil {
		s.timer.Stop()
		s.timer = nil
	}
	s.mu.Unlock()
	s.use(ctx, saveWait, "cannot save the history; updates are not affected", s.write)
}

// refresh takes in what others stored, before a page is shown.
func (s *Store) refresh() {
	s.use(context.Background(), pageWait, "cannot read the history", func(ctx context.Context, storage Storage) error {
		s.mu.Lock()
		rest := time.Until(s.rest)
		s.mu.Unlock()
		if rest > 0 {
			return nil
		}
		return s.read(ctx, storage)
	})
}

// use works with the storage, one goroutine at a time. It warns of an error of one
// kind once, and again only after it had gone.
func (s *Store) use(ctx context.Context, wait time.Duration, trouble string, do func(context.Context, Storage) error) {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
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
	err := do(ctx, storage)
	if err != nil && !s.trouble[trouble] {
		s.cfg.Warn(trouble, err)
	}
	s.trouble[trouble] = err != nil
	s.mu.Lock()
	defer s.mu.Unlock()
	if rest := time.Now().Add(share * time.Since(began)); rest.After(s.rest) {
		s.rest = rest
	}
}

// write adds what is new to the object. The mark precedes it: who reads between the
// two finds another in the object and will read again.
func (s *Store) write(ctx context.Context, storage Storage) (err error) {
	s.mu.Lock()
	unsaved := s.unsaved
	s.unsaved = false
	s.mu.Unlock()
	if !unsaved {
		return nil
	}
	defer func() {
		if err != nil {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.changed()
		}
	}()
	if err := storage.Lock(ctx, objectKey); err != nil {
		return fmt.Errorf("locking %s: %w", objectKey, err)
	}
	// The lock may be gone already where locks end by themselves.
	defer func() { _ = storage.Unlock(context.WithoutCancel(ctx), objectKey) }()
	if err := s.read(ctx, storage); err != nil {
		return err
	}
	mark := fmt.Sprint(rand.Uint64())
	data, err := s.encode(mark)
	if err != nil {
		return fmt.Errorf("encoding the history: %w", err)
	}
	if err := storage.Store(ctx, markKey, []byte(mark)); err != nil {
		return fmt.Errorf("storing %s: %w", markKey, err)
	}
	if err := storage.Store(ctx, objectKey, data); err != nil {
		return fmt.Errorf("storing %s: %w", objectKey, err)
	}
	s.mark, s.size = mark, len(data)
	for _, h := range s.all() {
		s.mu.Lock()
		h.fresh, h.sent = h.fresh.minus(h.sent), counts{}
		s.mu.Unlock()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.latest {
		l.fresh, l.sent = l.fresh-l.sent, 0
	}
	return nil
}

// encode writes the memory, host by host: it is no picture of one instant.
func (s *Store) encode(mark string) ([]byte, error) {
	var b bytes.Buffer
	b.Grow(s.size + s.size/8) // doubling a large buffer would hold three times its size
	enc := json.NewEncoder(&b)
	err := enc.Encode(object{Mark: mark})
	var h host
	for _, shared := range s.all() {
		s.mu.Lock()
		shared.sent = shared.fresh
		h = *shared
		s.mu.Unlock()
		err = cmp.Or(err, enc.Encode(object{Host: &h}))
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

// read takes in the object if it is not what was read or written last.
func (s *Store) read(ctx context.Context, storage Storage) error {
	now := time.Now()
	s.expire(now)
	load := func(key string) ([]byte, error) {
		data, err := storage.Load(ctx, key)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("loading %s: %w", key, err)
		}
		return data, nil
	}
	mark, err := load(markKey)
	if err != nil || string(mark) == s.mark {
		return err
	}
	data, err := load(objectKey)
	if err != nil {
		return err
	}
	s.mark = string(mark) // if the object itself has none
	if err := s.decode(data, now); err != nil {
		s.cfg.Warn("skipping what cannot be read of the history object "+objectKey, err)
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
			err = s.takeIn(&o, now)
		}
		first = cmp.Or(first, err)
	}
	return first
}

// takeIn adds a line of the object to what is known, unless it has expired.
func (s *Store) takeIn(o *object, now time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	cutoff := s.cutoff(now)
	present := func(at *time.Time) bool { // which a clock that ran ahead wrote too late
		if at.After(now) {
			*at = now
		}
		return !at.Before(cutoff)
	}
	switch {
	case o.Mark != "":
		s.mark = o.Mark
	case o.Host != nil:
		h := o.Host
		if _, whole := split(h.Log); !whole || !usableName(h.Name) {
			return fmt.Errorf("a host without a usable name or with a damaged log: %.80q", h.Name)
		}
		h.First, h.Last = min(h.First, now.Unix()), min(h.Last, now.Unix())
		if known := s.hosts[h.Name]; known != nil {
			known.merge(h)
		} else if h.Last >= cutoff.Unix() {
			s.putHost(h)
		}
	case o.Line != nil && !usableName(o.Line.Name):
		return fmt.Errorf("a submission without a usable name: %.80q", o.Line.Name)
	case o.Line != nil && present(&o.Line.At):
		l := o.Line
		if known := s.latest[l.ID]; known != nil {
			l.Times, l.fresh = l.Times+known.fresh, known.fresh
			if known.At.After(l.At) {
				l.At = known.At
			}
		}
		s.putLine(l)
	case o.Refusal != nil && present(&o.Refusal.At):
		s.putRefusal(*o.Refusal)
	}
	return nil
}

// usableName checks what a name is shown as.
func usableName(s string) bool {
	return s != "" && len(s) <= maxName && cleanText(s, maxName) == s && !strings.Contains(s, " ")
}
