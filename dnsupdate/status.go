package dnsupdate

import "github.com/caddy-dyndns/dyndns/zone"

// count adds an exchange to the counts.
func count(c *zone.Counts, op string, v verdict) {
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
func (u *Updater) Status() zone.Status {
	s := zone.Status{Zone: u.zone, Key: u.signer.key.String()}
	u.mu.Lock()
	s.Waiting, s.Counts = u.queue.length, u.counts
	u.mu.Unlock()
	u.servers.mu.Lock()
	defer u.servers.mu.Unlock()
	for _, server := range u.servers.list {
		s.Servers = append(s.Servers, zone.ServerStatus{
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
