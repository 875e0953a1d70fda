package dnsupdate

import (
	"bytes"
	"crypto/hmac"
	"encoding/binary"
	"errors"
	"hash"
	"math"
	"sync"
	"time"

	"github.com/miekg/dns"
)

// maxMAC is the size of the longest MAC that the package knows, hmac-sha512's.
const maxMAC = 64

// signer signs messages with one key and verifies the replies.
//
// miekg/dns signs with the MAC of the message before on a reused connection,
// takes an unsigned reply to a signed request for good, and gives up on NOTAUTH
// before it has verified it. The packing is small enough to be done here.
type signer struct {
	key Key
	// name and algorithm are in canonical wire form, as the MAC covers them.
	name, algorithm []byte
	size            int
	macs            sync.Pool
}

// macState is what one computation of a MAC needs.
type macState struct {
	hash    hash.Hash
	scratch []byte
}

func newSigner(k Key) *signer {
	fn := algorithms[k.Algorithm]
	s := &signer{key: k, name: wireName(k.Name), algorithm: wireName(k.Algorithm + "."), size: fn().Size()}
	s.macs.New = func() any { return &macState{hash: hmac.New(fn, k.Secret)} }
	return s
}

// tsigVariables are the fields of a TSIG record that the MAC covers (RFC 8945
// section 4.3.3) and that differ from message to message.
type tsigVariables struct {
	stamp
	error uint16
	other []byte
}

// mac appends the MAC over what prior and parts hold and the TSIG variables.
func (s *signer) mac(dst, prior []byte, v tsigVariables, parts ...[]byte) []byte {
	st := s.macs.Get().(*macState)
	defer s.macs.Put(st)
	st.hash.Reset()
	if prior != nil {
		st.scratch = binary.BigEndian.AppendUint16(st.scratch[:0], uint16(len(prior)))
		st.hash.Write(st.scratch)
		st.hash.Write(prior)
	}
	for _, p := range parts {
		st.hash.Write(p)
	}
	b := append(st.scratch[:0], s.name...)
	b = binary.BigEndian.AppendUint16(b, dns.ClassANY)
	b = binary.BigEndian.AppendUint32(b, 0)
	b = append(b, s.algorithm...)
	b = appendUint48(b, v.time)
	b = binary.BigEndian.AppendUint16(b, v.fudge)
	b = binary.BigEndian.AppendUint16(b, v.error)
	b = binary.BigEndian.AppendUint16(b, uint16(len(v.other)))
	b = append(b, v.other...)
	st.hash.Write(b)
	st.scratch = b
	return st.hash.Sum(dst)
}

// sign appends a TSIG record to the message in a frame, and returns the frame and
// the MAC, which is written over dst.
func (s *signer) sign(frame []byte, at stamp, dst []byte) (signed, mac []byte) {
	msg := frame[framePrefix:]
	v := tsigVariables{stamp: at}
	mac = s.mac(dst[:0], nil, v, msg)
	id := binary.BigEndian.Uint16(msg)
	binary.BigEndian.PutUint16(msg[10:], binary.BigEndian.Uint16(msg[10:])+1)

	b := append(frame, s.name...)
	b = binary.BigEndian.AppendUint16(b, dns.TypeTSIG)
	b = binary.BigEndian.AppendUint16(b, dns.ClassANY)
	b = binary.BigEndian.AppendUint32(b, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(len(s.algorithm)+16+len(mac)))
	b = append(b, s.algorithm...)
	b = appendUint48(b, v.time)
	b = binary.BigEndian.AppendUint16(b, v.fudge)
	b = binary.BigEndian.AppendUint16(b, uint16(len(mac)))
	b = append(b, mac...)
	b = binary.BigEndian.AppendUint16(b, id)
	b = binary.BigEndian.AppendUint32(b, 0) // no error, no other data
	return b, mac
}

// The reasons why a reply is not taken for the nameserver's.
var (
	errUnsigned  = errors.New("the reply is not signed")
	errOtherKey  = errors.New("the reply is signed by another key or algorithm")
	errBadMAC    = errors.New("the reply's signature is wrong")
	errReplyTime = errors.New("the reply was signed at another time")
)

// verify tells whether our key signed a reply to the message with the MAC request.
// A MAC that is cut short (RFC 8945 section 5.2.2.1) counts as wrong: no
// nameserver shortens what it was not asked to.
func (s *signer) verify(r *reply, request []byte, now time.Time) error {
	t := r.tsig
	if t == nil || len(t.mac) == 0 {
		return errUnsigned
	}
	if !bytes.Equal(t.name, s.name) || !bytes.Equal(t.algorithm, s.algorithm) {
		return errOtherKey
	}
	// The MAC covers the message as it was before the record was added.
	var header [12]byte
	copy(header[:], r.msg)
	binary.BigEndian.PutUint16(header[:], t.originalID)
	binary.BigEndian.PutUint16(header[10:], binary.BigEndian.Uint16(header[10:])-1)
	var want [maxMAC]byte
	v := tsigVariables{stamp: stamp{t.time, t.fudge}, error: t.error, other: t.other}
	if !hmac.Equal(t.mac, s.mac(want[:0], request, v, header[:], r.msg[12:t.start])) {
		return errBadMAC
	}
	// A BADTIME reply repeats the time that the nameserver did not like.
	if skew := int64(t.time) - now.Unix(); t.error != dns.RcodeBadTime && (skew > wideFudge || skew < -wideFudge) {
		return errReplyTime
	}
	return nil
}

// serverTime returns the clock that a BADTIME reply carries in its other data
// (RFC 8945 section 5.2.3), else the time of signing.
func (t *tsigRecord) serverTime() time.Time {
	seconds := t.time
	if t.error == dns.RcodeBadTime && len(t.other) == 6 {
		seconds = uint48(t.other)
	}
	return time.Unix(int64(min(seconds, math.MaxInt64)), 0)
}

func appendUint48(b []byte, v uint64) []byte {
	b = binary.BigEndian.AppendUint16(b, uint16(v>>32))
	return binary.BigEndian.AppendUint32(b, uint32(v))
}

func uint48(b []byte) uint64 {
	return uint64(binary.BigEndian.Uint16(b))<<32 | uint64(binary.BigEndian.Uint32(b[2:]))
}
