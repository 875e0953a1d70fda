package history

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"sync"
	"time"
)

const (
	folder       = "dyndns/history"
	saveInterval = 30 * time.Second
	// saveShare keeps a large history from being written all the time: after a
	// snapshot that took a second the next one waits this many.
	saveShare = 20
	// claimWait is how long the instance's own name is waited for: certmagic
	// takes the lock file of a process that was killed for stale after 10 s.
	claimWait = 15 * time.Second
	stopWait  = 10 * time.Second
	maxTwins  = 16 // processes that may share an instance name
)

// writer is the state of the goroutine that saves; only it touches key, which
// the store's lock guards, and what follows.
type writer struct {
	life    sync.Mutex // guards started and stopped
	started bool
	stopped bool

	cancel context.CancelFunc
	done   chan struct{}
	key    string // of our object, empty before it is claimed
	saved  uint64 // the version that the object has
	size   int    // of the last snapshot
}

// Start begins to save snapshots until Stop. Without a storage, a second time or
// after Stop it does nothing.
func (s *Store) Start() {
	s.writer.life.Lock()
	defer s.writer.life.Unlock()
	if s.cfg.Storage == nil || s.writer.started || s.writer.stopped {
		return
	}
	s.writer.started = true
	ctx, cancel := context.WithCancel(context.Background())
	s.writer.cancel = cancel
	s.writer.done = make(chan struct{})
	go s.run(ctx)
}

// Stop saves what has changed and returns when the goroutine has ended, at the
// latest when ctx does or after some seconds. Record and the queries still work.
func (s *Store) Stop(ctx context.Context) {
	s.writer.life.Lock()
	s.writer.stopped = true
	started := s.writer.started
	s.writer.life.Unlock()
	if !started {
		return
	}
	s.writer.cancel()
	select {
	case <-s.writer.done:
	case <-ctx.Done():
	}
}

func (s *Store) run(ctx context.Context) {
	defer close(s.writer.done)
	s.claim(ctx, claimWait)
	timer := time.NewTimer(saveInterval)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			s.finish()
			return
		case now := <-timer.C:
			began := time.Now()
			s.expire(now)
			s.others.drop(now)
			s.save(ctx)
			timer.Reset(max(saveInterval, saveShare*time.Since(began)))
		}
	}
}

func (s *Store) finish() {
	ctx, cancel := context.WithTimeout(context.Background(), stopWait)
	defer cancel()
	s.save(ctx)
	if key := s.key(); key != "" {
		// The lock may be gone already where locks end by themselves.
		_ = s.cfg.Storage.Unlock(ctx, key)
	}
}

// save writes the snapshot if there is anything new.
func (s *Store) save(ctx context.Context) {
	s.mu.Lock()
	version := s.version
	s.mu.Unlock()
	if version == s.writer.saved {
		return
	}
	if s.key() == "" {
		s.claim(ctx, time.Second)
		if s.key() == "" {
			return
		}
	}
	data, err := s.encode()
	if err == nil {
		s.writer.size = len(data)
		err = s.cfg.Storage.Store(ctx, s.key(), data)
	}
	if ctx.Err() != nil && err != nil {
		return // stopped meanwhile: finish writes it
	}
	s.warn("save", "cannot save the history; updates are not affected", err)
	if err == nil {
		s.writer.saved = version
	}
}

// claim finds a name for our object that no other running process writes, and
// goes on from what an earlier run left there. The lock is held until Stop: it
// is how two processes with one instance name (Caddy keeps its ID in the data
// folder) notice each other; the second takes the name with -2 behind it.
func (s *Store) claim(ctx context.Context, wait time.Duration) {
	instance, err := s.cfg.Instance()
	if err != nil {
		s.warn("claim", "cannot name this instance's history; updates are not affected", err)
		return
	}
	err = errors.New("too many processes with this instance name")
	for n := 1; n <= maxTwins && ctx.Err() == nil; n++ {
		key := objectKey(instance, n)
		lockCtx, cancel := context.WithTimeout(ctx, wait)
		err = s.cfg.Storage.Lock(lockCtx, key)
		late := lockCtx.Err() != nil
		cancel()
		if err == nil {
			if err = s.adopt(ctx, key); err != nil {
				_ = s.cfg.Storage.Unlock(ctx, key)
			}
			break
		}
		if !late {
			break // not taken by another: the storage fails
		}
		wait = time.Second
	}
	if ctx.Err() == nil {
		s.warn("claim", "cannot open the history in the storage; updates are not affected", err)
	}
}

func objectKey(instance string, n int) string {
	if n > 1 {
		instance = fmt.Sprintf("%s-%d", instance, n)
	}
	return path.Join(folder, instance+".json")
}

// adopt takes the object under key for ours. An object that cannot be decoded
// is given up; one that cannot be read is not, or the next save would lose it.
func (s *Store) adopt(ctx context.Context, key string) error {
	data, err := s.cfg.Storage.Load(ctx, key)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("loading %s: %w", key, err)
	}
	var hosts []host
	var latest []submission
	if err == nil {
		hosts, latest, err = decode(data, time.Now(), s.cfg.MaxHosts)
		s.warn(key, "skipping a history object that cannot be read: "+key, err)
	}
	s.others.mu.Lock() // a page that is made just now sees the object in one place
	defer s.others.mu.Unlock()
	s.others.loaded, s.others.hosts, s.others.latest = time.Time{}, nil, nil
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writer.key = key
	s.absorb(hosts, latest)
	return nil
}

// absorb adds an earlier run's hosts behind those that were submitted since.
func (s *Store) absorb(hosts []host, latest []submission) {
	for i := range hosts {
		h := &hosts[i]
		if known := s.byName[h.name]; known != nil {
			known.merge(h)
			continue
		}
		if len(s.slots) >= s.cfg.MaxHosts {
			continue
		}
		h.slot = len(s.slots)
		s.slots = append(s.slots, h)
		s.byName[h.name] = h
		h.latest = noSubmission
		h.newer = s.oldest
		if s.oldest != nil {
			s.oldest.older = h
		} else {
			s.newest = h
		}
		s.oldest = h
	}
	recent := s.latest
	s.latest, s.next = nil, 0
	for _, sub := range append(latest, recent...) {
		s.push(sub)
		if h := s.byName[sub.Name]; h != nil {
			h.latest = s.next - 1
		}
	}
}

// noSubmission is a number that the ring never reaches.
const noSubmission = ^uint64(0)

func (s *Store) key() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.writer.key
}

// isObject tells a history object from what else may stand in the folder, such
// as the temporary file of another instance's write.
func isObject(key string) bool {
	return strings.HasSuffix(key, ".json")
}
