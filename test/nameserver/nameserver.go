//go:build linux

// Package nameserver runs the real nameservers that the project is tested and
// measured with: BIND, Knot DNS, PowerDNS, YADIFA and NSD, as Debian packages them. Each
// server gets a directory and a loopback port of its own, so that any number of
// them run at once, as root or as an ordinary user.
package nameserver

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net/netip"
	"os/exec"

	"github.com/miekg/dns"

	"github.com/caddy-dyndns/dyndns/internal/loopback"
)

// Kind is one of the nameservers.
type Kind string

// The nameservers that can be run.
const (
	BIND     Kind = "BIND"
	Knot     Kind = "Knot"
	PowerDNS Kind = "PowerDNS"
	YADIFA   Kind = "YADIFA"
	// NSD is a secondary only.
	NSD Kind = "NSD"
)

// Kinds are those that the project has an example for, for tests that hold on
// each.
var Kinds = []Kind{BIND, Knot, PowerDNS}

// Config is what a server serves.
type Config struct {
	Zones []Zone
	// Keys are known to the server beside those of the zones, but have no rights.
	Keys []Key
	// Port is where it listens; nil means one that it reserves itself.
	Port *loopback.Port
}

// Zone is a zone that dynamic updates may change.
type Zone struct {
	Name string
	// Records are lines of a zone file, added to a SOA with serial 1, one NS
	// (ns1) and its address.
	Records []string
	// Key may update A, AAAA, TXT and HTTPS records anywhere in the zone (with PowerDNS
	// and YADIFA: everything, they know no such rule). The zero Key: no updates.
	Key Key
	// Only limits Key to these names and what is below them. BIND and Knot only.
	//
	// There is no list of exceptions: Knot refuses every query that is signed with
	// a key for which the zone has a rule with "deny: on", whatever its action.
	Only []string

	// Primary makes the server a secondary of the zone, which it gets from that
	// address. It forwards no updates; with Knot it knows no key for the zone.
	Primary string
	// PrimaryKey signs what the secondary asks of the primary, and the NOTIFY messages
	// that it takes. BIND, Knot and NSD only.
	PrimaryKey Key

	// Notify are the addresses of the secondaries, which are told of each change. BIND only.
	Notify []string

	// UpdatePolicy replaces the statements that Key and Only make. BIND only.
	UpdatePolicy string
	// Signed turns on dnssec-policy and inline-signing. BIND only.
	Signed bool
	// MaxTTL is max-zone-ttl in seconds. BIND only.
	MaxTTL int
	// Private puts the zone into a view of its own that only requests signed by
	// Key see; another zone may have its name for everybody else. BIND only.
	Private bool
}

// Key is a TSIG key; the secret is in base64.
type Key struct{ Name, Algorithm, Secret string }

// NewKey returns a key with a random secret for hmac-sha512.
func NewKey(name string) Key {
	secret := make([]byte, 64)
	rand.Read(secret)
	return Key{Name: name, Algorithm: "hmac-sha512", Secret: base64.StdEncoding.EncodeToString(secret)}
}

// Start runs a nameserver in dir, which must exist, and returns when it answers
// for all its zones. The context bounds the start alone.
func Start(ctx context.Context, kind Kind, dir string, config Config) (*Server, error) {
	configure, ok := map[Kind]configureFunc{BIND: configureBIND, Knot: configureKnot, PowerDNS: configurePowerDNS, YADIFA: configureYADIFA, NSD: configureNSD}[kind]
	if !ok {
		return nil, fmt.Errorf("unknown nameserver %q", kind)
	}
	return run(ctx, kind, dir, config, func(at netip.AddrPort) (func() *exec.Cmd, error) {
		command, err := configure(ctx, dir, at, config)
		if err != nil {
			return nil, fmt.Errorf("configuring %s: %w", kind, err)
		}
		return command, nil
	})
}

// configureFunc writes a nameserver's configuration into dir and returns the
// command that runs it in the foreground.
type configureFunc func(ctx context.Context, dir string, at netip.AddrPort, config Config) (func() *exec.Cmd, error)

// run reserves a port and starts the server that configure configures for it.
func run(ctx context.Context, kind Kind, dir string, config Config, configure func(at netip.AddrPort) (func() *exec.Cmd, error)) (*Server, error) {
	port := config.Port
	if port == nil {
		var err error
		if port, err = loopback.Reserve(); err != nil {
			return nil, err
		}
	}
	s := &Server{kind: kind, dir: dir, port: port, zones: config.Zones}
	var err error
	if s.command, err = configure(port.AddrPort()); err != nil {
		return nil, errors.Join(err, port.Close())
	}
	if err := s.Restart(ctx); err != nil {
		s.Close()
		return nil, errors.Join(err, port.Close())
	}
	return s, nil
}

// zoneFile is the text of a zone's file as it is before the first update.
func (z Zone) zoneFile() string {
	text := "$ORIGIN " + dns.Fqdn(z.Name) + "\n$TTL 300\n" +
		"@ SOA ns1 hostmaster 1 3600 600 604800 60\n@ NS ns1\nns1 A 192.0.2.53\n"
	for _, r := range z.Records {
		text += r + "\n"
	}
	return text
}

// keys are all keys of the configuration, each once.
func (c Config) keys() []Key {
	var keys []Key
	seen := map[string]bool{"": true}
	for _, z := range c.Zones {
		for _, k := range []Key{z.Key, z.PrimaryKey} {
			if !seen[k.Name] {
				keys = append(keys, k)
			}
			seen[k.Name] = true
		}
	}
	return append(keys, c.Keys...)
}
