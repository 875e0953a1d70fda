// Package nameserver is an authoritative nameserver whose zones are changed at run time:
// by [Zone], which keeps the contract of package zone, and by DNS UPDATE. It knows
// nothing of Caddy, signs nothing with DNSSEC and never asks another nameserver.
//
// RAM answers queries. A change that was acknowledged is on disk, in one bbolt file.
// Changes that arrive while the disk is written go together with the next write; each
// such group raises a zone's serial by one, and nobody sees it before it is on disk.
//
// A zone's SOA and NS records and its static records come from its configuration and
// never from the file: where the two disagree the configuration wins, and what was
// changed at run time is kept.
//
// It serves RFC 1034 and 1035, 2181, 2308, 4592, 6891, 7766, 8482, 5936, 1995, 1996,
// 2136, 7873 and 9018, 8945, and limits the rate of replies over UDP.
package nameserver

import (
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"
	"go.uber.org/zap"

	"github.com/caddy-dyndns/dyndns/internal/authority"
	"github.com/caddy-dyndns/dyndns/nameserver/internal/ratelimit"
	"github.com/caddy-dyndns/dyndns/nameserver/internal/store"
	"github.com/caddy-dyndns/dyndns/nameserver/internal/transport"
)

// Options are those of a [Server].
type Options struct {
	// Database is the path of the file, which is made if it is not there. One process at
	// a time can have it open.
	Database string
	// Logger, if not nil, gets what an operator has to know.
	Logger *zap.Logger
	// RateLimit is how many replies a second go over UDP to an address that has no valid
	// cookie, and to the networks around it with factors; 0 is 50, less than 0 no limit.
	RateLimit int
	// IdleTime is how long a TCP connection may be without a whole message; 0 is 10 s.
	IdleTime time.Duration
	// MaxConnections is the number of TCP connections, 0 is 1000; MaxPerNetwork that of
	// those from one IPv4 /24 or IPv6 /56, 0 is 100. The one that was idle longest gives
	// way to a new one.
	MaxConnections, MaxPerNetwork int
	// Hooks are called at events; see there.
	Hooks Hooks
}

// Hooks are functions that are called at events, for metrics. Any may be nil. They are
// called by several goroutines at once and must return soon.
type Hooks struct {
	// Answered: a reply goes out, other than that of a transfer.
	Answered func(Answer)
	// Limited: a message gets no reply, or one that says "truncated", since too many go
	// to the client's address or network.
	Limited func(client netip.Addr)
	// Transferred: a zone was sent to a secondary, or a part of it. kind is "AXFR" or
	// "IXFR".
	Transferred func(zone, kind string, to netip.AddrPort, records int, err error)
	// Notified: a secondary has acknowledged a NOTIFY, or none of several.
	Notified func(zone string, secondary netip.AddrPort, err error)
	// Committed: a group of changes was written, or not.
	Committed func(changes int, took time.Duration, err error)
	// Panic: a message or a change met a defect of this program.
	Panic func(value any, stack []byte)
}

// Server serves zones. Its methods may be called at any time.
type Server struct {
	options   Options
	writer    *writer
	answerer  *answerer
	transport *transport.Server

	configuring sync.Mutex
	// zones are all that were ever served: one that comes back is the same, for changes of
	// it may still be waiting. configuring guards it.
	zones map[string]*served
	table atomic.Pointer[table]
}

// table is what is served. It is replaced as a whole.
type table struct {
	zones map[string]*served
	// keys are those of all zones by canonical name.
	keys map[string]authority.Signer
}

// zone returns the zone with the longest name that the canonical name lies in, nil if
// there is none.
func (t *table) zone(name string) *served {
	for {
		if z := t.zones[name]; z != nil || name == "." {
			return z
		}
		name = authority.Parent(name)
	}
}

const (
	defaultRateLimit      = 50
	defaultIdleTime       = 10 * time.Second
	defaultMaxConnections = 1000
	defaultMaxPerNetwork  = 100
	// writeTime is how long a client may take to read a message over TCP.
	writeTime = 30 * time.Second
)

// Open opens the database. It serves no zones and listens nowhere yet.
func Open(o Options) (*Server, error) {
	if o.Logger == nil {
		o.Logger = zap.NewNop()
	}
	file, err := store.Open(o.Database)
	if err != nil {
		return nil, err
	}
	return newServer(o, file), nil
}

func newServer(o Options, file database) *Server {
	s := &Server{options: o, writer: newWriter(file, o.Hooks), zones: make(map[string]*served)}
	s.table.Store(new(table))
	gate := &gate{hooks: o.Hooks}
	if o.RateLimit >= 0 {
		gate.limiter = ratelimit.New(cmp.Or(o.RateLimit, defaultRateLimit), time.Now())
	}
	s.answerer = &answerer{table: &s.table, writer: s.writer, hooks: o.Hooks, gate: gate}
	var secret [16]byte
	rand.Read(secret[:])
	s.SetCookieSecrets(secret)
	s.transport = transport.New(s.answerer, transport.Options{
		IdleTime: cmp.Or(o.IdleTime, defaultIdleTime), WriteTime: writeTime,
		MaxConnections: cmp.Or(o.MaxConnections, defaultMaxConnections), MaxPerNetwork: cmp.Or(o.MaxPerNetwork, defaultMaxPerNetwork),
		Panic: func(value any, stack []byte) {
			if o.Hooks.Panic != nil {
				o.Hooks.Panic(value, stack)
			}
		},
	})
	return s
}

// Close closes the sockets and connections and ends the server. What waits to be written
// is written.
func (s *Server) Close() error {
	err := s.transport.Close()
	s.configuring.Lock()
	defer s.configuring.Unlock()
	for _, z := range s.table.Load().zones {
		z.notifier.close()
	}
	return errors.Join(err, s.writer.close())
}

// Configure serves these zones and no others. With an error everything stays as it was,
// unless the database failed. What is kept of a zone that is left out is served again
// when it comes back.
func (s *Server) Configure(zones []ZoneConfig) error {
	s.configuring.Lock()
	defer s.configuring.Unlock()
	next := &table{zones: make(map[string]*served), keys: make(map[string]authority.Signer)}
	var errs []error
	configurations := make(map[string]*configuration)
	for _, z := range zones {
		c, err := z.read()
		if err == nil && configurations[c.name] != nil {
			err = errors.New("it is configured twice")
		}
		if err == nil {
			err = next.addKeys(c)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("zone %s: %w", z.Name, err))
			continue
		}
		configurations[c.name] = c
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	before := s.table.Load()
	for name, c := range configurations {
		z := s.zones[name]
		if z == nil {
			z = newServed(s.options)
			s.zones[name] = z
		}
		if err := s.writer.configure(z, c, s.options.Logger); err != nil {
			return fmt.Errorf("zone %s: %w", name, err)
		}
		next.zones[name] = z
	}
	s.table.Store(next)
	for name, c := range configurations {
		next.zones[name].notifier.configure(c.secondaries)
	}
	for name, z := range before.zones {
		if next.zones[name] == nil {
			z.notifier.close()
		}
	}
	return nil
}

// addKeys adds the keys of a zone. A key has one secret for all zones.
func (t *table) addKeys(c *configuration) error {
	for _, k := range c.keys {
		if other, ok := t.keys[k.Name]; ok && !other.Equal(k) {
			return fmt.Errorf("there are two different keys with the name %s", k.Name)
		}
		t.keys[k.Name] = k
	}
	return nil
}

// Zone returns a zone that is served, nil if it is not.
func (s *Server) Zone(name string) *Zone {
	name = dns.CanonicalName(name)
	if s.table.Load().zones[name] == nil {
		return nil
	}
	return &Zone{server: s, name: name}
}
