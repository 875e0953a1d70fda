package nameserver

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/caddy-dyndns/dyndns/dnsupdate"
	"github.com/caddy-dyndns/dyndns/internal/authority"
	"github.com/caddy-dyndns/dyndns/zone"
)

func TestValidate(t *testing.T) {
	with := func(change func(*ZoneConfig)) ZoneConfig {
		z := testConfig()
		change(&z)
		return z
	}
	record := func(lines ...string) ZoneConfig { return testConfig(lines...) }
	var many []string
	for i := range maxRecords {
		many = append(many, fmt.Sprintf("a TXT %d%s", i, strings.Repeat(" "+strings.Repeat("x", 200), 3)))
	}
	for _, tt := range []struct {
		name string
		zone ZoneConfig
		says string // empty: it is valid
	}{
		{"the least", ZoneConfig{Name: "dyn.example.com", NameServers: []string{"ns.example.net"}}, ""},
		{"all kinds of records", record("@ CAA 0 issue \"letsencrypt.org\"", "www 60 IN A 192.0.2.1", "*.x CNAME www", "_x._tcp SRV 0 0 1 www", "a TYPE65400 \\# 1 00"), ""},
		{"no name", with(func(z *ZoneConfig) { z.Name = "" }), "the name is empty"},
		{"no nameserver", with(func(z *ZoneConfig) { z.NameServers = nil }), "needs the name of a nameserver"},
		{"a nameserver that is no name", with(func(z *ZoneConfig) { z.NameServers = []string{"a b"} }), "nameserver: the name has the character"},
		{"a nameserver inside without an address", with(func(z *ZoneConfig) { z.NameServers = []string{"ns9." + apex} }), "needs a record with its address"},
		{"a mail address", with(func(z *ZoneConfig) { z.Mail = "first.last@example.com" }), ""},
		{"no mail address", with(func(z *ZoneConfig) { z.Mail = "hostmaster" }), "the form user@host"},
		{"a mail address with spaces", with(func(z *ZoneConfig) { z.Mail = "a b@example.com" }), "cannot stand in a SOA record"},
		{"a line that is none", record("www A x"), "records: "},
		{"a record of another zone", record("www.example.org. A 192.0.2.1"), "outside the zone"},
		{"a line without data", record("www A"), "no data"},
		{"a meta type", record("www ANY"), "no record of a zone"},
		{"another class", record("www CH A 192.0.2.1"), "another class"},
		{"a TTL of 32 bits", record("www 4000000000 A 192.0.2.1"), "TTL"},
		{"$INCLUDE", record("$INCLUDE /etc/passwd"), "records: "},
		{"SOA", record("@ SOA ns1 hostmaster 1 2 3 4 5"), "the SOA record is made of"},
		{"NS", record("@ NS ns3"), "the NS records are made of"},
		{"a delegation", record("sub NS ns.example.org."), "cannot be delegated"},
		{"DNAME", record("sub DNAME example.org."), "DNAME is not supported"},
		{"a CNAME beside another record", record("www CNAME a", "www A 192.0.2.1"), "CNAME"},
		{"a CNAME at the apex", record("@ CNAME a"), "CNAME"},
		{"an RRset that fits into no message", record(many...), "octets together"},
		{"a key that is none", with(func(z *ZoneConfig) { z.UpdateKeys = []dnsupdate.Key{{Name: "k", Algorithm: "md5"}} }), "unknown algorithm"},
		{"a secondary that is none", with(func(z *ZoneConfig) { z.Secondaries = []Secondary{{Address: "ns2.example.net:53", Key: testKey}} }), "not an IP address with a port"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.zone.Validate()
			if tt.says == "" && err != nil || tt.says != "" && (err == nil || !strings.Contains(err.Error(), tt.says)) {
				t.Errorf("got %v, want an error that says %q", err, tt.says)
			}
		})
	}
}

// TestConfigureError has a server refuse zones, and serve what it served before.
func TestConfigureError(t *testing.T) {
	s := open(t, testConfig("www A 192.0.2.1"))
	other := testKey
	other.Secret = []byte("another")
	for _, tt := range []struct {
		name  string
		zones []ZoneConfig
		says  string
	}{
		{"twice the same zone", []ZoneConfig{testConfig(), testConfig()}, "configured twice"},
		{"one zone of two is no good", []ZoneConfig{testConfig(), {Name: "example.org"}}, "zone example.org: it needs"},
		{"two secrets of one key", []ZoneConfig{keyed(testConfig()), {Name: "example.org", NameServers: []string{"ns.example.net"}, UpdateKeys: []dnsupdate.Key{other}}}, "two different keys"},
	} {
		if err := s.Configure(tt.zones); err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: got %v, want an error that says %q", tt.name, err, tt.says)
		}
	}
	if got := values(s, "www", dns.TypeA); got != "192.0.2.1" {
		t.Errorf("afterwards: %q", got)
	}
}

// values returns the data of an RRset as it is served, joined by commas.
func values(s *Server, name string, rrtype uint16) string {
	var values []string
	if z := s.table.Load().zones[apex]; z != nil {
		z.read(func(_ *configuration, data *authority.Zone) {
			for _, rr := range data.Records(name+"."+apex, rrtype) {
				values = append(values, strings.TrimPrefix(rr.String(), rr.Header().String()))
			}
		})
	}
	slices.Sort(values)
	return strings.Join(values, ",")
}

func serial(s *Server) (serial uint32) {
	s.table.Load().zones[apex].read(func(_ *configuration, data *authority.Zone) { serial = data.SOA().Serial })
	return serial
}

func set(name, address string) zone.Change {
	return zone.Change{Name: name + "." + apex, Type: zone.TypeA, Action: zone.Set, Values: []string{address}, TTL: 60}
}

func mustApply(t testing.TB, s *Server, changes ...zone.Change) {
	t.Helper()
	for _, r := range s.Zone(apex).Apply(t.Context(), changes) {
		if r.Err != nil {
			t.Fatal(r.Err)
		}
	}
}

// TestDisagreement configures a zone in another way: the configuration wins, what was
// changed at run time is kept, and the serial moves on, over a restart, too.
func TestDisagreement(t *testing.T) {
	path := filepath.Join(t.TempDir(), "zones.db")
	s := reopen(t, path, testConfig("www A 192.0.2.1"))
	if serial(s) < 1_700_000_000 {
		t.Errorf("the first serial is %d", serial(s))
	}
	mustApply(t, s, set("a", "192.0.2.10"), set("b", "192.0.2.11"))
	before := serial(s)
	if err := s.Configure([]ZoneConfig{testConfig("www A 192.0.2.1")}); err != nil || serial(s) != before {
		t.Errorf("the same again: serial %d after %d, %v", serial(s), before, err)
	}
	steps := []struct {
		name           string
		records        []string
		www, a, b, txt string
	}{
		{"other records", []string{"www A 192.0.2.2"}, "192.0.2.2", "192.0.2.10", "192.0.2.11", ""},
		{"one in the place of a dynamic one", []string{"a A 192.0.2.3"}, "", "192.0.2.3", "192.0.2.11", ""},
		{"one beside a dynamic one", []string{"b TXT x"}, "", "192.0.2.10", "192.0.2.11", `"x"`},
		{"an alias in the place of a dynamic one", []string{"b CNAME a"}, "", "192.0.2.10", "", ""},
		{"none", nil, "", "192.0.2.10", "192.0.2.11", ""},
	}
	for i, tt := range steps {
		if i%2 == 1 {
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s = reopen(t, path, testConfig(tt.records...))
		} else if err := s.Configure([]ZoneConfig{testConfig(tt.records...)}); err != nil {
			t.Fatal(err)
		}
		got := []string{values(s, "www", dns.TypeA), values(s, "a", dns.TypeA), values(s, "b", dns.TypeA), values(s, "b", dns.TypeTXT)}
		if want := []string{tt.www, tt.a, tt.b, tt.txt}; !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", tt.name, got, want)
		}
		if before++; serial(s) != before {
			t.Errorf("%s: the serial is %d, want %d", tt.name, serial(s), before)
		}
	}
	if err := s.Configure(nil); err != nil || s.Zone(apex) != nil {
		t.Fatal(err)
	}
	if err := s.Configure([]ZoneConfig{testConfig()}); err != nil || values(s, "a", dns.TypeA) != "192.0.2.10" || serial(s) != before {
		t.Errorf("a zone that comes back: %q, serial %d, %v", values(s, "a", dns.TypeA), serial(s), err)
	}
}

// TestStatic has changes meet what is configured.
func TestStatic(t *testing.T) {
	s := open(t, testConfig("www A 192.0.2.1", "alias CNAME www"))
	text := func(name string) zone.Change {
		return zone.Change{Name: name + "." + apex, Type: zone.TypeTXT, Action: zone.Add, Values: []string{"x"}, TTL: 60}
	}
	del, keep := set("www", ""), set("www", "")
	del.Action, del.Values = zone.Delete, nil
	keep.Action, keep.Values = zone.Keep, nil
	for _, tt := range []struct {
		name   string
		change zone.Change
		reason zone.Reason
	}{
		{"another value", set("www", "192.0.2.2"), zone.Conflict},
		{"the value that is there", set("www", "192.0.2.1"), zone.Conflict},
		{"delete", del, zone.Conflict},
		{"keep", keep, ""},
		{"another type", text("www"), ""},
		{"at an alias", text("alias"), zone.Conflict},
		{"below an alias", text("a.alias"), ""},
	} {
		results := s.Zone(apex).Apply(t.Context(), []zone.Change{tt.change, set("neighbour", "192.0.2.9")})
		var e *zone.Error
		if errors.As(results[0].Err, &e) != (tt.reason != "") || e != nil && e.Reason != tt.reason {
			t.Errorf("%s: got %v, want the reason %q", tt.name, results[0].Err, tt.reason)
		}
		if results[1].Err != nil {
			t.Errorf("%s: its neighbour: %v", tt.name, results[1].Err)
		}
	}
	if got := values(s, "www", dns.TypeA); got != "192.0.2.1" {
		t.Errorf("afterwards: %q", got)
	}
}
