//go:build !linux

package dnsupdate

import "net"

// quickAck does nothing where the kernel offers no such option.
func quickAck(net.Conn) {}

// hungUp does not look: a message on a closed connection is one without a reply.
func hungUp(net.Conn) bool { return false }
