//go:build !linux

package transport

import "net"

// socket does nothing where the kernel cannot be asked as on Linux: a message on
// a connection that is closed by now is one without a reply.
type socket struct{}

func newSocket(net.Conn) *socket { return nil }

func (*socket) hungUp() bool { return false }
func (*socket) quickAck()    {}
