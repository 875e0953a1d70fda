package store

import (
	"bytes"
	"encoding/binary"
	"slices"

	"github.com/miekg/dns"

	"github.com/caddy-dyndns/dyndns/internal/authority"
)

// encodeKey returns the key of an RRset. No owner has a zero octet: the text form
// escapes it.
func encodeKey(id authority.RRset) []byte {
	return binary.BigEndian.AppendUint16(append([]byte(id.Owner), 0), id.Type)
}

func decodeKey(key []byte) (authority.RRset, error) {
	owner, rrtype, found := bytes.Cut(key, []byte{0})
	if !found || len(rrtype) != 2 {
		return authority.RRset{}, errDamaged
	}
	return authority.RRset{Owner: string(owner), Type: binary.BigEndian.Uint16(rrtype)}, nil
}

// pack appends records as they stand on the wire, without compression.
func pack(b []byte, records []dns.RR) ([]byte, error) {
	for _, rr := range records {
		// PackRR writes to the record's header, which others may be reading.
		rr = dns.Copy(rr)
		start := len(b)
		b = slices.Grow(b, dns.Len(rr)+1)
		end, err := dns.PackRR(rr, b[:cap(b)], start, nil, false)
		if err != nil {
			return nil, err
		}
		b = b[:end]
	}
	return b, nil
}

func unpack(b []byte) ([]dns.RR, error) {
	var records []dns.RR
	for off := 0; off < len(b); {
		rr, next, err := dns.UnpackRR(b, off)
		if err != nil || next <= off {
			return nil, errDamaged
		}
		// It is the length of the data as it was read, which counts where a message is read.
		rr.Header().Rdlength = 0
		records, off = append(records, rr), next
	}
	return records, nil
}

// Entry is one group of changes: the records without the SOA record that brought the
// zone from one serial to the other.
type Entry struct {
	From, To       uint32
	Removed, Added []dns.RR
	// total is the size of all entries of the zone so far, trimmed ones included.
	total uint64
}

// entryHeader is From, To, total and the length of Removed.
const entryHeader = 4 + 4 + 8 + 4

func encodeEntry(e Entry) ([]byte, error) {
	b := binary.BigEndian.AppendUint32(nil, e.From)
	b = binary.BigEndian.AppendUint32(b, e.To)
	b = append(b, make([]byte, entryHeader-len(b))...)
	b, err := pack(b, e.Removed)
	if err != nil {
		return nil, err
	}
	binary.BigEndian.PutUint32(b[16:], uint32(len(b)-entryHeader))
	if b, err = pack(b, e.Added); err != nil {
		return nil, err
	}
	binary.BigEndian.PutUint64(b[8:], e.total+uint64(len(b)))
	return b, nil
}

func decodeEntry(b []byte) (e Entry, err error) {
	if len(b) < entryHeader {
		return e, errDamaged
	}
	e.From, e.To, e.total = binary.BigEndian.Uint32(b), binary.BigEndian.Uint32(b[4:]), binary.BigEndian.Uint64(b[8:])
	removed := uint64(binary.BigEndian.Uint32(b[16:]))
	if b = b[entryHeader:]; removed > uint64(len(b)) {
		return e, errDamaged
	}
	if e.Removed, err = unpack(b[:removed]); err != nil {
		return e, err
	}
	e.Added, err = unpack(b[removed:])
	return e, err
}

// newEntry returns what a group of differences is in the log.
func newEntry(from, to uint32, differences []authority.Difference) Entry {
	e := Entry{From: from, To: to}
	for _, d := range differences {
		e.Removed = append(e.Removed, without(d.Before, d.After)...)
		e.Added = append(e.Added, without(d.After, d.Before)...)
	}
	return e
}

// without returns the records that the other RRset has not, or with another TTL.
func without(set, other []dns.RR) []dns.RR {
	var rest []dns.RR
	for _, rr := range set {
		if !slices.ContainsFunc(other, func(o dns.RR) bool {
			return o.Header().Ttl == rr.Header().Ttl && dns.IsDuplicate(o, rr)
		}) {
			rest = append(rest, rr)
		}
	}
	return rest
}
