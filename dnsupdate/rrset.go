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

// slot is the place of a record type in the arrays that hold one value per
// type: three types are fewer than a map is worth.
type slot uint8

const (
	slotA slot = iota
	slotAAAA
	slotTXT
	slots
)

var slotTypes = [slots]zone.Type{slotA: zone.TypeA, slotAAAA: zone.TypeAAAA, slotTXT: zone.TypeTXT}

// slotOf returns the slot of a type that can be changed.
func slotOf(t zone.Type) (slot, bool) {
	switch t {
	case zone.TypeA:
		return slotA, true
	case zone.TypeAAAA:
		return slotAAAA, true
	case zone.TypeTXT:
		return slotTXT, true
	}
	return 0, false
}

// rrset is one RRset, never changed in place: its values as they stand on the
// wire, which is what a prerequisite compares, and as text, which is what a
// Result shows. Both are sorted. No values means no RRset.
type rrset struct {
	rdata, text []string
	ttl         uint32
}

func (s rrset) exists() bool { return len(s.rdata) > 0 }

func (s rrset) sameValues(o rrset) bool { return slices.Equal(s.rdata, o.rdata) }

// newRRset makes the RRset of a Set change.
func newRRset(t zone.Type, values []string, ttl uint32) (rrset, error) {
	if len(values) == 0 {
		return rrset{}, errors.New("there is no value to set")
	}
	// RFC 2181 section 8: a TTL has 31 bits.
	if ttl > 1<<31-1 {
		return rrset{}, fmt.Errorf("the TTL %d is greater than 2147483647", ttl)
	}
	set := rrset{ttl: ttl, rdata: make([]string, 0, len(values)), text: make([]string, 0, len(values))}
	for _, v := range values {
		wire, text, err := parseValue(t, v)
		if err != nil {
			return rrset{}, err
		}
		set.rdata, set.text = append(set.rdata, wire), append(set.text, text)
	}
	set.sort()
	return set, nil
}

// sort puts values in order and drops duplicates: an RRset is a set.
func (s *rrset) sort() {
	if len(s.rdata) > 1 {
		slices.Sort(s.rdata)
		slices.Sort(s.text)
		s.rdata, s.text = slices.Compact(s.rdata), slices.Compact(s.text)
	}
}

// parseValue returns the wire and the canonical text form of one value.
func parseValue(t zone.Type, value string) (wire, text string, err error) {
	if t == zone.TypeTXT {
		// A text longer than a character-string (RFC 1035 section 3.3) goes into several.
		if len(value) > 4096 {
			return "", "", errors.New("the text is longer than 4096 bytes")
		}
		var b []byte
		for rest := value; ; {
			n := min(len(rest), 255)
			b = append(b, byte(n))
			b = append(b, rest[:n]...)
			if rest = rest[n:]; rest == "" {
				return string(b), value, nil
			}
		}
	}
	a, err := netip.ParseAddr(value)
	if err != nil || a.Zone() != "" {
		return "", "", errors.New("the value is not an IP address")
	}
	a = a.Unmap()
	if a.Is4() != (t == zone.TypeA) {
		return "", "", fmt.Errorf("%s does not fit a record of type %s", a, t)
	}
	return string(a.AsSlice()), a.String(), nil
}

// add takes a record from a nameserver's answer into the set; a record of
// another kind than ours is left out.
func (s *rrset) add(rr dns.RR) {
	switch rr := rr.(type) {
	case *dns.A:
		a, ok := netip.AddrFromSlice(rr.A.To4())
		if !ok {
			return
		}
		s.rdata, s.text = append(s.rdata, string(a.AsSlice())), append(s.text, a.String())
	case *dns.AAAA:
		a, ok := netip.AddrFromSlice(rr.AAAA.To16())
		if !ok {
			return
		}
		s.rdata, s.text = append(s.rdata, string(a.AsSlice())), append(s.text, a.String())
	case *dns.TXT:
		// The wire form comes from packing the record again: miekg/dns keeps
		// the strings in presentation form, with escapes.
		wire := make([]byte, dns.Len(rr))
		end, err := dns.PackRR(rr, wire, 0, nil, false)
		if err != nil {
			return
		}
		rdata := string(wire[end-int(rr.Hdr.Rdlength) : end])
		s.rdata, s.text = append(s.rdata, rdata), append(s.text, joinStrings(rdata))
	default:
		return
	}
	s.ttl = rr.Header().Ttl
}

// joinStrings returns the text of a TXT record: its character-strings in a row.
func joinStrings(rdata string) string {
	var b strings.Builder
	for rdata != "" {
		n := min(int(rdata[0])+1, len(rdata))
		b.WriteString(rdata[1:n])
		rdata = rdata[n:]
	}
	return b.String()
}
