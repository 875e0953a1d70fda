package history

import (
	"context"
	"slices"
	"sync"
)

// Storages stands for the storage of the latest configuration that has not been
// cleaned up: a reload may bring another one, whose module closes the old.
type Storages struct {
	mu      sync.Mutex
	present []Storage
	last    Storage // the latest when there is none, for the final snapshot
}

// Add makes a storage the latest.
func (s *Storages) Add(storage Storage) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.present = append(s.present, storage)
}

// Remove takes out a storage that was added.
func (s *Storages) Remove(storage Storage) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := slices.Index(s.present, storage); i >= 0 {
		s.present = slices.Delete(s.present, i, i+1)
	}
	if len(s.present) == 0 {
		s.last = storage
	}
}

func (s *Storages) latest() Storage {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.present) == 0 {
		return s.last
	}
	return s.present[len(s.present)-1]
}

// Lock asks the latest storage.
func (s *Storages) Lock(ctx context.Context, name string) error { return s.latest().Lock(ctx, name) }

// Unlock asks the latest storage.
func (s *Storages) Unlock(ctx context.Context, name string) error {
	return s.latest().Unlock(ctx, name)
}

// Store asks the latest storage.
func (s *Storages) Store(ctx context.Context, key string, value []byte) error {
	return s.latest().Store(ctx, key, value)
}

// Load asks the latest storage.
func (s *Storages) Load(ctx context.Context, key string) ([]byte, error) {
	return s.latest().Load(ctx, key)
}

// Delete asks the latest storage.
func (s *Storages) Delete(ctx context.Context, key string) error { return s.latest().Delete(ctx, key) }

// List asks the latest storage.
func (s *Storages) List(ctx context.Context, path string, recursive bool) ([]string, error) {
	return s.latest().List(ctx, path, recursive)
}
