package storage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/caddy-dyndns/dyndns/clients"
	"github.com/caddy-dyndns/dyndns/internal/stored"
)

// claim is a line of the object of a host: a client that has the host by name, or is about
// to. The record of the client decides.
type claim struct {
	Client string    `json:"client"`
	At     time.Time `json:"at"`
}

// claimTime is how long a claim counts whose record does not have the host yet.
const claimTime = time.Minute

func (s *Store) claims(ctx context.Context, host string) ([]claim, error) {
	data, err := stored.Load(ctx, s.Storage, s.key(hosts, hashOf(host)))
	if data == nil || err != nil {
		return nil, err
	}
	var all []claim
	// What cannot be read claims nothing.
	_ = json.Unmarshal(data, &all)
	return all, nil
}

// claim notes that a client has a host, before it has. That another one has it is an error
// unless the host may be shared.
func (s *Store) claim(ctx context.Context, host, name string, share bool) error {
	isOurs := func(c claim) bool { return c.Client == name }
	all, err := s.claims(ctx, host)
	if err != nil {
		return err
	}
	if share && slices.ContainsFunc(all, isOurs) {
		return nil
	}
	return s.locked(ctx, "host-"+hashOf(host), func() error {
		all, err := s.claims(ctx, host)
		if err != nil {
			return err
		}
		kept := []claim{{name, time.Now().UTC()}}
		for _, c := range all {
			if isOurs(c) {
				continue
			}
			other, _, err := s.read(ctx, c.Client)
			bad := errors.Is(err, clients.ErrBadRecord) // it may have the host when it is mended
			switch {
			case err != nil && !bad:
				return err
			case bad, other != nil && slices.Contains(other.Names(), host), time.Since(c.At).Abs() < claimTime:
				if !share {
					return fmt.Errorf("%w: client %q has %s already", ErrTaken, c.Client, host)
				}
				kept = append(kept, c)
			}
		}
		return stored.Store(ctx, s.Storage, s.key(hosts, hashOf(host)), kept)
	})
}

// Unclaimed returns those of the absolute names that no client has by name.
func (s *Store) Unclaimed(ctx context.Context, names []string) ([]string, error) {
	unclaimed := []string{}
	for _, host := range names {
		all, err := s.claims(ctx, host)
		if err != nil {
			return nil, err
		}
		taken := false
		for _, c := range all {
			record, _, err := s.read(ctx, c.Client)
			bad := errors.Is(err, clients.ErrBadRecord)
			if err != nil && !bad {
				return nil, err
			}
			taken = taken || bad || record != nil && slices.Contains(record.Names(), host)
		}
		if !taken {
			unclaimed = append(unclaimed, host)
		}
	}
	return unclaimed, nil
}

// release takes a claim back.
func (s *Store) release(ctx context.Context, host, name string) error {
	return s.locked(ctx, "host-"+hashOf(host), func() error {
		all, err := s.claims(ctx, host)
		if err != nil {
			return err
		}
		all = slices.DeleteFunc(all, func(c claim) bool { return c.Client == name })
		if len(all) == 0 {
			return stored.Delete(ctx, s.Storage, s.key(hosts, hashOf(host)))
		}
		return stored.Store(ctx, s.Storage, s.key(hosts, hashOf(host)), all)
	})
}
