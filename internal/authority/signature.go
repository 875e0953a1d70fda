package authority

import (
	"crypto/hmac"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"time"

	"github.com/miekg/dns"
)

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

// tsigFormatError stands for "answer FORMERR", which has no TSIG error code.
const tsigFormatError = 0xffff

// Authenticate checks the signature of a request, or that of the reply to the request
// with a MAC, at that time, in the order of RFC 8945 section 5.2: key, MAC, time,
// truncation. It returns the key, of those by canonical name, and the TSIG error.
func (sig *Signature) Authenticate(wire []byte, keys map[string]Signer, requestMAC []byte, now time.Time) (Signer, uint16) {
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
	want := k.Digest(sig.Strip(wire), Stamp{Time: signed, Fudge: t.Fudge, Error: t.Error, Other: other}, requestMAC)
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
