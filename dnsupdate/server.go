package dnsupdate

import (
	"sync"
	"time"
)

const (
	firstRest = time.Second
	longRest  = 30 * time.Second
)

// server is one nameserver of a zone and how it has behaved towards it.
type server struct {
	pool *pool

	// The mutex of servers guards the rest.
	failures int
	restEnds time.Time
	latency  time.Duration // of the last reply
	lastErr  *Error
}

// servers are the nameservers of a zone, in order of preference.
type servers struct {
	list   []*server
	health func(server string, up bool)
	mu     sync.Mutex
}

// pick gives the first server that does not rest or, when all do, the one whose
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

// rest keeps a server out of turn after a failure, longer each time.
func (s *servers) rest(server *server, err *Error, now time.Time) {
	s.mu.Lock()
	was := server.failures
	server.failures++
	server.restEnds = now.Add(min(firstRest<<min(was, 10), longRest))
	server.lastErr = err
	s.mu.Unlock()
	if was == 0 && s.health != nil {
		s.health(server.pool.address, false)
	}
}

// replied notes a reply; one that is ours ends every rest.
func (s *servers) replied(server *server, took time.Duration, err *Error, healthy bool) {
	s.mu.Lock()
	was := server.failures
	server.latency = took
	if err != nil {
		server.lastErr = err
	}
	if healthy {
		server.failures = 0
		server.restEnds = time.Time{}
	}
	s.mu.Unlock()
	if healthy && was > 0 && s.health != nil {
		s.health(server.pool.address, true)
	}
}
