package transport

import (
	"net"
	"strings"
	"testing"
	"time"
)

// A client that asks and does not read the answers keeps nobody else away.
func TestStalledConnection(t *testing.T) {
	s, _, addr := run(t, Options{MaxConnections: 1})
	stalled := dial(t, "tcp", addr)
	large := frame(strings.Repeat("x", maxMessage))
	for {
		if err := stalled.SetWriteDeadline(time.Now().Add(2 * stallTime)); err != nil {
			t.Fatal(err)
		}
		if _, err := stalled.Write(large); err != nil {
			break // nothing is read any more: the answers do not get away
		}
	}
	c := dial(t, "tcp", addr)
	write(t, c, frame("hello"))
	if got := next(t, c); got != "hello" {
		t.Errorf("got %q", got)
	}
	s.conns.mu.Lock()
	defer s.conns.mu.Unlock()
	if n := len(s.conns.open); n != 1 {
		t.Errorf("%d connections are open", n)
	}
}

// One that reads slowly but reads is busy.
func TestSlowReader(t *testing.T) {
	s, _, addr := run(t, Options{MaxConnections: 1})
	slow, server := net.Pipe()
	defer slow.Close()
	c := s.conns.enter(addressed{server})
	s.conns.use(c, 1)
	written := make(chan error, 1)
	go func() { written <- s.writeFrame(c, []byte("hello")) }()
	if got := next(t, slow); got != "hello" {
		t.Errorf("got %q", got)
	}
	if err := <-written; err != nil {
		t.Fatal(err)
	}
	if _, err := dial(t, "tcp", addr).Read(make([]byte, 1)); err == nil {
		t.Error("there is room for another")
	}
	s.conns.use(c, -1)
}

// addressed is a connection from nowhere.
type addressed struct{ net.Conn }

func (addressed) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 1} }
