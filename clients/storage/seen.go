package storage

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/caddy-dyndns/dyndns/internal/stored"
)

// seen is the kind of the objects that tell when clients asked last, one for each of the
// 256 folders.
const seen = "seen"

const (
	// sightingAge is how exactly it is known when a client asked last: it is not written
	// more often.
	sightingAge = 6 * time.Hour
	// sightingInterval is how often it is written. What a process that is killed has not
	// written is seen again soon.
	sightingInterval = 5 * time.Minute
	// maxSightings bounds what waits to be written.
	maxSightings = 100_000
)

// sightings is such an object. Of clients that are not in it is known that they did not
// ask since Since.
type sightings struct {
	Since time.Time        `json:"since"`
	Last  map[string]int64 `json:"last"` // Unix time by name
}

func (s *Store) sightingsKey(folder int) string {
	return fmt.Sprintf("%s/%s/%02x%s", s.Namespace, seen, folder, suffix)
}

// sightings returns the object of a folder, nil if there is none.
func (s *Store) sightings(ctx context.Context, folder int) (*sightings, error) {
	data, err := stored.Load(ctx, s.Storage, s.sightingsKey(folder))
	if data == nil || err != nil {
		return nil, err
	}
	all := new(sightings)
	// One that cannot be read begins anew.
	if json.Unmarshal(data, all) != nil || all.Since.IsZero() {
		return nil, nil
	}
	return all, nil
}

// changeSightings replaces the object of a folder if f says that it has changed it.
func (s *Store) changeSightings(ctx context.Context, folder int, f func(*sightings) bool) error {
	return s.locked(ctx, fmt.Sprintf("seen-%02x", folder), func() error {
		all, err := s.sightings(ctx, folder)
		if err != nil {
			return err
		}
		began := all == nil
		if began {
			all = &sightings{Since: time.Now().UTC()}
		}
		if all.Last == nil {
			all.Last = make(map[string]int64)
		}
		if !f(all) && !began {
			return nil
		}
		return stored.Store(ctx, s.Storage, s.sightingsKey(folder), all)
	})
}

// folderOf is the folder of a client.
func folderOf(name string) int { return int(sha256.Sum256([]byte(name))[0]) }

// tracker gathers which clients ask, and writes it down from time to time.
type tracker struct {
	store *Store

	mu    sync.Mutex
	fresh map[string]int64
	begun bool // every folder has its object
}

// saw notes that a client asks now.
func (t *tracker) saw(name string) { t.note(name, time.Now().Unix()) }

// note notes that a client asked at a Unix time.
func (t *tracker) note(name string, at int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.fresh == nil {
		t.fresh = make(map[string]int64)
	}
	if len(t.fresh) < maxSightings {
		t.fresh[name] = max(t.fresh[name], at)
	}
}

// run writes until ctx ends, and then once more.
func (t *tracker) run(ctx context.Context, warn func(error)) {
	ticker := time.NewTicker(sightingInterval)
	defer ticker.Stop()
	failing := false
	for {
		select {
		case <-ticker.C:
			err := t.write(ctx, true)
			if err != nil && !failing {
				warn(err)
			}
			failing = err != nil
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
			defer cancel()
			_ = t.write(last, false) // the storage may have ended already
			return
		}
	}
}

// write writes what is fresh; with begin it sees to it that each folder has its object.
// What could not be written is fresh again.
func (t *tracker) write(ctx context.Context, begin bool) error {
	t.mu.Lock()
	fresh := t.fresh
	begin = begin && !t.begun
	t.fresh = nil
	t.mu.Unlock()
	folders := make(map[int]map[string]int64)
	for name, at := range fresh {
		folder := folderOf(name)
		if folders[folder] == nil {
			folders[folder] = make(map[string]int64)
		}
		folders[folder][name] = at
	}
	var failed error
	for folder := range 256 {
		if len(folders[folder]) == 0 && !begin {
			continue
		}
		if err := t.store.noteSightings(ctx, folder, folders[folder]); err != nil {
			failed = cmp.Or(failed, err)
			for name, at := range folders[folder] {
				t.note(name, at)
			}
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.begun = t.begun || begin && failed == nil
	return failed
}

// noteSightings notes when clients of a folder asked.
func (s *Store) noteSightings(ctx context.Context, folder int, fresh map[string]int64) error {
	late := func(all *sightings, name string) bool {
		return fresh[name]-all.Last[name] >= int64(sightingAge/time.Second)
	}
	all, err := s.sightings(ctx, folder)
	if err != nil {
		return err
	}
	news := all == nil
	for name := range fresh {
		news = news || late(all, name)
	}
	if !news {
		return nil
	}
	return s.changeSightings(ctx, folder, func(all *sightings) (changed bool) {
		for name, at := range fresh {
			if late(all, name) {
				all.Last[name], changed = at, true
			}
		}
		return changed
	})
}

// forgetSightings drops what is known of a client that is gone: the next of that name is
// another one.
func (s *Store) forgetSightings(ctx context.Context, name string) {
	folder := folderOf(name)
	all, err := s.sightings(ctx, folder)
	if err != nil || all == nil || all.Last[name] == 0 {
		return
	}
	_ = s.changeSightings(ctx, folder, func(all *sightings) bool {
		delete(all.Last, name)
		return true
	})
}

// Sightings tells when clients asked last, as far as that is written down. It is quick for
// clients in the order of [Store.All].
type Sightings struct {
	store  *Store
	folder int
	all    *sightings // of the folder
	loaded bool
}

// Sightings returns what is written down of all clients.
func (s *Store) Sightings() *Sightings { return &Sightings{store: s} }

// Last returns when a client asked last, give or take a few hours, zero if it never did.
// idle is how long it is certain that it has not asked.
func (s *Sightings) Last(ctx context.Context, name string) (last time.Time, idle time.Duration, err error) {
	if folder := folderOf(name); !s.loaded || folder != s.folder {
		if s.all, err = s.store.sightings(ctx, folder); err != nil {
			return time.Time{}, 0, err
		}
		s.folder, s.loaded = folder, true
	}
	if s.all == nil {
		return time.Time{}, 0, nil
	}
	if at := s.all.Last[name]; at != 0 {
		last = time.Unix(at, 0).UTC()
		return last, max(0, time.Since(last)), nil
	}
	return time.Time{}, max(0, time.Since(s.all.Since)), nil
}
