package transport

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddy-dyndns/dyndns/internal/await"
)

// echo answers with the message, at once or, if it starts with "slow", when released.
type echo struct{ release chan struct{} }

func (e *echo) Handle(x *Exchange) {
	message := string(x.Query)
	switch {
	case strings.HasPrefix(message, "panic"):
		panic(message)
	case strings.HasPrefix(message, "slow panic"):
		x.Go(func() { panic(message) })
	case strings.HasPrefix(message, "slow"):
		x.Go(func() {
			<-e.release
			_ = x.Reply([]byte(message))
		})
	default:
		_ = x.Reply([]byte(message))
	}
}

// run returns a server with a TCP listener at the loopback, and its address.
func run(t *testing.T, o Options) (*Server, *echo, string) {
	t.Helper()
	if o.Panic == nil {
		o.Panic = func(value any, stack []byte) { t.Errorf("panic: %v\n%s", value, stack) }
	}
	o.IdleTime, o.WriteTime = max(o.IdleTime, time.Millisecond), time.Minute
	if o.IdleTime == time.Millisecond {
		o.IdleTime = time.Minute
	}
	if o.MaxConnections == 0 {
		o.MaxConnections = 100
	}
	if o.MaxPerNetwork == 0 {
		o.MaxPerNetwork = 100
	}
	h := &echo{make(chan struct{})}
	s := New(h, o)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.AddListener(l); err != nil {
		t.Fatal(err)
	}
	return s, h, l.Addr().String()
}

func dial(t *testing.T, network, addr string) net.Conn {
	t.Helper()
	c, err := net.Dial(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(30 * time.Second))
	return c
}

func frame(messages ...string) (frames []byte) {
	for _, m := range messages {
		frames = append(binary.BigEndian.AppendUint16(frames, uint16(len(m))), m...)
	}
	return frames
}

func write(t *testing.T, c net.Conn, b []byte) {
	t.Helper()
	if _, err := c.Write(b); err != nil {
		t.Fatal(err)
	}
}

func next(t *testing.T, c net.Conn) string {
	t.Helper()
	message, err := readFrame(c)
	if err != nil {
		t.Fatal(err)
	}
	return string(message)
}

// What takes time does not hold up what comes after it.
func TestPipelining(t *testing.T) {
	_, h, addr := run(t, Options{})
	c := dial(t, "tcp", addr)
	write(t, c, frame("one", "slow", "two", "", "three"))
	for _, want := range []string{"one", "two", "", "three"} {
		if got := next(t, c); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	close(h.release)
	if got := next(t, c); got != "slow" {
		t.Errorf("got %q", got)
	}
	// A client that sends no more still gets what it has asked for.
	write(t, c, frame("slow", "four"))
	c.(*net.TCPConn).CloseWrite()
	if got := []string{next(t, c), next(t, c)}; got[0]+got[1] != "slowfour" && got[0]+got[1] != "fourslow" {
		t.Errorf("got %q", got)
	}
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("afterwards: %v", err)
	}
}

// underWay waits until so many messages are being answered.
func underWay(t *testing.T, s *Server, n int) {
	t.Helper()
	await.True(t, fmt.Sprintf("%d messages under way", n), func() bool {
		s.conns.mu.Lock()
		defer s.conns.mu.Unlock()
		busy := 0
		for conn := range s.conns.open {
			busy += conn.busy
		}
		return busy == n
	})
}

// No more than some messages of a connection are answered at once.
func TestTooManyAtOnce(t *testing.T) {
	s, h, addr := run(t, Options{})
	c := dial(t, "tcp", addr)
	for range maxPipelined + 1 {
		write(t, c, frame("slow"))
	}
	write(t, c, frame("last"))
	underWay(t, s, maxPipelined+1)
	close(h.release)
	for i := range maxPipelined + 2 {
		if got := next(t, c); got != "slow" && got != "last" {
			t.Errorf("message %d: %q", i, got)
		}
	}
}

func TestIdle(t *testing.T) {
	const idle = 300 * time.Millisecond
	_, h, addr := run(t, Options{IdleTime: idle})
	ended := func(name string, c net.Conn, start time.Time) {
		t.Helper()
		if _, err := c.Read(make([]byte, 1)); err == nil || errors.Is(err, net.ErrClosed) || time.Since(start) < idle {
			t.Errorf("%s: %v after %s", name, err, time.Since(start))
		}
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	for name, messages := range map[string][]byte{"nothing": nil, "half a length": {0}, "half a message": frame("message")[:5]} {
		c := dial(t, "tcp", addr)
		start := time.Now()
		write(t, c, messages)
		wg.Go(func() { ended(name, c, start) })
	}
	// An octet now and then prolongs nothing.
	drip, start := dial(t, "tcp", addr), time.Now()
	write(t, drip, []byte{255, 255})
	wg.Go(func() {
		for range time.Tick(idle / 10) {
			if _, err := drip.Write([]byte{0}); err != nil {
				return
			}
		}
	})
	ended("drips", drip, start)
	drip.Close()
	// What is under way does.
	c := dial(t, "tcp", addr)
	write(t, c, frame("slow"))
	ended("another one meanwhile", dial(t, "tcp", addr), time.Now().Add(-idle))
	close(h.release)
	if got := next(t, c); got != "slow" {
		t.Errorf("got %q", got)
	}
	ended("afterwards", c, time.Now().Add(-idle))
}

// The connection that was idle longest gives way, not one that waits for an answer.
func TestManyConnections(t *testing.T) {
	for name, o := range map[string]Options{"of a network": {MaxPerNetwork: 3}, "altogether": {MaxConnections: 3}} {
		t.Run(name, func(t *testing.T) {
			s, h, addr := run(t, o)
			busy, oldest, young := dial(t, "tcp", addr), dial(t, "tcp", addr), dial(t, "tcp", addr)
			for _, c := range []net.Conn{busy, oldest, young} {
				write(t, c, frame("hello"))
				next(t, c)
			}
			write(t, busy, frame("slow", "hello"))
			next(t, busy)
			underWay(t, s, 1)
			c := dial(t, "tcp", addr)
			write(t, c, frame("hello"))
			if got := next(t, c); got != "hello" {
				t.Errorf("got %q", got)
			}
			if _, err := oldest.Read(make([]byte, 1)); err == nil {
				t.Error("the oldest one stays")
			}
			close(h.release)
			for _, c := range []net.Conn{busy, young} {
				write(t, c, frame("hello"))
				next(t, c)
			}
		})
	}
}

func TestBusyConnections(t *testing.T) {
	s, h, addr := run(t, Options{MaxPerNetwork: 1})
	busy := dial(t, "tcp", addr)
	write(t, busy, frame("slow", "hello"))
	next(t, busy)
	underWay(t, s, 1)
	if _, err := dial(t, "tcp", addr).Read(make([]byte, 1)); err == nil {
		t.Error("there is room for another")
	}
	close(h.release)
	if got := next(t, busy); got != "slow" {
		t.Errorf("got %q", got)
	}
}

// A panic ends its message. Over TCP the connection goes on.
func TestPanic(t *testing.T) {
	panics := make(chan any, 10)
	s, _, addr := run(t, Options{Panic: func(value any, stack []byte) {
		if !strings.Contains(string(stack), "echo") {
			t.Errorf("the stack is %s", stack)
		}
		panics <- value
	}})
	socket, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.AddPacketConn(socket); err != nil {
		t.Fatal(err)
	}
	c := dial(t, "tcp", addr)
	write(t, c, frame("panic", "slow panic", "hello"))
	if got := next(t, c); got != "hello" {
		t.Errorf("got %q", got)
	}
	u := dial(t, "udp", socket.LocalAddr().String())
	write(t, u, []byte("panic"))
	write(t, u, []byte("slow panic"))
	write(t, u, []byte("hello"))
	buffer := make([]byte, 100)
	if n, err := u.Read(buffer); err != nil || string(buffer[:n]) != "hello" {
		t.Errorf("got %q, %v", buffer[:n], err)
	}
	for range 4 {
		<-panics
	}
}

// What is closed ends alone; what is closed with the server ends with it.
func TestClose(t *testing.T) {
	s, h, addr := run(t, Options{})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.AddListener(l); err != nil {
		t.Fatal(err)
	}
	l.Close()
	c := dial(t, "tcp", addr)
	write(t, c, frame("slow", "hello"))
	next(t, c)
	closed := make(chan error)
	go func() { closed <- s.Close() }()
	if _, err := c.Read(make([]byte, 1)); err == nil {
		t.Error("the connection goes on")
	}
	close(h.release)
	if err := <-closed; err != nil {
		t.Error(err)
	}
	if err := s.AddListener(l); !errors.Is(err, errClosed) {
		t.Errorf("afterwards: %v", err)
	}
}
