package dnstest

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

// key is a checked Key with canonical names. The zero key signs nothing.
type key struct {
	name, algorithm string
	secret          []byte
	hash            func() hash.Hash
}

func newKey(k Key) (key, error) {
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
		return key{}, fmt.Errorf("key %s: unknown algorithm %q", k.Name, k.Algorithm)
	}
	return key{name: dns.CanonicalName(k.Name), algorithm: algorithm, secret: k.Secret, hash: h}, nil
}

// fudge is how far clocks may differ in seconds, as RFC 8945 section 10 advises.
const fudge = 300

// signature is a TSIG record found at the end of a message.
type signature struct {
	rr    *dns.TSIG
	mac   []byte
	start int // offset of the record
}

// findSignature returns the message's TSIG record, nil if it has none. The
// library's own routine overlooks one that does not stand last and gives up on
// every NOTAUTH, so the records are walked here.
func findSignature(wire []byte) (*signature, error) {
	if len(wire) < headerSize {
		return nil, errors.New("short message")
	}
	off := headerSize
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
			return &signature{rr: t, mac: mac, start: off}, nil
		}
		off = next
	}
	return nil, nil
}

// strip returns the message as it was before it was signed.
func (s *signature) strip(wire []byte) []byte {
	bare := append([]byte(nil), wire[:s.start]...)
	binary.BigEndian.PutUint16(bare, s.rr.OrigId)
	binary.BigEndian.PutUint16(bare[10:], binary.BigEndian.Uint16(bare[10:])-1)
	return bare
}

// stamp is what a signature says besides the MAC.
type stamp struct {
	time     time.Time
	fudge    uint16
	err      uint16
	other    []byte
	unsigned bool // no MAC: the reply to a key that is not ours
}

// mac digests an unsigned message, RFC 8945 section 4.3.3.
func (k key) mac(bare []byte, st stamp, requestMAC []byte) []byte {
	h := hmac.New(k.hash, k.secret)
	if requestMAC != nil {
		h.Write(binary.BigEndian.AppendUint16(nil, uint16(len(requestMAC))))
		h.Write(requestMAC)
	}
	h.Write(bare)
	vars := packName(k.name)
	vars = binary.BigEndian.AppendUint16(vars, dns.ClassANY)
	vars = binary.BigEndian.AppendUint32(vars, 0)
	vars = append(vars, packName(k.algorithm)...)
	vars = append(vars, unix48(st.time)...)
	vars = binary.BigEndian.AppendUint16(vars, st.fudge)
	vars = binary.BigEndian.AppendUint16(vars, st.err)
	vars = binary.BigEndian.AppendUint16(vars, uint16(len(st.other)))
	h.Write(append(vars, st.other...))
	return h.Sum(nil)
}

// sign appends a TSIG record to the message; requestMAC is nil for a request.
func (k key) sign(bare []byte, st stamp, requestMAC []byte) []byte {
	var mac []byte
	if !st.unsigned {
		mac = k.mac(bare, st, requestMAC)
	}
	rdata := packName(k.algorithm)
	rdata = append(rdata, unix48(st.time)...)
	rdata = binary.BigEndian.AppendUint16(rdata, st.fudge)
	rdata = binary.BigEndian.AppendUint16(rdata, uint16(len(mac)))
	rdata = append(rdata, mac...)
	rdata = append(rdata, bare[:2]...)
	rdata = binary.BigEndian.AppendUint16(rdata, st.err)
	rdata = binary.BigEndian.AppendUint16(rdata, uint16(len(st.other)))
	rdata = append(rdata, st.other...)

	wire := append([]byte(nil), bare...)
	wire = append(wire, packName(k.name)...)
	wire = binary.BigEndian.AppendUint16(wire, dns.TypeTSIG)
	wire = binary.BigEndian.AppendUint16(wire, dns.ClassANY)
	wire = binary.BigEndian.AppendUint32(wire, 0)
	wire = binary.BigEndian.AppendUint16(wire, uint16(len(rdata)))
	wire = append(wire, rdata...)
	binary.BigEndian.PutUint16(wire[10:], binary.BigEndian.Uint16(wire[10:])+1)
	return wire
}

// signatureSize is the length of a reply's TSIG record.
func (k key) signatureSize() int {
	const fixed = 10 + 6 + 2 + 2 + 2 + 2 + 2
	return len(packName(k.name)) + len(packName(k.algorithm)) + k.hash().Size() + fixed
}

// authenticate checks a request's signature in the order of RFC 8945 section
// 5.2: key, MAC, time, truncation. It returns the key and the TSIG error.
func (s *Server) authenticate(wire []byte, sig *signature) (key, uint16) {
	t := sig.rr
	k, ok := s.keys[dns.CanonicalName(t.Hdr.Name)]
	if !ok || k.algorithm != dns.CanonicalName(t.Algorithm) {
		return key{name: t.Hdr.Name, algorithm: t.Algorithm}, dns.RcodeBadKey
	}
	signed := time.Unix(int64(t.TimeSigned), 0)
	other, err := hex.DecodeString(t.OtherData)
	if err != nil {
		return k, dns.RcodeBadSig
	}
	want := k.mac(sig.strip(wire), stamp{time: signed, fudge: t.Fudge, err: t.Error, other: other}, nil)
	// Section 5.2.2.1: a MAC may be cut to half its length, not below 10 octets.
	if len(sig.mac) > len(want) || len(sig.mac) < max(10, len(want)/2) {
		return k, tsigFormatError
	}
	if !hmac.Equal(sig.mac, want[:len(sig.mac)]) {
		return k, dns.RcodeBadSig
	}
	if skew := s.now().Unix() - int64(t.TimeSigned); max(skew, -skew) > int64(t.Fudge) {
		return k, dns.RcodeBadTime
	}
	if len(sig.mac) < len(want) {
		return k, dns.RcodeBadTrunc
	}
	return k, 0
}

// tsigFormatError stands for "answer FORMERR", which has no TSIG error code.
const tsigFormatError = 0xffff

// rejectSignature replies to a request whose signature is no good: unsigned
// for BADKEY and BADSIG, signed otherwise (RFC 8945 section 5.3.2).
func (s *Server) rejectSignature(reply *dns.Msg, k key, sig *signature, tsigError uint16) []byte {
	reply.Rcode = dns.RcodeNotAuth
	if tsigError == tsigFormatError {
		reply.Rcode = dns.RcodeFormatError
	}
	wire, err := reply.Pack()
	if err != nil {
		panic(fmt.Sprintf("dnstest: packing a reply: %v", err))
	}
	st := stamp{time: time.Unix(int64(sig.rr.TimeSigned), 0), fudge: sig.rr.Fudge, err: tsigError}
	switch tsigError {
	case tsigFormatError:
		return wire
	case dns.RcodeBadKey, dns.RcodeBadSig:
		st.unsigned = true
	case dns.RcodeBadTime:
		st.other = unix48(s.now()) // and Time Signed stays the client's
	}
	return k.sign(wire, st, sig.mac)
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
		panic(fmt.Sprintf("dnstest: packing the name %q: %v", name, err))
	}
	return buf[:n]
}
