package transport

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// AddListener answers what comes over the connections of a listener. It closes the
// listener when the server is closed.
func (s *Server) AddListener(l net.Listener) error {
	return s.add(l, 1, func() { s.accept(l) })
}

// acceptPause is how long nothing is accepted after a failure, as when all of the
// process's files are in use.
const acceptPause = 50 * time.Millisecond

func (s *Server) accept(l net.Listener) {
	for {
		c, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			time.Sleep(acceptPause)
			continue
		}
		if conn := s.conns.enter(c); conn != nil {
			s.wg.Go(func() {
				defer s.conns.leave(conn)
				s.readStream(conn)
			})
		}
	}
}

// conn is one TCP connection.
type conn struct {
	net.Conn
	network netip.Prefix
	// slots are those of the messages that are answered.
	slots chan struct{}
	// underWay counts them.
	underWay sync.WaitGroup
	writing  sync.Mutex
	// writes is when the write under way began, in nanoseconds since started, 0 if there is none.
	writes atomic.Int64
	// last is closed when all that goes in order is done, nil if there was none. The
	// goroutine that reads messages alone uses it.
	last chan struct{}

	// The connSet's mutex guards the rest.
	lastUse time.Time
	busy    int
}

// readStream reads messages until there is none for some time. That time is not
// prolonged by a part of one.
func (s *Server) readStream(c *conn) {
	defer s.recovered()
	defer c.underWay.Wait()
	from := addrPort(c.RemoteAddr())
	reader := bufio.NewReader(c)
	for {
		if c.SetReadDeadline(time.Now().Add(s.options.IdleTime)) != nil {
			return
		}
		if _, err := reader.Peek(1); errors.Is(err, os.ErrDeadlineExceeded) && s.conns.busy(c) {
			// It waits for what is under way, as a long transfer.
			c.underWay.Wait()
			continue
		}
		query, err := readFrame(reader)
		if err != nil {
			return
		}
		s.conns.use(c, 1)
		s.handle(&Exchange{
			Query: query, From: from, Stream: true,
			Reply: func(message []byte) error { return s.writeFrame(c, message) },
			Go:    func(f func()) { s.spawn(c, f) },
			InOrder: func(f func()) {
				before, done := c.last, make(chan struct{})
				c.last = done
				s.spawn(c, func() {
					defer close(done)
					if before != nil {
						<-before
					}
					f()
				})
			},
			Waiting: c.waiting,
		})
		s.conns.use(c, -1)
	}
}

// waiting tells whether something that goes in order is not done yet.
func (c *conn) waiting() bool {
	if c.last == nil {
		return false
	}
	select {
	case <-c.last:
		return false
	default:
		return true
	}
}

// spawn runs a function that a message needs time for, when there is a slot.
func (s *Server) spawn(c *conn, f func()) {
	c.slots <- struct{}{}
	s.conns.use(c, 1)
	c.underWay.Go(func() {
		defer func() {
			s.conns.use(c, -1)
			<-c.slots
		}()
		defer s.recovered()
		f()
	})
}

// readFrame reads a message behind its length, RFC 1035 section 4.2.2.
func readFrame(r io.Reader) ([]byte, error) {
	var length [2]byte
	if _, err := io.ReadFull(r, length[:]); err != nil {
		return nil, err
	}
	message := make([]byte, binary.BigEndian.Uint16(length[:]))
	_, err := io.ReadFull(r, message)
	return message, err
}

// writeFrame writes a message. A client that does not read loses its connection.
func (s *Server) writeFrame(c *conn, message []byte) error {
	frame := binary.BigEndian.AppendUint16(make([]byte, 0, 2+len(message)), uint16(len(message)))
	c.writing.Lock()
	defer c.writing.Unlock()
	c.writes.Store(int64(time.Since(started)))
	defer c.writes.Store(0)
	err := c.SetWriteDeadline(time.Now().Add(s.options.WriteTime))
	if err == nil {
		_, err = c.Write(append(frame, message...))
	}
	if err != nil {
		return errors.Join(err, c.Close())
	}
	return nil
}
