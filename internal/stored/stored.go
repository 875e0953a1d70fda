// Package stored reads and writes objects in Caddy's storage, which several instances may
// share.
package stored

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
)

// Storage is the part of certmagic.Storage that is used here.
type Storage interface {
	Lock(ctx context.Context, name string) error
	Unlock(ctx context.Context, name string) error
	Store(ctx context.Context, key string, value []byte) error
	Load(ctx context.Context, key string) ([]byte, error)
	Delete(ctx context.Context, key string) error
	List(ctx context.Context, path string, recursive bool) ([]string, error)
}

// Load returns an object, nil if there is none.
func Load(ctx context.Context, s Storage, key string) ([]byte, error) {
	data, err := s.Load(ctx, key)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("loading %s: %w", key, err)
	}
	return data, nil
}

// Store makes an object the value in JSON.
func Store(ctx context.Context, s Storage, key string, value any) error {
	data, err := json.Marshal(value)
	if err == nil {
		err = s.Store(ctx, key, data)
	}
	if err != nil {
		return fmt.Errorf("storing %s: %w", key, err)
	}
	return nil
}

// Delete removes an object. That there is none is no error.
func Delete(ctx context.Context, s Storage, key string) error {
	if err := s.Delete(ctx, key); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("deleting %s: %w", key, err)
	}
	return nil
}

// Locked runs f while no other instance runs one with the same name. It waits for the lock
// until ctx ends.
func Locked(ctx context.Context, s Storage, name string, f func() error) error {
	if err := s.Lock(ctx, name); err != nil {
		return fmt.Errorf("locking %s: %w", name, err)
	}
	// The lock may be gone already where locks end by themselves.
	defer func() { _ = s.Unlock(context.WithoutCancel(ctx), name) }()
	return f()
}
