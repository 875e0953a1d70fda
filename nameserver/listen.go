package nameserver

import (
	"net"

	"github.com/caddy-dyndns/dyndns/nameserver/internal/cookie"
)

// AddPacketConn answers what comes to a UDP socket until that is closed, which Close
// does, too. Answers leave from the address that was asked. It takes the wrappers of
// Caddy off, which have the method Unwrap.
func (s *Server) AddPacketConn(c net.PacketConn) error { return s.transport.AddPacketConn(c) }

// AddListener answers what comes over TCP until the listener is closed, which Close
// does, too.
func (s *Server) AddListener(l net.Listener) error { return s.transport.AddListener(l) }

// SetCookieSecrets sets what DNS cookies are made and checked with (RFC 9018), the second
// of which may be those that were used before and those that will be. Nameservers that
// are asked at one address share them; until then the server has one of its own.
func (s *Server) SetCookieSecrets(makes [16]byte, checks ...[16]byte) {
	secrets := []cookie.Secret{makes}
	for _, secret := range checks {
		secrets = append(secrets, secret)
	}
	s.answerer.gate.secrets.Store(&secrets)
}
