package dnsupdate

import (
	"sync"
	"time"

	"github.com/miekg/dns"

	"github.com/caddy-dyndns/dyndns/zone"
)

const (
	firstRest = time.Second
	longRest  = 30 * time.Second
	// probeTime is what a probe of a resting server may take.
	probeTime = 2 * time.Second
)

// server is one nameserver of a zone and how it has behaved towards it.
type server struct {
	pool *pool

	// The mutex of servers guards the rest.
	seen     bool // it has replied or failed
	failures int
	restEnds time.Time
	probe    *time.Timer   // while it rests
	latency  time.Duration // of the last reply
	lastErr  *zone.Error
}

// servers are the nameservers of a zone, in order of preference.
type servers struct {
	list   []*server
	mu     sync.Mutex
	closed bool // no probe follows
}

// pick returns the first server that does not rest or, when all do, the one whose
// rest ends first.
func (s *servers) pick(now time.Time) *server {
	s.mu.Lock()
	defer s.mu.Unlock()
	best := s.list[0]
	for _, server := range s.list {
		if !now.Before(server.restEnds) {
			return server
		}
		if server.restEnds.Before(best.restEnds) {
			best = server
		}
	}
	return best
}

// allRest tells whether there is no server left to go to.
func (s *servers) allRest(now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, server := range s.list {
		if !now.Before(server.restEnds) {
			return false
		}
	}
	return true
}

// rest keeps a server out of turn after a failure, longer each time. At its end a
// probe asks whether the server is back, if no change has by then.
func (u *Updater) rest(s *server, err *zone.Error) {
	u.servers.mu.Lock()
	first := !s.seen || s.failures == 0
	pause := min(firstRest<<min(s.failures, 10), longRest)
	s.seen = true
	s.failures++
	s.restEnds = time.Now().Add(pause)
	s.lastErr = err
	switch {
	case u.servers.closed:
	case s.probe == nil:
		s.probe = time.AfterFunc(pause, func() { u.probe(s) })
	default:
		s.probe.Reset(pause)
	}
	u.servers.mu.Unlock()
	if hook := u.client.options.Hooks.Health; first && hook != nil {
		hook(s.pool.address, false)
	}
}

// replied notes a reply; one that is ours ends every rest.
func (u *Updater) replied(s *server, took time.Duration, err *zone.Error, healthy bool) {
	u.servers.mu.Lock()
	first := healthy && (!s.seen || s.failures > 0)
	s.latency = took
	if err != nil {
		s.lastErr = err
	}
	if healthy {
		s.seen = true
		s.failures = 0
		s.restEnds = time.Time{}
		if s.probe != nil {
			s.probe.Stop()
		}
	}
	u.servers.mu.Unlock()
	if hook := u.client.options.Hooks.Health; first && hook != nil {
		hook(s.pool.address, true)
	}
}

// probe asks a resting server for the zone's SOA. Without a reply it goes on to rest.
func (u *Updater) probe(s *server) {
	u.servers.mu.Lock()
	needless := u.servers.closed || s.failures == 0
	u.servers.mu.Unlock()
	if needless {
		return
	}
	u.on(s, nil, time.Now().Add(probeTime), func(c *conn, s *server, limit time.Time) outcome {
		return u.askSigned(c, s, u.signer, []query{{name: u.zone, rrtype: dns.TypeSOA}}, limit)
	})
}

// Retire ends the probes of resting nameservers. Apply works on, for requests
// that hold the updater a little longer.
func (u *Updater) Retire() {
	u.servers.mu.Lock()
	defer u.servers.mu.Unlock()
	u.servers.closed = true
	for _, s := range u.servers.list {
		if s.probe != nil {
			s.probe.Stop()
		}
	}
}
