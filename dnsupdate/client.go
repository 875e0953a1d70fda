package dnsupdate

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/caddy-dyndns/dyndns/dnsupdate/internal/transport"
	"github.com/caddy-dyndns/dyndns/internal/change"
	"github.com/caddy-dyndns/dyndns/internal/delegation"
	"github.com/caddy-dyndns/dyndns/zone"
)

// Options are a client's settings. The zero value is fine.
type Options struct {
	Hooks Hooks
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
	dial    func(ctx context.Context, network, address string) (net.Conn, error)
	mu      sync.Mutex
	pools   map[string]*transport.Pool
	closed  bool
}

// NewClient makes a client. It opens no connection before one is needed.
func NewClient(o Options) *Client {
	return &Client{options: o, dial: new(net.Dialer).DialContext, pools: map[string]*transport.Pool{}}
}

// Close ends the idle connections. Updates under way go on; their connections
// end after use, as does every later one.
func (c *Client) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	for _, p := range c.pools {
		p.Close()
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
	// ProveWrites has every change proven by a second message without changes, for
	// a nameserver that acknowledges what it drops. It is done in any case where
	// the nameserver looks like PowerDNS, whose Lua policy does that.
	ProveWrites bool
}

const (
	// maxGroup is the greatest number of names in one message: BIND is fastest at
	// about 200 and slower beyond.
	maxGroup = 200
	// maxQueue is the greatest number of waiting changes.
	maxQueue = 65_536
	// firstGroup is where the adaptive size of groups starts.
	firstGroup = 64
)

// Open returns an updater of a zone. It does not touch the network.
func (c *Client) Open(z ZoneConfig) (*Updater, error) {
	name, err := change.CanonicalName(z.Name)
	if err != nil {
		return nil, fmt.Errorf("zone: %w", err)
	}
	if err := z.Key.check(); err != nil {
		return nil, fmt.Errorf("zone %s: %w", name, err)
	}
	if len(z.Servers) == 0 {
		return nil, fmt.Errorf("zone %s: no nameserver", name)
	}
	var pools []*transport.Pool
	for _, s := range z.Servers {
		address, err := ServerAddress(s)
		if err != nil {
			return nil, fmt.Errorf("zone %s: nameserver %w", name, err)
		}
		pools = append(pools, c.pool(address))
	}
	hooks := c.options.Hooks
	u := &Updater{
		requester:   newRequester(name, z.Key, pools, hooks),
		queue:       queue{limit: maxQueue},
		nameServers: nameServerCache{turn: make(chan struct{}, 1)},
		parent:      parentZone{delegation.Asker{Zone: name, Resolver: c.options.Resolver, Dial: c.dial}},
	}
	u.engine = &engine{
		requester: u.requester, queue: &u.queue, group: firstGroup, proveWrites: z.ProveWrites, suspects: map[string]time.Time{},
		known: newMemory(maxKnown, learned{
			clamped: func(wanted, got uint32) {
				if hooks.Clamped != nil {
					hooks.Clamped(name, wanted, got)
				}
			},
			incomparable: func() {
				if hooks.Incomparable != nil {
					hooks.Incomparable(name)
				}
			},
		}),
	}
	u.queue.work = u.engine.run
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
func (c *Client) pool(address string) *transport.Pool {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.pools[address]
	if p == nil {
		p = transport.NewPool(address, c.dial)
		if c.closed {
			p.Close()
		}
		c.pools[address] = p
	}
	return p
}
