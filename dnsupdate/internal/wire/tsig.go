package wire

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/binary"
	"errors"
	"hash"
	"math"
	"sync"
	"time"

	"github.com/miekg/dns"
)

// MaxMAC is the size of the longest MAC that the package knows, hmac-sha512's.
const MaxMAC = 64

// Signer signs messages with one key and verifies the replies.
//
// miekg/dns signs with the MAC of the message before on a reused connection,
// takes an unsigned reply to a signed request for good, and gives up on NOTAUTH
// before it has verified it. The packing is small enough to be done here.
type Signer struct {
	// name and algorithm are in canonical wire form, as the MAC covers them.
	name, algorithm []byte
	macs            sync.Pool
}

// macState is what one computation of a MAC needs.
type macState struct {
	hash    hash.Hash
	scratch []byte
}

// Algorithms are the hash functions by the names of their TSIG algorithms.
var Algorithms = map[string]func() hash.Hash{
	"hmac-sha1":   sha1.New,
	"hmac-sha224": sha256.New224,
	"hmac-sha256": sha256.New,
	"hmac-sha384": sha512.New384,
	"hmac-sha512": sha512.New,
}

// NewSigner returns a signer with a key of that canonical name and one of the [Algorithms].
func NewSigner(name, algorithm string, secret []byte) *Signer {
	fn := Algorithms[algorithm]
	s := &Signer{name: Name(name), algorithm: Name(algorithm + ".")}
	s.macs.New = func() any { return &macState{hash: hmac.New(fn, secret)} }
	return s
}

// WideFudge is the clock difference in seconds that RFC 8945 section 10 recommends
// to allow.
const WideFudge = 300

// Stamp is the time of a signature and the difference that is allowed, in seconds.
type Stamp struct {
	Time  uint64
	Fudge uint16
}

// StampAt returns the stamp of a message at our own clock.
func StampAt(now time.Time) Stamp {
	return Stamp{uint64(now.Unix()), WideFudge}
}

// tsigVariables are the fields of a TSIG record that the MAC covers (RFC 8945
// section 4.3.3) and that differ from message to message.
type tsigVariables struct {
	Stamp
	error uint16
	other []byte
}

// mac appends the MAC over what prior and parts hold and the TSIG variables.
func (s *Signer) mac(dst, prior []byte, v tsigVariables, parts ...[]byte) []byte {
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
	b = appendUint48(b, v.Time)
	b = binary.BigEndian.AppendUint16(b, v.Fudge)
	b = binary.BigEndian.AppendUint16(b, v.error)
	b = binary.BigEndian.AppendUint16(b, uint16(len(v.other)))
	b = append(b, v.other...)
	st.hash.Write(b)
	st.scratch = b
	return st.hash.Sum(dst)
}

// sign appends a TSIG record to the message in a frame, and returns the frame and
// the MAC, which is written over dst.
func (s *Signer) sign(frame []byte, at Stamp, dst []byte) (signed, mac []byte) {
	msg := frame[FramePrefix:]
	v := tsigVariables{Stamp: at}
	mac = s.mac(dst[:0], nil, v, msg)
	id := binary.BigEndian.Uint16(msg)
	binary.BigEndian.PutUint16(msg[10:], binary.BigEndian.Uint16(msg[10:])+1)

	b := append(frame, s.name...)
	b = binary.BigEndian.AppendUint16(b, dns.TypeTSIG)
	b = binary.BigEndian.AppendUint16(b, dns.ClassANY)
	b = binary.BigEndian.AppendUint32(b, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(len(s.algorithm)+16+len(mac)))
	b = append(b, s.algorithm...)
	b = appendUint48(b, v.Time)
	b = binary.BigEndian.AppendUint16(b, v.Fudge)
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

// Verify tells whether our key signed a reply to the message with the MAC request.
// A MAC that is cut short (RFC 8945 section 5.2.2.1) counts as wrong: no
// nameserver shortens what it was not asked to.
func (s *Signer) Verify(r *Reply, request []byte, now time.Time) error {
	t := r.TSIG
	if t == nil || len(t.MAC) == 0 {
		return errUnsigned
	}
	if !bytes.Equal(t.name, s.name) || !bytes.Equal(t.algorithm, s.algorithm) {
		return errOtherKey
	}
	// The MAC covers the message as it was before the record was added.
	var header [12]byte
	copy(header[:], r.Msg)
	binary.BigEndian.PutUint16(header[:], t.OriginalID)
	binary.BigEndian.PutUint16(header[10:], binary.BigEndian.Uint16(header[10:])-1)
	var want [MaxMAC]byte
	v := tsigVariables{Stamp: Stamp{t.Time, t.Fudge}, error: t.Error, other: t.Other}
	if !hmac.Equal(t.MAC, s.mac(want[:0], request, v, header[:], r.Msg[12:t.start])) {
		return errBadMAC
	}
	// A BADTIME reply repeats the time that the nameserver did not like.
	if skew := int64(t.Time) - now.Unix(); t.Error != dns.RcodeBadTime && (skew > WideFudge || skew < -WideFudge) {
		return errReplyTime
	}
	return nil
}

// ServerTime returns the clock that a BADTIME reply carries in its other data
// (RFC 8945 section 5.2.3), else the time of signing.
func (t *TSIG) ServerTime() time.Time {
	seconds := t.Time
	if t.Error == dns.RcodeBadTime && len(t.Other) == 6 {
		seconds = Uint48(t.Other)
	}
	return time.Unix(int64(min(seconds, math.MaxInt64)), 0)
}

func appendUint48(b []byte, v uint64) []byte {
	b = binary.BigEndian.AppendUint16(b, uint16(v>>32))
	return binary.BigEndian.AppendUint32(b, uint32(v))
}

func Uint48(b []byte) uint64 {
	return uint64(binary.BigEndian.Uint16(b))<<32 | uint64(binary.BigEndian.Uint32(b[2:]))
}
