package dnsupdate

import (
	"encoding/binary"
	"math/rand/v2"

	"github.com/miekg/dns"
)

const (
	// framePrefix is the length field before a message on TCP (RFC 1035
	// section 4.2.2). Messages are built behind it and go out in one write.
	framePrefix = 2
	// maxMessage leaves room below the 65,535 octets of a frame for the TSIG record.
	maxMessage = 60_000
	// zonePointer is a compression pointer to the name in the question or zone
	// section, which always stands right behind the header.
	zonePointer = 0xC000 | 12
)

// message builds one request in a buffer that is used again and again. Owner
// names are compressed against the zone: names of one zone share little else.
type message struct {
	frame []byte
	id    uint16
	// zone is the name at zonePointer.
	zone string
	// last is the owner name written last and where it stands: the records of
	// one owner follow one another.
	last   string
	lastAt int
}

// begin starts a request with a question or, for UPDATE, a zone section.
func (m *message) begin(opcode int, name string, rrtype uint16) {
	m.id = uint16(rand.Uint32())
	m.zone, m.last = name, ""
	b := append(m.frame[:0], make([]byte, framePrefix)...)
	b = binary.BigEndian.AppendUint16(b, m.id)
	b = binary.BigEndian.AppendUint16(b, uint16(opcode)<<11)
	b = binary.BigEndian.AppendUint16(b, 1)
	b = append(b, 0, 0, 0, 0, 0, 0)
	b = append(appendLabels(b, name), 0)
	b = binary.BigEndian.AppendUint16(b, rrtype)
	m.frame = binary.BigEndian.AppendUint16(b, dns.ClassINET)
}

// renumber gives the request another id.
func (m *message) renumber(id uint16) {
	m.id = id
	binary.BigEndian.PutUint16(m.frame[framePrefix:], id)
}

// The sections of an UPDATE by the offset of their counts in the header (RFC 2136 section 2).
const (
	sectionPrerequisite = 6
	sectionUpdate       = 8
	sectionAdditional   = 10
)

func (m *message) size() int { return len(m.frame) - framePrefix }

// record appends a record of an owner in the zone.
func (m *message) record(section int, id rrsetID, class uint16, ttl uint32, rdata string) {
	b, owner := m.frame, id.name
	switch {
	case owner == m.zone:
		b = binary.BigEndian.AppendUint16(b, zonePointer)
	case owner == m.last && m.lastAt < 1<<14:
		b = binary.BigEndian.AppendUint16(b, 0xC000|uint16(m.lastAt))
	default:
		m.last, m.lastAt = owner, m.size()
		b = appendLabels(b, owner[:len(owner)-len(m.zone)])
		b = binary.BigEndian.AppendUint16(b, zonePointer)
	}
	b = binary.BigEndian.AppendUint16(b, uint16(id.rrtype))
	b = binary.BigEndian.AppendUint16(b, class)
	b = binary.BigEndian.AppendUint32(b, ttl)
	b = binary.BigEndian.AppendUint16(b, uint16(len(rdata)))
	m.frame = append(b, rdata...)
	m.count(section)
}

func (m *message) count(section int) {
	at := m.frame[framePrefix+section:]
	binary.BigEndian.PutUint16(at, binary.BigEndian.Uint16(at)+1)
}

// The three prerequisites of RFC 2136 section 2.4 that the engine uses.

func (m *message) requireAbsent(id rrsetID) {
	m.record(sectionPrerequisite, id, dns.ClassNONE, 0, "")
}

func (m *message) requireExists(id rrsetID) {
	m.record(sectionPrerequisite, id, dns.ClassANY, 0, "")
}

func (m *message) requireExactly(id rrsetID, rdata []string) {
	for _, value := range rdata {
		m.record(sectionPrerequisite, id, dns.ClassINET, 0, value)
	}
}

// replace makes an RRset what set says. The old one is always deleted first:
// Knot ignores the TTL of an addition to an existing RRset, and PowerDNS
// deletes before it adds whatever the order is.
func (m *message) replace(id rrsetID, set rrset) {
	m.record(sectionUpdate, id, dns.ClassANY, 0, "")
	for _, value := range set.rdata {
		m.record(sectionUpdate, id, dns.ClassINET, set.ttl, value)
	}
}

// finish adds an OPT record, without which no nameserver may send extended
// errors (RFC 8914 section 3), signs unless s is nil, and fills in the frame's
// length. It returns the MAC, which is written over mac.
func (m *message) finish(s *signer, at stamp, mac []byte) []byte {
	m.frame = append(m.frame, 0)
	m.frame = binary.BigEndian.AppendUint16(m.frame, dns.TypeOPT)
	m.frame = binary.BigEndian.AppendUint16(m.frame, 1232)
	m.frame = append(m.frame, 0, 0, 0, 0, 0, 0)
	m.count(sectionAdditional)
	if s != nil {
		m.frame, mac = s.sign(m.frame, at, mac)
	}
	binary.BigEndian.PutUint16(m.frame, uint16(m.size()))
	return mac
}
