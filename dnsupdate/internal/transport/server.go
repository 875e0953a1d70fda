package transport

import (
	"sync"
	"time"

	"github.com/caddy-dyndns/dyndns/zone"
)

const (
	firstRest = time.Second
	longRest  = 30 * time.Second
)

// Server is one nameserver of a zone and how it has behaved towards it.
type Server struct {
	*Pool

	// The mutex of Servers guards the rest.
	seen     bool // it has replied or failed
	failures int
	restEnds time.Time
	probe    *time.Timer   // while it rests
	latency  time.Duration // of the last reply
	lastErr  *zone.Error
}

// Servers are the nameservers of a zone, in order of preference.
type Servers struct {
	list []*Server
	// health is called when a nameserver begins or ends to rest and when it replies
	// for the first time, probe at the end of a rest.
	health func(address string, up bool)
	probe  func(*Server)
	mu     sync.Mutex
	closed bool // no probe follows
}

// NewServers returns the nameservers that the pools lead to. health may be nil.
func NewServers(pools []*Pool, health func(address string, up bool), probe func(*Server)) *Servers {
	s := &Servers{health: health, probe: probe}
	for _, p := range pools {
		s.list = append(s.list, &Server{Pool: p})
	}
	return s
}

// All returns the nameservers, which must not be changed.
func (s *Servers) All() []*Server { return s.list }

// Pick returns the first server that does not rest or, when all do, the one whose
// rest ends first.
func (s *Servers) Pick(now time.Time) *Server {
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

// AllRest tells whether there is no server left to go to.
func (s *Servers) AllRest(now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, server := range s.list {
		if !now.Before(server.restEnds) {
			return false
		}
	}
	return true
}

// Rest keeps a server out of turn after a failure, longer each time. At its end a
// probe asks whether the server is back, if no exchange has shown it by then.
func (s *Servers) Rest(server *Server, err *zone.Error) {
	s.mu.Lock()
	first := !server.seen || server.failures == 0
	pause := min(firstRest<<min(server.failures, 10), longRest)
	server.seen = true
	server.failures++
	server.restEnds = time.Now().Add(pause)
	server.lastErr = err
	switch {
	case s.closed:
	case server.probe == nil:
		server.probe = time.AfterFunc(pause, func() { s.probeResting(server) })
	default:
		server.probe.Reset(pause)
	}
	s.mu.Unlock()
	if first && s.health != nil {
		s.health(server.Address, false)
	}
}

func (s *Servers) probeResting(server *Server) {
	s.mu.Lock()
	needless := s.closed || server.failures == 0
	s.mu.Unlock()
	if !needless {
		s.probe(server)
	}
}

// Replied notes a reply; a healthy one, which is the nameserver's own, ends every rest.
func (s *Servers) Replied(server *Server, took time.Duration, err *zone.Error, healthy bool) {
	s.mu.Lock()
	first := healthy && (!server.seen || server.failures > 0)
	server.latency = took
	if err != nil {
		server.lastErr = err
	}
	if healthy {
		server.seen = true
		server.failures = 0
		server.restEnds = time.Time{}
		if server.probe != nil {
			server.probe.Stop()
		}
	}
	s.mu.Unlock()
	if first && s.health != nil {
		s.health(server.Address, true)
	}
}

// Retire ends the probes of resting nameservers.
func (s *Servers) Retire() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for _, server := range s.list {
		if server.probe != nil {
			server.probe.Stop()
		}
	}
}

// Status tells how the nameservers are.
func (s *Servers) Status() []zone.ServerStatus {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []zone.ServerStatus
	for _, server := range s.list {
		offset, told := server.Clock.Offset(time.Now())
		all = append(all, zone.ServerStatus{
			Address:     server.Address,
			Seen:        server.seen,
			Up:          server.failures == 0,
			RestEnds:    server.restEnds,
			Latency:     server.latency,
			LastError:   server.lastErr,
			ClockOffset: offset,
			ClockTold:   told,
		})
	}
	return all
}
