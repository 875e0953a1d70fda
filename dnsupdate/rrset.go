package dnsupdate

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/miekg/dns"

	"github.com/caddy-dyndns/dyndns/zone"
)

// rrset is one RRset, never changed in place: its values as they stand on the
// wire, which is what a prerequisite compares, and as text, which is what a
// result shows. Both are sorted. No values means no RRset.
type rrset struct {
	rdata, text []string
	ttl         uint32
}

func (s rrset) exists() bool { return len(s.rdata) > 0 }

func (s rrset) sameValues(o rrset) bool { return slices.Equal(s.rdata, o.rdata) }

// newRRset returns the RRset of values in wire form. It takes them over.
func newRRset(t zone.Type, rdata []string, ttl uint32) rrset {
	if len(rdata) == 0 {
		return rrset{}
	}
	slices.Sort(rdata)
	set := rrset{rdata: slices.Compact(rdata), ttl: ttl}
	set.text = make([]string, len(set.rdata))
	for i, value := range set.rdata {
		set.text[i] = valueText(t, value)
	}
	slices.Sort(set.text)
	set.text = slices.Compact(set.text)
	return set
}

// minus returns the RRset without the values of another. Values are the same if
// their texts are: another program may cut a long TXT at other places.
func (s rrset) minus(t zone.Type, o rrset) rrset {
	var rdata []string
	for _, value := range s.rdata {
		if !slices.Contains(o.text, valueText(t, value)) {
			rdata = append(rdata, value)
		}
	}
	return newRRset(t, rdata, s.ttl)
}

// plus returns the RRset with the values of another that it lacks, and with its TTL.
func (s rrset) plus(t zone.Type, o rrset) rrset {
	return newRRset(t, append(o.minus(t, s).rdata, s.rdata...), o.ttl)
}

// parseRRset reads the values of a change.
func parseRRset(t zone.Type, values []string, ttl uint32) (rrset, error) {
	// RFC 2181 section 8: a TTL has 31 bits.
	if ttl > 1<<31-1 {
		return rrset{}, fmt.Errorf("the TTL %d is greater than 2147483647", ttl)
	}
	rdata := make([]string, len(values))
	for i, v := range values {
		var err error
		if rdata[i], err = parseValue(t, v); err != nil {
			return rrset{}, err
		}
	}
	return newRRset(t, rdata, ttl), nil
}

// parseValue returns the wire form of one value.
func parseValue(t zone.Type, value string) (string, error) {
	switch t {
	case zone.TypeA, zone.TypeAAAA:
		a, err := netip.ParseAddr(value)
		if err != nil || a.Zone() != "" {
			return "", errors.New("the value is not an IP address")
		}
		a = a.Unmap()
		if a.Is4() != (t == zone.TypeA) {
			return "", fmt.Errorf("%s does not fit a record of type %s", a, t)
		}
		return string(a.AsSlice()), nil
	case zone.TypeTXT:
		// A text longer than a character-string (RFC 1035 section 3.3) goes into several.
		if len(value) > 4096 {
			return "", errors.New("the text is longer than 4096 bytes")
		}
		var b []byte
		for rest := value; ; {
			n := min(len(rest), 255)
			b = append(b, byte(n))
			b = append(b, rest[:n]...)
			if rest = rest[n:]; rest == "" {
				return string(b), nil
			}
		}
	}
	if strings.ContainsAny(value, "\r\n") {
		return "", errors.New("the value has more than one line")
	}
	rr, err := dns.NewRR(". 0 IN " + t.String() + " " + value)
	if err != nil || rr == nil {
		return "", fmt.Errorf("the value is not the data of a record of type %s", t)
	}
	return packData(rr)
}

// packData returns a record's data as it stands on the wire.
func packData(rr dns.RR) (string, error) {
	wire := make([]byte, dns.Len(rr)+1)
	end, err := dns.PackRR(rr, wire, 0, nil, false)
	if err != nil {
		return "", err
	}
	return string(wire[end-int(rr.Header().Rdlength) : end]), nil
}

// valueText returns the text of a value in wire form.
func valueText(t zone.Type, rdata string) string {
	switch t {
	case zone.TypeA, zone.TypeAAAA:
		a, _ := netip.AddrFromSlice([]byte(rdata))
		return a.String()
	case zone.TypeTXT:
		var b strings.Builder
		for rdata != "" {
			n := min(int(rdata[0])+1, len(rdata))
			b.WriteString(rdata[1:n])
			rdata = rdata[n:]
		}
		return b.String()
	}
	header := dns.RR_Header{Name: ".", Rrtype: uint16(t), Class: dns.ClassINET, Rdlength: uint16(len(rdata))}
	rr, _, err := dns.UnpackRRWithHeader(header, []byte(rdata), 0)
	if err != nil {
		return fmt.Sprintf(`\# %d %x`, len(rdata), rdata) // RFC 3597 section 5
	}
	return strings.TrimPrefix(rr.String(), rr.Header().String())
}
