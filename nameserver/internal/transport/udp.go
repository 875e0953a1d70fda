package transport

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// maxMessage is the size of the largest message.
const maxMessage = 65_535

// AddPacketConn answers what comes to a UDP socket, or to one in the wrappers of Caddy.
// It closes the socket when the server is closed.
func (s *Server) AddPacketConn(c net.PacketConn) error {
	conn, err := udpConn(c)
	if err != nil {
		return err
	}
	wildcard := conn.LocalAddr().(*net.UDPAddr).AddrPort().Addr().IsUnspecified()
	if wildcard {
		if err := tellDestination(conn); err != nil {
			return fmt.Errorf("asking for the destination of what comes to %s: %w", conn.LocalAddr(), err)
		}
	}
	return s.add(both{c, conn}, runtime.GOMAXPROCS(0), func() { s.readPackets(conn, wildcard) })
}

// udpConn takes the wrappers off a socket: only the socket itself tells where a message
// was sent to, so that the answer can leave from there.
func udpConn(c net.PacketConn) (*net.UDPConn, error) {
	for {
		switch wrapped := c.(type) {
		case *net.UDPConn:
			return wrapped, nil
		case interface{ Unwrap() net.PacketConn }:
			c = wrapped.Unwrap()
		default:
			return nil, fmt.Errorf("%T is no UDP socket", c)
		}
	}
}

// tellDestination has a socket that is bound to no address tell where messages were sent
// to. A socket of one family fails for the other.
func tellDestination(conn *net.UDPConn) error {
	err6 := ipv6.NewPacketConn(conn).SetControlMessage(ipv6.FlagDst|ipv6.FlagInterface, true)
	err4 := ipv4.NewPacketConn(conn).SetControlMessage(ipv4.FlagDst|ipv4.FlagInterface, true)
	if err4 != nil && err6 != nil {
		return errors.Join(err4, err6)
	}
	return nil
}

// both closes a wrapper, which may count who uses the socket, and the socket.
type both struct {
	wrapper net.PacketConn
	conn    *net.UDPConn
}

// Close closes what is not closed yet.
func (b both) Close() error {
	err := b.wrapper.Close()
	if closed := b.conn.Close(); !errors.Is(closed, net.ErrClosed) {
		err = errors.Join(err, closed)
	}
	return err
}

// controlSize holds the control messages of one packet.
const controlSize = 256

func (s *Server) readPackets(conn *net.UDPConn, wildcard bool) {
	buffer := make([]byte, maxMessage)
	var control []byte
	if wildcard {
		control = make([]byte, controlSize)
	}
	for {
		n, length, _, from, err := conn.ReadMsgUDPAddrPort(buffer, control)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue // an ICMP error that an earlier reply has met
		}
		source := sourceOf(control[:length])
		s.handle(&Exchange{
			Query: buffer[:n], From: netip.AddrPortFrom(from.Addr().Unmap(), from.Port()),
			Go: s.detach, InOrder: s.detach, Waiting: func() bool { return false },
			Reply: func(message []byte) error {
				_, _, err := conn.WriteMsgUDPAddrPort(message, source, from)
				return err
			},
		})
	}
}

// sourceOf returns the control message that has a reply leave from where a packet was
// sent to.
func sourceOf(control []byte) []byte {
	if len(control) == 0 {
		return nil
	}
	// A socket of both families tells of an IPv4 packet in both ways.
	var to4 ipv4.ControlMessage
	if to4.Parse(control) == nil && to4.Dst != nil {
		return (&ipv4.ControlMessage{Src: to4.Dst}).Marshal()
	}
	var to6 ipv6.ControlMessage
	if to6.Parse(control) != nil || to6.Dst == nil {
		return nil
	}
	reply := ipv6.ControlMessage{Src: to6.Dst}
	if to6.Dst.IsLinkLocalUnicast() {
		reply.IfIndex = to6.IfIndex
	}
	return reply.Marshal()
}

// detach runs a function that a packet needs time for.
func (s *Server) detach(f func()) {
	select {
	case s.detached <- struct{}{}:
	default:
		return
	}
	s.wg.Go(func() {
		defer func() { <-s.detached }()
		defer s.recovered()
		f()
	})
}
