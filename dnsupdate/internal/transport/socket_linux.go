package transport

import (
	"net"
	"syscall"
)

// socket is what a TCP connection can be asked or told beside reading and writing.
type socket struct {
	raw    syscall.RawConn
	look   func(fd uintptr) // made once: it is called for every exchange
	octet  [1]byte
	closed bool
}

func newSocket(c net.Conn) *socket {
	s := new(socket)
	if sc, ok := c.(syscall.Conn); ok {
		s.raw, _ = sc.SyscallConn()
	}
	s.look = func(fd uintptr) {
		n, _, err := syscall.Recvfrom(int(fd), s.octet[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		s.closed = n == 0 && err == nil || err != nil && err != syscall.EAGAIN && err != syscall.EINTR
	}
	return s
}

// hungUp tells whether the other end has closed an idle connection: what is sent
// on it would be a message without a reply.
func (s *socket) hungUp() bool {
	return s.raw != nil && (s.raw.Control(s.look) != nil || s.closed)
}

// quickAck makes the kernel acknowledge the next segment at once. No nameserver
// sets TCP_NODELAY, so that of two replies that overlap the second would wait
// for our delayed acknowledgement, 40 ms. The kernel forgets the option.
func (s *socket) quickAck() {
	if s.raw == nil {
		return
	}
	// A failure costs speed alone.
	_ = s.raw.Control(func(fd uintptr) {
		_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_QUICKACK, 1)
	})
}
