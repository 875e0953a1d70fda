package handover

import (
	"maps"
	"net"
	"slices"
	"sync"
	"time"
)

// listener accepts connections while the wrapper's configuration serves.
type listener struct {
	net.Listener
	wrapper *Wrapper
	// parked is closed when no connection is accepted any more.
	parked, closed      chan struct{}
	parkOnce, closeOnce sync.Once
}

// Accept implements [net.Listener].
func (l *listener) Accept() (net.Conn, error) {
	select {
	case <-l.wrapper.serving:
	case <-l.wrapper.stopping:
	case <-l.closed:
		return nil, net.ErrClosed
	}
	select {
	case <-l.wrapper.stopping:
		l.parkOnce.Do(func() { close(l.parked) })
		<-l.closed
		return nil, net.ErrClosed
	default:
	}
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return l.wrapper.connections.add(conn), nil
}

// Close implements [net.Listener].
func (l *listener) Close() error {
	l.closeOnce.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

// park returns when no connection is accepted any more. An Accept that waits for one gets
// it from here: Caddy hides the deadline of its listeners.
func (l *listener) park() {
	if conn, err := net.DialTimeout(l.Addr().Network(), l.Addr().String(), slowest); err == nil {
		defer conn.Close()
	}
	select {
	case <-l.parked:
	case <-l.closed:
	case <-time.After(slowest):
	}
}

// connections are the open ones that were accepted a short time ago. The zero value
// has none.
type connections struct {
	mu    sync.Mutex
	young map[*connection]struct{}
}

// connection is one of them.
type connection struct {
	net.Conn
	// aged is closed when it is none of them any more.
	aged  chan struct{}
	timer *time.Timer
	leave func()
}

// Close implements [net.Conn].
func (c *connection) Close() error {
	c.timer.Stop()
	c.leave()
	return c.Conn.Close()
}

func (c *connections) add(conn net.Conn) *connection {
	added := &connection{Conn: conn, aged: make(chan struct{})}
	added.leave = sync.OnceFunc(func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.young, added)
		close(added.aged)
	})
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.young == nil {
		c.young = make(map[*connection]struct{})
	}
	c.young[added] = struct{}{}
	added.timer = time.AfterFunc(slowest, added.leave)
	return added
}

// await returns when none is left.
func (c *connections) await() {
	c.mu.Lock()
	young := slices.Collect(maps.Keys(c.young))
	c.mu.Unlock()
	for _, conn := range young {
		<-conn.aged
	}
}
