package kept

import (
	"context"
	"errors"
	"net"
	"testing"

	"github.com/caddyserver/caddy/v2"
)

func listenAt(t *testing.T, address string) net.Listener {
	t.Helper()
	addr, err := caddy.ParseNetworkAddress(address)
	if err != nil {
		t.Fatal(err)
	}
	l, err := addr.Listen(context.Background(), 0, net.ListenConfig{})
	if err != nil {
		t.Fatal(err)
	}
	return l.(net.Listener)
}

// connect sends a name to the socket.
func connect(t *testing.T, s *Socket, name string) {
	t.Helper()
	conn, err := net.Dial("tcp", s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if _, err := conn.Write([]byte(name)); err != nil {
		t.Fatal(err)
	}
}

// accept returns the name that the next connection sends.
func accept(t *testing.T, l net.Listener) string {
	t.Helper()
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	name := make([]byte, 10)
	n, err := conn.Read(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(name[:n])
}

// Connections wait for a listener, go to the newest, and to the one before it
// when that is closed.
func TestNewestListener(t *testing.T) {
	s, err := Listen()
	if err != nil {
		t.Fatal(err)
	}
	connect(t, s, "early")
	old := listenAt(t, Network+"/"+s.Addr())
	if got := accept(t, old); got != "early" {
		t.Errorf("accepted %s", got)
	}
	failed := make(chan error)
	go func() {
		_, err := old.Accept()
		failed <- err
	}()
	for range 20 {
		reloaded := listenAt(t, Network+"/"+s.Addr())
		connect(t, s, "reloaded")
		if got := accept(t, reloaded); got != "reloaded" {
			t.Errorf("accepted %s", got)
		}
		reloaded.Close()
	}
	old.Close()
	if err := <-failed; !errors.Is(err, net.ErrClosed) {
		t.Errorf("a closed listener: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	addr, err := caddy.ParseNetworkAddress(Network + "/" + s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := addr.Listen(context.Background(), 0, net.ListenConfig{}); err == nil {
		t.Error("a closed socket is listened at")
	}
}
