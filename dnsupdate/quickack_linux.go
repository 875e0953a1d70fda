package dnsupdate

import (
	"net"
	"syscall"
)

// quickAck makes the kernel acknowledge the next segment at once. No nameserver
// sets TCP_NODELAY, so that of two replies that overlap the second would wait
// for our delayed acknowledgement, 40 ms. The kernel forgets the option.
func quickAck(c net.Conn) {
	sc, ok := c.(syscall.Conn)
	if !ok {
		return
	}
	rc, err := sc.SyscallConn()
	if err != nil {
		return
	}
	// A failure costs speed alone.
	_ = rc.Control(func(fd uintptr) {
		_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_QUICKACK, 1)
	})
}
