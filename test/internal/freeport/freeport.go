// Package freeport finds ports for servers that must come back on the same one.
package freeport

import (
	"errors"
	"math/rand/v2"
	"net"
	"strconv"
)

// Find returns a port of 127.0.0.1 that is free for TCP and UDP. It lies below
// the range that the kernel takes local ports from, so that no client gets it
// while the server is away.
func Find() (int, error) {
	for range 100 {
		port := 10000 + rand.IntN(22000)
		addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
		tcp, err := net.Listen("tcp", addr)
		if err != nil {
			continue
		}
		udp, err := net.ListenPacket("udp", addr)
		tcp.Close()
		if err != nil {
			continue
		}
		udp.Close()
		return port, nil
	}
	return 0, errors.New("found no free port")
}
