//go:build integration && linux

package nameserver

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/miekg/dns"

	daemon "github.com/caddy-dyndns/dyndns/test/nameserver"
)

// matrix are queries with what RFC 8906 section 8 expects of a nameserver, and what
// ISC's genreport asks beside.
func matrix() []matrixRow {
	soa := func(change func(*dns.Msg)) *dns.Msg { return header(query("@ SOA"), change) }
	option := func(options ...dns.EDNS0) func(*dns.OPT) {
		return func(o *dns.OPT) { o.Option = options }
	}
	unknown := &dns.EDNS0_LOCAL{Code: 100}
	nsid, expire := &dns.EDNS0_NSID{Code: dns.EDNS0NSID}, &dns.EDNS0_EXPIRE{Code: dns.EDNS0EXPIRE, Empty: true}
	subnet := &dns.EDNS0_SUBNET{Code: dns.EDNS0SUBNET, Family: 1, Address: []byte{0, 0, 0, 0}}
	cookie := &dns.EDNS0_COOKIE{Code: dns.EDNS0COOKIE, Cookie: "0102030405060708"}
	version := func(v uint8, options ...dns.EDNS0) func(*dns.OPT) {
		return func(o *dns.OPT) { o.SetVersion(v); o.Option = options }
	}
	size := func(bytes uint16) func(*dns.OPT) { return func(o *dns.OPT) { o.SetUDPSize(bytes) } }
	do := func(o *dns.OPT) { o.SetDo() }
	flags := func(o *dns.OPT) { o.SetZ(0x40) }
	bare := func(opcode int) *dns.Msg { return soa(func(m *dns.Msg) { m.Opcode, m.Question = opcode, nil }) }
	return []matrixRow{
		{"8.1.1, a zone that is served", query("@ SOA"), "NOERROR aa SOA"},
		{"8.1.2, an unknown type", header(query("@ A"), func(m *dns.Msg) { m.Question[0].Qtype = 1000 }), "NOERROR aa"},
		{"8.1.3.1, CD", soa(func(m *dns.Msg) { m.CheckingDisabled = true }), "NOERROR aa SOA"},
		{"8.1.3.2, AD", soa(func(m *dns.Msg) { m.AuthenticatedData = true }), "NOERROR aa SOA"},
		{"8.1.3.3, the reserved bit", soa(func(m *dns.Msg) { m.Zero = true }), "NOERROR aa SOA"},
		{"8.1.3.4, RD", soa(func(m *dns.Msg) { m.RecursionDesired = true }), "NOERROR aa rd SOA"},
		{"8.1.4, opcode 15", bare(15), "NOTIMP"},
		{"opcode 15 with all flags", header(bare(15), func(m *dns.Msg) {
			m.Authoritative, m.Truncated, m.AuthenticatedData, m.CheckingDisabled, m.Zero = true, true, true, true, true
		}), "NOTIMP"},
		{"opcode 2, STATUS", bare(dns.OpcodeStatus), "NOTIMP"},
		{"opcode 6, DSO", bare(6), "NOTIMP"},
		{"8.2.1, EDNS", edns(query("@ SOA"), func(*dns.OPT) {}), "NOERROR aa SOA opt"},
		{"8.2.2, EDNS version 1", edns(query("@ SOA"), version(1)), "BADVERS opt"},
		{"EDNS version 255", edns(query("@ SOA"), version(255)), "BADVERS opt"},
		{"8.2.3, an unknown option", edns(query("@ SOA"), option(unknown)), "NOERROR aa SOA opt"},
		{"8.2.4, unknown flags", edns(query("@ SOA"), flags), "NOERROR aa SOA opt"},
		{"8.2.5, version 1 with unknown flags", edns(query("@ SOA"), func(o *dns.OPT) { o.SetVersion(1); flags(o) }), "BADVERS opt"},
		{"8.2.6, version 1 with an unknown option", edns(query("@ SOA"), version(1, unknown)), "BADVERS opt"},
		{"8.2.7, a truncated answer", edns(query("big TXT"), size(512)), "NOERROR aa tc opt"},
		{"a truncated answer, without EDNS", query("big TXT"), "NOERROR aa tc"},
		{"a size below 512", edns(query("big TXT"), size(1)), "NOERROR aa tc opt"},
		{"8.2.8, DO", edns(query("@ SOA"), do), "NOERROR aa SOA opt do"},
		{"8.2.9, version 1 with DO", edns(query("@ SOA"), func(o *dns.OPT) { o.SetVersion(1); o.SetDo() }), "BADVERS opt do"},
		{"8.2.10, many options", edns(query("@ SOA"), option(nsid, subnet, cookie, expire)), "NOERROR aa SOA opt"},
		{"a cookie", edns(query("@ SOA"), option(cookie)), "NOERROR aa SOA opt"},
		{"a cookie and DO", edns(query("@ SOA"), func(o *dns.OPT) { o.Option = []dns.EDNS0{cookie}; o.SetDo() }), "NOERROR aa SOA opt do"},
		{"a type for the zone's signatures", edns(query("@ DNSKEY"), do), "NOERROR aa opt do"},
		{"a name that does not exist", edns(query("none A"), do), "NXDOMAIN aa opt do"},
		{"a zone that is not served", edns(query("example.org. SOA"), func(*dns.OPT) {}), "REFUSED opt"},
	}
}

type matrixRow struct {
	name  string
	query *dns.Msg
	want  string
}

// inBrief writes what the RFC has expectations about in a reply: the code, flags, the types
// of the answer, the header of the EDNS record and the option that nobody knows.
func inBrief(q, m *dns.Msg) string {
	var answer []string
	for _, rr := range m.Answer {
		answer = append(answer, dns.TypeToString[rr.Header().Rrtype])
	}
	if m.Truncated {
		answer = nil // all or a part, as it likes
	}
	text := strings.Join(append([]string{outline(&dns.Msg{MsgHdr: m.MsgHdr})}, answer...), " ")
	if o := m.IsEdns0(); o != nil {
		text += " opt"
		if o.Do() {
			text += " do"
		}
		if o.Version() != 0 || o.Z() != 0 {
			text += fmt.Sprintf(" version %d flags %#x", o.Version(), o.Z())
		}
		if slices.ContainsFunc(o.Option, func(o dns.EDNS0) bool { return o.Option() == 100 }) {
			text += " unknown option"
		}
	}
	if m.Id != q.Id || m.Opcode != q.Opcode || !m.Response {
		text += " another header"
	}
	return text
}

// ask returns a server's reply in brief, over a connection of its own: NSD closes one over
// which something strange has come.
func ask(t *testing.T, network, addr string, q *dns.Msg) string {
	t.Helper()
	conn := dial(t, network, addr)
	defer conn.Close()
	send(t, conn, pack(t, q))
	wire, err := receive(conn)
	m := new(dns.Msg)
	if err == nil {
		err = m.Unpack(wire)
	}
	if err != nil {
		return "no answer"
	}
	brief := inBrief(q, m)
	size := dns.MinMsgSize
	if o := q.IsEdns0(); o != nil {
		size = max(size, int(o.UDPSize()))
	}
	if network == "udp" && len(wire) > size {
		brief += " too long"
	}
	return brief
}

// TestMatrix has the server answer as RFC 8906 says. BIND, Knot and NSD are asked the same,
// so that nothing is expected which none of them does.
func TestMatrix(t *testing.T) {
	t.Parallel()
	z := keyed(testConfig())
	for i := range 10 {
		z.Records = append(z.Records, fmt.Sprintf("big TXT %d%s", i, strings.Repeat("x", 200)))
	}
	addr := listen(t, openWith(t, Options{RateLimit: -1}, z))
	kinds := []daemon.Kind{daemon.BIND, daemon.Knot, daemon.NSD}
	addrs := []string{3: addr}
	var started sync.WaitGroup
	for i, kind := range kinds {
		started.Go(func() {
			addrs[i] = daemon.Run(t, kind, daemon.Config{Zones: []daemon.Zone{{Name: apex, Primary: addr, PrimaryKey: daemonKey}}}).Addr()
		})
	}
	started.Wait()
	for _, row := range matrix() {
		for _, network := range []string{"udp", "tcp"} {
			want := row.want
			if network == "tcp" && strings.Contains(want, " tc") {
				want = strings.Replace(want, " tc", strings.Repeat(" TXT", 10), 1)
			}
			var said []string
			for _, addr := range addrs {
				said = append(said, ask(t, network, addr, row.query))
			}
			theirs, ours := said[:len(kinds)], said[len(kinds)]
			if ours != want {
				t.Errorf("%s over %s: %s, want %s; %s: %q", row.name, network, ours, want, kinds, theirs)
			}
			if !slices.Contains(theirs, want) {
				t.Errorf("%s over %s: nobody answers %s; %s: %q", row.name, network, want, kinds, theirs)
			}
		}
	}
}
