//go:build unix

package loopback

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"
)

// share lets other sockets bind the port of this one, if they say the same.
func share(socket uintptr) error {
	return errors.Join(
		unix.SetsockoptInt(int(socket), unix.SOL_SOCKET, unix.SO_REUSEADDR, 1),
		unix.SetsockoptInt(int(socket), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1),
	)
}

// bind binds the sockets that keep a port.
func bind() (port uint16, release func() error, err error) {
	address := &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}
	tcp, err := bound(unix.SOCK_STREAM, address)
	if err != nil {
		return 0, nil, err
	}
	given, err := unix.Getsockname(tcp)
	if err != nil {
		return 0, nil, errors.Join(err, unix.Close(tcp))
	}
	address.Port = given.(*unix.SockaddrInet4).Port
	udp, err := bound(unix.SOCK_DGRAM, address)
	if err != nil {
		return 0, nil, errors.Join(err, unix.Close(tcp))
	}
	release = func() error { return errors.Join(unix.Close(tcp), unix.Close(udp)) }
	if err := unix.Connect(udp, address); err != nil {
		return 0, nil, errors.Join(err, release())
	}
	return uint16(address.Port), release, nil
}

// bound returns a shared socket of this type.
func bound(socktype int, address unix.Sockaddr) (socket int, err error) {
	// No child shall inherit it.
	syscall.ForkLock.RLock()
	socket, err = unix.Socket(unix.AF_INET, socktype, 0)
	if err == nil {
		unix.CloseOnExec(socket)
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return 0, err
	}
	if err := errors.Join(share(uintptr(socket)), unix.Bind(socket, address)); err != nil {
		return 0, errors.Join(err, unix.Close(socket))
	}
	return socket, nil
}
