package dnstest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/miekg/dns"
)

// Zone describes a zone of a [Server].
type Zone struct {
	// Name is the zone's name; a missing trailing dot is added.
	Name string
	// Keys are the keys whose holders may update the zone. Without a key it
	// cannot be updated.
	Keys []Key
	// Records are lines of a zone file, relative to the zone, with a TTL of
	// 3600 where they give none. SOA and NS records are added if missing.
	Records []string
	// Allow, if not nil, decides whether a key may change RRsets of a type at
	// an owner, as BIND's update-policy. Key and owner are lower case with a
	// trailing dot. Deleting all RRsets of a name asks for each that exists.
	// The function must not use the server.
	Allow func(key, owner string, rrtype uint16) bool
	// Drop, if not nil, has the server leave out what changes RRsets of a type at
	// an owner, and acknowledge it all the same, as PowerDNS with a
	// lua-dnsupdate-policy-script does.
	Drop func(owner string, rrtype uint16) bool
	// Unequal has no RRset equal the values that a prerequisite gives, as YADIFA
	// 2.6.4 does.
	Unequal bool
	// MaxTTL, if not 0, cuts the TTL of what is added, as BIND's max-zone-ttl.
	MaxTTL uint32
}

// ZoneState is a zone as it stands. Its methods may be called at any time.
type ZoneState struct {
	name   string
	keys   map[string]bool
	allow  func(key, owner string, rrtype uint16) bool
	drop   func(owner string, rrtype uint16) bool
	maxTTL uint32
	// unequal: see Zone.
	unequal bool

	mu       sync.Mutex
	messages Messages
	// rrsets holds the records by owner and type. A slice is never changed in
	// place, so that an older one can be kept for comparison.
	rrsets map[string]map[uint16][]dns.RR
	// below counts the RRsets at and below a name: what has some exists, if
	// only as an empty non-terminal (RFC 4592 section 2.2.2).
	below map[string]int
	// before holds what a running update replaced.
	before map[rrsetKey][]dns.RR
}

type rrsetKey struct {
	owner  string
	rrtype uint16
}

// Messages counts what the server was asked about a zone.
type Messages struct {
	// Updates counts UPDATE messages for the zone, refused ones included,
	// Changes those that changed it.
	Updates, Changes int
	// Queries counts queries for names in the zone.
	Queries int
}

func newZoneState(zone Zone) (*ZoneState, error) {
	z := &ZoneState{
		name:   dns.CanonicalName(zone.Name),
		keys:   make(map[string]bool),
		allow:  zone.Allow,
		drop:   zone.Drop,
		maxTTL: zone.MaxTTL,

		unequal: zone.Unequal,
		rrsets:  make(map[string]map[uint16][]dns.RR),
		below:   make(map[string]int),
	}
	for _, k := range zone.Keys {
		z.keys[dns.CanonicalName(k.Name)] = true
	}
	if err := z.load(zone.Records); err != nil {
		return nil, err
	}
	if z.rrsets[z.name][dns.TypeSOA] == nil {
		if err := z.load([]string{"@ SOA ns hostmaster 1 7200 3600 1209600 300"}); err != nil {
			return nil, err
		}
	}
	if z.rrsets[z.name][dns.TypeNS] == nil {
		return z, z.load([]string{"@ NS ns"})
	}
	return z, nil
}

func (z *ZoneState) load(lines []string) error {
	parser := dns.NewZoneParser(strings.NewReader(strings.Join(lines, "\n")+"\n"), z.name, "")
	parser.SetDefaultTTL(3600)
	for rr, ok := parser.Next(); ok; rr, ok = parser.Next() {
		if !dns.IsSubDomain(z.name, rr.Header().Name) {
			return fmt.Errorf("%s is outside the zone", rr.Header().Name)
		}
		z.add(rr)
	}
	return parser.Err()
}

// Serial returns the serial number of the zone's SOA record.
func (z *ZoneState) Serial() uint32 {
	z.mu.Lock()
	defer z.mu.Unlock()
	return z.soa().Serial
}

// Records returns all records of the zone in presentation format, one space
// between the fields, sorted.
func (z *ZoneState) Records() []string {
	z.mu.Lock()
	defer z.mu.Unlock()
	var lines []string
	for _, types := range z.rrsets {
		for _, rrs := range types {
			for _, rr := range rrs {
				lines = append(lines, strings.ReplaceAll(rr.String(), "\t", " "))
			}
		}
	}
	slices.Sort(lines)
	return lines
}

// Lookup returns the data of the RRset in presentation format, sorted, as it
// stands in the zone: no wildcard applies and no CNAME is followed.
func (z *ZoneState) Lookup(owner string, rrtype uint16) []string {
	z.mu.Lock()
	defer z.mu.Unlock()
	var values []string
	for _, rr := range z.rrsets[dns.CanonicalName(owner)][rrtype] {
		values = append(values, strings.TrimPrefix(rr.String(), rr.Header().String()))
	}
	slices.Sort(values)
	return values
}

// TTL returns the TTL of the RRset, 0 if there is none.
func (z *ZoneState) TTL(owner string, rrtype uint16) uint32 {
	z.mu.Lock()
	defer z.mu.Unlock()
	rrs := z.rrsets[dns.CanonicalName(owner)][rrtype]
	if len(rrs) == 0 {
		return 0
	}
	return rrs[0].Header().Ttl
}

// Messages returns the counters of the zone.
func (z *ZoneState) Messages() Messages {
	z.mu.Lock()
	defer z.mu.Unlock()
	return z.messages
}

// Edit changes the zone as its operator would, past every policy: the RRsets
// that the lines belong to are replaced and the serial is raised. A line of an
// owner and a type without data deletes that RRset. It panics on a malformed
// line.
func (z *ZoneState) Edit(lines ...string) {
	z.mu.Lock()
	defer z.mu.Unlock()
	var add []string
	for _, line := range lines {
		owner, rrtype, err := z.ownerAndType(line)
		if err != nil {
			panic(fmt.Sprintf("dnstest: editing zone %s: %q: %v", z.name, line, err))
		}
		z.store(rrsetKey{owner, rrtype}, nil)
		if len(strings.Fields(line)) > 2 {
			add = append(add, line)
		}
	}
	if err := z.load(add); err != nil {
		panic(fmt.Sprintf("dnstest: editing zone %s: %v", z.name, err))
	}
	z.raiseSerial()
}

func (z *ZoneState) ownerAndType(line string) (string, uint16, error) {
	fields := strings.Fields(line)
	if len(fields) < 2 {
		return "", 0, errors.New("an owner and a type are needed")
	}
	owner := fields[0]
	switch {
	case owner == "@":
		owner = z.name
	case !dns.IsFqdn(owner):
		owner += "." + z.name
	}
	for _, field := range fields[1:] {
		if rrtype, ok := dns.StringToType[strings.ToUpper(field)]; ok {
			return dns.CanonicalName(owner), rrtype, nil
		}
	}
	return "", 0, errors.New("no record type")
}

func (z *ZoneState) soa() *dns.SOA { return z.rrsets[z.name][dns.TypeSOA][0].(*dns.SOA) }

// raiseSerial leaves out 0, as BIND does.
func (z *ZoneState) raiseSerial() {
	soa := dns.Copy(z.soa()).(*dns.SOA)
	soa.Serial = max(1, soa.Serial+1)
	z.store(rrsetKey{z.name, dns.TypeSOA}, []dns.RR{soa})
}

// add puts a record into its RRset. The set takes over its TTL, and a record
// with the same data is replaced (RFC 2136 section 3.4.2.2).
func (z *ZoneState) add(rr dns.RR) {
	rr = dns.Copy(rr)
	h := rr.Header()
	h.Name, h.Class, h.Rdlength = dns.CanonicalName(h.Name), dns.ClassINET, 0
	id := rrsetKey{h.Name, h.Rrtype}
	var set []dns.RR
	for _, old := range z.rrsets[id.owner][id.rrtype] {
		if dns.IsDuplicate(old, rr) || singleton(h.Rrtype) {
			continue
		}
		old = dns.Copy(old)
		old.Header().Ttl = h.Ttl
		set = append(set, old)
	}
	z.store(id, append(set, rr))
}

// singleton tells whether a name has at most one record of the type, so that a
// new one takes the place of the old (RFC 2136 section 3.4.2.2, RFC 6672).
func singleton(rrtype uint16) bool {
	return rrtype == dns.TypeCNAME || rrtype == dns.TypeDNAME || rrtype == dns.TypeSOA
}

// store replaces an RRset, the empty one included.
func (z *ZoneState) store(id rrsetKey, set []dns.RR) {
	old := z.rrsets[id.owner][id.rrtype]
	if _, seen := z.before[id]; z.before != nil && !seen {
		z.before[id] = old
	}
	switch {
	case len(set) > 0:
		if z.rrsets[id.owner] == nil {
			z.rrsets[id.owner] = make(map[uint16][]dns.RR)
		}
		z.rrsets[id.owner][id.rrtype] = set
		if len(old) == 0 {
			z.count(id.owner, 1)
		}
	case len(old) > 0:
		delete(z.rrsets[id.owner], id.rrtype)
		if len(z.rrsets[id.owner]) == 0 {
			delete(z.rrsets, id.owner)
		}
		z.count(id.owner, -1)
	}
}

func (z *ZoneState) count(owner string, n int) {
	for name := owner; ; name = parent(name) {
		if z.below[name] += n; z.below[name] == 0 {
			delete(z.below, name)
		}
		if name == z.name {
			return
		}
	}
}

// parent returns the name without its first label; the root is its own parent.
func parent(name string) string {
	if next, end := dns.NextLabel(name, 0); !end {
		return name[next:]
	}
	return "."
}
