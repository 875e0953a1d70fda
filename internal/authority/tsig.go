package authority

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/binary"
	"fmt"
	"hash"
	"time"

	"github.com/miekg/dns"
)

// Key is a TSIG key (RFC 8945).
type Key struct {
	// Name is the key's name; a missing trailing dot is added.
	Name string
	// Algorithm is hmac-sha1, -sha224, -sha256, -sha384 or -sha512.
	Algorithm string
	// Secret is the key itself, not its base64 form.
	Secret []byte
}

// Signer signs and verifies with one key. The zero value signs nothing.
type Signer struct {
	// Name is the canonical name of the key.
	Name      string
	algorithm string
	secret    []byte
	hash      func() hash.Hash
}

// NewSigner checks a key.
func NewSigner(k Key) (Signer, error) {
	hashes := map[string]func() hash.Hash{
		dns.HmacSHA1:   sha1.New,
		dns.HmacSHA224: sha256.New224,
		dns.HmacSHA256: sha256.New,
		dns.HmacSHA384: sha512.New384,
		dns.HmacSHA512: sha512.New,
	}
	algorithm := dns.CanonicalName(k.Algorithm)
	h, ok := hashes[algorithm]
	if !ok {
		return Signer{}, fmt.Errorf("key %s: unknown algorithm %q", k.Name, k.Algorithm)
	}
	return Signer{Name: dns.CanonicalName(k.Name), algorithm: algorithm, secret: k.Secret, hash: h}, nil
}

// Equal tells whether two signers have the same key.
func (k Signer) Equal(o Signer) bool {
	return k.Name == o.Name && k.algorithm == o.algorithm && hmac.Equal(k.secret, o.secret)
}

// Fudge is how far clocks may differ in seconds, as RFC 8945 section 10 advises.
const Fudge = 300

// Stamp is what a signature says besides the MAC.
type Stamp struct {
	Time     time.Time
	Fudge    uint16
	Error    uint16
	Other    []byte
	Unsigned bool // no MAC: the reply to a key that is not ours
	// Follows: the message is not the first of several that answer a request, and
	// what its MAC covers of the request is the MAC of the message before it
	// (RFC 8945 section 5.3.1).
	Follows bool
}

// Digest returns the MAC of an unsigned message, RFC 8945 section 4.3.3.
func (k Signer) Digest(bare []byte, st Stamp, requestMAC []byte) []byte {
	h := hmac.New(k.hash, k.secret)
	if requestMAC != nil {
		h.Write(binary.BigEndian.AppendUint16(nil, uint16(len(requestMAC))))
		h.Write(requestMAC)
	}
	h.Write(bare)
	if st.Follows {
		h.Write(unix48(st.Time))
		h.Write(binary.BigEndian.AppendUint16(nil, st.Fudge))
		return h.Sum(nil)
	}
	vars := packName(k.Name)
	vars = binary.BigEndian.AppendUint16(vars, dns.ClassANY)
	vars = binary.BigEndian.AppendUint32(vars, 0)
	vars = append(vars, packName(k.algorithm)...)
	vars = append(vars, unix48(st.Time)...)
	vars = binary.BigEndian.AppendUint16(vars, st.Fudge)
	vars = binary.BigEndian.AppendUint16(vars, st.Error)
	vars = binary.BigEndian.AppendUint16(vars, uint16(len(st.Other)))
	h.Write(append(vars, st.Other...))
	return h.Sum(nil)
}

// Sign appends a TSIG record to the message; requestMAC is nil for a request.
func (k Signer) Sign(bare []byte, st Stamp, requestMAC []byte) []byte {
	var mac []byte
	if !st.Unsigned {
		mac = k.Digest(bare, st, requestMAC)
	}
	return k.seal(bare, st, mac)
}

// seal appends a TSIG record with the MAC.
func (k Signer) seal(bare []byte, st Stamp, mac []byte) []byte {
	data := packName(k.algorithm)
	data = append(data, unix48(st.Time)...)
	data = binary.BigEndian.AppendUint16(data, st.Fudge)
	data = binary.BigEndian.AppendUint16(data, uint16(len(mac)))
	data = append(data, mac...)
	data = append(data, bare[:2]...)
	data = binary.BigEndian.AppendUint16(data, st.Error)
	data = binary.BigEndian.AppendUint16(data, uint16(len(st.Other)))
	data = append(data, st.Other...)

	wire := append([]byte(nil), bare...)
	wire = append(wire, packName(k.Name)...)
	wire = binary.BigEndian.AppendUint16(wire, dns.TypeTSIG)
	wire = binary.BigEndian.AppendUint16(wire, dns.ClassANY)
	wire = binary.BigEndian.AppendUint32(wire, 0)
	wire = binary.BigEndian.AppendUint16(wire, uint16(len(data)))
	wire = append(wire, data...)
	binary.BigEndian.PutUint16(wire[10:], binary.BigEndian.Uint16(wire[10:])+1)
	return wire
}

// Sequence signs the messages that answer one request (RFC 8945 section 5.3.1).
type Sequence struct {
	key Signer
	mac []byte
	// follows: a message was signed.
	follows bool
}

// Answer returns the sequence that answers a request.
func (k Signer) Answer(request *Signature) *Sequence { return &Sequence{key: k, mac: request.mac} }

// Sign signs the next message.
func (s *Sequence) Sign(bare []byte, now time.Time) []byte {
	st := Stamp{Time: now, Fudge: Fudge, Follows: s.follows}
	s.mac, s.follows = s.key.Digest(bare, st, s.mac), true
	return s.key.seal(bare, st, s.mac)
}

// Size is the length of a reply's TSIG record.
func (k Signer) Size() int {
	const fixed = 10 + 6 + 2 + 2 + 2 + 2 + 2
	return len(packName(k.Name)) + len(packName(k.algorithm)) + k.hash().Size() + fixed
}

func unix48(t time.Time) []byte {
	return binary.BigEndian.AppendUint64(nil, uint64(t.Unix()))[2:]
}

// packName encodes a name in canonical, uncompressed form. It has come through
// a parser before, so that it cannot fail.
func packName(name string) []byte {
	buf := make([]byte, 256)
	n, err := dns.PackDomainName(dns.CanonicalName(name), buf, 0, nil, false)
	if err != nil {
		panic(fmt.Sprintf("authority: packing the name %q: %v", name, err))
	}
	return buf[:n]
}
