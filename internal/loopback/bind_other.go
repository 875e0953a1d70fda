//go:build !unix

package loopback

import (
	"errors"
	"net"
)

func share(uintptr) error { return nil }

func bind() (port uint16, release func() error, err error) {
	tcp, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return 0, nil, err
	}
	udp, err := net.ListenPacket("udp4", tcp.Addr().String())
	if err != nil {
		return 0, nil, errors.Join(err, tcp.Close())
	}
	return tcp.Addr().(*net.TCPAddr).AddrPort().Port(), func() error { return nil }, errors.Join(tcp.Close(), udp.Close())
}
