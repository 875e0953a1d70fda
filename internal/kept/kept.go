// Package kept hands listening sockets to a Caddy in this process, for tests: a
// configuration that listens at "kept/127.0.0.1:<port>" gets the connections of
// the socket that was opened here with this port.
//
// With sockets of its own Caddy has one per configuration, at one port. It closes
// the old one some time after a reload has returned, and Linux resets what still
// waits there to be accepted (unless net.ipv4.tcp_migrate_req is set): the next
// request of a test may be lost. A kept socket stays, and whatever connects goes to
// the newest configuration that listens.
package kept

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"
	"sync"

	"github.com/caddyserver/caddy/v2"
)

// Network is the name of the network in a configuration.
const Network = "kept"

func init() {
	caddy.RegisterNetwork(Network, func(_ context.Context, _, host, port string, offset uint, _ net.ListenConfig) (any, error) {
		number, err := strconv.ParseUint(port, 10, 16)
		if err != nil {
			return nil, err
		}
		s, ok := sockets.Load(net.JoinHostPort(host, strconv.FormatUint(number+uint64(offset), 10)))
		if !ok {
			return nil, fmt.Errorf("no socket is kept at %s:%s", host, port)
		}
		return s.(*Socket).listen(), nil
	})
}

// sockets are the open ones by host:port.
var sockets sync.Map

// Socket is a TCP socket at a port of 127.0.0.1.
type Socket struct {
	listener net.Listener
	accepted chan struct{} // closed when the loop has ended

	mu      sync.Mutex
	changed *sync.Cond
	waiting []net.Conn
	open    []*listener // the newest last
}

// Listen opens a socket at a free port, until it is closed.
func Listen() (*Socket, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &Socket{listener: l, accepted: make(chan struct{})}
	s.changed = sync.NewCond(&s.mu)
	sockets.Store(s.Addr(), s)
	go s.accept()
	return s, nil
}

// Addr returns the host:port.
func (s *Socket) Addr() string { return s.listener.Addr().String() }

// Port returns the port in decimal.
func (s *Socket) Port() string {
	_, port, _ := net.SplitHostPort(s.Addr())
	return port
}

// Close closes the socket, after the configurations that listen there.
func (s *Socket) Close() error {
	sockets.Delete(s.Addr())
	err := s.listener.Close()
	<-s.accepted
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, conn := range s.waiting {
		conn.Close()
	}
	return err
}

func (s *Socket) accept() {
	defer close(s.accepted)
	for {
		conn, err := s.listener.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		s.waiting = append(s.waiting, conn)
		s.changed.Broadcast()
		s.mu.Unlock()
	}
}

func (s *Socket) listen() net.Listener {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := &listener{s}
	s.open = append(s.open, l)
	return l
}

// listener is what one configuration has of the socket.
type listener struct{ socket *Socket }

func (l *listener) Accept() (net.Conn, error) {
	s := l.socket
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		switch i := slices.Index(s.open, l); {
		case i < 0:
			return nil, net.ErrClosed
		case i == len(s.open)-1 && len(s.waiting) > 0:
			conn := s.waiting[0]
			s.waiting = s.waiting[1:]
			return conn, nil
		}
		s.changed.Wait()
	}
}

// Close makes Accept fail. Connections go to the listener that is the newest now.
func (l *listener) Close() error {
	s := l.socket
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open = slices.DeleteFunc(s.open, func(o *listener) bool { return o == l })
	s.changed.Broadcast()
	return nil
}

func (l *listener) Addr() net.Addr { return l.socket.listener.Addr() }
