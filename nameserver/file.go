package nameserver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/caddy-dyndns/dyndns/internal/authority"
	"github.com/caddy-dyndns/dyndns/zone"
)

// Export writes the zone as a zone file, the SOA record first and the others in the order of
// their names.
func (z *Zone) Export(w io.Writer) error {
	served := z.served()
	if served == nil {
		return errNotServed
	}
	var soa string
	var lines []string
	served.read(func(_ *configuration, data *authority.Zone) {
		soa = data.SOA().String()
		for _, rr := range data.All() {
			if rr.Header().Rrtype != dns.TypeSOA {
				lines = append(lines, rr.String())
			}
		}
	})
	slices.SortFunc(lines, func(a, b string) int {
		if n := compareNames(a, b); n != 0 {
			return n
		}
		return strings.Compare(a, b)
	})
	_, err := io.WriteString(w, soa+"\n"+strings.Join(lines, "\n")+"\n")
	return err
}

// compareNames compares the owners of two lines from the root on (RFC 4034 section 6.1).
func compareNames(a, b string) int {
	owner := func(line string) []string {
		labels := dns.SplitDomainName(line[:strings.IndexByte(line, '\t')])
		slices.Reverse(labels)
		return labels
	}
	return slices.Compare(owner(a), owner(b))
}

// maxImport bounds the records of an import.
const maxImport = 10_000_000

// Import replaces all that was changed at run time by what a zone file has, in one change.
// Records of other types than those of package zone, and those that the configuration
// has, are left out and returned. The new serial is greater than the present one, that of
// the file, the Unix time and after, so that secondaries of the file's origin follow. With
// an error nothing is changed.
func (z *Zone) Import(ctx context.Context, file io.Reader, after uint32) (skipped []string, err error) {
	served := z.served()
	if served == nil {
		return nil, errNotServed
	}
	sets := make(map[authority.RRset][]dns.RR)
	parser := dns.NewZoneParser(file, z.name, "")
	parser.SetIncludeAllowed(false)
	for n := 0; ; n++ {
		rr, ok := parser.Next()
		if !ok {
			break
		}
		if n == maxImport {
			return nil, fmt.Errorf("the file has more than %d records", maxImport)
		}
		h := rr.Header()
		if !dns.IsSubDomain(z.name, h.Name) {
			return nil, fmt.Errorf("%s is not in the zone %s", h.Name, z.name)
		}
		if soa, ok := rr.(*dns.SOA); ok {
			after = max(after, soa.Serial)
		}
		if !slices.Contains(zone.Types[:], zone.Type(h.Rrtype)) {
			if h.Rrtype != dns.TypeSOA && h.Rrtype != dns.TypeNS {
				skipped = append(skipped, rr.String())
			}
			continue
		}
		if rr, err = authority.FromFile(rr); err != nil {
			return nil, fmt.Errorf("%s: %w", h.Name, err)
		}
		h = rr.Header()
		h.Name, h.Rdlength = dns.CanonicalName(h.Name), 0
		id := authority.RRset{Owner: h.Name, Type: h.Rrtype}
		set := sets[id]
		if slices.ContainsFunc(set, func(other dns.RR) bool { return dns.IsDuplicate(other, rr) }) {
			continue
		}
		if set != nil {
			h.Ttl = set[0].Header().Ttl // one for all (RFC 2181 section 5.2)
		}
		sets[id] = append(set, rr)
		if err := checkRRset(sets[id]); err != nil {
			return nil, fmt.Errorf("%s, type %s: %w", id.Owner, dns.TypeToString[id.Type], err)
		}
	}
	if err := parser.Err(); err != nil {
		return nil, err
	}
	var hidden []string
	j := &job{zone: served, size: 1, imports: true, done: make(chan struct{})}
	j.change = func(c *configuration, overlay *authority.Zone) map[authority.RRset][]dns.RR {
		hidden = nil
		for _, id := range overlay.Sets() {
			if !c.isStatic(id) && sets[id] == nil {
				overlay.Store(id, nil)
			}
		}
		for id, set := range sets {
			if c.hides(id) {
				for _, rr := range set {
					hidden = append(hidden, rr.String())
				}
				continue
			}
			overlay.Store(id, set)
		}
		soa := dns.Copy(overlay.SOA()).(*dns.SOA)
		soa.Serial = max(soa.Serial, uint32(time.Now().Unix()), after)
		overlay.Store(authority.RRset{Owner: c.name, Type: dns.TypeSOA}, []dns.RR{soa})
		overlay.RaiseSerial()
		return nil
	}
	if !z.server.writer.enter(j) {
		return nil, errors.New("too many changes are waiting")
	}
	select {
	case <-j.done:
	case <-ctx.Done():
		if z.server.writer.leave(j) {
			return nil, ctx.Err()
		}
		<-j.done // it is in a group, and it has to be known whether it came to the disk
	}
	if j.err != nil {
		return nil, j.err
	}
	return append(skipped, hidden...), nil
}
