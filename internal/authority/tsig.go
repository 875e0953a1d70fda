package authority

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/binary"
	"encoding/hex"
	"errors"
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

// Fudge is how far clocks may differ in seconds, as RFC 8945 section 10 advises.
const Fudge = 300

// Signature is a TSIG record found at the end of a message.
type Signature struct {
	TSIG  *dns.TSIG
	mac   []byte
	start int // offset of the record
}

// FindSignature returns the message's TSIG record, nil if it has none. The
// library's own routine overlooks one that does not stand last and gives up on
// every NOTAUTH, so the records are walked here.
func FindSignature(wire []byte) (*Signature, error) {
	if len(wire) < 12 {
		return nil, errors.New("short message")
	}
	off := 12
	count := func(i int) int { return int(binary.BigEndian.Uint16(wire[i:])) }
	for range count(4) {
		_, end, err := dns.UnpackDomainName(wire, off)
		if err != nil {
			return nil, err
		}
		off = end + 4
	}
	additional := count(10)
	records := count(6) + count(8) + additional
	for i := range records {
		_, end, err := dns.UnpackDomainName(wire, off)
		if err != nil {
			return nil, err
		}
		if end+10 > len(wire) {
			return nil, errors.New("short record")
		}
		next := end + 10 + count(end+8)
		if next > len(wire) {
			return nil, errors.New("short record data")
		}
		if uint16(count(end)) == dns.TypeTSIG {
			if i != records-1 || additional == 0 {
				return nil, errors.New("TSIG is not the last record") // RFC 8945 section 5.1
			}
			rr, _, err := dns.UnpackRR(wire, off)
			if err != nil {
				return nil, err
			}
			t, ok := rr.(*dns.TSIG)
			if !ok || t.Hdr.Class != dns.ClassANY || t.Hdr.Ttl != 0 {
				return nil, errors.New("malformed TSIG")
			}
			mac, err := hex.DecodeString(t.MAC)
			if err != nil {
				return nil, err
			}
			return &Signature{TSIG: t, mac: mac, start: off}, nil
		}
		off = next
	}
	return nil, nil
}

// Strip returns the message as it was before it was signed.
func (s *Signature) Strip(wire []byte) []byte {
	bare := append([]byte(nil), wire[:s.start]...)
	binary.BigEndian.PutUint16(bare, s.TSIG.OrigId)
	binary.BigEndian.PutUint16(bare[10:], binary.BigEndian.Uint16(bare[10:])-1)
	return bare
}

// Stamp is what a signature says besides the MAC.
type Stamp struct {
	Time     time.Time
	Fudge    uint16
	Error    uint16
	Other    []byte
	Unsigned bool // no MAC: the reply to a key that is not ours
}

// Digest returns the MAC of an unsigned message, RFC 8945 section 4.3.3.
func (k Signer) Digest(bare []byte, st Stamp, requestMAC []byte) []byte {
	h := hmac.New(k.hash, k.secret)
	if requestMAC != nil {
		h.Write(binary.BigEndian.AppendUint16(nil, uint16(len(requestMAC))))
		h.Write(requestMAC)
	}
	h.Write(bare)
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
	rdata := packName(k.algorithm)
	rdata = append(rdata, unix48(st.Time)...)
	rdata = binary.BigEndian.AppendUint16(rdata, st.Fudge)
	rdata = binary.BigEndian.AppendUint16(rdata, uint16(len(mac)))
	rdata = append(rdata, mac...)
	rdata = append(rdata, bare[:2]...)
	rdata = binary.BigEndian.AppendUint16(rdata, st.Error)
	rdata = binary.BigEndian.AppendUint16(rdata, uint16(len(st.Other)))
	rdata = append(rdata, st.Other...)

	wire := append([]byte(nil), bare...)
	wire = append(wire, packName(k.Name)...)
	wire = binary.BigEndian.AppendUint16(wire, dns.TypeTSIG)
	wire = binary.BigEndian.AppendUint16(wire, dns.ClassANY)
	wire = binary.BigEndian.AppendUint32(wire, 0)
	wire = binary.BigEndian.AppendUint16(wire, uint16(len(rdata)))
	wire = append(wire, rdata...)
	binary.BigEndian.PutUint16(wire[10:], binary.BigEndian.Uint16(wire[10:])+1)
	return wire
}

// Size is the length of a reply's TSIG record.
func (k Signer) Size() int {
	const fixed = 10 + 6 + 2 + 2 + 2 + 2 + 2
	return len(packName(k.Name)) + len(packName(k.algorithm)) + k.hash().Size() + fixed
}

// tsigFormatError stands for "answer FORMERR", which has no TSIG error code.
const tsigFormatError = 0xffff

// Authenticate checks a request's signature at that time, in the order of RFC 8945
// section 5.2: key, MAC, time, truncation. It returns the key, of those by canonical
// name, and the TSIG error.
func (sig *Signature) Authenticate(wire []byte, keys map[string]Signer, now time.Time) (Signer, uint16) {
	t := sig.TSIG
	k, ok := keys[dns.CanonicalName(t.Hdr.Name)]
	if !ok || k.algorithm != dns.CanonicalName(t.Algorithm) {
		return Signer{Name: t.Hdr.Name, algorithm: t.Algorithm}, dns.RcodeBadKey
	}
	signed := time.Unix(int64(t.TimeSigned), 0)
	other, err := hex.DecodeString(t.OtherData)
	if err != nil {
		return k, dns.RcodeBadSig
	}
	want := k.Digest(sig.Strip(wire), Stamp{Time: signed, Fudge: t.Fudge, Error: t.Error, Other: other}, nil)
	// Section 5.2.2.1: a MAC may be cut to half its length, not below 10 octets.
	if len(sig.mac) > len(want) || len(sig.mac) < max(10, len(want)/2) {
		return k, tsigFormatError
	}
	if !hmac.Equal(sig.mac, want[:len(sig.mac)]) {
		return k, dns.RcodeBadSig
	}
	if skew := now.Unix() - int64(t.TimeSigned); max(skew, -skew) > int64(t.Fudge) {
		return k, dns.RcodeBadTime
	}
	if len(sig.mac) < len(want) {
		return k, dns.RcodeBadTrunc
	}
	return k, 0
}

// Reject returns the reply to a request whose signature is no good: unsigned for
// BADKEY and BADSIG, signed otherwise (RFC 8945 section 5.3.2).
func (sig *Signature) Reject(reply *dns.Msg, k Signer, tsigError uint16, now time.Time) ([]byte, error) {
	reply.Rcode = dns.RcodeNotAuth
	if tsigError == tsigFormatError {
		reply.Rcode = dns.RcodeFormatError
	}
	wire, err := reply.Pack()
	if err != nil {
		return nil, err
	}
	st := Stamp{Time: time.Unix(int64(sig.TSIG.TimeSigned), 0), Fudge: sig.TSIG.Fudge, Error: tsigError}
	switch tsigError {
	case tsigFormatError:
		return wire, nil
	case dns.RcodeBadKey, dns.RcodeBadSig:
		st.Unsigned = true
	case dns.RcodeBadTime:
		st.Other = unix48(now) // and Time Signed stays the client's
	}
	return k.Sign(wire, st, sig.MAC()), nil
}

// MAC returns the MAC of the request, which that of its reply covers.
func (sig *Signature) MAC() []byte { return sig.mac }

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
