package dnsupdate

import (
	"net"
	"syscall"
)

// quickAck makes the kernel acknowledge the next segment at once. No nameserver
// sets TCP_NODELAY, so that of two replies that overlap the second would wait
// for our delayed acknowledgement, 40 ms. The kernel forgets the option.
func quickAck(c net.Conn) {
	onSocket(c, func(fd int) {
		// A failure costs speed alone.
		_ = syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, syscall.TCP_QUICKACK, 1)
	})
}

// hungUp tells whether the other end has closed an idle TCP connection: what is
// sent on it would be a message without a reply.
func hungUp(c net.Conn) (closed bool) {
	onSocket(c, func(fd int) {
		n, _, err := syscall.Recvfrom(fd, make([]byte, 1), syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		closed = n == 0 && err == nil || err != nil && err != syscall.EAGAIN && err != syscall.EINTR
	})
	return closed
}

func onSocket(c net.Conn, do func(fd int)) {
	if sc, ok := c.(syscall.Conn); ok {
		if raw, err := sc.SyscallConn(); err == nil {
			// It fails on a closed connection only, as does what follows on it.
			_ = raw.Control(func(fd uintptr) { do(int(fd)) })
		}
	}
}
