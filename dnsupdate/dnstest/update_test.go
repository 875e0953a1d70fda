package dnstest

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// updateRecords is the zone that the UPDATE tests start from.
var updateRecords = []string{
	"@ 300 SOA ns hostmaster 10 7200 3600 1209600 300",
	"@ 300 NS ns",
	"@ 300 A 192.0.2.1",
	"ns 300 A 192.0.2.53",
	"ns2 300 A 192.0.2.54",
	"www 300 A 192.0.2.1",
	"www 300 A 192.0.2.2",
	"www 300 TXT hello",
	"alias 300 CNAME www",
	"a.ent 300 A 192.0.2.3",
	"*.wild 300 A 192.0.2.4",
	"mx 300 MX 10 Mail.Example.com.",
}

func TestUpdate(t *testing.T) {
	tests := []struct {
		name   string
		lines  []string
		rcode  int
		serial uint32 // by how much it rises
		want   []string
	}{
		// RFC 2136 section 2.4 and 3.2.
		{name: "RRset exists", lines: []string{"has www A"}},
		{name: "RRset exists, in another case", lines: []string{"has WWW A"}},
		{name: "RRset exists, but another type does", lines: []string{"has www AAAA"}, rcode: dns.RcodeNXRrset},
		{name: "RRset exists, absent name", lines: []string{"has none A"}, rcode: dns.RcodeNXRrset},
		{name: "RRset exists, wildcards do not count", lines: []string{"has x.wild A"}, rcode: dns.RcodeNXRrset},
		{name: "RRset absent", lines: []string{"not www AAAA"}},
		{name: "RRset absent, but exists", lines: []string{"not www A"}, rcode: dns.RcodeYXRrset},
		{name: "RRset absent, CNAME there", lines: []string{"not alias CNAME", "add alias 300 A 192.0.2.9"}, rcode: dns.RcodeYXRrset},
		{name: "name in use", lines: []string{"has www"}},
		{name: "name in use, absent", lines: []string{"has none"}, rcode: dns.RcodeNameError},
		{name: "name in use, empty non-terminal", lines: []string{"has ent"}, rcode: dns.RcodeNameError},
		{name: "name in use, below a wildcard", lines: []string{"has x.wild"}, rcode: dns.RcodeNameError},
		{name: "name not in use", lines: []string{"not none"}},
		{name: "name not in use, but is", lines: []string{"not www"}, rcode: dns.RcodeYXDomain},
		{name: "name not in use, empty non-terminal", lines: []string{"not ent"}},
		{name: "exact set in any order", lines: []string{"is www A 192.0.2.2", "is www A 192.0.2.1"}},
		{name: "exact set, names in data in another case", lines: []string{"is mx MX 10 MAIL.example.COM."}},
		{name: "exact set, subset given", lines: []string{"is www A 192.0.2.1"}, rcode: dns.RcodeNXRrset},
		{name: "exact set, superset given", lines: []string{"is www A 192.0.2.1", "is www A 192.0.2.2", "is www A 192.0.2.3"}, rcode: dns.RcodeNXRrset},
		{name: "exact set, other value", lines: []string{"is @ A 192.0.2.2"}, rcode: dns.RcodeNXRrset},
		{name: "exact set, absent", lines: []string{"is none A 192.0.2.2"}, rcode: dns.RcodeNXRrset},
		{name: "prerequisite out of zone", lines: []string{"has www.example.org. A"}, rcode: dns.RcodeNotZone},
		{name: "prerequisite in the parent, no label boundary", lines: []string{"has xdyn.example.com. A"}, rcode: dns.RcodeNotZone},
		{name: "prerequisite with a TTL", lines: []string{"prereq ANY 1 www A"}, rcode: dns.RcodeFormatError},
		{name: "prerequisite ANY with data", lines: []string{"prereq ANY 0 www A 192.0.2.1"}, rcode: dns.RcodeFormatError},
		{name: "prerequisite NONE with data", lines: []string{"prereq NONE 0 www A 192.0.2.1"}, rcode: dns.RcodeFormatError},
		{name: "prerequisite IN without data", lines: []string{"prereq IN 0 www A"}, rcode: dns.RcodeFormatError},
		{name: "prerequisite of another class", lines: []string{"prereq CH 0 www A 192.0.2.1"}, rcode: dns.RcodeFormatError},
		{name: "first failing prerequisite counts", lines: []string{"not www", "has none"}, rcode: dns.RcodeYXDomain},
		{name: "value-dependent ones are compared last", lines: []string{"is www A 192.0.2.1", "has none"}, rcode: dns.RcodeNameError},
		{name: "failing prerequisite stops the update", lines: []string{"has none", "add x 300 A 192.0.2.9"}, rcode: dns.RcodeNameError},
		{name: "prerequisites come before the prescan", lines: []string{"has none", "add x.example.org. 300 A 192.0.2.9"}, rcode: dns.RcodeNameError},

		// Section 3.4.1.
		{name: "update out of zone", lines: []string{"add x.example.org. 300 A 192.0.2.9"}, rcode: dns.RcodeNotZone},
		{name: "one record out of zone spoils all", lines: []string{"add x 300 A 192.0.2.9", "add x.example.org. 300 A 192.0.2.9"}, rcode: dns.RcodeNotZone},
		{name: "add of a meta type", lines: []string{"update IN 300 x AXFR"}, rcode: dns.RcodeFormatError},
		{name: "add of type ANY", lines: []string{"update IN 300 x ANY"}, rcode: dns.RcodeFormatError},
		{name: "add without data", lines: []string{"update IN 300 x A"}, rcode: dns.RcodeFormatError},
		{name: "delete of an RRset with a TTL", lines: []string{"update ANY 1 www A"}, rcode: dns.RcodeFormatError},
		{name: "delete of an RRset with data", lines: []string{"update ANY 0 www A 192.0.2.1"}, rcode: dns.RcodeFormatError},
		{name: "delete of a meta type", lines: []string{"update ANY 0 www AXFR"}, rcode: dns.RcodeFormatError},
		{name: "delete of a record with a TTL", lines: []string{"update NONE 1 www A 192.0.2.1"}, rcode: dns.RcodeFormatError},
		{name: "delete of a record of type ANY", lines: []string{"update NONE 0 www ANY"}, rcode: dns.RcodeFormatError},
		{name: "update of another class", lines: []string{"update CH 300 x A 192.0.2.1"}, rcode: dns.RcodeFormatError},

		// Section 3.4.2.
		{name: "empty update"},
		{name: "add", lines: []string{"add x 60 A 192.0.2.9"}, serial: 1, want: []string{"+x.dyn.example.com. 60 IN A 192.0.2.9"}},
		{name: "add in upper case", lines: []string{"add X 60 A 192.0.2.9"}, serial: 1, want: []string{"+x.dyn.example.com. 60 IN A 192.0.2.9"}},
		{name: "several records, one serial", lines: []string{"add x 60 A 192.0.2.9", "add x 60 AAAA 2001:db8::9", "add y 60 TXT hi"}, serial: 1,
			want: []string{"+x.dyn.example.com. 60 IN A 192.0.2.9", "+x.dyn.example.com. 60 IN AAAA 2001:db8::9", "+y.dyn.example.com. 60 IN TXT \"hi\""}},
		{name: "add what is there", lines: []string{"add @ 300 A 192.0.2.1"}},
		{name: "add with another TTL moves the whole set", lines: []string{"add www 60 A 192.0.2.3"}, serial: 1, want: []string{
			"-www.dyn.example.com. 300 IN A 192.0.2.1", "-www.dyn.example.com. 300 IN A 192.0.2.2",
			"+www.dyn.example.com. 60 IN A 192.0.2.1", "+www.dyn.example.com. 60 IN A 192.0.2.2", "+www.dyn.example.com. 60 IN A 192.0.2.3"}},
		{name: "TTL alone", lines: []string{"add @ 60 A 192.0.2.1"}, serial: 1, want: []string{"-dyn.example.com. 300 IN A 192.0.2.1", "+dyn.example.com. 60 IN A 192.0.2.1"}},
		{name: "TTL 0", lines: []string{"add x 0 A 192.0.2.9"}, serial: 1, want: []string{"+x.dyn.example.com. 0 IN A 192.0.2.9"}},
		{name: "replace by delete and add", lines: []string{"del @ A", "add @ 300 A 192.0.2.9"}, serial: 1,
			want: []string{"-dyn.example.com. 300 IN A 192.0.2.1", "+dyn.example.com. 300 IN A 192.0.2.9"}},
		{name: "replace by the same", lines: []string{"del @ A", "add @ 300 A 192.0.2.1"}},
		{name: "add and delete again", lines: []string{"add x 300 A 192.0.2.1", "del x"}},
		{name: "wildcard owner", lines: []string{"add *.x 300 A 192.0.2.9"}, serial: 1, want: []string{"+*.x.dyn.example.com. 300 IN A 192.0.2.9"}},
		{name: "wildcard NS and DNAME are ignored", lines: []string{"add *.wild 300 NS ns", "add *.wild 300 DNAME www"}},
		{name: "A beside a CNAME is ignored", lines: []string{"add alias 300 A 192.0.2.9"}},
		{name: "CNAME beside an A is ignored", lines: []string{"add www 300 CNAME x"}},
		{name: "CNAME replaces a CNAME", lines: []string{"add alias 300 CNAME x"}, serial: 1,
			want: []string{"-alias.dyn.example.com. 300 IN CNAME www.dyn.example.com.", "+alias.dyn.example.com. 300 IN CNAME x.dyn.example.com."}},
		{name: "ignored add beside one that counts", lines: []string{"add alias 300 A 192.0.2.9", "add x 60 A 192.0.2.9"}, serial: 1, want: []string{"+x.dyn.example.com. 60 IN A 192.0.2.9"}},
		{name: "CNAME gives way when deleted first", lines: []string{"del alias CNAME", "add alias 300 A 192.0.2.9"}, serial: 1,
			want: []string{"-alias.dyn.example.com. 300 IN CNAME www.dyn.example.com.", "+alias.dyn.example.com. 300 IN A 192.0.2.9"}},
		{name: "delete an RRset", lines: []string{"del www A"}, serial: 1, want: []string{"-www.dyn.example.com. 300 IN A 192.0.2.1", "-www.dyn.example.com. 300 IN A 192.0.2.2"}},
		{name: "delete an absent RRset", lines: []string{"del www AAAA", "del none A"}},
		{name: "delete a name", lines: []string{"del www"}, serial: 1, want: []string{
			"-www.dyn.example.com. 300 IN A 192.0.2.1", "-www.dyn.example.com. 300 IN A 192.0.2.2", "-www.dyn.example.com. 300 IN TXT \"hello\""}},
		{name: "delete an empty non-terminal", lines: []string{"del ent"}},
		{name: "delete a record", lines: []string{"del www A 192.0.2.2"}, serial: 1, want: []string{"-www.dyn.example.com. 300 IN A 192.0.2.2"}},
		{name: "delete an absent record", lines: []string{"del www A 192.0.2.9"}},
		{name: "delete the apex keeps SOA and NS", lines: []string{"del @"}, serial: 1, want: []string{"-dyn.example.com. 300 IN A 192.0.2.1"}},
		{name: "delete the apex NS RRset is ignored", lines: []string{"del @ NS"}},
		{name: "delete the SOA RRset is ignored", lines: []string{"del @ SOA"}},
		{name: "delete the last NS is ignored", lines: []string{"del @ NS ns"}},
		{name: "delete the last but one NS", lines: []string{"add @ 300 NS ns2", "del @ NS ns"}, serial: 1,
			want: []string{"-dyn.example.com. 300 IN NS ns.dyn.example.com.", "+dyn.example.com. 300 IN NS ns2.dyn.example.com."}},
		{name: "NS elsewhere can be deleted", lines: []string{"add sub 300 NS ns.example.org.", "del sub NS"}},
		{name: "SOA with a higher serial sets it", lines: []string{"add @ 300 SOA ns hostmaster 50 7200 3600 1209600 300"}, serial: 40},
		{name: "SOA with the same serial is ignored", lines: []string{"add @ 300 SOA ns other 10 7200 3600 1209600 300"}},
		{name: "SOA with a lower serial is ignored", lines: []string{"add @ 300 SOA ns other 9 7200 3600 1209600 300"}},
		{name: "SOA below the apex is ignored", lines: []string{"add x 300 SOA ns other 50 7200 3600 1209600 300"}},
		{name: "SOA and data", lines: []string{"add @ 300 SOA ns hostmaster 50 7200 3600 1209600 300", "add x 60 A 192.0.2.9"}, serial: 40, want: []string{"+x.dyn.example.com. 60 IN A 192.0.2.9"}},
		{name: "TTL above the limit", lines: []string{"add x 90000 A 192.0.2.9"}, serial: 1, want: []string{"+x.dyn.example.com. 86400 IN A 192.0.2.9"}},
		{name: "unknown type", lines: []string{"add x 60 TYPE65400 \\# 2 abcd"}, serial: 1, want: []string{"+x.dyn.example.com. 60 CLASS1 TYPE65400 \\# 2 abcd"}},
	}
	for _, test := range tests {
		for _, network := range []string{"udp", "tcp"} {
			t.Run(test.name+"/"+network, func(t *testing.T) {
				s := NewServer(Zone{Name: testZone, Keys: []Key{testKey}, Records: updateRecords, MaxTTL: 86400})
				defer s.Close()
				z := s.Zone(testZone)
				before := z.Records()
				wire, mac := signed(t, script(t, test.lines...), testKey, time.Now())
				reply, raw := exchange(t, network, s.Addr(), wire)
				if reply.Rcode != test.rcode {
					t.Errorf("rcode %s, want %s", dns.RcodeToString[reply.Rcode], dns.RcodeToString[test.rcode])
				}
				if got := seal(t, raw, testKey, mac); got != "good" {
					t.Errorf("signature %s, want good", got)
				}
				if got := changes(before, z.Records()); !slices.Equal(got, test.want) {
					t.Errorf("changes\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(test.want, "\n"))
				}
				if got := z.Serial() - 10; got != test.serial {
					t.Errorf("serial rose by %d, want %d", got, test.serial)
				}
			})
		}
	}
}

func TestUpdateZoneSection(t *testing.T) {
	s := NewServer(Zone{Name: testZone, Keys: []Key{testKey}})
	defer s.Close()
	soa := func(name string, class uint16) dns.Question {
		return dns.Question{Name: name, Qtype: dns.TypeSOA, Qclass: class}
	}
	tests := []struct {
		name  string
		zone  []dns.Question
		rcode int
	}{
		{"the zone", []dns.Question{soa(testZone, dns.ClassINET)}, dns.RcodeSuccess},
		{"the zone in upper case", []dns.Question{soa("DYN.example.COM.", dns.ClassINET)}, dns.RcodeSuccess},
		{"no zone", nil, dns.RcodeFormatError},
		{"two zones", []dns.Question{soa(testZone, dns.ClassINET), soa("example.org.", dns.ClassINET)}, dns.RcodeFormatError},
		{"type A", []dns.Question{{Name: testZone, Qtype: dns.TypeA, Qclass: dns.ClassINET}}, dns.RcodeFormatError},
		{"another zone", []dns.Question{soa("example.org.", dns.ClassINET)}, dns.RcodeNotAuth},
		{"the parent", []dns.Question{soa("example.com.", dns.ClassINET)}, dns.RcodeNotAuth},
		{"a name in the zone", []dns.Question{soa("www."+testZone, dns.ClassINET)}, dns.RcodeNotAuth},
		{"another class", []dns.Question{soa(testZone, dns.ClassCHAOS)}, dns.RcodeNotAuth},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			m := script(t)
			m.Question = test.zone
			wire, mac := signed(t, m, testKey, time.Now())
			reply, raw := exchange(t, "tcp", s.Addr(), wire)
			if reply.Rcode != test.rcode {
				t.Errorf("rcode %s, want %s", dns.RcodeToString[reply.Rcode], dns.RcodeToString[test.rcode])
			}
			if got := seal(t, raw, testKey, mac); got != "good" {
				t.Errorf("signature %s, want good", got)
			}
		})
	}
}

func TestUpdatePermission(t *testing.T) {
	otherKey := Key{Name: "other-key", Algorithm: "hmac-sha256", Secret: []byte("another secret")}
	s := NewServer(
		Zone{Name: testZone, Keys: []Key{testKey}, Records: updateRecords, Allow: func(key, owner string, rrtype uint16) bool {
			return key == "router-key." && owner != "ns.dyn.example.com." && (rrtype == dns.TypeA || rrtype == dns.TypeAAAA)
		}},
		Zone{Name: "example.org.", Keys: []Key{otherKey}},
	)
	defer s.Close()
	tests := []struct {
		name  string
		key   *Key
		lines []string
		rcode int
		seal  string
	}{
		{"granted", &testKey, []string{"add x 300 A 192.0.2.9"}, dns.RcodeSuccess, "good"},
		{"type not granted", &testKey, []string{"add x 300 TXT hi"}, dns.RcodeRefused, "good"},
		{"owner not granted", &testKey, []string{"add NS 300 A 192.0.2.9"}, dns.RcodeRefused, "good"},
		{"one of two not granted", &testKey, []string{"add y 300 A 192.0.2.9", "del ns A"}, dns.RcodeRefused, "good"},
		{"prerequisites need no grant", &testKey, []string{"has www TXT", "has ns A"}, dns.RcodeSuccess, "good"},
		{"all RRsets, granted types", &testKey, []string{"del a.ent"}, dns.RcodeSuccess, "good"},
		{"all RRsets, one not granted", &testKey, []string{"del www"}, dns.RcodeRefused, "good"},
		{"out of zone is NOTZONE", &testKey, []string{"add x.example.org. 300 TXT hi"}, dns.RcodeNotZone, "good"},
		{"prerequisites come before the grant", &testKey, []string{"has none", "add x 300 TXT hi"}, dns.RcodeNameError, "good"},
		{"the key of another zone", &otherKey, []string{"add x 300 A 192.0.2.9"}, dns.RcodeRefused, "good"},
		{"the key of another zone learns nothing", &otherKey, []string{"has none"}, dns.RcodeRefused, "good"},
		{"no key", nil, []string{"add x 300 A 192.0.2.9"}, dns.RcodeRefused, "none"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			m := script(t, test.lines...)
			wire, mac := pack(t, m), ""
			if test.key != nil {
				wire, mac = signed(t, m, *test.key, time.Now())
			}
			before := s.Zone(testZone).Records()
			reply, raw := exchange(t, "tcp", s.Addr(), wire)
			if reply.Rcode != test.rcode {
				t.Errorf("rcode %s, want %s", dns.RcodeToString[reply.Rcode], dns.RcodeToString[test.rcode])
			}
			key := testKey
			if test.key != nil {
				key = *test.key
			}
			if got := seal(t, raw, key, mac); got != test.seal {
				t.Errorf("signature %s, want %s", got, test.seal)
			}
			if diff := changes(before, s.Zone(testZone).Records()); test.rcode != dns.RcodeSuccess && diff != nil {
				t.Errorf("a refused message changed %v", diff)
			}
		})
	}
}

func TestSerialWraps(t *testing.T) {
	s := NewServer(Zone{Name: testZone, Keys: []Key{testKey}, Records: []string{"@ SOA ns hostmaster 4294967295 7200 3600 1209600 300"}})
	defer s.Close()
	wire, _ := signed(t, script(t, "add x 60 A 192.0.2.9"), testKey, time.Now())
	exchange(t, "udp", s.Addr(), wire)
	if got := s.Zone(testZone).Serial(); got != 1 {
		t.Errorf("serial %d, want 1", got)
	}
}
