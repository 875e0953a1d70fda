// Package access decides who asks, for which names they may ask, and how often
// they may guess.
package access

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"strings"

	"github.com/caddy-dyndns/dyndns/internal/name"
	"github.com/caddy-dyndns/dyndns/internal/redact"
)

// Spec is one client as it is configured.
type Spec struct {
	// Name is what logs and statistics call the client.
	Name string
	// Tokens are plain or "sha256:" and the digest in hex. Any of them is the client.
	Tokens []string
	// Hosts are patterns: a name, "*.x" for any name below x, or "*".
	Hosts []string
	// LAN are the hosts that a prefix of this client moves.
	LAN []LAN
	// Unrestricted is the client of the directive "secret": it may change any
	// name, and its only token follows that directive's rule.
	Unrestricted bool
}

// LAN is a host behind a router. It is granted for updates by prefix only.
type LAN struct {
	// Name is an absolute name once the registry holds it.
	Name string
	// InterfaceID holds the bits that do not come from the prefix.
	InterfaceID netip.Addr
}

// digest is how a token is known: neither memory nor the time a comparison takes
// tells its text.
type digest [sha256.Size]byte

// Registry finds the client that a token belongs to. It never changes and is
// safe for concurrent use.
type Registry struct {
	clients map[digest]*Client
}

// NewRegistry checks the clients and the patterns against the zones. Its error
// names client and directive, and never a token.
func NewRegistry(specs []Spec, zones name.Zones) (*Registry, error) {
	if len(specs) == 0 {
		return nil, errors.New("neither secret nor client is configured: nobody could ask for anything")
	}
	r := &Registry{clients: make(map[digest]*Client, len(specs))}
	names := make(map[string]bool, len(specs))
	for _, spec := range specs {
		if spec.Name == "" {
			return nil, errors.New("client: the name is empty")
		}
		if names[spec.Name] {
			return nil, fmt.Errorf("client %s: a client of this name exists already", redact.ClientName(spec.Name))
		}
		names[spec.Name] = true
		if err := r.add(spec, zones); err != nil {
			if spec.Unrestricted {
				return nil, err
			}
			return nil, fmt.Errorf("client %s: %w", redact.ClientName(spec.Name), err)
		}
	}
	return r, nil
}

func (r *Registry) add(spec Spec, zones name.Zones) error {
	client, err := newClient(spec, zones)
	if err != nil {
		return err
	}
	directive, parse := "token", parseToken
	if spec.Unrestricted {
		directive, parse = "secret", parseSecret
	}
	if len(spec.Tokens) == 0 {
		return fmt.Errorf("%s: none is given", directive)
	}
	for _, token := range spec.Tokens {
		d, err := parse(token)
		if err != nil {
			return fmt.Errorf("%s: %w", directive, err)
		}
		if owner := r.clients[d]; owner != nil {
			return fmt.Errorf("%s: the same one is given twice, first by client %s", directive, redact.ClientName(owner.Name))
		}
		r.clients[d] = client
	}
	return nil
}

// What a secret and a token may be. The former is the rule of Josef Friedrich's
// dyndns, whose configurations are taken over.
var (
	secretRule = regexp.MustCompile(`^[A-Za-z0-9]{8,}$`)
	tokenRule  = regexp.MustCompile(`^[A-Za-z0-9_-]{16,}$`)
)

func parseSecret(secret string) (digest, error) {
	if !secretRule.MatchString(secret) {
		return digest{}, errors.New("it must have at least 8 characters, only letters and digits")
	}
	return sha256.Sum256([]byte(secret)), nil
}

func parseToken(token string) (digest, error) {
	if encoded, ok := strings.CutPrefix(token, "sha256:"); ok {
		d, err := hex.DecodeString(encoded)
		if err != nil || len(d) != sha256.Size {
			return digest{}, fmt.Errorf("sha256: must be followed by %d hexadecimal digits", hex.EncodedLen(sha256.Size))
		}
		return digest(d), nil
	}
	if !tokenRule.MatchString(token) {
		return digest{}, errors.New("one must have at least 16 characters, only letters, digits, _ and -")
	}
	return sha256.Sum256([]byte(token)), nil
}

// Lookup returns the client that presented belongs to, nil if there is none. A
// known and an unknown text take the same path.
func (r *Registry) Lookup(presented string) *Client {
	return r.clients[sha256.Sum256([]byte(presented))]
}
