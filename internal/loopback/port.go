// Package loopback reserves ports for test servers that cannot be handed a socket,
// as nameservers and Caddy in a process of its own, or that come back to the port
// after an end. A port that was only found free may be somebody else's by then.
package loopback

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"syscall"
)

// Port is a port of 127.0.0.1, for TCP and UDP, that is kept for servers of this
// user. It refuses connections while none of them listens.
type Port struct {
	number uint16
	// release closes what keeps the port.
	release func() error
}

// Reserve reserves a port until it is closed. Where the system is no Unix it only
// finds one that is free.
//
// A TCP socket that is bound but does not listen keeps the port, and a UDP socket
// that is connected to itself, so that it gets nobody's datagrams: the kernel gives
// the port neither to a socket that asks for any nor to a connection. SO_REUSEADDR
// and SO_REUSEPORT let a server that sets the same bind it too. BIND, Knot, YADIFA
// and Caddy do, PowerDNS with reuseport=yes; for a TCP server on Linux
// SO_REUSEADDR is enough, which Go sets.
func Reserve() (*Port, error) {
	var err error
	// Somebody may have the port for UDP that is free for TCP.
	for range 100 {
		var p Port
		if p.number, p.release, err = bind(); err == nil {
			return &p, nil
		}
	}
	return nil, fmt.Errorf("reserving a port: %w", err)
}

// Number returns the port in decimal.
func (p *Port) Number() string { return strconv.Itoa(int(p.number)) }

// Addr returns the host:port.
func (p *Port) Addr() string { return p.AddrPort().String() }

// AddrPort returns the address and the port.
func (p *Port) AddrPort() netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), p.number)
}

// Listen returns sockets at the port that the caller closes. It may be called
// again after that.
func (p *Port) Listen() (net.Listener, net.PacketConn, error) { return Listen(p.Addr()) }

// Listen is [Port.Listen] for another process, which knows only the address.
func Listen(addr string) (net.Listener, net.PacketConn, error) {
	config := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var set error
		return errors.Join(c.Control(func(socket uintptr) { set = share(socket) }), set)
	}}
	tcp, err := config.Listen(context.Background(), "tcp4", addr)
	if err != nil {
		return nil, nil, err
	}
	udp, err := config.ListenPacket(context.Background(), "udp4", addr)
	if err != nil {
		return nil, nil, errors.Join(err, tcp.Close())
	}
	return tcp, udp, nil
}

// Close gives the port back. A server that listens there goes on.
func (p *Port) Close() error { return p.release() }
