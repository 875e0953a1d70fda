package nameserver

import (
	"encoding/hex"
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

// SetCookieSecrets sets what DNS cookies are made and checked with (RFC 9018). The first
// one makes cookies. Nameservers that are asked at one address share them; until then
// the server has one of its own.
func (s *Server) SetCookieSecrets(secrets ...[16]byte) {
	own := make([]cookie.Secret, len(secrets))
	for i, secret := range secrets {
		own[i] = secret
	}
	s.answerer.secrets.Store(&own)
}

// unhex returns what the library shows in hexadecimal; nothing if it is none.
func unhex(s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		return nil
	}
	return b
}

func hexOf(b []byte) string { return hex.EncodeToString(b) }
