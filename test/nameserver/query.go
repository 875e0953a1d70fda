//go:build linux

package nameserver

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// Exchange sends a message over TCP, signed by key unless that is nil, and
// returns the reply. It is for tests: it trusts the reply.
func (s *Server) Exchange(m *dns.Msg, key *Key) (*dns.Msg, error) {
	client := dns.Client{Net: "tcp", Timeout: 5 * time.Second}
	if key != nil {
		name := dns.CanonicalName(key.Name)
		client.TsigSecret = map[string]string{name: key.Secret}
		m.SetTsig(name, dns.Fqdn(key.Algorithm), 300, time.Now().Unix())
	}
	reply, _, err := client.Exchange(m, s.Addr())
	return reply, err
}

// Serial is the zone's SOA serial.
func (s *Server) Serial(zone string) (uint32, error) { return s.serial(Zone{Name: zone}) }

func (s *Server) serial(z Zone) (uint32, error) {
	var key *Key
	if z.Private {
		key = &z.Key
	}
	records, err := s.query(z.Name, dns.TypeSOA, key)
	if err != nil {
		return 0, err
	}
	if len(records) != 1 {
		return 0, fmt.Errorf("%s has %d SOA records", z.Name, len(records))
	}
	return records[0].(*dns.SOA).Serial, nil
}

// Lookup returns the values of an RRset, sorted, in the form of a zone file; nil
// if there is none. A wildcard or a CNAME at the name shows as it does to any client.
func (s *Server) Lookup(name, rrtype string) ([]string, error) {
	records, err := s.query(name, dns.StringToType[rrtype], nil)
	if err != nil {
		return nil, err
	}
	var values []string
	for _, r := range records {
		values = append(values, strings.TrimPrefix(r.String(), r.Header().String()))
	}
	slices.Sort(values)
	return values, nil
}

// TTL returns the time to live of an RRset in seconds.
func (s *Server) TTL(name, rrtype string) (uint32, error) {
	records, err := s.query(name, dns.StringToType[rrtype], nil)
	if err != nil {
		return 0, err
	}
	if len(records) == 0 {
		return 0, fmt.Errorf("%s has no %s record", name, rrtype)
	}
	return records[0].Header().Ttl, nil
}

func (s *Server) query(name string, rrtype uint16, key *Key) ([]dns.RR, error) {
	m := new(dns.Msg)
	m.SetQuestion(dns.Fqdn(name), rrtype)
	m.RecursionDesired = false
	reply, err := s.Exchange(m, key)
	if err != nil {
		return nil, fmt.Errorf("asking %s for %s: %w", s.kind, name, err)
	}
	if reply.Rcode != dns.RcodeSuccess && reply.Rcode != dns.RcodeNameError {
		return nil, fmt.Errorf("asking %s for %s: %s", s.kind, name, dns.RcodeToString[reply.Rcode])
	}
	var records []dns.RR
	for _, r := range reply.Answer {
		if r.Header().Rrtype == rrtype && strings.EqualFold(r.Header().Name, dns.Fqdn(name)) {
			records = append(records, r)
		}
	}
	return records, nil
}

// Add sends an UPDATE that adds one record, signed by key unless that is nil,
// and returns the mnemonic of the reply's rcode.
func (s *Server) Add(zone, record string, key *Key) (string, error) {
	rr, err := dns.NewRR(record)
	if err != nil {
		return "", err
	}
	for attempt := 0; ; attempt++ {
		m := new(dns.Msg)
		m.SetUpdate(dns.Fqdn(zone))
		m.Insert([]dns.RR{rr})
		reply, err := s.Exchange(m, key)
		// A reply that says NOTAUTH comes with an error.
		if reply == nil {
			return "", err
		}
		// PowerDNS: "database is locked" while it notes that the zone is new.
		if reply.Rcode != dns.RcodeServerFailure || attempt == 10 {
			return dns.RcodeToString[reply.Rcode], nil
		}
		time.Sleep(50 * time.Millisecond)
	}
}
