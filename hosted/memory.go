package hosted

import (
	"slices"
	"strings"
	"time"

	"github.com/libdns/libdns"
	"github.com/miekg/dns"

	"github.com/caddy-dyndns/dyndns/internal/change"
	"github.com/caddy-dyndns/dyndns/zone"
)

const (
	typeNS = zone.Type(dns.TypeNS)
	// freshTime is how long that is believed which the provider confirmed.
	freshTime = 10 * time.Minute
	// maxMade bounds what is remembered of TTLs; a configuration has few.
	maxMade = 64
)

// Memory is what is known of a zone. It outlives the zones that use it and keeps
// nothing of their providers but records.
type Memory struct {
	// turn is filled while somebody uses the rest.
	turn chan struct{}
	sets map[rrsetID]*known
	// listed is when the last listing began, zero if what it showed may be wrong.
	listed time.Time
	// made are the TTLs that the provider made of ours.
	made    map[uint32]uint32
	clamped bool // somebody was told so
	// one and several are what SetRecords does with an RRset of one value, before and
	// after, and with another.
	one, several trait
	// hold is when the provider may be asked again.
	hold time.Time
}

// NewMemory returns a memory that knows nothing.
func NewMemory() *Memory {
	return &Memory{turn: make(chan struct{}, 1), sets: map[rrsetID]*known{}, made: map[uint32]uint32{}}
}

// trait is what a provider's SetRecords turned out to do: libdns has it replace whole
// RRsets, but some append, and some replace the record that they set just before.
type trait uint8

const (
	untested trait = iota
	replaces
	appends
)

// rrsetID names an RRset of the zone.
type rrsetID struct {
	Name string
	Type zone.Type
}

// known is what is known of an RRset.
type known struct {
	change.Set
	// records are as the last listing has them; nil if the RRset was written since.
	records []record
	// confirmed is when a write of it succeeded, zero if none has since it was listed.
	confirmed time.Time
	// wanted is the TTL that a write asked for, if asked.
	wanted uint32
	asked  bool
}

// record is a record as the provider lists it.
type record struct {
	libdns.Record
	value string // on the wire; empty if it cannot be read
	ttl   uint32
}

// of returns what is known of an RRset.
func (m *Memory) of(id rrsetID) *known {
	if k := m.sets[id]; k != nil {
		return k
	}
	return new(known)
}

// fresh tells whether the provider has confirmed what is known of an RRset of late.
func (m *Memory) fresh(id rrsetID) bool {
	return time.Since(m.listed) < freshTime || time.Since(m.of(id).confirmed) < freshTime
}

// forget has everything looked at before it is believed again.
func (m *Memory) forget() {
	m.listed = time.Time{}
	for _, k := range m.sets {
		k.confirmed = time.Time{}
	}
}

// ttl returns the TTL that the provider will make of one, or has made of it.
func (m *Memory) ttl(wanted uint32, stands change.Set) uint32 {
	if made, ok := m.made[wanted]; ok && (!stands.Exists() || stands.TTL != wanted) {
		return made
	}
	return wanted
}

// take replaces what is known by a listing. It returns the TTLs of the first write that
// reads back with another TTL than any before, if there is one.
func (m *Memory) take(listed map[rrsetID]*known, began time.Time) (wanted, got uint32, clamped bool) {
	for id, k := range m.sets {
		now := listed[id]
		if now == nil || k.confirmed.IsZero() || !k.asked || !k.SameValues(now.Set) || len(now.records) != len(now.Data) || now.TTL == k.wanted || now.TTL == k.TTL {
			continue
		}
		if len(m.made) >= maxMade {
			clear(m.made)
		}
		m.made[k.wanted] = now.TTL
		if !m.clamped {
			m.clamped, wanted, got, clamped = true, k.wanted, now.TTL, true
		}
	}
	m.sets, m.listed = listed, began
	return wanted, got, clamped
}

// newListing returns the RRsets of a provider's records. What is no record of
// the zone, or of a type that is not asked for, is left out.
func newListing(apex string, records []libdns.Record) map[rrsetID]*known {
	sets := map[rrsetID]*known{}
	for _, r := range records {
		id, listed, ok := read(apex, r)
		if !ok {
			continue
		}
		if sets[id] == nil {
			sets[id] = new(known)
		}
		sets[id].records = append(sets[id].records, listed)
	}
	for id, k := range sets {
		var values []string
		ttl := k.records[0].ttl
		for _, r := range k.records {
			ttl = min(ttl, r.ttl) // RFC 2181 section 5.2: they should be the same
			if r.value != "" {
				values = append(values, r.value)
			}
		}
		if isName(id.Type) {
			slices.Sort(values)
			k.Set = change.Set{Data: values, Text: values, TTL: ttl}
		} else {
			k.Set = change.NewSet(id.Type, values, ttl)
		}
	}
	return sets
}

// read returns the RRset of a record and what it says. Providers have types of their
// own, some of which panic where nothing is behind the pointer.
func read(apex string, r libdns.Record) (id rrsetID, listed record, ok bool) {
	defer func() {
		if recover() != nil {
			ok = false
		}
	}()
	rr := r.RR()
	t, ok := dns.StringToType[strings.ToUpper(rr.Type)]
	if !ok {
		return id, listed, false
	}
	id.Type = zone.Type(t)
	if id.Name, ok = absolute(rr.Name, apex); !ok {
		return id, listed, false
	}
	listed = record{Record: r, ttl: uint32(min(max(rr.TTL/time.Second, 0), 1<<31-1))}
	switch id.Type {
	case zone.TypeA, zone.TypeAAAA, zone.TypeTXT, zone.TypeHTTPS:
		if set, err := change.ParseSet(id.Type, []string{rr.Data}, 0); err == nil {
			listed.value = set.Data[0]
		}
	default:
		listed.value = dns.CanonicalName(rr.Data)
		return id, listed, isName(id.Type)
	}
	return id, listed, true
}

// isName tells whether the value of a record is a name: those types are only looked at.
func isName(t zone.Type) bool {
	return t == typeNS || t == zone.Type(dns.TypeCNAME) || t == zone.Type(dns.TypeDNAME)
}

// absolute returns the canonical name of a record, which libdns has relative to the
// zone and some providers have absolute, with or without the final dot.
func absolute(name, apex string) (string, bool) {
	if name == "" || name == "@" {
		return apex, true
	}
	// Route 53 escapes the asterisk.
	name = strings.ToLower(strings.Replace(name, `\052`, "*", 1))
	if !strings.HasSuffix(name, ".") {
		if name += "."; !change.Under(name, apex) {
			name += apex
		}
	}
	name, err := change.CanonicalName(name)
	return name, err == nil && change.Under(name, apex)
}

// newRecords returns records of an RRset with some values as libdns wants them: typed, and
// relative to the zone.
func newRecords(apex string, id rrsetID, values []string, ttl uint32) (records []libdns.Record) {
	rr := libdns.RR{Name: "@", Type: id.Type.String(), TTL: time.Duration(ttl) * time.Second}
	if ttl == 0 {
		rr.TTL = time.Millisecond // 0 would be the provider's default
	}
	if id.Name != apex {
		rr.Name = strings.TrimSuffix(id.Name, "."+apex)
	}
	for _, v := range values {
		rr.Data = change.NewSet(id.Type, []string{v}, 0).Text[0]
		parsed, err := rr.Parse()
		if err != nil {
			parsed = rr
		}
		records = append(records, parsed)
	}
	return records
}
