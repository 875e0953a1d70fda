package nameserver

import (
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

func edns(m *dns.Msg, change func(*dns.OPT)) *dns.Msg {
	m.SetEdns0(4096, false)
	change(m.IsEdns0())
	return m
}

func header(m *dns.Msg, change func(*dns.Msg)) *dns.Msg {
	change(m)
	return m
}

func withCookie(m *dns.Msg, cookie string) *dns.Msg {
	return edns(m, func(o *dns.OPT) {
		o.Option = append(o.Option, &dns.EDNS0_COOKIE{Code: dns.EDNS0COOKIE, Cookie: cookie})
	})
}

// TestAnswer has the queries of RFC 8906, section 8, and what else is at the edges.
func TestAnswer(t *testing.T) {
	z := testConfig("www A 192.0.2.1", "www AAAA 2001:db8::1", "www TXT x", "a.ent A 192.0.2.2", "*.wild A 192.0.2.3", "alias CNAME www", `\097\098 A 192.0.2.4`)
	addr := listen(t, open(t, z))
	twoOPT := edns(query("www A"), func(*dns.OPT) {})
	twoOPT.Extra = append(twoOPT.Extra, twoOPT.Extra[0])
	for _, tt := range []struct {
		name  string
		query *dns.Msg
		want  string
	}{
		{"address", query("www A"), "NOERROR aa an:A"},
		{"SOA", query("@ SOA"), "NOERROR aa an:SOA"},
		{"NS, with glue", query("@ NS"), "NOERROR aa an:NS an:NS ar:A"},
		{"an unknown type", header(query("@ A"), func(m *dns.Msg) { m.Question[0].Qtype = 1000 }), "NOERROR aa ns:SOA"},
		{"no such name", query("none A"), "NXDOMAIN aa ns:SOA"},
		{"an empty non-terminal", query("ent A"), "NOERROR aa ns:SOA"},
		{"wildcard", query("x.wild A"), "NOERROR aa an:A"},
		{"a name that is configured with escapes", query("ab A"), "NOERROR aa an:A"},
		{"CNAME", query("alias A"), "NOERROR aa an:CNAME an:A"},
		{"outside of the zones", query("example.org. A"), "REFUSED"},
		{"the root", query(". NS"), "REFUSED"},
		{"the parent", query("example.com. SOA"), "REFUSED"},
		{"another class", header(query("www A"), func(m *dns.Msg) { m.Question[0].Qclass = dns.ClassCHAOS }), "REFUSED"},
		{"CD, AD, RD and Z", header(query("www A"), func(m *dns.Msg) {
			m.CheckingDisabled, m.AuthenticatedData, m.RecursionDesired, m.Zero = true, true, true, true
		}), "NOERROR aa rd an:A"},
		{"ANY", query("www ANY"), "NOERROR aa an:A"},
		{"ANY, no such name", query("none ANY"), "NXDOMAIN aa ns:SOA"},
		{"ANY at an alias", query("alias ANY"), "NOERROR aa an:CNAME"},
		{"AXFR without a key", query("@ AXFR"), "REFUSED"},
		{"IXFR without a key", query("@ IXFR"), "REFUSED"},
		{"MAILA", query("@ MAILA"), "NOTIMP"},
		{"TSIG as a question", query("@ TSIG"), "FORMERR"},
		{"OPT as a question", query("@ OPT"), "FORMERR"},
		{"no question", header(query("@ A"), func(m *dns.Msg) { m.Question = nil }), "FORMERR"},
		{"two questions", header(query("@ A"), func(m *dns.Msg) { m.Question = append(m.Question, m.Question[0]) }), "FORMERR"},
		{"another opcode", header(query("@ A"), func(m *dns.Msg) { m.Opcode = 15 }), "NOTIMP"},
		{"NOTIFY", new(dns.Msg).SetNotify(apex), "NOTIMP"},
		{"UPDATE without a key", new(dns.Msg).SetUpdate(apex), "REFUSED"},
		{"UPDATE of another zone", new(dns.Msg).SetUpdate("example.com."), "NOTAUTH"},
		{"UPDATE of a name in the zone", new(dns.Msg).SetUpdate("www." + apex), "NOTAUTH"},
		{"EDNS", edns(query("@ SOA"), func(*dns.OPT) {}), "NOERROR aa an:SOA ar:OPT"},
		{"EDNS version 1", edns(query("@ SOA"), func(o *dns.OPT) { o.SetVersion(1) }), "BADVERS ar:OPT"},
		{"an unknown option", edns(query("@ SOA"), func(o *dns.OPT) { o.Option = []dns.EDNS0{&dns.EDNS0_LOCAL{Code: 100}} }), "NOERROR aa an:SOA ar:OPT"},
		{"an unknown option with version 1", edns(query("@ SOA"), func(o *dns.OPT) {
			o.SetVersion(1)
			o.Option = []dns.EDNS0{&dns.EDNS0_LOCAL{Code: 100}}
		}), "BADVERS ar:OPT"},
		{"unknown flags", edns(query("@ SOA"), func(o *dns.OPT) { o.SetZ(0x4000) }), "NOERROR aa an:SOA ar:OPT"},
		{"DO", edns(query("@ SOA"), func(o *dns.OPT) { o.SetDo() }), "NOERROR aa an:SOA ar:OPT"},
		{"two OPT records", twoOPT, "FORMERR"},
		{"an OPT record of a name", edns(query("@ SOA"), func(o *dns.OPT) { o.Hdr.Name = apex }), "FORMERR"},
		{"a cookie that is too short", withCookie(query("@ SOA"), "0102030405"), "FORMERR"},
		{"a cookie without a question", header(withCookie(query("@ SOA"), "0102030405060708"), func(m *dns.Msg) { m.Question = nil }), "NOERROR ar:OPT"},
		{"no cookie without a question", header(edns(query("@ SOA"), func(*dns.OPT) {}), func(m *dns.Msg) { m.Question = nil }), "FORMERR ar:OPT"},
	} {
		for _, network := range []string{"udp", "tcp"} {
			t.Run(tt.name+"/"+network, func(t *testing.T) {
				reply, _ := exchange(t, network, addr, pack(t, tt.query))
				if got := outline(reply); got != tt.want {
					t.Errorf("got %s, want %s", got, tt.want)
				}
				if reply.Id != tt.query.Id || reply.Opcode != tt.query.Opcode || !reply.Response {
					t.Errorf("the header is %+v", reply.MsgHdr)
				}
				if o := reply.IsEdns0(); o != nil && (o.UDPSize() != 1232 || o.Version() != 0 || o.Z() != 0 || o.Do() != tt.query.IsEdns0().Do() || strings.Contains(o.String(), "LOCAL")) {
					t.Errorf("the OPT record is %s", o)
				}
			})
		}
	}
}

// What cannot be read gets FORMERR, and what is no query nothing.
func TestMalformed(t *testing.T) {
	addr := listen(t, open(t, testConfig()))
	good := pack(t, query("@ SOA"))
	response := append([]byte(nil), good...)
	response[2] |= 0x80
	loop := append(append([]byte(nil), good[:12]...), 0xc0, 12, 0, 1, 0, 1)
	for _, tt := range []struct {
		name  string
		wire  []byte
		rcode int // -1: no reply
	}{
		{"a compression loop", loop, dns.RcodeFormatError},
		{"cut in the question", good[:20], dns.RcodeFormatError},
		{"the header alone", good[:12], dns.RcodeFormatError},
		{"more records than there are", append(append([]byte(nil), good[:11]...), append([]byte{9}, good[12:]...)...), dns.RcodeFormatError},
		{"an octet less than a header", good[:11], -1},
		{"a reply", response, -1},
	} {
		for _, network := range []string{"udp", "tcp"} {
			t.Run(tt.name+"/"+network, func(t *testing.T) {
				conn := dial(t, network, addr)
				send(t, conn, tt.wire)
				send(t, conn, good)
				wire, err := receive(conn)
				if err != nil {
					t.Fatal(err)
				}
				m := new(dns.Msg)
				if err := m.Unpack(wire); err != nil {
					t.Fatal(err)
				}
				if tt.rcode < 0 && outline(m) != "NOERROR aa an:SOA" || tt.rcode >= 0 && m.Rcode != tt.rcode {
					t.Errorf("got %s", outline(m))
				}
			})
		}
	}
}

func TestSize(t *testing.T) {
	var records []string
	for i := range maxRecords {
		records = append(records, fmt.Sprintf("many AAAA 2001:db8::%x", i))
	}
	addr := listen(t, open(t, keyed(testConfig(records...))))
	for _, tt := range []struct {
		name, network string
		edns          uint16
		limit         int
		truncated     bool
	}{
		{"UDP", "udp", 0, 512, true},
		{"UDP with a small size", "udp", 100, 512, true},
		{"UDP with EDNS", "udp", 1000, 1000, true},
		{"UDP with a large size", "udp", 4096, 1232, true},
		{"TCP", "tcp", 0, 65535, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := query("many AAAA")
			if tt.edns > 0 {
				m.SetEdns0(tt.edns, false)
			}
			for _, wire := range [][]byte{pack(t, m), first(signed(t, m))} {
				reply, raw := exchange(t, tt.network, addr, wire)
				if len(raw) > tt.limit || reply.Truncated != tt.truncated || len(reply.Answer) != map[bool]int{false: maxRecords}[tt.truncated] {
					t.Errorf("%d octets, %d records, truncated: %t", len(raw), len(reply.Answer), reply.Truncated)
				}
			}
		})
	}
}

func first[T, U any](t T, _ U) T { return t }

// The addresses of the nameservers are left out before anything is truncated.
func TestManyNameServers(t *testing.T) {
	z := testConfig()
	for i := range 9 {
		ns := fmt.Sprintf("nameserver%d.%s", i, apex)
		z.NameServers = append(z.NameServers, ns)
		z.Records = append(z.Records, ns+" A 192.0.2.1", ns+" AAAA 2001:db8::1")
	}
	addr := listen(t, open(t, z))
	if reply, _ := exchange(t, "udp", addr, pack(t, query("@ NS"))); reply.Truncated || len(reply.Answer) != 11 || len(reply.Extra) > 0 {
		t.Errorf("in 512 octets: %s", outline(reply))
	}
	if reply, _ := exchange(t, "udp", addr, pack(t, edns(query("@ NS"), func(*dns.OPT) {}))); len(reply.Answer) != 11 || len(reply.Extra) != 20 {
		t.Errorf("in more: %s", outline(reply))
	}
}

// The cookie of a reply is good for the next query, of the same client.
func TestCookies(t *testing.T) {
	s := open(t, testConfig())
	addr := listen(t, s)
	ask := func(cookie string) string {
		reply, _ := exchange(t, "udp", addr, pack(t, withCookie(query("@ SOA"), cookie)))
		if len(reply.IsEdns0().Option) != 1 {
			t.Fatalf("got %s", reply)
		}
		return reply.IsEdns0().Option[0].(*dns.EDNS0_COOKIE).Cookie
	}
	const client = "0102030405060708"
	got := ask(client)
	if len(got) != 48 || !strings.HasPrefix(got, client) {
		t.Fatalf("got %s", got)
	}
	if again := ask(got); again != got {
		t.Errorf("a valid cookie gets %s, want %s", again, got)
	}
	s.SetCookieSecrets([16]byte{1}, [16]byte{2})
	second := ask(got)
	s.SetCookieSecrets([16]byte{3}, [16]byte{1})
	if third := ask(second); third == second || third[:24] != second[:24] {
		t.Errorf("with another secret in front: %s, then %s", second, third)
	}
	if _, err := hex.DecodeString(second); err != nil || second == got {
		t.Errorf("with another secret: %s", second)
	}
}
