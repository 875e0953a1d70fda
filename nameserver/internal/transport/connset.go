package transport

import (
	"net"
	"net/netip"
	"sync"
	"time"
)

// connSet keeps the open TCP connections and their number within limits.
type connSet struct {
	options Options

	mu       sync.Mutex
	closed   bool
	open     map[*conn]bool
	networks map[netip.Prefix]int
}

// enter takes in a connection. If there are too many, one of the same network or any
// gives way, or else the new one: then enter returns nil.
func (s *connSet) enter(c net.Conn) *conn {
	network := networkOf(addrPort(c.RemoteAddr()).Addr())
	s.mu.Lock()
	defer s.mu.Unlock()
	full := s.closed ||
		s.networks[network] >= s.options.MaxPerNetwork && !s.evict(func(o *conn) bool { return o.network == network }) ||
		len(s.open) >= s.options.MaxConnections && !s.evict(func(*conn) bool { return true })
	if full {
		_ = c.Close() // nobody is there to be told
		return nil
	}
	conn := &conn{Conn: c, network: network, slots: make(chan struct{}, maxPipelined), lastUse: time.Now()}
	s.open[conn] = true
	s.networks[network]++
	return conn
}

// stallTime is how long a client may read nothing of an answer before its connection counts
// as idle: to ask and not to read must not keep others away.
const stallTime = time.Second

// started is what the times of writes are measured from: a clock that is set moves none of
// them.
var started = time.Now()

// evict closes the connection that was idle longest of those that count. It returns
// false if all are busy.
func (s *connSet) evict(counts func(*conn) bool) bool {
	var oldest *conn
	for c := range s.open {
		if (c.busy == 0 || c.stalled()) && counts(c) && (oldest == nil || c.lastUse.Before(oldest.lastUse)) {
			oldest = c
		}
	}
	if oldest == nil {
		return false
	}
	s.remove(oldest)
	return true
}

// stalled tells whether an answer does not get away.
func (c *conn) stalled() bool {
	began := c.writes.Load()
	return began != 0 && time.Since(started)-time.Duration(began) >= stallTime
}

// remove closes a connection. The caller holds the mutex.
func (s *connSet) remove(c *conn) {
	_ = c.Close() // it may be closed already
	if !s.open[c] {
		return
	}
	delete(s.open, c)
	if s.networks[c.network]--; s.networks[c.network] == 0 {
		delete(s.networks, c.network)
	}
}

// leave closes a connection.
func (s *connSet) leave(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.remove(c)
}

// use notes that a message comes or has been answered.
func (s *connSet) use(c *conn, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.busy += n; n > 0 {
		c.lastUse = time.Now()
	}
}

// busy tells whether a message is being answered.
func (s *connSet) busy(c *conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return c.busy > 0
}

// close closes all connections and lets no more in.
func (s *connSet) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for c := range s.open {
		s.remove(c)
	}
}

// networkOf returns the network that one client mostly has all of.
func networkOf(a netip.Addr) netip.Prefix {
	bits := 56
	if a.Is4() {
		bits = 24
	}
	prefix, _ := a.Prefix(bits) // only an address that is none fails, and has one network then
	return prefix
}

// addrPort returns an address without the form that maps IPv4 into IPv6.
func addrPort(a net.Addr) netip.AddrPort {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	from := tcp.AddrPort()
	return netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
}
