package wire

import (
	"encoding/binary"
	"math/rand/v2"

	"github.com/miekg/dns"

	"github.com/caddy-dyndns/dyndns/zone"
)

const (
	// FramePrefix is the length field before a message on TCP (RFC 1035
	// section 4.2.2). Messages are built behind it and go out in one write.
	FramePrefix = 2
	// MaxMessage leaves room below the 65,535 octets of a frame for the TSIG record.
	MaxMessage = 60_000
	// zonePointer is a compression pointer to the name in the question or zone
	// section, which always stands right behind the header.
	zonePointer = 0xC000 | 12
)

// RRsetID names an RRset of the zone.
type RRsetID struct {
	Name string
	Type zone.Type
}

// Message builds one request in a buffer that is used again and again. Owner
// names are compressed against the zone: names of one zone share little else.
type Message struct {
	Frame []byte
	ID    uint16
	// zone is the name at zonePointer.
	Zone string
	// last is the owner name written last and where it stands: the records of
	// one owner follow one another.
	last   string
	lastAt int
}

// Begin starts a request with a question or, for UPDATE, a zone section.
func (m *Message) Begin(opcode int, name string, rrtype uint16) {
	m.ID = uint16(rand.Uint32())
	m.Zone, m.last = name, ""
	b := append(m.Frame[:0], make([]byte, FramePrefix)...)
	b = binary.BigEndian.AppendUint16(b, m.ID)
	b = binary.BigEndian.AppendUint16(b, uint16(opcode)<<11)
	b = binary.BigEndian.AppendUint16(b, 1)
	b = append(b, 0, 0, 0, 0, 0, 0)
	b = append(appendLabels(b, name), 0)
	b = binary.BigEndian.AppendUint16(b, rrtype)
	m.Frame = binary.BigEndian.AppendUint16(b, dns.ClassINET)
}

// Renumber gives the request another id.
func (m *Message) Renumber(id uint16) {
	m.ID = id
	binary.BigEndian.PutUint16(m.Frame[FramePrefix:], id)
}

// The sections of an UPDATE by the offset of their counts in the header (RFC 2136 section 2).
const (
	sectionPrerequisite = 6
	sectionUpdate       = 8
	sectionAdditional   = 10
)

func (m *Message) Size() int { return len(m.Frame) - FramePrefix }

// record appends a record of an owner in the zone.
func (m *Message) record(section int, id RRsetID, class uint16, ttl uint32, rdata string) {
	b, owner := m.Frame, id.Name
	switch {
	case owner == m.Zone:
		b = binary.BigEndian.AppendUint16(b, zonePointer)
	case owner == m.last && m.lastAt < 1<<14:
		b = binary.BigEndian.AppendUint16(b, 0xC000|uint16(m.lastAt))
	default:
		m.last, m.lastAt = owner, m.Size()
		b = appendLabels(b, owner[:len(owner)-len(m.Zone)])
		b = binary.BigEndian.AppendUint16(b, zonePointer)
	}
	b = binary.BigEndian.AppendUint16(b, uint16(id.Type))
	b = binary.BigEndian.AppendUint16(b, class)
	b = binary.BigEndian.AppendUint32(b, ttl)
	b = binary.BigEndian.AppendUint16(b, uint16(len(rdata)))
	m.Frame = append(b, rdata...)
	m.count(section)
}

func (m *Message) count(section int) {
	at := m.Frame[FramePrefix+section:]
	binary.BigEndian.PutUint16(at, binary.BigEndian.Uint16(at)+1)
}

// The three prerequisites of RFC 2136 section 2.4 that a zone is changed with.

func (m *Message) RequireAbsent(id RRsetID) {
	m.record(sectionPrerequisite, id, dns.ClassNONE, 0, "")
}

func (m *Message) RequireExists(id RRsetID) {
	m.record(sectionPrerequisite, id, dns.ClassANY, 0, "")
}

func (m *Message) RequireExactly(id RRsetID, rdata []string) {
	for _, value := range rdata {
		m.record(sectionPrerequisite, id, dns.ClassINET, 0, value)
	}
}

// Replace makes an RRset what the values in wire form say. The old one is always deleted first:
// Knot ignores the TTL of an addition to an existing RRset, and PowerDNS
// deletes before it adds whatever the order is.
func (m *Message) Replace(id RRsetID, rdata []string, ttl uint32) {
	m.record(sectionUpdate, id, dns.ClassANY, 0, "")
	for _, value := range rdata {
		m.record(sectionUpdate, id, dns.ClassINET, ttl, value)
	}
}

// Finish adds an OPT record, without which no nameserver may send extended
// errors (RFC 8914 section 3), signs unless s is nil, and fills in the frame's
// length. It returns the MAC, which is written over mac.
func (m *Message) Finish(s *Signer, at Stamp, mac []byte) []byte {
	m.Frame = append(m.Frame, 0)
	m.Frame = binary.BigEndian.AppendUint16(m.Frame, dns.TypeOPT)
	m.Frame = binary.BigEndian.AppendUint16(m.Frame, 1232)
	m.Frame = append(m.Frame, 0, 0, 0, 0, 0, 0)
	m.count(sectionAdditional)
	if s != nil {
		m.Frame, mac = s.sign(m.Frame, at, mac)
	}
	binary.BigEndian.PutUint16(m.Frame, uint16(m.Size()))
	return mac
}
