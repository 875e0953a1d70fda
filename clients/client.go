package clients

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

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
	disabled       bool
	owner          bool
	all            bool
	expires        int64 // Unix time in nanoseconds, 0 if never
	limit          Limit
	from           []netip.Prefix
	exact          []string
	// patterns holds each exact name and the x of each "*.x", sorted by name.
	patterns []pattern
}

type pattern struct {
	name          string
	itself, below bool
}

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
	// From are the networks that it may ask from, as [ParseNetwork] reads them; none
	// means any.
	From []string
	// Limit bounds how often it changes addresses; nil does not.
	Limit *Limit
	// Disabled keeps it from everything, with its tokens known all the same.
	Disabled bool
	// NoCertificates keeps the client from changing ACME challenges, with which whoever
	// has its token could get certificates for its hosts.
	NoCertificates bool
	// Unrestricted is the client of the directive "secret": it may change any
	// name, and its only token follows that directive's rule.
	Unrestricted bool
}

// Limit is how many address records a client may change: Changes within Per, and at
// least those of both families and of its LAN hosts at once.
type Limit struct {
	Changes int
	Per     time.Duration
}

func (l Limit) check() error {
	if l.Changes <= 0 || l.Per <= 0 {
		return fmt.Errorf("limit: %d changes within %v is not positive", l.Changes, l.Per)
	}
	return nil
}

// ParseNetwork reads a network, such as 192.0.2.0/24, or an address, which is the network
// of that address alone.
func ParseNetwork(text string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(text); err == nil && a.Zone() == "" {
		a = a.Unmap()
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	if err != nil || p.Addr().Is4In6() {
		return netip.Prefix{}, fmt.Errorf("%s is not a network such as 192.0.2.0/24 or 2001:db8::/32", redact.Echo(text))
	}
	if p != p.Masked() {
		return netip.Prefix{}, fmt.Errorf("%s has bits set behind its length; the network is %s", p, p.Masked())
	}
	return p, nil
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

// scope says what is done with a name that lies in none of the zones.
type scope uint8

const (
	refuseOutside scope = iota + 1
	omitOutside
	keepOutside // where no zones are known
)

// newClient returns the client of a specification.
func newClient(spec Spec, zones name.Zones, outside scope) (*Client, error) {
	c := &Client{Name: spec.Name, unrestricted: spec.Unrestricted, noCertificates: spec.NoCertificates, disabled: spec.Disabled}
	if len(spec.Hosts) == 0 && !spec.Unrestricted {
		return nil, errors.New("hosts: none is given")
	}
	for _, host := range spec.Hosts {
		if err := c.allow(host, zones, outside); err != nil {
			return nil, fmt.Errorf("hosts: %w", err)
		}
	}
	for _, lan := range spec.LAN {
		if err := c.addLAN(lan, zones, outside); err != nil {
			return nil, fmt.Errorf("lan: %w", err)
		}
	}
	for _, text := range spec.From {
		network, err := ParseNetwork(text)
		if err != nil {
			return nil, fmt.Errorf("from: %w", err)
		}
		c.from = append(c.from, network)
	}
	if spec.Limit != nil {
		c.limit = *spec.Limit
		return c, c.limit.check()
	}
	return c, nil
}

func (c *Client) allow(host string, zones name.Zones, outside scope) error {
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
	if _, in := zones.Of(n); !in && !(below && zones.Reaches(n)) && outside != keepOutside {
		return outside.refuse(host)
	}
	i, known := c.find(n)
	if !known {
		c.patterns = slices.Insert(c.patterns, i, pattern{name: n})
	}
	p := &c.patterns[i]
	if !below && !p.itself {
		c.exact = append(c.exact, n)
	}
	p.itself, p.below = p.itself || !below, p.below || below
	return nil
}

// find returns where the pattern of that name is or would be.
func (c *Client) find(n string) (int, bool) {
	return slices.BinarySearchFunc(c.patterns, n, func(p pattern, n string) int { return strings.Compare(p.name, n) })
}

// pattern returns the pattern of that name; the zero value is none.
func (c *Client) pattern(n string) pattern {
	if i, known := c.find(n); known {
		return c.patterns[i]
	}
	return pattern{}
}

// refuse returns the error of a name outside the zones, nil if that is none.
func (s scope) refuse(host string) error {
	if s == omitOutside {
		return nil
	}
	return fmt.Errorf("%s is in no configured zone", redact.Echo(host))
}

func (c *Client) addLAN(lan LAN, zones name.Zones, outside scope) error {
	n, err := name.Normalize(lan.Name)
	if err != nil {
		return err
	}
	if _, in := zones.Of(n); !in && outside != keepOutside {
		return outside.refuse(lan.Name)
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

// Disabled tells whether the client may do nothing for the time being.
func (c *Client) Disabled() bool { return c.disabled }

// Owner tells whether the token is one of the person to whom the client belongs: it
// shows the pages and changes no name.
func (c *Client) Owner() bool { return c.owner }

// Limit returns how often the client may change addresses; the zero value is no limit.
func (c *Client) Limit() Limit { return c.limit }

// Expired tells whether the token by which the client was found is valid no more.
func (c *Client) Expired(now time.Time) bool { return c.expires != 0 && now.UnixNano() >= c.expires }

// Admits tells whether the client may ask from that address, which is unmapped and
// without zone. One that is not known is in no network.
func (c *Client) Admits(from netip.Addr) bool {
	return len(c.from) == 0 || slices.ContainsFunc(c.from, func(n netip.Prefix) bool { return n.Contains(from) })
}

// Unrestricted tells whether this is the client of the directive "secret".
func (c *Client) Unrestricted() bool { return c.unrestricted }

// All tells whether the client may change names in every zone: it is
// unrestricted or has the pattern "*".
func (c *Client) All() bool { return c.unrestricted || c.all }

// ExactHosts returns the names that the client has without a pattern, in the
// order of the configuration. The slice must not be changed.
func (c *Client) ExactHosts() []string { return c.exact }

// HostNames returns those of ExactHosts that hold addresses: the names that only a TXT
// record can have are left out.
func (c *Client) HostNames() []string {
	return slices.DeleteFunc(slices.Clone(c.exact), func(fqdn string) bool { return strings.HasPrefix(fqdn, "_") })
}

// Grant tells whether the client may change a name, which [name.Normalize] has
// made. The names in LAN are not granted.
func (c *Client) Grant(host string) Grant {
	if c.unrestricted || c.pattern(host).itself {
		return Exact
	}
	if c.all {
		return ByPattern
	}
	for above, ok := name.Parent(host); ok; above, ok = name.Parent(above) {
		if c.pattern(above).below {
			return ByPattern
		}
	}
	return Denied
}

// Reads tells whether the client may see a name's history: it may change the name, itself
// or by a prefix.
func (c *Client) Reads(host string) bool {
	return c.Grant(host) != Denied || slices.ContainsFunc(c.LAN, func(l LAN) bool { return l.Name == host })
}
