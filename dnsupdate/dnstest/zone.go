package dnstest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/miekg/dns"

	"github.com/caddy-dyndns/dyndns/internal/authority"
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
	data     *authority.Zone
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
		data:    authority.NewZone(zone.Name),
	}
	for _, k := range zone.Keys {
		z.keys[dns.CanonicalName(k.Name)] = true
	}
	if err := z.data.Load(zone.Records); err != nil {
		return nil, err
	}
	if z.data.Records(z.name, dns.TypeSOA) == nil {
		if err := z.data.Load([]string{"@ SOA ns hostmaster 1 7200 3600 1209600 300"}); err != nil {
			return nil, err
		}
	}
	if z.data.Records(z.name, dns.TypeNS) == nil {
		return z, z.data.Load([]string{"@ NS ns"})
	}
	return z, nil
}

// Serial returns the serial number of the zone's SOA record.
func (z *ZoneState) Serial() uint32 {
	z.mu.Lock()
	defer z.mu.Unlock()
	return z.data.SOA().Serial
}

// Records returns all records of the zone in presentation format, one space
// between the fields, sorted.
func (z *ZoneState) Records() []string {
	z.mu.Lock()
	defer z.mu.Unlock()
	var lines []string
	for _, rr := range z.data.All() {
		lines = append(lines, strings.ReplaceAll(rr.String(), "\t", " "))
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
	for _, rr := range z.data.Records(dns.CanonicalName(owner), rrtype) {
		values = append(values, strings.TrimPrefix(rr.String(), rr.Header().String()))
	}
	slices.Sort(values)
	return values
}

// TTL returns the TTL of the RRset, 0 if there is none.
func (z *ZoneState) TTL(owner string, rrtype uint16) uint32 {
	z.mu.Lock()
	defer z.mu.Unlock()
	rrs := z.data.Records(dns.CanonicalName(owner), rrtype)
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
		z.data.Store(authority.RRset{Owner: owner, Type: rrtype}, nil)
		if len(strings.Fields(line)) > 2 {
			add = append(add, line)
		}
	}
	if err := z.data.Load(add); err != nil {
		panic(fmt.Sprintf("dnstest: editing zone %s: %v", z.name, err))
	}
	z.data.RaiseSerial()
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
