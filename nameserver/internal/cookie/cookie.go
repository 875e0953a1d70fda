// Package cookie makes and checks DNS cookies (RFC 7873) as RFC 9018 has them, so that
// all nameservers with the same secret take them.
package cookie

import (
	"crypto/subtle"
	"encoding/binary"
	"net/netip"
	"time"
)

// Secret is what nameservers that answer at one address share.
type Secret [16]byte

const (
	// ClientSize and ServerSize are the lengths of the two parts, the server's being that
	// of RFC 9018 section 4.
	ClientSize = 8
	ServerSize = 16
	// minServer and maxServer bound what another server may have made (RFC 7873 section 4).
	minServer, maxServer = 8, 32
	version              = 1
	// RFC 9018 section 4.3: how old a cookie may be, how far its time may be ahead, and
	// when a client gets a new one.
	maxAge, maxAhead, renewAge = 3600, 300, 1800
)

// Verdict says what a client's cookie is worth.
type Verdict uint8

const (
	// Malformed: its length is none that a cookie has.
	Malformed Verdict = iota
	// Unknown: the client has no cookie of this server yet, or one that is no good.
	Unknown
	// Valid: the client gets what is sent to its address.
	Valid
)

// Check looks at the option of a query and returns that of the reply, nil if there is
// none. The first secret makes cookies; all are good for checking.
func Check(option []byte, from netip.Addr, secrets []Secret, now time.Time) (Verdict, []byte) {
	client, server := option, []byte(nil)
	if len(option) > ClientSize {
		client, server = option[:ClientSize], option[ClientSize:]
	}
	if len(client) != ClientSize || len(server) > 0 && len(server) < minServer || len(server) > maxServer || len(secrets) == 0 {
		return Malformed, nil
	}
	verdict := Unknown
	fresh := false
	if len(server) == ServerSize && server[0] == version {
		made := binary.BigEndian.Uint32(server[4:])
		// Serial number arithmetic, RFC 9018 section 4.3.
		age := int32(uint32(now.Unix()) - made)
		for i, secret := range secrets {
			if age <= maxAge && age >= -maxAhead && subtle.ConstantTimeCompare(server, makeServer(client, server[1:4], made, from, secret)) == 1 {
				verdict = Valid
				fresh = i == 0 && age <= renewAge
				break
			}
		}
	}
	reply := append(make([]byte, 0, ClientSize+ServerSize), client...)
	if fresh {
		return verdict, append(reply, server...)
	}
	return verdict, append(reply, makeServer(client, []byte{0, 0, 0}, uint32(now.Unix()), from, secrets[0])...)
}

// makeServer returns a server cookie, RFC 9018 section 4.
func makeServer(client, reserved []byte, made uint32, from netip.Addr, secret Secret) []byte {
	cookie := append([]byte{version}, reserved...)
	cookie = binary.BigEndian.AppendUint32(cookie, made)
	input := append(append([]byte(nil), client...), cookie...)
	input = append(input, from.AsSlice()...)
	return binary.LittleEndian.AppendUint64(cookie, sipHash(secret, input))
}
