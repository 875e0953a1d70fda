//go:build unix

package loopback

import (
	"errors"
	"net"
	"syscall"
	"testing"
)

func reserve(t *testing.T) *Port {
	t.Helper()
	p, err := Reserve()
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

// A reserved port refuses connections and datagrams, takes a server, which gets
// all of them, and another after it.
func TestServers(t *testing.T) {
	p := reserve(t)
	buffer := make([]byte, 10)
	for range 3 {
		if conn, err := net.Dial("tcp", p.Addr()); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Fatalf("without a server: %v, %v", conn, err)
		}
		client, err := net.Dial("udp", p.Addr())
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		if _, err := client.Write([]byte("lost")); err != nil {
			t.Fatal(err)
		}
		if n, err := client.Read(buffer); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Fatalf("without a server: %q, %v", buffer[:n], err)
		}
		tcp, udp, err := p.Listen()
		if err != nil {
			t.Fatal(err)
		}
		for range 20 {
			conn, err := net.Dial("tcp", p.Addr())
			if err != nil {
				t.Fatal(err)
			}
			conn.Close()
			if _, err := client.Write([]byte("query")); err != nil {
				t.Fatal(err)
			}
			n, from, err := udp.ReadFrom(buffer)
			if err != nil || string(buffer[:n]) != "query" || from.String() != client.LocalAddr().String() {
				t.Fatalf("%q from %v, %v", buffer[:n], from, err)
			}
		}
		tcp.Close()
		udp.Close()
	}
}

// Nobody is given a reserved port who asks for any.
func TestNobodyElse(t *testing.T) {
	seen := make(map[string]bool)
	for range 200 {
		p := reserve(t)
		if seen[p.Addr()] {
			t.Fatalf("%s was reserved twice", p.Addr())
		}
		seen[p.Addr()] = true
	}
	// Enough to meet one of them, were they free.
	for range 300 {
		tcp, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer tcp.Close()
		udp, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer udp.Close()
		for _, got := range []net.Addr{tcp.Addr(), udp.LocalAddr()} {
			if seen[got.String()] {
				t.Fatalf("%s %s is reserved", got.Network(), got)
			}
		}
	}
}
