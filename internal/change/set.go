package change

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/miekg/dns"

	"github.com/caddy-dyndns/dyndns/zone"
)

// Set is one RRset, never changed in place: its values as they stand on the wire,
// which is what a prerequisite compares, and as text, which is what a result shows.
// Both are sorted. No values means no RRset.
type Set struct {
	Data, Text []string
	TTL        uint32
}

// Exists tells whether there is such an RRset.
func (s Set) Exists() bool { return len(s.Data) > 0 }

// SameValues compares two RRsets without their TTLs.
func (s Set) SameValues(o Set) bool { return slices.Equal(s.Data, o.Data) }

// NewSet returns the RRset of values in wire form. It takes them over.
func NewSet(t zone.Type, data []string, ttl uint32) Set {
	if len(data) == 0 {
		return Set{}
	}
	slices.Sort(data)
	set := Set{Data: slices.Compact(data), TTL: ttl}
	set.Text = make([]string, len(set.Data))
	for i, value := range set.Data {
		set.Text[i] = valueText(t, value)
	}
	slices.Sort(set.Text)
	set.Text = slices.Compact(set.Text)
	return set
}

// minus returns the RRset without the values of another. Values are the same if
// their texts are: another program may cut a long TXT at other places.
func (s Set) minus(t zone.Type, o Set) Set {
	var data []string
	for _, value := range s.Data {
		if !slices.Contains(o.Text, valueText(t, value)) {
			data = append(data, value)
		}
	}
	return NewSet(t, data, s.TTL)
}

// plus returns the RRset with the values of another that it lacks, and with its TTL.
func (s Set) plus(t zone.Type, o Set) Set {
	return NewSet(t, append(o.minus(t, s).Data, s.Data...), o.TTL)
}

// ParseSet reads the values of a change.
func ParseSet(t zone.Type, values []string, ttl uint32) (Set, error) {
	// RFC 2181 section 8: a TTL has 31 bits.
	if ttl > 1<<31-1 {
		return Set{}, fmt.Errorf("the TTL %d is greater than 2147483647", ttl)
	}
	data := make([]string, len(values))
	for i, v := range values {
		var err error
		if data[i], err = parseValue(t, v); err != nil {
			return Set{}, err
		}
	}
	return NewSet(t, data, ttl), nil
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
	return PackData(rr)
}

// PackData returns a record's data as it stands on the wire.
func PackData(rr dns.RR) (string, error) {
	wire := make([]byte, dns.Len(rr)+1)
	end, err := dns.PackRR(rr, wire, 0, nil, false)
	if err != nil {
		return "", err
	}
	return string(wire[end-int(rr.Header().Rdlength) : end]), nil
}

// valueText returns the text of a value in wire form.
func valueText(t zone.Type, data string) string {
	switch t {
	case zone.TypeA, zone.TypeAAAA:
		a, _ := netip.AddrFromSlice([]byte(data))
		return a.String()
	case zone.TypeTXT:
		var b strings.Builder
		for data != "" {
			n := min(int(data[0])+1, len(data))
			b.WriteString(data[1:n])
			data = data[n:]
		}
		return b.String()
	}
	header := dns.RR_Header{Name: ".", Rrtype: uint16(t), Class: dns.ClassINET, Rdlength: uint16(len(data))}
	rr, _, err := dns.UnpackRRWithHeader(header, []byte(data), 0)
	if err != nil {
		return fmt.Sprintf(`\# %d %x`, len(data), data) // RFC 3597 section 5
	}
	return strings.TrimPrefix(rr.String(), rr.Header().String())
}
