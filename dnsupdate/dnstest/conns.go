package dnstest

import (
	"net"
	"slices"
	"sync"
)

// connSet keeps the connections that Close has to end and wait for.
type connSet struct {
	wg     sync.WaitGroup
	mu     sync.Mutex
	closed bool
	open   []net.Conn
}

// serve runs f for the connection, which it closes afterwards, at once if the
// set is closed already. Only what wg waits for may call it.
func (c *connSet) serve(conn net.Conn, f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		conn.Close()
	}
	c.open = append(c.open, conn)
	c.wg.Go(func() {
		defer func() {
			conn.Close()
			c.mu.Lock()
			defer c.mu.Unlock()
			c.open = slices.DeleteFunc(c.open, func(o net.Conn) bool { return o == conn })
		}()
		f()
	})
}

// each calls f for every open connection.
func (c *connSet) each(f func(net.Conn)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range c.open {
		f(conn)
	}
}

func (c *connSet) close() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.each(func(conn net.Conn) { conn.Close() })
	c.wg.Wait()
}
