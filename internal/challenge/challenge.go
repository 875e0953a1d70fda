// Package challenge keeps in Caddy's storage which values of ACME challenges were put
// into which zones, so that what no client takes away again goes by itself, also after a
// restart or by another instance, and never what others wrote.
package challenge

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/caddy-dyndns/dyndns/internal/stored"
)

const (
	// Lifetime is how long a value stands that nobody removes: far longer than any
	// authority takes.
	Lifetime = time.Hour
	// MaxValues is how many values of ours stand at a name at most: a certificate and
	// its renewal for a name and its wildcard, by two clients.
	MaxValues = 8

	folder = "dyndns/challenges"
	lock   = "dyndns/challenges-sweep"
)

// Prefix is what the owner of a challenge has before the name of its host (RFC 8555
// section 8.4).
const Prefix = "_acme-challenge."

// Owner returns where the challenge of a host is, which for a wildcard is that of the name
// below the asterisk.
func Owner(host string) string { return Prefix + strings.TrimPrefix(host, "*.") }

// IsDigest tells whether a value has the form of a SHA-256 digest in base64url, which is
// all that a challenge can be (RFC 8555 section 8.4): so a token publishes no other text.
func IsDigest(s string) bool {
	if len(s) != 43 {
		return false
	}
	for i := range len(s) {
		c := s[i] | 0x20
		if !('a' <= c && c <= 'z' || '0' <= s[i] && s[i] <= '9' || s[i] == '-' || s[i] == '_') {
			return false
		}
	}
	return true
}

// Value is one value that was added at a name. Each has an object of its own, so that
// instances and requests need no lock to note one.
type Value struct {
	// Zone and Owner are absolute names, Text is what stands there.
	Zone, Owner, Text string
	// Client is who added it.
	Client string
	Added  time.Time
	// Rolls tells that the next values of the same kind take its place.
	Rolls bool `json:",omitempty"`
}

func (v Value) key() string {
	digest := sha256.Sum256([]byte(v.Text))
	return at(v.Zone, v.Owner) + "/" + hex.EncodeToString(digest[:16]) + ".json"
}

// at is where the values of a name are kept, with an empty owner those of a zone.
func at(zone, owner string) string {
	return strings.TrimSuffix(folder+"/"+strings.TrimSuffix(zone, ".")+"/"+strings.TrimSuffix(owner, "."), "/")
}

// Notes are the values in one storage. They must not be copied.
type Notes struct {
	Storage stored.Storage
	turns   turns
}

// Add notes a value before it is added.
func (n *Notes) Add(ctx context.Context, v Value) error {
	return stored.Store(ctx, n.Storage, v.key(), v)
}

// Remove forgets a value that is gone.
func (n *Notes) Remove(ctx context.Context, v Value) error {
	return stored.Delete(ctx, n.Storage, v.key())
}

// At returns the values at a name, with an empty owner those in a zone, the oldest first.
func (n *Notes) At(ctx context.Context, zone, owner string) ([]Value, error) {
	keys, err := n.Storage.List(ctx, at(zone, owner), true)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("listing challenges: %w", err)
	}
	var values []Value
	for _, key := range keys {
		if !strings.HasSuffix(key, ".json") {
			continue // a folder
		}
		v, known, err := n.load(ctx, key)
		if err != nil {
			return nil, err
		}
		// To object stores the path is a prefix, also of other names.
		if known && v.Zone == zone && (owner == "" || v.Owner == owner) {
			values = append(values, v)
		}
	}
	slices.SortStableFunc(values, func(a, b Value) int { return a.Added.Compare(b.Added) })
	return values, nil
}

// load returns the value of an object, and false if that is not there or says nothing that
// could be removed.
func (n *Notes) load(ctx context.Context, key string) (v Value, known bool, err error) {
	data, err := stored.Load(ctx, n.Storage, key)
	if data == nil || err != nil {
		return v, false, err
	}
	known = json.Unmarshal(data, &v) == nil && v.key() == key
	return v, known, nil
}

// Sweep has each value of the zone that is older than its lifetime removed and forgets it
// then. One instance does so at a time; the others leave it alone.
func (n *Notes) Sweep(ctx context.Context, zone string, now time.Time, remove func(Value) error) error {
	return stored.Locked(ctx, n.Storage, lock, func() error {
		values, err := n.At(ctx, zone, "")
		for _, v := range values {
			if now.Sub(v.Added) >= Lifetime {
				err = errors.Join(err, n.sweep(ctx, v, remove))
			}
		}
		return err
	})
}

// sweep has one value removed, unless it was added again or removed meanwhile.
func (n *Notes) sweep(ctx context.Context, v Value, remove func(Value) error) error {
	release, err := n.Hold(ctx, []string{v.Owner})
	if err != nil {
		return err
	}
	defer release()
	present, known, err := n.load(ctx, v.key())
	if !known || err != nil || !present.Added.Equal(v.Added) {
		return err
	}
	if err := remove(v); err != nil {
		return err
	}
	return n.Remove(ctx, v)
}
