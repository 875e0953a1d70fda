// Package clients finds who a token belongs to, wherever the clients are kept, and
// says which names each may change.
package clients

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/caddy-dyndns/dyndns/internal/name"
)

// Source finds clients. Any number of goroutines may use it at once.
type Source interface {
	// FindClient returns the client that a token of this digest belongs to, nil if
	// there is none. An error means that nobody knows at present: the client is told to
	// try again later, the log what the error is. So it is with a record of which
	// [Config.NewClient] makes no client, for the token is not wrong: its error is
	// returned. A panic counts as an error. ctx ends with the time of the request.
	//
	// A client may be a new one for every call: its name says who it is.
	FindClient(ctx context.Context, digest Digest) (*Client, error)
}

// Opener is what a guest module of http.handlers.dyndns.clients implements, beside
// decoding its own configuration.
type Opener interface {
	// OpenClients returns the source. What it holds ends with the module's Cleanup.
	OpenClients(Config) (Source, error)
}

// Config is what a source has to know of the handler that asks it.
type Config struct {
	zones name.Zones
	names []string
	// Purge removes the records of absolute names, as far as they lie in zones of the
	// handler, and returns the errors by name. Nil where there is no handler.
	Purge func(ctx context.Context, names []string) map[string]error
	// Expires returns when the first address of these absolute names is removed if nobody
	// confirms it, zero if none ever is. Nil where there is no handler.
	Expires func(ctx context.Context, names []string) time.Time
	// Changed is told what somebody changed of which client, for the handler's events:
	// created, replaced, removed, token_added or token_removed. Nil where there is no handler.
	Changed func(client, change string)
}

// NewConfig returns the configuration for a handler with zones of these absolute names.
func NewConfig(zones []string) Config {
	return Config{zones: name.NewZones(zones), names: slices.Sorted(slices.Values(zones))}
}

// Zones returns the names of the zones, sorted. The slice must not be changed.
func (c Config) Zones() []string { return c.names }

// NewClient returns the client that a record describes. A host that lies in no zone
// of the handler is left out: other handlers may ask the same source.
func (c Config) NewClient(spec Spec) (*Client, error) {
	if spec.Name == "" {
		return nil, errors.New("the name is empty")
	}
	spec.Unrestricted = false // no record can make itself the secret's client
	return newClient(spec, c.zones, omitOutside)
}

// Rotator is a source that can make a new token for a client.
type Rotator interface {
	// RotateTokens returns a new token of the client's router, which nobody can show again.
	// Its other ones are valid until that time at most.
	RotateTokens(ctx context.Context, client string, othersExpire time.Time) (token string, err error)
}

// ErrNoRotator tells that no source can make a new token.
var ErrNoRotator = errors.New("the tokens of this client are not kept here")

// Sources are asked one after the other.
type Sources []Source

// FindClient returns the first client that a source finds, or the first error: a
// source behind one that fails might let somebody in whom that one would not.
func (s Sources) FindClient(ctx context.Context, digest Digest) (*Client, error) {
	for _, source := range s {
		if client, err := source.FindClient(ctx, digest); client != nil || err != nil {
			return client, err
		}
	}
	return nil, nil
}

// RotateTokens has the last source that is a [Rotator] make a new token: those before
// it are of the configuration.
func (s Sources) RotateTokens(ctx context.Context, client string, othersExpire time.Time) (string, error) {
	for _, source := range slices.Backward(s) {
		if r, ok := source.(Rotator); ok {
			return r.RotateTokens(ctx, client, othersExpire)
		}
	}
	return "", ErrNoRotator
}

// Digest is the SHA-256 of a token, by which alone tokens are known: neither memory
// nor the time that a comparison takes tells their text.
type Digest [sha256.Size]byte

// DigestOf returns the digest of what a request presents.
func DigestOf(presented string) Digest { return sha256.Sum256([]byte(presented)) }

// String returns the form in which configurations have it.
func (d Digest) String() string { return digestPrefix + hex.EncodeToString(d[:]) }

// MarshalText returns the text of String.
func (d Digest) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads the text of String. Its error quotes nothing: the text may be a token.
func (d *Digest) UnmarshalText(text []byte) (err error) {
	if !strings.HasPrefix(string(text), digestPrefix) {
		return errors.New("a token must be given by its digest, sha256: and 64 hexadecimal digits")
	}
	*d, err = ParseToken(string(text))
	return err
}

const digestPrefix = "sha256:"

// What a secret and a token may be. The former is the rule of Josef Friedrich's
// dyndns, whose configurations are taken over.
var (
	secretRule = regexp.MustCompile(`^[A-Za-z0-9]{8,}$`)
	tokenRule  = regexp.MustCompile(fmt.Sprintf(`^[A-Za-z0-9_-]{%d,}$`, MinTokenLength))
)

// MinTokenLength is that of a token in characters, wherever its client is kept.
const MinTokenLength = 16

func parseSecret(secret string) (Digest, error) {
	if !secretRule.MatchString(secret) {
		return Digest{}, errors.New("it must have at least 8 characters, only letters and digits")
	}
	return DigestOf(secret), nil
}

// ParseToken returns the digest of a token, which is given plain or as "sha256:" and
// the digest in hexadecimal digits. The error never quotes it.
func ParseToken(token string) (Digest, error) {
	if encoded, ok := strings.CutPrefix(token, digestPrefix); ok {
		d, err := hex.DecodeString(encoded)
		if err != nil || len(d) != sha256.Size {
			return Digest{}, fmt.Errorf("sha256: must be followed by %d hexadecimal digits", hex.EncodedLen(sha256.Size))
		}
		return Digest(d), nil
	}
	if !tokenRule.MatchString(token) {
		return Digest{}, fmt.Errorf("one must have at least %d characters, only letters, digits, _ and -", MinTokenLength)
	}
	return DigestOf(token), nil
}
