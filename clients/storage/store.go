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
	"time"

	"github.com/caddy-dyndns/dyndns/clients"
	"github.com/caddy-dyndns/dyndns/internal/redact"
	"github.com/caddy-dyndns/dyndns/internal/stored"
)

// Store is the clients of one namespace of a storage.
type Store struct {
	Storage stored.Storage
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

// pointer is the object of a token.
type pointer struct {
	Client string `json:"client"`
}

// holder returns the name that the object of a token has, empty if there is none.
func (s *Store) holder(ctx context.Context, digest clients.Digest) (string, error) {
	data, err := stored.Load(ctx, s.Storage, s.tokenKey(digest))
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
	data, err := stored.Load(ctx, s.Storage, s.recordKey(name))
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
	waiting, cancel := context.WithTimeout(ctx, lockTime)
	defer cancel()
	return stored.Locked(waiting, s.Storage, s.Namespace+"-"+name, f)
}

// lockedClient runs f while nobody else changes a client.
func (s *Store) lockedClient(ctx context.Context, name string, f func() error) error {
	return s.locked(ctx, "client-"+hashOf(name), f)
}
