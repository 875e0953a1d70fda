package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/miekg/dns"
)

// Reply is what the engine needs of a nameserver's message; the records of an
// answer are left to miekg/dns.
type Reply struct {
	// msg is the whole message, valid until the connection's next read.
	Msg      []byte
	ID       uint16
	Response bool
	Opcode   int
	RCode    int
	// authoritative and truncated are the AA and TC bits.
	Authoritative, Truncated bool
	// question is the lower-case wire name of the only question, or the zone.
	Question     []byte
	QuestionType uint16
	TSIG         *TSIG
	EDE          []string
}

// TSIG is the TSIG record at the end of a message.
type TSIG struct {
	start           int
	name, algorithm []byte
	Time            uint64
	Fudge           uint16
	MAC             []byte
	OriginalID      uint16
	Error           uint16
	Other           []byte
}

var ErrMalformed = errors.New("the reply is malformed")

// ParseReply reads a message to its end. A TSIG record anywhere but at the end
// makes it malformed (RFC 8945 section 5.1), as does anything behind the end.
func ParseReply(msg []byte) (*Reply, error) {
	if len(msg) < 12 {
		return nil, ErrMalformed
	}
	flags := binary.BigEndian.Uint16(msg[2:])
	r := &Reply{
		Msg:           msg,
		ID:            binary.BigEndian.Uint16(msg),
		Response:      flags&0x8000 != 0,
		Opcode:        int(flags >> 11 & 0xF),
		Authoritative: flags&0x0400 != 0,
		Truncated:     flags&0x0200 != 0,
		RCode:         int(flags & 0xF),
	}
	p := wireParser{msg: msg, off: 12}
	// An error reply may leave the question out; more than one is nobody's.
	switch questions := p.uint16At(4); questions {
	case 0:
	case 1:
		r.Question = p.name()
		r.QuestionType = p.uint16()
		p.uint16()
	default:
		return nil, ErrMalformed
	}
	records := int(p.uint16At(6)) + int(p.uint16At(8)) + int(p.uint16At(10))
	for i := range records {
		if r.TSIG != nil || p.bad {
			return nil, ErrMalformed
		}
		last := i == records-1 && p.uint16At(10) > 0
		p.record(r, last)
	}
	if p.bad || p.off != len(msg) {
		return nil, ErrMalformed
	}
	return r, nil
}

// wireParser walks over a message; after an error it stays bad and returns zeros.
type wireParser struct {
	msg []byte
	off int
	bad bool
}

// record walks over one resource record and keeps what r needs of it.
func (p *wireParser) record(r *Reply, last bool) {
	start := p.off
	name := p.name()
	rrtype := p.uint16()
	class := p.uint16()
	ttl := p.take(4)
	size := int(p.uint16())
	end := p.off + size
	switch {
	case p.bad || end > len(p.msg):
		p.bad = true
	case rrtype == dns.TypeTSIG:
		t := &TSIG{start: start, name: name, algorithm: p.name(), Time: p.uint48(), Fudge: p.uint16()}
		t.MAC = p.take(int(p.uint16()))
		t.OriginalID, t.Error = p.uint16(), p.uint16()
		// Kept beyond the connection's next read, unlike the rest.
		t.Other = bytes.Clone(p.take(int(p.uint16())))
		if !last || class != dns.ClassANY || p.off != end {
			p.bad = true
			return
		}
		r.TSIG = t
	case rrtype == dns.TypeOPT:
		// RFC 6891 section 6.1.3: the upper bits of the rcode.
		r.RCode |= int(ttl[0]) << 4
		for p.off < end && !p.bad {
			code := p.uint16()
			data := p.take(int(p.uint16()))
			if code == dns.EDNS0EDE && len(data) >= 2 {
				r.EDE = append(r.EDE, edeText(binary.BigEndian.Uint16(data), data[2:]))
			}
		}
		p.bad = p.bad || p.off != end
	default:
		p.off = end
	}
}

// edeText returns an extended error (RFC 8914) as one line of printable ASCII: it
// is the one text of a nameserver that we pass on.
func edeText(code uint16, extra []byte) string {
	name, ok := dns.ExtendedErrorCodeToString[code]
	if !ok {
		name = fmt.Sprintf("extended error %d", code)
	}
	if len(extra) == 0 {
		return name
	}
	text := []byte(string(extra[:min(len(extra), 120)]))
	for i, c := range text {
		if c < ' ' || c > '~' {
			text[i] = '?'
		}
	}
	return name + " (" + string(text) + ")"
}

// uint16At reads a header field, whose presence parseReply has checked.
func (p *wireParser) uint16At(off int) uint16 { return binary.BigEndian.Uint16(p.msg[off:]) }

func (p *wireParser) take(n int) []byte {
	if p.bad || n > len(p.msg)-p.off {
		p.bad = true
		// Enough for every fixed-size reader below.
		return make([]byte, 6)
	}
	b := p.msg[p.off : p.off+n]
	p.off += n
	return b
}

func (p *wireParser) uint16() uint16 { return binary.BigEndian.Uint16(p.take(2)) }
func (p *wireParser) uint48() uint64 { return Uint48(p.take(6)) }

// name reads a name, compressed or not, as lower-case wire form.
func (p *wireParser) name() []byte {
	var name []byte
	off, jumped := p.off, false
	// Every pointer must lead backwards, so that no message can make a loop.
	for limit := p.off; ; {
		if p.bad || off >= len(p.msg) || len(name) > 254 {
			p.bad = true
			return nil
		}
		n := int(p.msg[off])
		switch {
		case n == 0:
			if !jumped {
				p.off = off + 1
			}
			return append(name, 0)
		case n < 64:
			if off+1+n > len(p.msg) {
				p.bad = true
				return nil
			}
			name = append(name, byte(n))
			for _, c := range p.msg[off+1 : off+1+n] {
				if 'A' <= c && c <= 'Z' {
					c += 'a' - 'A'
				}
				name = append(name, c)
			}
			off += 1 + n
		case n >= 0xC0 && off+1 < len(p.msg):
			target := n&0x3F<<8 | int(p.msg[off+1])
			if target >= limit {
				p.bad = true
				return nil
			}
			if !jumped {
				p.off = off + 2
			}
			off, limit, jumped = target, target, true
		default:
			p.bad = true
			return nil
		}
	}
}

// Answers tells whether a reply's header and question fit a request.
func (r *Reply) Answers(id uint16, opcode int, name []byte, rrtype uint16) bool {
	if !r.Response || r.Truncated || r.ID != id || r.Opcode != opcode {
		return false
	}
	// Errors may come without a question or zone section.
	return string(r.Question) == string(name) && r.QuestionType == rrtype ||
		r.Question == nil && r.RCode != dns.RcodeSuccess
}
