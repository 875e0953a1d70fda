//go:build !linux

package dnsupdate

import "net"

// quickAck does nothing where the kernel offers no such option.
func quickAck(net.Conn) {}
