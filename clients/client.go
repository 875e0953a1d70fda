package clients

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/caddy-dyndns/dyndns/internal/name"
	"github.com/caddy-dyndns/dyndns/internal/redact"
)

// Grant is how far a client may change a name.
type Grant uint8

const (
	// Denied: not at all.
	Denied Grant = iota
	// ByPattern: by "*" or "*.x" alone. The caller denies it for names on which
	// a zone depends: a literal wildcard owner, a zone's apex, the targets of its
	// NS records. Else a stolen router could take the nameserver's own address.
	ByPattern
	// Exact: by its own name, or because the client is unrestricted.
	Exact
)

// Client is somebody who knows a token.
type Client struct {
	Name string
	LAN  []LAN

	unrestricted bool
	// noCertificates: it may change no challenge.
	noCertificates bool
	all            bool
	exact          []string
	// patterns holds each exact name and the x of each "*.x".
	patterns map[string]pattern
}

type pattern struct{ itself, below bool }

// Spec is one client as it is configured.
type Spec struct {
	// Name is what logs and statistics call the client.
	Name string
	// Tokens are plain or "sha256:" and the digest in hex. Any of them is the client.
	Tokens []string
	// Hosts are patterns: a name, which may be that of a TXT record alone, "*.x" for any
	// name below x, or "*".
	Hosts []string
	// LAN are the hosts that a prefix of this client moves.
	LAN []LAN
	// NoCertificates keeps the client from changing ACME challenges, with which whoever
	// has its token could get certificates for its hosts.
	NoCertificates bool
	// Unrestricted is the client of the directive "secret": it may change any
	// name, and its only token follows that directive's rule.
	Unrestricted bool
}

// LAN is a host behind a router. It is granted for updates by prefix only.
type LAN struct {
	// Name is an absolute name once a client has it.
	Name string
	// InterfaceID holds the bits that do not come from the prefix.
	InterfaceID netip.Addr
}

// NewUnrestricted returns a client that may change any name, for what asks in this process.
func NewUnrestricted(name string) *Client { return &Client{Name: name, unrestricted: true} }

// newClient returns the client of a record. A name that lies in none of the zones is
// left out or, with strict, an error.
func newClient(spec Spec, zones name.Zones, strict bool) (*Client, error) {
	c := &Client{Name: spec.Name, unrestricted: spec.Unrestricted, noCertificates: spec.NoCertificates}
	if len(spec.Hosts) == 0 && !spec.Unrestricted {
		return nil, errors.New("hosts: none is given")
	}
	for _, host := range spec.Hosts {
		if err := c.allow(host, zones, strict); err != nil {
			return nil, fmt.Errorf("hosts: %w", err)
		}
	}
	for _, lan := range spec.LAN {
		if err := c.addLAN(lan, zones, strict); err != nil {
			return nil, fmt.Errorf("lan: %w", err)
		}
	}
	return c, nil
}

func (c *Client) allow(host string, zones name.Zones, strict bool) error {
	if host == "*" {
		c.all = true
		return nil
	}
	text, below := strings.CutPrefix(host, "*.")
	normalize := name.Normalize
	if !below {
		normalize = name.Owner
	}
	n, err := normalize(text)
	if err != nil {
		return err
	}
	if strings.HasPrefix(n, "*.") {
		return fmt.Errorf("%s has more than one asterisk", redact.Echo(host))
	}
	// A pattern above a zone is of use: the zone's names match it.
	if _, in := zones.Of(n); !in && !(below && zones.Reaches(n)) {
		return outside(host, strict)
	}
	if c.patterns == nil {
		c.patterns = make(map[string]pattern, 1)
	}
	p := c.patterns[n]
	if !below && !p.itself {
		c.exact = append(c.exact, n)
	}
	c.patterns[n] = pattern{itself: p.itself || !below, below: p.below || below}
	return nil
}

func outside(host string, strict bool) error {
	if !strict {
		return nil
	}
	return fmt.Errorf("%s is in no configured zone", redact.Echo(host))
}

func (c *Client) addLAN(lan LAN, zones name.Zones, strict bool) error {
	n, err := name.Normalize(lan.Name)
	if err != nil {
		return err
	}
	if _, in := zones.Of(n); !in {
		return outside(lan.Name, strict)
	}
	for _, other := range c.LAN {
		if other.Name == n {
			return fmt.Errorf("%s is given twice", redact.Echo(lan.Name))
		}
	}
	if !lan.InterfaceID.IsValid() {
		return fmt.Errorf("%s has no interface identifier", redact.Echo(lan.Name))
	}
	c.LAN = append(c.LAN, LAN{Name: n, InterfaceID: lan.InterfaceID})
	return nil
}

// NoCertificates tells whether the client may change no ACME challenge.
func (c *Client) NoCertificates() bool { return c.noCertificates }

// Unrestricted tells whether this is the client of the directive "secret".
func (c *Client) Unrestricted() bool { return c.unrestricted }

// All tells whether the client may change names in every zone: it is
// unrestricted or has the pattern "*".
func (c *Client) All() bool { return c.unrestricted || c.all }

// ExactHosts returns the names that the client has without a pattern, in the
// order of the configuration. The slice must not be changed.
func (c *Client) ExactHosts() []string { return c.exact }

// Grant tells whether the client may change a name, which [name.Normalize] has
// made. The names in LAN are not granted.
func (c *Client) Grant(host string) Grant {
	if c.unrestricted || c.patterns[host].itself {
		return Exact
	}
	if c.all {
		return ByPattern
	}
	for above, ok := name.Parent(host); ok; above, ok = name.Parent(above) {
		if c.patterns[above].below {
			return ByPattern
		}
	}
	return Denied
}
