// Package storage keeps clients in Caddy's storage: one object for each client, one for
// each token and one for each host that is granted by its name or lies behind a router.
//
// A token counts only if its object names a client whose record lists it. Storage has no
// transactions; so a process that ends between two writes leaves objects that grant
// nothing, and the same request again completes them.
package storage

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/caddy-dyndns/dyndns/clients"
	"github.com/caddy-dyndns/dyndns/internal/redact"
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

// Store is the clients of one namespace of a storage.
type Store struct {
	Storage Storage
	// Namespace is the first part of all keys.
	Namespace string
	// Forget is told the digests whose answers have changed.
	Forget func(digests ...clients.Digest)
}

// The kinds of objects. Each has 256 folders, so that none is long to list.
const (
	records = "clients"
	tokens  = "tokens"
	hosts   = "hosts"
)

const suffix = ".json"

func (s *Store) key(kind, hash string) string {
	return s.Namespace + "/" + kind + "/" + hash[:2] + "/" + hash + suffix
}

func hashOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

func (s *Store) recordKey(name string) string { return s.key(records, hashOf(name)) }

func (s *Store) tokenKey(d clients.Digest) string { return s.key(tokens, hex.EncodeToString(d[:])) }

// load returns an object, nil if there is none.
func (s *Store) load(ctx context.Context, key string) ([]byte, error) {
	data, err := s.Storage.Load(ctx, key)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("loading %s: %w", key, err)
	}
	return data, nil
}

func (s *Store) store(ctx context.Context, key string, value any) error {
	data, err := json.Marshal(value)
	if err == nil {
		err = s.Storage.Store(ctx, key, data)
	}
	if err != nil {
		return fmt.Errorf("storing %s: %w", key, err)
	}
	return nil
}

func (s *Store) remove(ctx context.Context, key string) error {
	if err := s.Storage.Delete(ctx, key); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("deleting %s: %w", key, err)
	}
	return nil
}

// pointer is the object of a token.
type pointer struct {
	Client string `json:"client"`
}

// holder returns the name that the object of a token has, empty if there is none.
func (s *Store) holder(ctx context.Context, digest clients.Digest) (string, error) {
	data, err := s.load(ctx, s.tokenKey(digest))
	if data == nil || err != nil {
		return "", err
	}
	var p pointer
	if err := json.Unmarshal(data, &p); err != nil {
		return "", fmt.Errorf("%w: the object %s: %w", clients.ErrBadRecord, s.tokenKey(digest), err)
	}
	return p.Client, nil
}

// Find returns the record that lists the token, nil if there is none. It loads two objects
// and lists none: some storages take hours to list.
func (s *Store) Find(ctx context.Context, digest clients.Digest) (*clients.Record, error) {
	name, err := s.holder(ctx, digest)
	if name == "" || err != nil {
		return nil, err
	}
	record, _, err := s.read(ctx, name)
	if record == nil || err != nil || !record.Lists(digest) {
		return nil, err
	}
	return record, nil
}

// read returns a record and its tag, nil if there is none.
func (s *Store) read(ctx context.Context, name string) (*clients.Record, string, error) {
	data, err := s.load(ctx, s.recordKey(name))
	if data == nil || err != nil {
		return nil, "", err
	}
	record, err := clients.ParseRecord(data)
	if err == nil && record.Name != name {
		err = fmt.Errorf("%w: it is that of another client", clients.ErrBadRecord)
	}
	if err != nil {
		return nil, tagOf(data), fmt.Errorf("the object %s: %w", s.recordKey(name), err)
	}
	return record, tagOf(data), nil
}

// tagOf returns an entity tag (RFC 9110 section 8.8.3).
func tagOf(data []byte) string { return `"` + hashOf(string(data))[:16] + `"` }

// The errors of what is asked for, beside those of the storage and [clients.ErrBadRecord].
var (
	// ErrNotFound: there is no such client or token.
	ErrNotFound = errors.New("not found")
	// ErrChanged: the record is not the expected one.
	ErrChanged = errors.New("precondition failed")
	// ErrTaken: a host or a token is another client's.
	ErrTaken = errors.New("taken")
)

func notFound(name string) error {
	return fmt.Errorf("%w: client %s", ErrNotFound, redact.ClientName(name))
}

// Get returns a record and its tag.
func (s *Store) Get(ctx context.Context, name string) (*clients.Record, string, error) {
	record, tag, err := s.read(ctx, name)
	if record == nil && err == nil {
		err = notFound(name)
	}
	return record, tag, err
}

// lockTime bounds the wait for a lock: certmagic takes one over after some ten seconds
// if its process is gone.
const lockTime = 20 * time.Second

// locked runs f while no other instance runs one with the same name.
func (s *Store) locked(ctx context.Context, name string, f func() error) error {
	name = s.Namespace + "-" + name
	waiting, cancel := context.WithTimeout(ctx, lockTime)
	defer cancel()
	if err := s.Storage.Lock(waiting, name); err != nil {
		return fmt.Errorf("locking %s: %w", name, err)
	}
	// The lock may be gone already where locks end by themselves.
	defer func() { _ = s.Storage.Unlock(context.WithoutCancel(ctx), name) }()
	return f()
}

// lockedClient runs f while nobody else changes a client.
func (s *Store) lockedClient(ctx context.Context, name string, f func() error) error {
	return s.locked(ctx, "client-"+hashOf(name), f)
}
