package dnsupdate

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/caddy-dyndns/dyndns/zone"
)

// Options are a client's settings. The zero value is fine.
type Options struct {
	Hooks Hooks
	// Dial opens connections instead of a net.Dialer.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Resolver finds the parent of a zone for [Updater.Check], which does not look
	// at the delegation without one.
	Resolver Resolver
}

// Hooks let a caller see what happens. Any may be nil. They are called on the
// engine's goroutines and must return at once.
type Hooks struct {
	// Exchange is called after each message and each dial that failed: op is
	// "update", "query" or "connect", err is nil if a verified reply said yes or
	// that a prerequisite does not hold.
	Exchange func(server, op string, took time.Duration, err *zone.Error)
	// Group is called for each group of changes that leaves as one message.
	Group func(zone string, names int)
	// Queue is called when the number of waiting changes has changed.
	Queue func(zone string, length int)
	// Health is called when a nameserver begins or ends to rest after a failure,
	// and when it replies for the first time.
	Health func(server string, up bool)
	// Clamped is called once when a zone turns out to hold TTLs down.
	Clamped func(zone string, wanted, got uint32)
	// Incomparable is called when a nameserver finds no values equal in
	// prerequisites, so that what stands in the zone cannot be proven.
	Incomparable func(zone string)
	// Panic is called with the stack when an answer has met a defect of the package.
	Panic func(zone string, value any, stack []byte)
}

// Client owns the connections to nameservers that its updaters share.
type Client struct {
	options Options
	mu      sync.Mutex
	pools   map[string]*pool
	closed  bool
}

// NewClient makes a client. It opens no connection before one is needed.
func NewClient(o Options) *Client {
	if o.Dial == nil {
		o.Dial = new(net.Dialer).DialContext
	}
	return &Client{options: o, pools: map[string]*pool{}}
}

// Close ends the idle connections. Updates under way go on; their connections
// end after use, as does every later one.
func (c *Client) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	for _, p := range c.pools {
		p.close()
	}
}

// ZoneConfig says which zone to update, where, and with which key.
type ZoneConfig struct {
	// Name is the zone's name.
	Name string
	// Servers are addresses of one primary or of servers that forward to it, in
	// order of preference: host or host:port. Names are resolved at each dial.
	Servers []string
	Key     Key
	// MaxGroup is the greatest number of names in one message, 200 if zero.
	MaxGroup int
	// MaxQueue is the greatest number of waiting changes, 65,536 if zero.
	MaxQueue int
	// ProveWrites has every change proven by a second message without changes, for
	// a nameserver that acknowledges what it drops. It is done in any case where
	// the nameserver looks like PowerDNS, whose Lua policy does that.
	ProveWrites bool
}

const (
	// defaultMaxGroup: BIND is fastest at about 200 names and slower beyond.
	defaultMaxGroup = 200
	defaultMaxQueue = 65_536
	// firstGroup is where the adaptive size of groups starts.
	firstGroup = 64
)

// Open returns an updater of a zone. It does not touch the network.
func (c *Client) Open(z ZoneConfig) (*Updater, error) {
	name, err := canonicalName(z.Name)
	if err != nil {
		return nil, fmt.Errorf("zone: %w", err)
	}
	if err := z.Key.check(); err != nil {
		return nil, fmt.Errorf("zone %s: %w", name, err)
	}
	if len(z.Servers) == 0 {
		return nil, fmt.Errorf("zone %s: no nameserver", name)
	}
	if z.MaxGroup <= 0 {
		z.MaxGroup = defaultMaxGroup
	}
	if z.MaxQueue <= 0 {
		z.MaxQueue = defaultMaxQueue
	}
	u := &Updater{
		client:      c,
		zone:        name,
		apex:        wireName(name),
		signer:      newSigner(z.Key),
		proveWrites: z.ProveWrites,
		maxGroup:    z.MaxGroup,
		maxQueue:    z.MaxQueue,
		group:       min(firstGroup, z.MaxGroup),
		known:       newMemory(maxKnown),
		suspects:    map[string]time.Time{},
		wildcards:   map[wildcard]rrset{},
		settleTTL:   5 * time.Second,
		nameServers: nameServerCache{turn: make(chan struct{}, 1)},
	}
	for _, s := range z.Servers {
		address, err := ServerAddress(s)
		if err != nil {
			return nil, fmt.Errorf("zone %s: nameserver %w", name, err)
		}
		u.servers.list = append(u.servers.list, &server{pool: c.pool(address)})
	}
	return u, nil
}

// ServerAddress returns the host:port form of a nameserver's address: a host name,
// an IPv4 address or an IPv6 address with or without brackets, and port 53
// where none is given. The error names the value.
func ServerAddress(s string) (string, error) {
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		host, port = s, "53"
		if inner, ok := strings.CutPrefix(s, "["); ok {
			if host, ok = strings.CutSuffix(inner, "]"); !ok {
				return "", fmt.Errorf("%q is not a host or host:port", s)
			}
		}
		if strings.Contains(host, ":") && net.ParseIP(host) == nil {
			return "", fmt.Errorf("%q is not a host or host:port", s)
		}
	}
	if host == "" || strings.ContainsAny(host, " \t/@[]") {
		return "", fmt.Errorf("%q is not a host or host:port", s)
	}
	if _, err := net.LookupPort("tcp", port); err != nil {
		return "", fmt.Errorf("%q: %q is not a port", s, port)
	}
	return net.JoinHostPort(host, port), nil
}

// pool returns the connections to a nameserver, which all zones on it share.
func (c *Client) pool(address string) *pool {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.pools[address]
	if p == nil {
		p = newPool(address, c.options.Dial)
		p.closed = c.closed
		c.pools[address] = p
	}
	return p
}
