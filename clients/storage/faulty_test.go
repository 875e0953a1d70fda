package storage

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"
)

var errFault = errors.New("the disk is full")

// memory is a storage of the unkind sort: it wraps the error of what is missing, lists the
// names of files that are being written, and fails when a test says so.
type memory struct {
	mu      sync.Mutex
	objects map[string][]byte
	locks   map[string]bool
	// n counts the operations; with fault the one with that number fails, with after only
	// after it was done, with dead all after it too.
	n, fault    int
	after, dead bool
	lists       int
}

func newMemory() *memory {
	return &memory{objects: make(map[string][]byte), locks: make(map[string]bool)}
}

func (m *memory) clone() *memory {
	c := newMemory()
	c.objects = maps.Clone(m.objects)
	return c
}

// do counts an operation and does it, unless it is to fail.
func (m *memory) do(f func() error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.n++
	fails := m.fault > 0 && (m.n == m.fault || m.dead && m.n > m.fault)
	if fails && (!m.after || m.n > m.fault) {
		return errFault
	}
	if err := f(); err != nil {
		return err
	}
	if fails {
		return errFault
	}
	return nil
}

func (m *memory) Lock(_ context.Context, name string) error {
	return m.do(func() error {
		if m.locks[name] {
			return fmt.Errorf("%s is locked", name)
		}
		m.locks[name] = true
		return nil
	})
}

func (m *memory) Unlock(_ context.Context, name string) error {
	return m.do(func() error {
		delete(m.locks, name)
		return nil
	})
}

func (m *memory) Store(_ context.Context, key string, value []byte) error {
	return m.do(func() error {
		m.objects[key] = slices.Clone(value)
		return nil
	})
}

func (m *memory) Load(_ context.Context, key string) (data []byte, err error) {
	err = m.do(func() error {
		var ok bool
		if data, ok = m.objects[key]; !ok {
			return fmt.Errorf("storage: %w", &fs.PathError{Op: "open", Path: key, Err: fs.ErrNotExist})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return data, nil
}

func (m *memory) Delete(_ context.Context, key string) error {
	return m.do(func() error {
		if _, ok := m.objects[key]; !ok {
			return fmt.Errorf("storage: %w", fs.ErrNotExist)
		}
		delete(m.objects, key)
		return nil
	})
}

func (m *memory) List(_ context.Context, folder string, recursive bool) (keys []string, err error) {
	err = m.do(func() error {
		m.lists++
		if recursive {
			return errors.New("this storage lists one folder at a time")
		}
		for key := range m.objects {
			if path.Dir(key) == folder {
				keys = append(keys, key, folder+"/."+path.Base(key)+".tmp123", strings.TrimSuffix(key, ".json")+".json~")
			}
		}
		if keys == nil {
			return fmt.Errorf("storage: %w", fs.ErrNotExist)
		}
		return nil
	})
	return keys, err
}
