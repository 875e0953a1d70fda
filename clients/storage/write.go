package storage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/caddy-dyndns/dyndns/clients"
	"github.com/caddy-dyndns/dyndns/internal/stored"
)

// Condition is what a record must be before it is changed. The zero value is anything.
type Condition struct {
	// Tags are those of which the record has one, "*" any record; nil does not matter.
	Tags []string
	// New: there must be no record.
	New bool
}

func (c Condition) check(tag string) error {
	switch {
	case c.New && tag != "":
		return fmt.Errorf("%w: a client of this name exists already", ErrChanged)
	case c.Tags != nil && (tag == "" || !slices.Contains(c.Tags, tag) && !slices.Contains(c.Tags, "*")):
		return fmt.Errorf("%w: the client was changed by somebody else", ErrChanged)
	}
	return nil
}

// Effect is what became of a record.
type Effect uint8

const (
	// Unchanged: it was as it should be.
	Unchanged Effect = iota + 1
	// Created: it is new.
	Created
	// Replaced: it was another one.
	Replaced
)

func (e Effect) String() string { return [...]string{"failed", "unchanged", "created", "replaced"}[e] }

// Put creates a client or replaces its record, and returns the new tag. Without tokens or
// owner tokens, nil and not empty, it keeps those that are there. A host that another
// client has by name is an error, unless shareHosts is set.
func (s *Store) Put(ctx context.Context, record *clients.Record, condition Condition, shareHosts bool) (tag string, effect Effect, err error) {
	if err := record.Check(); err != nil {
		return "", 0, err
	}
	if condition.Tags == nil && !condition.New {
		if tag, ok := s.holds(ctx, record); ok {
			return tag, Unchanged, nil
		}
	}
	err = s.lockedClient(ctx, record.Name, func() (err error) {
		old, oldTag, err := s.read(ctx, record.Name)
		if err != nil && !errors.Is(err, clients.ErrBadRecord) { // a bad one is to be replaced
			return err
		}
		if err := condition.check(oldTag); err != nil {
			return err
		}
		next := *record
		if old == nil {
			old = new(clients.Record)
		}
		next.Tokens, next.Owner = keepTokens(next.Tokens, old.Tokens), keepTokens(next.Owner, old.Owner)
		tag, err = s.replace(ctx, old, &next, oldTag, shareHosts)
		switch {
		case oldTag == "":
			effect = Created
		case oldTag != tag:
			effect = Replaced
		default:
			effect = Unchanged
		}
		return err
	})
	return tag, effect, err
}

// holds tells whether a record and all that belongs to it are there already, without a
// lock: so that an import is soon done the second time.
func (s *Store) holds(ctx context.Context, record *clients.Record) (tag string, ok bool) {
	old, tag, err := s.read(ctx, record.Name)
	if old == nil || err != nil {
		return "", false
	}
	next := *record
	next.Tokens, next.Owner = keepTokens(next.Tokens, old.Tokens), keepTokens(next.Owner, old.Owner)
	if data, err := json.Marshal(next); err != nil || tagOf(data) != tag {
		return "", false
	}
	for _, digest := range next.Digests() {
		if holder, err := s.holder(ctx, digest); err != nil || holder != next.Name {
			return "", false
		}
	}
	for _, host := range next.Names() {
		if all, err := s.claims(ctx, host); err != nil || !slices.ContainsFunc(all, func(c claim) bool { return c.Client == next.Name }) {
			return "", false
		}
	}
	return tag, true
}

// keepTokens returns the new tokens, or the old ones if none are given, with what was
// known of them.
func keepTokens(tokens, old []clients.Token) []clients.Token {
	if tokens == nil {
		return old
	}
	tokens = slices.Clone(tokens)
	for i, t := range tokens {
		if j := slices.IndexFunc(old, func(o clients.Token) bool { return o.Digest == t.Digest }); j >= 0 && t.Created.IsZero() {
			tokens[i].Created = old[j].Created
		}
	}
	return tokens
}

// replace makes next the record in place of old, which has that tag. What is granted
// changes by one write, that of the record.
func (s *Store) replace(ctx context.Context, old, next *clients.Record, oldTag string, shareHosts bool) (string, error) {
	if err := next.Check(); err != nil { // old and new tokens together
		return "", err
	}
	data, err := json.Marshal(next)
	if err != nil {
		return "", err
	}
	if len(data) > clients.MaxRecord {
		return "", fmt.Errorf("%w: it is longer than %d bytes", clients.ErrBadRecord, clients.MaxRecord)
	}
	had := old.Names()
	var claimed []string
	for _, host := range next.Names() {
		if err := s.claim(ctx, host, next.Name, shareHosts || slices.Contains(had, host)); err != nil {
			for _, host := range claimed {
				_ = s.release(ctx, host, next.Name) // otherwise it ends by itself
			}
			return "", err
		}
		if !slices.Contains(had, host) {
			claimed = append(claimed, host)
		}
	}
	// Before the record, which makes them count: a repeat of what failed completes them.
	for _, digest := range next.Digests() {
		if err := s.point(ctx, digest, next.Name); err != nil {
			return "", err
		}
	}
	if tagOf(data) == oldTag {
		return oldTag, nil
	}
	digests := append(next.Digests(), old.Digests()...)
	// Also after an error: it may have been written.
	defer s.Forget(digests...)
	if err := s.Storage.Store(ctx, s.recordKey(next.Name), data); err != nil {
		return "", fmt.Errorf("storing %s: %w", s.recordKey(next.Name), err)
	}
	s.tidy(ctx, old, next)
	return tagOf(data), nil
}

// point makes the object of a token name the client.
func (s *Store) point(ctx context.Context, digest clients.Digest, name string) error {
	holder, err := s.holder(ctx, digest)
	if err != nil && !errors.Is(err, clients.ErrBadRecord) {
		return err
	}
	if holder == name {
		return nil
	}
	if holder != "" {
		other, _, err := s.read(ctx, holder)
		if err != nil && !errors.Is(err, clients.ErrBadRecord) {
			return err
		}
		if err != nil || other != nil && other.Lists(digest) {
			return fmt.Errorf("%w: the token %s is one of client %q", ErrTaken, clients.Token{Digest: digest}.ID(), holder)
		}
	}
	return stored.Store(ctx, s.Storage, s.tokenKey(digest), pointer{name})
}

// tidy removes the objects of what a record has no more. They grant nothing, and what
// stays behind is no error.
func (s *Store) tidy(ctx context.Context, old, next *clients.Record) {
	for _, digest := range old.Digests() {
		if next.Lists(digest) {
			continue
		}
		if holder, err := s.holder(ctx, digest); err == nil && holder == old.Name {
			_ = stored.Delete(ctx, s.Storage, s.tokenKey(digest))
		}
	}
	for _, host := range old.Names() {
		if !slices.Contains(next.Names(), host) {
			_ = s.release(ctx, host, old.Name)
		}
	}
}

// change replaces the record of a client by what f makes of it, and returns the new tag.
func (s *Store) change(ctx context.Context, name string, condition Condition, f func(*clients.Record) error) (tag string, err error) {
	err = s.lockedClient(ctx, name, func() error {
		old, oldTag, err := s.Get(ctx, name)
		if err != nil {
			return err
		}
		if err := condition.check(oldTag); err != nil {
			return err
		}
		next := *old
		if err := f(&next); err != nil {
			return err
		}
		tag, err = s.replace(ctx, old, &next, oldTag, true)
		return err
	})
	return tag, err
}

// Delete removes a client and returns its last record, nil if that could not be read.
func (s *Store) Delete(ctx context.Context, name string, condition Condition) (record *clients.Record, err error) {
	err = s.lockedClient(ctx, name, func() error {
		var tag string
		record, tag, err = s.read(ctx, name)
		if err != nil && !errors.Is(err, clients.ErrBadRecord) {
			return err
		}
		if tag == "" {
			return notFound(name)
		}
		if err := condition.check(tag); err != nil {
			return err
		}
		if record != nil {
			defer s.Forget(record.Digests()...)
		}
		if err := stored.Delete(ctx, s.Storage, s.recordKey(name)); err != nil {
			return err
		}
		if record != nil {
			s.tidy(ctx, record, new(clients.Record))
		}
		s.forgetSightings(ctx, name)
		return nil
	})
	return record, err
}
