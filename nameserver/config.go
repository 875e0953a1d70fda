package nameserver

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/miekg/dns"

	"github.com/caddy-dyndns/dyndns/dnsupdate"
	"github.com/caddy-dyndns/dyndns/internal/authority"
	"github.com/caddy-dyndns/dyndns/internal/change"
	"github.com/caddy-dyndns/dyndns/nameserver/internal/store"
)

// ZoneConfig is what is not changed at run time of a zone.
type ZoneConfig struct {
	// Name is the zone's name.
	Name string
	// NameServers are the names that its NS records point to, at least one. The first is
	// the primary of the SOA record. One that lies in the zone needs an address among
	// Records.
	NameServers []string
	// Mail is the address of who is responsible for the zone, hostmaster in the zone if
	// it is empty.
	Mail string
	// Records are lines of a zone file, relative to the zone, with a TTL of 3600 seconds
	// where they give none. Nothing but the configuration changes their RRsets.
	Records []string
	// TransferKeys are the keys whose holders may transfer the zone.
	TransferKeys []dnsupdate.Key
	// Secondaries are the nameservers that are told of changes.
	Secondaries []Secondary
	// UpdateKeys are the keys whose holders may change the zone by DNS UPDATE.
	UpdateKeys []dnsupdate.Key
}

// Secondary is a nameserver that gets a NOTIFY when the zone has changed.
type Secondary struct {
	// Address is its host:port, an IP address.
	Address string
	// Key signs the NOTIFY.
	Key dnsupdate.Key
}

// The zone's SOA record, in seconds: secondaries that miss a NOTIFY look again after
// minutes, and a name that does not exist yet is asked for again after one (RFC 2308).
const (
	soaRefresh = 300
	soaRetry   = 60
	soaExpire  = 1_209_600
	soaMinimum = 60
	// apexTTL is that of the SOA and NS records.
	apexTTL = 3600
)

// Validate returns an error if the zone cannot be served like that.
func (z ZoneConfig) Validate() error {
	_, err := z.read()
	return err
}

// configuration is a ZoneConfig that was read.
type configuration struct {
	name        string
	nameServers []string // canonical, sorted
	// static has the SOA, with a serial that does not count, and all other records.
	static *authority.Zone
	digest store.Digest
	keys   []authority.Signer
	// transferKeys and updateKeys are canonical names.
	transferKeys, updateKeys map[string]bool
	secondaries              []secondary
}

func (z ZoneConfig) read() (*configuration, error) {
	name, err := change.CanonicalName(z.Name)
	if err != nil {
		return nil, err
	}
	c := &configuration{name: name, static: authority.NewZone(name), transferKeys: make(map[string]bool), updateKeys: make(map[string]bool)}
	for _, ns := range z.NameServers {
		ns, err := change.CanonicalName(ns)
		if err != nil {
			return nil, fmt.Errorf("nameserver: %w", err)
		}
		c.nameServers = append(c.nameServers, ns)
	}
	if len(c.nameServers) == 0 {
		return nil, errors.New("it needs the name of a nameserver")
	}
	mailbox, err := mailbox(z.Mail, name)
	if err != nil {
		return nil, err
	}
	if err := c.static.Load(z.Records); err != nil {
		return nil, fmt.Errorf("records: %w", err)
	}
	if err := c.checkRecords(); err != nil {
		return nil, err
	}
	c.addApex(c.nameServers[0], mailbox)
	slices.Sort(c.nameServers)
	c.nameServers = slices.Compact(c.nameServers)
	if c.digest, err = digest(c.static.All()); err != nil {
		return nil, err
	}
	return c, c.readKeys(z)
}

// mailbox returns an address in the form of a SOA record (RFC 1035 section 8).
func mailbox(address, name string) (string, error) {
	if address == "" {
		return "hostmaster." + name, nil
	}
	local, domain, ok := strings.Cut(address, "@")
	domain, err := change.CanonicalName(domain)
	if !ok || err != nil || local == "" {
		return "", errors.New("the mail address has not the form user@host")
	}
	box := strings.ReplaceAll(local, ".", `\.`) + "." + domain
	if _, ok := dns.IsDomainName(box); !ok || strings.ContainsAny(local, "@ \t\r\n\"();\\") {
		return "", errors.New("the mail address cannot stand in a SOA record")
	}
	return box, nil
}

// checkRecords looks for what the server does not serve and for what cannot stand side
// by side.
func (c *configuration) checkRecords() error {
	for _, rr := range c.static.All() {
		h := rr.Header()
		switch h.Rrtype {
		case dns.TypeSOA:
			return errors.New("records: the SOA record is made of the names of the nameservers and the mail address")
		case dns.TypeNS:
			return errors.New("records: the NS records are made of the names of the nameservers, and parts of the zone cannot be delegated")
		case dns.TypeDNAME:
			return errors.New("records: DNAME is not supported")
		case dns.TypeCNAME:
			if h.Name == c.name || c.static.Owns(h.Name) > 1 || len(c.static.Records(h.Name, dns.TypeCNAME)) > 1 {
				return fmt.Errorf("records: %s has a CNAME record beside others", h.Name)
			}
		}
		if err := checkRRset(c.static.Records(h.Name, h.Rrtype)); err != nil {
			return fmt.Errorf("records: type %s at %s: %w", dns.TypeToString[h.Rrtype], h.Name, err)
		}
	}
	for _, ns := range c.nameServers {
		if change.Under(ns, c.name) && c.static.Records(ns, dns.TypeA) == nil && c.static.Records(ns, dns.TypeAAAA) == nil {
			return fmt.Errorf("the nameserver %s lies in the zone and needs a record with its address", ns)
		}
	}
	return nil
}

func (c *configuration) addApex(primary, mailbox string) {
	header := func(rrtype uint16) dns.RR_Header {
		return dns.RR_Header{Name: c.name, Rrtype: rrtype, Class: dns.ClassINET, Ttl: apexTTL}
	}
	c.static.Store(authority.RRset{Owner: c.name, Type: dns.TypeSOA}, []dns.RR{&dns.SOA{
		Hdr: header(dns.TypeSOA), Ns: primary, Mbox: mailbox, Refresh: soaRefresh, Retry: soaRetry, Expire: soaExpire, Minttl: soaMinimum,
	}})
	var set []dns.RR
	for _, ns := range slices.Compact(slices.Sorted(slices.Values(c.nameServers))) {
		set = append(set, &dns.NS{Hdr: header(dns.TypeNS), Ns: ns})
	}
	c.static.Store(authority.RRset{Owner: c.name, Type: dns.TypeNS}, set)
}

// readKeys reads the keys and the secondaries.
func (c *configuration) readKeys(z ZoneConfig) error {
	add := func(k dnsupdate.Key) (authority.Signer, error) {
		s, err := authority.NewSigner(authority.Key{Name: k.Name, Algorithm: k.Algorithm, Secret: k.Secret})
		c.keys = append(c.keys, s)
		return s, err
	}
	for _, k := range z.TransferKeys {
		s, err := add(k)
		if err != nil {
			return err
		}
		c.transferKeys[s.Name] = true
	}
	for _, k := range z.UpdateKeys {
		s, err := add(k)
		if err != nil {
			return err
		}
		c.updateKeys[s.Name] = true
	}
	for _, s := range z.Secondaries {
		key, err := add(s.Key)
		if err != nil {
			return err
		}
		to, err := newSecondary(s.Address, key)
		if err != nil {
			return err
		}
		c.secondaries = append(c.secondaries, to)
	}
	return nil
}

// isStatic tells whether the RRset is the configuration's.
func (c *configuration) isStatic(id authority.RRset) bool {
	return c.static.Records(id.Owner, id.Type) != nil
}

// hides tells whether an RRset that was changed at run time cannot stand beside what is
// configured.
func (c *configuration) hides(id authority.RRset) bool {
	return c.isStatic(id) || c.static.Records(id.Owner, dns.TypeCNAME) != nil || id.Type == dns.TypeCNAME && c.static.Owns(id.Owner) > 0
}

// digest returns one that stands for the records in any order.
func digest(records []dns.RR) (store.Digest, error) {
	wires := make([]string, len(records))
	for i, rr := range records {
		wire := make([]byte, dns.Len(rr)+1)
		end, err := dns.PackRR(dns.Copy(rr), wire, 0, nil, false)
		if err != nil {
			return store.Digest{}, fmt.Errorf("records: %w", err)
		}
		wires[i] = string(wire[:end])
	}
	slices.Sort(wires)
	return sha256.Sum256([]byte(strings.Join(wires, ""))), nil
}

// maxRRset is the most octets that an RRset may have: it has to fit into one message
// over TCP, beside the question and the signature. maxRecords is how many records BIND
// transfers of one by default (max-records-per-type, since 9.18.28).
const (
	maxRRset   = 60_000
	maxRecords = 100
)

// checkRRset returns why the zone cannot have an RRset: it could not be answered, or would
// keep secondaries from transferring the zone.
func checkRRset(records []dns.RR) error {
	if n := len(records); n > maxRecords {
		return fmt.Errorf("it would have %d records, more than %d", n, maxRecords)
	}
	size := 0
	for _, rr := range records {
		if err := change.CheckBinding(rr); err != nil {
			return err
		}
		size += dns.Len(rr) - len(rr.Header().Name) + 1 // the owner is compressed
	}
	if size > maxRRset {
		return fmt.Errorf("its records would have %d octets together, more than %d", size, maxRRset)
	}
	return nil
}
