package dnstest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

var queryRecords = []string{
	"@ 300 SOA ns hostmaster 1 7200 3600 1209600 60",
	"@ 300 NS ns",
	"ns 300 A 192.0.2.53",
	"www 300 A 192.0.2.1",
	"www 300 A 192.0.2.2",
	"www 300 AAAA 2001:db8::1",
	"alias 300 CNAME chain",
	"chain 300 CNAME www",
	"dangling 300 CNAME none",
	"outside 300 CNAME www.example.org.",
	"loop 300 CNAME loop",
	"*.wild 300 A 192.0.2.4",
	"here.wild 300 TXT here",
	"a.ent.wild 300 TXT deep",
	"*.cwild 300 CNAME www",
	"a.*.starent 300 A 192.0.2.6",
	"a.ent 300 A 192.0.2.3",
	"old 300 DNAME new",
	"old 300 TXT itself",
	"x.new 300 A 192.0.2.5",
	"away 300 DNAME example.org.",
	"sub 300 NS ns.sub",
	"sub 300 NS ns.example.org.",
	"sub 300 DS 1 8 2 0000000000000000000000000000000000000000000000000000000000000000",
	"ns.sub 300 A 192.0.2.54",
	"*.sub 300 A 192.0.2.7",
}

// queries are asked of BIND as well, under the build tag integration.
var queries = []struct {
	name string
	ask  string
	want string // see describe
}{
	{name: "address", ask: "www A", want: "NOERROR aa | www A 192.0.2.1, www A 192.0.2.2"},
	{name: "owner in another case", ask: "WWW AAAA", want: "NOERROR aa | WWW AAAA 2001:db8::1"},
	{name: "no such type", ask: "www TXT", want: "NOERROR aa | | @ SOA"},
	{name: "no such name", ask: "none A", want: "NXDOMAIN aa | | @ SOA"},
	{name: "apex SOA", ask: "@ SOA", want: "NOERROR aa | @ SOA"},
	{name: "apex NS", ask: "@ NS", want: "NOERROR aa | @ NS ns | | ns A 192.0.2.53"},
	{name: "empty non-terminal", ask: "ent A", want: "NOERROR aa | | @ SOA"},
	{name: "CNAME chain", ask: "alias A", want: "NOERROR aa | alias CNAME chain, chain CNAME www, www A 192.0.2.1, www A 192.0.2.2"},
	{name: "CNAME itself", ask: "alias CNAME", want: "NOERROR aa | alias CNAME chain"},
	{name: "CNAME to nothing", ask: "dangling A", want: "NXDOMAIN aa | dangling CNAME none | @ SOA"},
	{name: "CNAME to no such type", ask: "chain TXT", want: "NOERROR aa | chain CNAME www | @ SOA"},
	{name: "CNAME out of the zone", ask: "outside A", want: "NOERROR aa | outside CNAME www.example.org."},
	{name: "CNAME to itself", ask: "loop A", want: "SERVFAIL aa | loop CNAME loop"},
	{name: "wildcard", ask: "x.wild A", want: "NOERROR aa | x.wild A 192.0.2.4"},
	{name: "wildcard, two labels", ask: "y.x.wild A", want: "NOERROR aa | y.x.wild A 192.0.2.4"},
	{name: "wildcard, no such type", ask: "x.wild AAAA", want: "NOERROR aa | | @ SOA"},
	{name: "wildcard asked for by name", ask: "*.wild A", want: "NOERROR aa | *.wild A 192.0.2.4"},
	{name: "wildcard does not cover its parent", ask: "wild A", want: "NOERROR aa | | @ SOA"},
	{name: "wildcard blocked by a name", ask: "here.wild A", want: "NOERROR aa | | @ SOA"},
	{name: "wildcard blocked below a name", ask: "x.here.wild A", want: "NXDOMAIN aa | | @ SOA"},
	{name: "wildcard blocked by an empty non-terminal", ask: "ent.wild A", want: "NOERROR aa | | @ SOA"},
	{name: "wildcard blocked below an empty non-terminal", ask: "x.ent.wild A", want: "NXDOMAIN aa | | @ SOA"},
	{name: "wildcard CNAME", ask: "x.cwild A", want: "NOERROR aa | x.cwild CNAME www, www A 192.0.2.1, www A 192.0.2.2"},
	{name: "wildcard that is an empty non-terminal", ask: "x.starent A", want: "NOERROR aa | | @ SOA"},
	{name: "DNAME", ask: "x.old A", want: "NOERROR aa | old DNAME new, x.old CNAME x.new, x.new A 192.0.2.5"},
	{name: "DNAME to nothing", ask: "y.old A", want: "NXDOMAIN aa | old DNAME new, y.old CNAME y.new | @ SOA"},
	{name: "DNAME owner", ask: "old TXT", want: "NOERROR aa | old TXT \"itself\""},
	{name: "DNAME out of the zone", ask: "x.away A", want: "NOERROR aa | away DNAME example.org., x.away CNAME x.example.org."},
	{name: "delegation", ask: "sub A", want: "NOERROR | | sub NS ns.example.org., sub NS ns.sub | ns.sub A 192.0.2.54"},
	{name: "below a delegation", ask: "www.sub A", want: "NOERROR | | sub NS ns.example.org., sub NS ns.sub | ns.sub A 192.0.2.54"},
	{name: "glue", ask: "ns.sub A", want: "NOERROR | | sub NS ns.example.org., sub NS ns.sub | ns.sub A 192.0.2.54"},
	{name: "DS at a delegation", ask: "sub DS", want: "NOERROR aa | sub DS"},
}

// describe writes a reply as "RCODE flags | answer | authority | additional",
// sorted, relative to testZone, without the data of SOA and DS records.
func describe(m *dns.Msg) string {
	out := dns.RcodeToString[m.Rcode]
	if m.Authoritative {
		out += " aa"
	}
	relative := func(s string) string {
		s = strings.ReplaceAll(" "+s, " "+testZone, " @")
		return strings.TrimSpace(strings.ReplaceAll(s, "."+testZone, ""))
	}
	var sections []string
	for i, rrs := range [][]dns.RR{m.Answer, m.Ns, m.Extra} {
		var lines []string
		for _, rr := range rrs {
			h := rr.Header()
			line := relative(h.Name) + " " + dns.TypeToString[h.Rrtype]
			switch h.Rrtype {
			case dns.TypeOPT, dns.TypeTSIG:
				continue
			case dns.TypeSOA, dns.TypeDS:
			default:
				line += " " + relative(strings.TrimPrefix(rr.String(), h.String()))
			}
			lines = append(lines, line)
		}
		// The order of a chain means something, that of RRsets does not.
		if i > 0 || !slices.ContainsFunc(rrs, func(rr dns.RR) bool { return rr.Header().Rrtype == dns.TypeCNAME }) {
			slices.Sort(lines)
		} else if n := len(lines); n > 1 {
			slices.SortStableFunc(lines, func(a, b string) int {
				if strings.Contains(a, " A ") && strings.Contains(b, " A ") {
					return strings.Compare(a, b)
				}
				return 0
			})
		}
		sections = append(sections, strings.Join(lines, ", "))
	}
	for len(sections) > 0 && sections[len(sections)-1] == "" {
		sections = sections[:len(sections)-1]
	}
	for _, section := range sections {
		out += strings.TrimRight(" | "+section, " ")
	}
	return out
}

// ask makes a query for a line such as "www A".
func ask(line string) *dns.Msg {
	f := strings.Fields(line)
	name := testZone
	if f[0] != "@" {
		name = f[0] + "." + testZone
	}
	m := new(dns.Msg).SetQuestion(name, dns.StringToType[f[1]])
	m.RecursionDesired = false
	return m
}

func TestQuery(t *testing.T) {
	s := NewServer(Zone{Name: testZone, Records: queryRecords})
	defer s.Close()
	for _, test := range queries {
		for _, network := range []string{"udp", "tcp"} {
			t.Run(test.name+"/"+network, func(t *testing.T) {
				m := ask(test.ask)
				reply, _ := exchange(t, network, s.Addr(), pack(t, m))
				if got := describe(reply); got != test.want {
					t.Errorf("%s:\n got %s\nwant %s", test.ask, got, test.want)
				}
				if reply.Id != m.Id || reply.Question[0] != m.Question[0] {
					t.Errorf("reply to %v with id %d, want %v, %d", reply.Question, reply.Id, m.Question, m.Id)
				}
			})
		}
	}
}

func TestQueryEdges(t *testing.T) {
	label := strings.Repeat("x", 60)
	s := NewServer(Zone{Name: testZone, Records: []string{
		"many A 192.0.2.1", "many A 192.0.2.2",
		"long DNAME " + label + "." + label + "." + label,
	}}, Zone{Name: "child." + testZone, Records: []string{"www A 192.0.2.1"}})
	defer s.Close()
	header := func(change func(*dns.Msg)) *dns.Msg {
		m := ask("www A")
		change(m)
		return m
	}
	tests := []struct {
		name  string
		query *dns.Msg
		want  string
	}{
		{"the longest zone answers", ask("www.child A"), "NOERROR aa | www.child A 192.0.2.1"},
		{"every type", ask("many ANY"), "NOERROR aa | many A 192.0.2.1, many A 192.0.2.2"},
		{"DNAME that gets too long", ask(label + ".long DNAME"), "YXDOMAIN aa | long DNAME " + label + "." + label + "." + label},
		{"outside every zone", new(dns.Msg).SetQuestion("example.org.", dns.TypeA), "REFUSED"},
		{"another class", header(func(m *dns.Msg) { m.Question[0].Qclass = dns.ClassCHAOS }), "REFUSED"},
		{"zone transfer", ask("@ AXFR"), "REFUSED"},
		{"no question", header(func(m *dns.Msg) { m.Question = nil }), "FORMERR"},
		{"another opcode", header(func(m *dns.Msg) { m.Opcode = dns.OpcodeStatus }), "NOTIMP"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			reply, _ := exchange(t, "tcp", s.Addr(), pack(t, test.query))
			if got := describe(reply); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

func TestQuerySigned(t *testing.T) {
	s := NewServer(Zone{Name: testZone, Keys: []Key{testKey}, Records: queryRecords})
	defer s.Close()
	wire, mac := signed(t, ask("www A"), testKey, time.Now())
	reply, raw := exchange(t, "udp", s.Addr(), wire)
	if got := seal(t, raw, testKey, mac); got != "good" || len(reply.Answer) != 2 {
		t.Errorf("signature %s, %d answers", got, len(reply.Answer))
	}
}

func TestQuerySize(t *testing.T) {
	var records []string
	for i := range 100 {
		records = append(records, fmt.Sprintf("many 300 A 192.0.2.%d", i))
	}
	s := NewServer(Zone{Name: testZone, Keys: []Key{testKey}, Records: records})
	defer s.Close()
	tests := []struct {
		name, network string
		edns          uint16
		limit         int
		truncated     bool
	}{
		{name: "UDP", network: "udp", limit: 512, truncated: true},
		{name: "UDP with EDNS", network: "udp", edns: 1232, limit: 1232, truncated: true},
		{name: "UDP with large EDNS", network: "udp", edns: 4096, limit: 4096},
		{name: "TCP", network: "tcp", limit: 65535},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			m := ask("many A")
			if test.edns != 0 {
				m.SetEdns0(test.edns, false)
			}
			wire, mac := signed(t, m, testKey, time.Now())
			reply, raw := exchange(t, test.network, s.Addr(), wire)
			if len(raw) > test.limit || reply.Truncated != test.truncated {
				t.Errorf("%d octets, truncated %t; want at most %d, %t", len(raw), reply.Truncated, test.limit, test.truncated)
			}
			if got := seal(t, raw, testKey, mac); got != "good" {
				t.Errorf("signature %s, want good", got)
			}
			if (reply.IsEdns0() != nil) != (test.edns != 0) {
				t.Errorf("OPT in the reply: %t", reply.IsEdns0() != nil)
			}
		})
	}
}
