// Package transport brings DNS messages in and replies out, over UDP and TCP.
package transport

import (
	"errors"
	"net"
	"net/netip"
	"runtime/debug"
	"sync"
	"time"
)

// Handler answers messages.
type Handler interface {
	// Handle answers a message. What takes time it does in [Exchange.Go]. A panic ends
	// this one message.
	Handle(*Exchange)
}

// Exchange is one message and what answers it.
type Exchange struct {
	// Query is the message. It is valid until Handle returns.
	Query []byte
	From  netip.AddrPort
	// Stream tells that it came over TCP.
	Stream bool

	// Reply sends a message back; over TCP any number of them.
	Reply func([]byte) error
	// Go goes on in a goroutine of its own. Over TCP it waits while too much of the same
	// connection is under way; over UDP the message is lost then.
	Go func(func())
	// InOrder is Go for what has to be done in the order of the messages: over TCP, what it
	// was given before on the same connection ends first.
	InOrder func(func())
	// Waiting tells whether such is under way on the connection.
	Waiting func() bool
}

// Options limit what clients can take up.
type Options struct {
	// IdleTime is how long a TCP connection may be open without a whole message.
	IdleTime time.Duration
	// WriteTime is how long a client may take to read a message.
	WriteTime time.Duration
	// MaxConnections is the number of TCP connections, and MaxPerNetwork that of those
	// from one IPv4 /24 or IPv6 /56. The one that was idle longest gives way.
	MaxConnections, MaxPerNetwork int
	// Panic gets what Handle panicked with.
	Panic func(value any, stack []byte)
}

const (
	// maxPipelined is how many messages of one connection are answered at once
	// (RFC 7766 section 6.2.1.1).
	maxPipelined = 32
	// maxDetached is the same for all that came over UDP.
	maxDetached = 1000
)

// Server reads from sockets and listeners. Closing one of them takes it away.
type Server struct {
	handler  Handler
	options  Options
	conns    connSet
	detached chan struct{}

	wg     sync.WaitGroup
	mu     sync.Mutex
	closed bool
	open   map[interface{ Close() error }]bool
}

// New returns a server that reads from nothing yet.
func New(h Handler, o Options) *Server {
	return &Server{handler: h, options: o, conns: connSet{options: o, open: make(map[*conn]bool), networks: make(map[netip.Prefix]int)},
		detached: make(chan struct{}, maxDetached), open: make(map[interface{ Close() error }]bool)}
}

var errClosed = errors.New("the nameserver is closed")

// add runs functions that read from a socket or listener, until it is closed.
func (s *Server) add(source interface{ Close() error }, readers int, read func()) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errClosed
	}
	s.open[source] = true
	left := readers
	for range readers {
		s.wg.Go(func() {
			read()
			s.mu.Lock()
			defer s.mu.Unlock()
			if left--; left == 0 {
				delete(s.open, source)
			}
		})
	}
	return nil
}

// Close closes all sockets, listeners and connections, and waits for what is under way.
func (s *Server) Close() error {
	s.mu.Lock()
	s.closed = true
	var errs []error
	for source := range s.open {
		if err := source.Close(); !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	s.mu.Unlock()
	s.conns.close()
	s.wg.Wait()
	return errors.Join(errs...)
}

// handle calls the handler.
func (s *Server) handle(x *Exchange) {
	defer s.recovered()
	s.handler.Handle(x)
}

// recovered ends a panic.
func (s *Server) recovered() {
	if v := recover(); v != nil {
		s.options.Panic(v, debug.Stack())
	}
}
