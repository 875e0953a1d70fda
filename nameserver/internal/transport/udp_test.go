package transport

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
)

// A reply leaves from the address that was asked, also if the socket is bound to none: a
// connected socket gets no other.
func TestSource(t *testing.T) {
	for _, tt := range []struct{ name, network, listen, ask string }{
		{"bound", "udp4", "127.0.0.5:0", "127.0.0.5"},
		{"bound to none", "udp4", "0.0.0.0:0", "127.0.0.6"},
		{"bound to none of both families", "udp", "[::]:0", "127.0.0.7"},
		{"bound to none of both families, IPv6", "udp", "[::]:0", "::1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, _, _ := run(t, Options{})
			socket, err := net.ListenPacket(tt.network, tt.listen)
			if err != nil {
				t.Fatal(err)
			}
			if err := s.AddPacketConn(wrapper{wrapper{socket}}); err != nil {
				t.Fatal(err)
			}
			port := socket.LocalAddr().(*net.UDPAddr).AddrPort().Port()
			c := dial(t, "udp", netip.AddrPortFrom(netip.MustParseAddr(tt.ask), port).String())
			for i := range 3 {
				write(t, c, fmt.Append(nil, "message ", i))
				buffer := make([]byte, 100)
				n, err := c.Read(buffer)
				if err != nil || string(buffer[:n]) != fmt.Sprint("message ", i) {
					t.Fatalf("got %q, %v", buffer[:n], err)
				}
			}
		})
	}
}

// wrapper hides a socket as Caddy does.
type wrapper struct{ net.PacketConn }

func (w wrapper) Unwrap() net.PacketConn { return w.PacketConn }

func TestNoSocket(t *testing.T) {
	s, _, _ := run(t, Options{})
	if err := s.AddPacketConn(struct{ net.PacketConn }{}); err == nil || !strings.Contains(err.Error(), "no UDP socket") {
		t.Errorf("got %v", err)
	}
}
