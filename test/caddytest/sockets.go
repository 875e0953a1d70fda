package caddytest

import (
	"net"
	"os"
	"testing"

	"github.com/caddy-dyndns/dyndns/internal/kept"
	"github.com/caddy-dyndns/dyndns/internal/loopback"
)

// KeepSocket opens a socket for Caddy in this process and returns its port.
func KeepSocket(t testing.TB) string {
	t.Helper()
	socket, err := kept.Listen()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := socket.Close(); err != nil {
			t.Error(err)
		}
	})
	return socket.Port()
}

// ReservePort keeps a port for the test's servers, which refuses connections
// while there is none.
func ReservePort(t testing.TB) *loopback.Port {
	t.Helper()
	p, err := loopback.Reserve()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// HandedSocket listens at a port of loopback, as systemd does for a unit, and returns the
// address, and the file to hand to Caddy (bind fd/N). The socket lasts as long as the test.
func HandedSocket(t testing.TB) (addr string, file *os.File) {
	t.Helper()
	socket, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	if file, err = socket.(*net.TCPListener).File(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	return socket.Addr().String(), file
}
