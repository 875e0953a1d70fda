package zonetest

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/caddy-dyndns/dyndns/zone"
)

// Nameserver is the view of somebody who asks a zone's nameserver, as dig does.
type Nameserver struct {
	// Zone is the name of the zone, Addr the nameserver's address as host:port.
	Zone, Addr string
}

// Values returns the values of an RRset.
func (n Nameserver) Values(name string, t zone.Type) ([]string, error) {
	records, err := n.ask(name, uint16(t))
	if err != nil {
		return nil, err
	}
	values := make([]string, len(records))
	for i, rr := range records {
		if txt, ok := rr.(*dns.TXT); ok {
			values[i], err = text(txt)
		} else {
			values[i] = strings.TrimPrefix(rr.String(), rr.Header().String())
		}
		if err != nil {
			return nil, err
		}
	}
	slices.Sort(values)
	return values, nil
}

// Serial returns the serial number of the zone's SOA record.
func (n Nameserver) Serial() (uint32, error) {
	records, err := n.ask(n.Zone, dns.TypeSOA)
	if err != nil {
		return 0, err
	}
	if len(records) != 1 {
		return 0, fmt.Errorf("%s has %d SOA records", n.Zone, len(records))
	}
	return records[0].(*dns.SOA).Serial, nil
}

// ask returns the records of the name itself.
func (n Nameserver) ask(name string, rrtype uint16) ([]dns.RR, error) {
	m := new(dns.Msg)
	m.SetQuestion(dns.Fqdn(name), rrtype)
	m.RecursionDesired = false
	client := dns.Client{Net: "tcp", Timeout: 10 * time.Second}
	reply, _, err := client.Exchange(m, n.Addr)
	if err != nil {
		return nil, err
	}
	if reply.Rcode != dns.RcodeSuccess && reply.Rcode != dns.RcodeNameError {
		return nil, fmt.Errorf("%s says %s about %s", n.Addr, dns.RcodeToString[reply.Rcode], name)
	}
	return slices.DeleteFunc(reply.Answer, func(rr dns.RR) bool {
		return rr.Header().Rrtype != rrtype || !strings.EqualFold(rr.Header().Name, dns.Fqdn(name))
	}), nil
}

// text returns the octets of a TXT record's character-strings (RFC 1035 section 3.3.14).
func text(txt *dns.TXT) (string, error) {
	wire := make([]byte, dns.Len(txt))
	end, err := dns.PackRR(txt, wire, 0, nil, false)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for rest := wire[end-int(txt.Hdr.Rdlength) : end]; len(rest) > 0; rest = rest[1+int(rest[0]):] {
		b.Write(rest[1 : 1+int(rest[0])])
	}
	return b.String(), nil
}
