// Package backend holds the guest modules of http.handlers.dyndns.zones: what a zone
// may be changed by, one file each.
package backend

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddy-dyndns/dyndns/dnsupdate"
	"github.com/caddy-dyndns/dyndns/internal/directive"
	"github.com/caddy-dyndns/dyndns/internal/name"
	"github.com/caddy-dyndns/dyndns/internal/placeholder"
	"github.com/caddy-dyndns/dyndns/internal/redact"
	"github.com/caddy-dyndns/dyndns/internal/shared"
	"github.com/caddy-dyndns/dyndns/zone"
)

func init() {
	caddy.RegisterModule(new(RFC2136))
}

// RFC2136 changes a zone on an authoritative nameserver with TSIG-signed DNS UPDATE
// messages (RFC 2136).
type RFC2136 struct {
	// The key that signs the updates.
	TSIG TSIG `json:"tsig"`

	// Prove every change by a second message without changes, for a nameserver
	// that acknowledges what it drops. Default: only where the nameserver looks
	// like PowerDNS, whose Lua policy does that.
	ProveWrites bool `json:"prove_writes,omitempty"`

	leases shared.Leases
}

// TSIG is a shared key (RFC 8945), given as it is or by the file that holds it.
type TSIG struct {
	// The key's name. Default: the zone's name, or the only key of the file.
	Name string `json:"name,omitempty"`

	// `hmac-sha1`, `hmac-sha224`, `hmac-sha256`, `hmac-sha384` or `hmac-sha512`.
	// Default: `hmac-sha512`.
	Algorithm string `json:"algorithm,omitempty"`

	// The key itself in base64.
	Secret string `json:"secret,omitempty"`

	// The path of a file as `tsig-keygen` writes it, instead of a secret.
	File string `json:"file,omitempty"`
}

// CaddyModule returns the Caddy module information.
func (*RFC2136) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.handlers.dyndns.zones.rfc2136",
		New: func() caddy.Module { return new(RFC2136) },
	}
}

// UnmarshalCaddyfile sets up the module from Caddyfile tokens. Syntax:
//
//	rfc2136 {
//		tsig_key     [<key-name> <algorithm>] <base64>
//		tsig_keyfile <path> [<key-name>]
//		prove_writes
//	}
func (b *RFC2136) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next()
	if d.NextArg() {
		return directive.ArgErr(d, "rfc2136")
	}
	const where = "rfc2136: "
	return directive.Block(d, where, func(string) error {
		if known, err := b.UnmarshalWord(d, where); known {
			return err
		}
		return directive.Unknown(d, where)
	})
}

// UnmarshalWord reads one word of the module's block, or of a zone's that does without
// it. where begins its errors. It returns false if the word is none of this module's.
func (b *RFC2136) UnmarshalWord(d *caddyfile.Dispenser, where string) (bool, error) {
	switch word := d.Val(); word {
	case "tsig_key":
		if b.TSIG.Secret != "" {
			return true, d.Errf("%stsig_key: a key is given already", where)
		}
		switch args := d.RemainingArgs(); len(args) {
		case 1:
			b.TSIG.Secret = args[0]
		case 3:
			b.TSIG.Name, b.TSIG.Algorithm, b.TSIG.Secret = args[0], args[1], args[2]
		default:
			return true, directive.ArgErr(d, word)
		}
	case "tsig_keyfile":
		switch args := d.RemainingArgs(); len(args) {
		case 1:
			b.TSIG.File = args[0]
		case 2:
			b.TSIG.File, b.TSIG.Name = args[0], args[1]
		default:
			return true, directive.ArgErr(d, word)
		}
	case "prove_writes":
		b.ProveWrites = true
		return true, directive.Last(d, word)
	default:
		return false, nil
	}
	return true, nil
}

// The keys of what is shared. An updater's is made of all that sets it apart.
type (
	connectionsKey struct{}
	updaterKey     struct {
		zone, servers, key string
		proveWrites        bool
	}
)

// connections is the process's one DNS client.
type connections struct{ *dnsupdate.Client }

// Destruct ends the idle connections; those in use end with their exchange.
func (c connections) Destruct() error {
	c.Close()
	return nil
}

// updater is one zone's queue.
type updater struct{ *dnsupdate.Updater }

// Destruct does not wait for the queue: a slow nameserver would hold up the
// reload. The requests in it see it through.
func (u updater) Destruct() error {
	u.Retire()
	return nil
}

// OpenZone returns the zone's updater, which handlers share.
func (b *RFC2136) OpenZone(c zone.Config) (zone.Zone, error) {
	if len(c.Nameservers) == 0 {
		return nil, errors.New("no nameserver is configured")
	}
	key, err := b.TSIG.Key(c.Name)
	if err != nil {
		return nil, err
	}
	conns, err := shared.Take(&b.leases, connectionsKey{}, func() (connections, error) {
		return connections{dnsupdate.NewClient(dnsupdate.Options{Hooks: hooks(), Resolver: net.DefaultResolver})}, nil
	})
	if err != nil {
		return nil, err
	}
	// The secret stands in the pool's keys as a digest only.
	digest := sha256.Sum256(key.Secret)
	u, err := shared.Take(&b.leases, updaterKey{
		zone:        c.Name,
		servers:     strings.Join(c.Nameservers, " "),
		key:         key.String() + string(digest[:]),
		proveWrites: b.ProveWrites,
	}, func() (updater, error) {
		u, err := conns.Open(dnsupdate.ZoneConfig{Name: c.Name, Servers: c.Nameservers, Key: key, ProveWrites: b.ProveWrites})
		return updater{u}, err
	})
	if err != nil {
		return nil, err
	}
	begin(u.Status())
	return u.Updater, nil
}

// Cleanup gives back what OpenZone took.
func (b *RFC2136) Cleanup() error { return b.leases.Release() }

// Key reads the zone's key from where the configuration says it is.
func (t TSIG) Key(zone string) (dnsupdate.Key, error) {
	switch {
	case t.Secret != "" && t.File != "":
		return dnsupdate.Key{}, errors.New("tsig_key and tsig_keyfile are both given")
	case t.Secret == "" && t.File == "":
		return dnsupdate.Key{}, errors.New("tsig_key: no key is given")
	case t.File != "":
		return t.fromFile()
	}
	secret, err := placeholder.ExpandSecret("tsig_key", t.Secret)
	if err != nil {
		return dnsupdate.Key{}, err
	}
	keyName, algorithm := t.Name, t.Algorithm
	if keyName == "" {
		keyName = zone
	}
	if algorithm == "" {
		algorithm = "hmac-sha512"
	}
	key, err := dnsupdate.NewKey(keyName, algorithm, secret)
	if err != nil {
		return key, fmt.Errorf("tsig_key: %w", err)
	}
	return key, nil
}

func (t TSIG) fromFile() (dnsupdate.Key, error) {
	fail := func(err error) (dnsupdate.Key, error) {
		return dnsupdate.Key{}, fmt.Errorf("tsig_keyfile: %w", err)
	}
	path, err := placeholder.Expand("tsig_keyfile", t.File)
	if err != nil {
		return dnsupdate.Key{}, err
	}
	data, err := placeholder.ReadFile(path)
	if err != nil {
		return fail(err)
	}
	keys, err := dnsupdate.ParseKeyFile(data)
	if err != nil {
		return fail(fmt.Errorf("%s: %w", path, err))
	}
	if t.Name == "" {
		if len(keys) != 1 {
			return fail(fmt.Errorf("%s holds %d keys, name the one to use", path, len(keys)))
		}
		return keys[0], nil
	}
	wanted, err := name.Zone(t.Name)
	if err != nil {
		return fail(err)
	}
	for _, k := range keys {
		if k.Name == wanted {
			return k, nil
		}
	}
	return fail(fmt.Errorf("%s holds no key named %s", path, redact.Name(t.Name)))
}

// Interface guards
var (
	_ zone.Opener           = (*RFC2136)(nil)
	_ caddy.CleanerUpper    = (*RFC2136)(nil)
	_ caddyfile.Unmarshaler = (*RFC2136)(nil)
)
