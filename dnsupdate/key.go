package dnsupdate

import (
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/caddy-dyndns/dyndns/dnsupdate/internal/wire"
	"github.com/caddy-dyndns/dyndns/internal/change"
)

// Key is a TSIG key (RFC 8945): a name and a secret that the nameserver has too.
type Key struct {
	// Name is the absolute lower-case name of the key.
	Name string
	// Algorithm is one of "hmac-sha1", "hmac-sha224", "hmac-sha256",
	// "hmac-sha384" and "hmac-sha512".
	Algorithm string
	// Secret is the shared secret.
	Secret []byte
}

// String leaves the secret out.
func (k Key) String() string { return k.Name + " (" + k.Algorithm + ")" }

// GoString leaves the secret out.
func (k Key) GoString() string { return "dnsupdate.Key{" + k.String() + "}" }

// NewKey makes a key from its name, its algorithm and its secret in base64. The
// errors quote nothing: what is wrong may stand in the place of something else.
func NewKey(name, algorithm, secret string) (Key, error) {
	canonical, err := change.CanonicalName(name)
	if err != nil {
		return Key{}, fmt.Errorf("key name: %w", err)
	}
	algorithm = strings.TrimSuffix(strings.ToLower(algorithm), ".")
	if wire.Algorithms[algorithm] == nil {
		if strings.HasPrefix(algorithm, "hmac-md5") {
			return Key{}, errors.New("hmac-md5 is broken and not supported: make a new key with tsig-keygen -a hmac-sha512")
		}
		return Key{}, unknownAlgorithm()
	}
	// tsig-keygen wraps nothing, but people do when they copy.
	raw, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(secret), ""))
	if err != nil {
		return Key{}, errors.New("the secret is not base64")
	}
	if len(raw) == 0 {
		return Key{}, errors.New("the secret is empty")
	}
	// A short name without a dot is base64, too. The name would be sent in plain.
	if other, err := base64.StdEncoding.DecodeString(name); err == nil && len(other) >= shortSecret && len(raw) < shortSecret {
		return Key{}, errors.New("name and secret of the key look as if they were swapped")
	}
	return Key{Name: canonical, Algorithm: algorithm, Secret: raw}, nil
}

// shortSecret is less than any tool makes: tsig-keygen's are as long as the digest.
const shortSecret = 16

func unknownAlgorithm() error {
	return errors.New("unknown algorithm: use one of " + algorithmNames())
}

func algorithmNames() string {
	names := make([]string, 0, len(wire.Algorithms))
	for name := range wire.Algorithms {
		names = append(names, name)
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// check tells whether a key that was not made by NewKey is usable.
func (k Key) check() error {
	if wire.Algorithms[k.Algorithm] == nil {
		return unknownAlgorithm()
	}
	if len(k.Secret) == 0 {
		return errors.New("the secret is empty")
	}
	if name, err := change.CanonicalName(k.Name); err != nil || name != k.Name {
		return errors.New("the key's name is not an absolute lower-case name")
	}
	return nil
}
