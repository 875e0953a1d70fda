package storage

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"time"

	"github.com/caddy-dyndns/dyndns/clients"
	"github.com/caddy-dyndns/dyndns/internal/redact"
)

// NewToken is a token to be made.
type NewToken struct {
	// Owner: it is the person's.
	Owner bool
	// Expires is zero if it does not.
	Expires time.Time
	// OthersExpire, if set, is when the client's other tokens of this kind become
	// invalid at the latest.
	OthersExpire time.Time
}

// AddToken makes a token for a client. Nobody can show it again.
func (s *Store) AddToken(ctx context.Context, name string, condition Condition, wanted NewToken) (token string, added clients.Token, tag string, err error) {
	token = rand.Text()
	added = clients.Token{Digest: clients.DigestOf(token), Created: time.Now().UTC().Truncate(time.Second), Expires: wanted.Expires}
	tag, err = s.change(ctx, name, condition, func(r *clients.Record) error {
		list := &r.Tokens
		if wanted.Owner {
			list = &r.Owner
		}
		now := time.Now()
		var kept []clients.Token
		for _, t := range *list {
			if !wanted.OthersExpire.IsZero() && (t.Expires.IsZero() || t.Expires.After(wanted.OthersExpire)) {
				t.Expires = wanted.OthersExpire
			}
			// What has expired would only make the record longer with each rotation.
			if t.Expires.IsZero() || t.Expires.After(now) {
				kept = append(kept, t)
			}
		}
		*list = append(kept, added)
		return nil
	})
	return token, added, tag, err
}

// RemoveToken revokes a token, which [clients.Token.ID] names.
func (s *Store) RemoveToken(ctx context.Context, name, id string, condition Condition) (tag string, err error) {
	return s.change(ctx, name, condition, func(r *clients.Record) error {
		isIt := func(t clients.Token) bool { return t.ID() == id }
		n := len(r.Tokens) + len(r.Owner)
		r.Tokens = slices.DeleteFunc(slices.Clone(r.Tokens), isIt)
		r.Owner = slices.DeleteFunc(slices.Clone(r.Owner), isIt)
		if len(r.Tokens)+len(r.Owner) == n {
			return fmt.Errorf("%w: client %s has no token of this id", ErrNotFound, redact.ClientName(name))
		}
		return nil
	})
}
