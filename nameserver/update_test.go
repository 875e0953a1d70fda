package nameserver

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/caddy-dyndns/dyndns/dnsupdate"
	"github.com/caddy-dyndns/dyndns/zone"
	"github.com/caddy-dyndns/dyndns/zone/zonetest"
)

func record(t testing.TB, line string) []dns.RR {
	t.Helper()
	rr, err := dns.NewRR("$ORIGIN " + apex + "\n" + line)
	if err != nil {
		t.Fatal(err)
	}
	return []dns.RR{rr}
}

func updateMessage(changes ...func(*dns.Msg)) *dns.Msg {
	m := new(dns.Msg).SetUpdate(apex)
	for _, change := range changes {
		change(m)
	}
	return m
}

func insert(t testing.TB, line string) func(*dns.Msg) {
	return func(m *dns.Msg) { m.Insert(record(t, line)) }
}

// update sends a signed message and returns the reply's rcode.
func update(t testing.TB, addr string, m *dns.Msg) int {
	t.Helper()
	wire, mac := signed(t, m)
	reply, raw := exchange(t, "tcp", addr, wire)
	if err := dns.TsigVerify(slices.Clone(raw), base64.StdEncoding.EncodeToString(testKey.Secret), mac, false); err != nil {
		t.Errorf("the reply's signature: %v", err)
	}
	return reply.Rcode
}

func TestUpdate(t *testing.T) {
	for _, tt := range []struct {
		name  string
		m     *dns.Msg
		rcode int
		// serials is by how much the serial rises.
		serials uint32
		at      string
		want    string
	}{
		{"add", updateMessage(insert(t, "a 60 A 192.0.2.1")), 0, 1, "a", "192.0.2.1"},
		{"add what is there", updateMessage(insert(t, "dynamic 60 A 192.0.2.9")), 0, 0, "dynamic", "192.0.2.9"},
		{"delete", updateMessage(func(m *dns.Msg) { m.RemoveRRset(record(t, "dynamic A 192.0.2.1")) }), 0, 1, "dynamic", ""},
		{"a prerequisite that fails", updateMessage(func(m *dns.Msg) { m.NameUsed(record(t, "none A 192.0.2.1")) }, insert(t, "a 60 A 192.0.2.1")), dns.RcodeNameError, 0, "a", ""},
		{"a static RRset", updateMessage(insert(t, "www 60 A 192.0.2.9"), insert(t, "a 60 A 192.0.2.9")), dns.RcodeRefused, 0, "www", "192.0.2.1"},
		{"delete a static record", updateMessage(func(m *dns.Msg) { m.Remove(record(t, "www A 192.0.2.1")) }), dns.RcodeRefused, 0, "www", "192.0.2.1"},
		{"delete the name of a static RRset", updateMessage(func(m *dns.Msg) { m.RemoveName(record(t, "www A 192.0.2.1")) }), dns.RcodeRefused, 0, "www", "192.0.2.1"},
		{"the SOA record", updateMessage(insert(t, "@ 60 SOA ns1 x 4000000000 1 1 1 1")), dns.RcodeRefused, 0, "www", "192.0.2.1"},
		{"NS", updateMessage(insert(t, "@ 60 NS ns3")), dns.RcodeRefused, 0, "www", "192.0.2.1"},
		{"a delegation", updateMessage(insert(t, "sub 60 NS ns3")), dns.RcodeRefused, 0, "www", "192.0.2.1"},
		{"DNAME", updateMessage(insert(t, "sub 60 DNAME example.org.")), dns.RcodeRefused, 0, "www", "192.0.2.1"},
		{"outside of the zone", updateMessage(insert(t, "www.example.org. 60 A 192.0.2.1")), dns.RcodeNotZone, 0, "www", "192.0.2.1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := open(t, keyed(testConfig("www A 192.0.2.1")))
			addr := listen(t, s)
			mustApply(t, s, set("dynamic", "192.0.2.9"))
			before := serial(s)
			if got := update(t, addr, tt.m); got != tt.rcode {
				t.Errorf("got %s, want %s", dns.RcodeToString[got], dns.RcodeToString[tt.rcode])
			}
			if got := values(s, tt.at, dns.TypeA); got != tt.want || serial(s) != before+tt.serials {
				t.Errorf("afterwards %q and the serial +%d", got, serial(s)-before)
			}
		})
	}
}

// An RRset that fits into no message is refused, whatever brings it there, with all that
// was to be changed beside it.
func TestTooLarge(t *testing.T) {
	s := open(t, keyed(testConfig()))
	addr := listen(t, s)
	texts := func(from, to int) func(*dns.Msg) {
		return func(m *dns.Msg) {
			for i := from; i < to; i++ {
				m.Insert(record(t, fmt.Sprintf("big 60 TXT %d%s", i, strings.Repeat(" "+strings.Repeat("x", 200), 3))))
			}
		}
	}
	if got := update(t, addr, updateMessage(texts(0, 90))); got != dns.RcodeSuccess {
		t.Fatal(dns.RcodeToString[got])
	}
	before := serial(s)
	if got := update(t, addr, updateMessage(texts(90, maxRecords), insert(t, "a 60 A 192.0.2.1"))); got != dns.RcodeRefused || serial(s) != before || values(s, "a", dns.TypeA) != "" {
		t.Errorf("got %s, serial +%d", dns.RcodeToString[got], serial(s)-before)
	}
	many := zone.Change{Name: "many." + apex, Type: zone.TypeTXT, Action: zone.Add, TTL: 60}
	for i := range 20 {
		many.Values = append(many.Values, fmt.Sprint(i, strings.Repeat("y", 4000)))
	}
	results := s.Zone(apex).Apply(t.Context(), []zone.Change{many, set("a", "192.0.2.1")})
	if err, ok := results[0].Err.(*zone.Error); !ok || err.Reason != zone.Refused || results[1].Err != nil {
		t.Errorf("got %v and %v", results[0].Err, results[1].Err)
	}
	reply, _ := exchange(t, "tcp", addr, pack(t, query("big TXT")))
	if len(reply.Answer) != 90 || reply.Truncated {
		t.Errorf("the answer has %d records", len(reply.Answer))
	}
}

// What BIND would not transfer with its defaults, or could not read, never comes into the
// zone: else who has one name could cut all others off from the secondaries.
func TestUntransferable(t *testing.T) {
	s := open(t, keyed(testConfig()))
	addr := listen(t, s)
	z := s.Zone(apex)
	var lines []string
	many := zone.Change{Name: "many." + apex, Type: zone.TypeA, Action: zone.Set, TTL: 60}
	for i := range maxRecords + 1 {
		many.Values = append(many.Values, fmt.Sprintf("192.0.2.%d", i))
		lines = append(lines, fmt.Sprintf("many 60 IN A 192.0.2.%d", i))
	}
	if err := testConfig(lines...).Validate(); err == nil {
		t.Error("the configuration may have too many records")
	}
	insertAll := func(m *dns.Msg) {
		for _, line := range lines {
			insert(t, line)(m)
		}
	}
	before := serial(s)
	for name, err := range map[string]error{
		"a change": z.Apply(t.Context(), []zone.Change{many})[0].Err,
		"a service binding": z.Apply(t.Context(), []zone.Change{{
			Name: "a." + apex, Type: zone.TypeHTTPS, Action: zone.Set, Values: []string{"1 . no-default-alpn"},
		}})[0].Err,
		"an import":                      imported(t, z, strings.Join(lines, "\n")),
		"an import of a service binding": imported(t, z, "a 60 IN HTTPS 1 . no-default-alpn"),
	} {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	for name, m := range map[string]*dns.Msg{
		"an update": updateMessage(insertAll), "an update with a service binding": updateMessage(insert(t, "a 60 SVCB 1 . mandatory=alpn")),
	} {
		if got := update(t, addr, m); got != dns.RcodeRefused {
			t.Errorf("%s: %s", name, dns.RcodeToString[got])
		}
	}
	if serial(s) != before {
		t.Errorf("the serial rose by %d", serial(s)-before)
	}
	many.Values = many.Values[1:]
	if err := z.Apply(t.Context(), []zone.Change{many})[0].Err; err != nil {
		t.Error(err)
	}
}

func imported(t *testing.T, z *Zone, file string) error {
	_, err := z.Import(t.Context(), strings.NewReader(file), 0)
	return err
}

// Who has no rights learns nothing.
func TestUpdateRights(t *testing.T) {
	other := testConfig("www A 192.0.2.1")
	other.Name, other.NameServers, other.Records = "other.example.", []string{"ns1.example.net"}, nil
	s := open(t, testConfig("www A 192.0.2.1"), keyed(other))
	addr := listen(t, s)
	m := updateMessage(func(m *dns.Msg) { m.NameNotUsed(record(t, "www A 192.0.2.1")) })
	if got := update(t, addr, m); got != dns.RcodeRefused {
		t.Errorf("with the key of another zone: %s", dns.RcodeToString[got])
	}
	if reply, _ := exchange(t, "udp", addr, pack(t, m)); reply.Rcode != dns.RcodeRefused {
		t.Errorf("without a key: %s", dns.RcodeToString[reply.Rcode])
	}
}

// The updates of a connection happen in the order in which they came, and so do their
// replies: whoever sends a message twice learns first what the first one did.
func TestUpdateOrder(t *testing.T) {
	s := open(t, keyed(testConfig()))
	addr := listen(t, s)
	conn := dial(t, "tcp", addr)
	for i := range 100 {
		owner := fmt.Sprint("a", i)
		change, _ := signed(t, updateMessage(func(m *dns.Msg) { m.RRsetNotUsed(record(t, owner+" A 192.0.2.1")) }, insert(t, owner+" 60 A 192.0.2.1")))
		proof, _ := signed(t, updateMessage(func(m *dns.Msg) { m.RRsetUsed(record(t, owner+" A 192.0.2.1")) }))
		want := []int{dns.RcodeSuccess, dns.RcodeYXRrset, dns.RcodeSuccess}
		for _, wire := range [][]byte{change, change, proof} {
			send(t, conn, wire)
		}
		var got []int
		for range want {
			wire, err := receive(conn)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, int(wire[3]&0xf))
		}
		if !slices.Equal(got, want) {
			t.Fatalf("round %d: got %v, want %v", i, got, want)
		}
	}
}

// A second Caddy changes the zone by UPDATE and keeps the contract.
func TestContractByUpdate(t *testing.T) {
	s := open(t, keyed(testConfig()))
	addr := listen(t, s)
	client := dnsupdate.NewClient(dnsupdate.Options{})
	t.Cleanup(client.Close)
	zonetest.Run(t, zonetest.Config{
		Name: apex, Proven: true, View: zonetest.Nameserver{Zone: apex, Addr: addr},
		Open: func(t testing.TB) zone.Zone {
			u, err := client.Open(dnsupdate.ZoneConfig{Name: apex, Servers: []string{addr}, Key: testKey})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(u.Close)
			return u
		},
	})
}

// TestSignature has what is wrong with signatures.
func TestSignature(t *testing.T) {
	addr := listen(t, open(t, keyed(testConfig())))
	sign := func(name, secret string, at time.Time) []byte {
		m := query("@ SOA")
		m.SetEdns0(1232, false)
		m.SetTsig(name, dns.HmacSHA256, 300, at.Unix())
		wire, _, err := dns.TsigGenerate(m, base64.StdEncoding.EncodeToString([]byte(secret)), "", false)
		if err != nil {
			t.Fatal(err)
		}
		return wire
	}
	for _, tt := range []struct {
		name  string
		wire  []byte
		rcode int
		tsig  uint16
	}{
		{"good", sign(testKey.Name, string(testKey.Secret), time.Now()), dns.RcodeSuccess, 0},
		{"unknown key", sign("other.", "x", time.Now()), dns.RcodeNotAuth, dns.RcodeBadKey},
		{"wrong secret", sign(testKey.Name, "x", time.Now()), dns.RcodeNotAuth, dns.RcodeBadSig},
		{"old", sign(testKey.Name, string(testKey.Secret), time.Now().Add(-time.Hour)), dns.RcodeNotAuth, dns.RcodeBadTime},
	} {
		reply, _ := exchange(t, "udp", addr, tt.wire)
		if sig := reply.IsTsig(); reply.Rcode != tt.rcode || sig == nil || sig.Error != tt.tsig || reply.IsEdns0() == nil {
			t.Errorf("%s: %s", tt.name, reply)
		}
	}
}
