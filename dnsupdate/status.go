package dnsupdate

import "time"

// Status is the state of an updater at one moment.
type Status struct {
	Zone string
	// Key is the key's name and algorithm.
	Key     string
	Servers []ServerStatus
	// Waiting is the number of changes in the queue.
	Waiting int
	Counts  Counts
}

// ServerStatus is the state of one nameserver as a zone sees it.
type ServerStatus struct {
	Address string
	// Seen tells whether it has replied or failed yet.
	Seen bool
	// Up is false while the nameserver rests after a failure.
	Up bool
	// RestEnds is when it is asked again, if it rests.
	RestEnds time.Time
	// Latency is how long its last reply took.
	Latency time.Duration
	// LastError is what went wrong last, nil if nothing has yet.
	LastError *Error
}

// Counts are an updater's exchanges since it was opened.
type Counts struct {
	// Updates and Queries are messages sent.
	Updates, Queries uint64
	// Unmet are updates whose prerequisites did not hold, Denied messages that
	// the nameserver refused, Failed those without a usable reply and the
	// connections that could not be made.
	Unmet, Denied, Failed uint64
}

func (c *Counts) add(op string, v verdict) {
	switch op {
	case "query":
		c.Queries++
	case "update":
		c.Updates++
	}
	switch v {
	case accepted:
	case unmet:
		c.Unmet++
	case denied, elsewhere, retimed:
		c.Denied++
	default:
		c.Failed++
	}
}

// Status tells how the updater and its nameservers are.
func (u *Updater) Status() Status {
	s := Status{Zone: u.zone, Key: u.signer.key.String()}
	u.mu.Lock()
	s.Waiting, s.Counts = u.queue.length, u.counts
	u.mu.Unlock()
	u.servers.mu.Lock()
	defer u.servers.mu.Unlock()
	for _, server := range u.servers.list {
		s.Servers = append(s.Servers, ServerStatus{
			Address:   server.pool.address,
			Seen:      server.seen,
			Up:        server.failures == 0,
			RestEnds:  server.restEnds,
			Latency:   server.latency,
			LastError: server.lastErr,
		})
	}
	return s
}
