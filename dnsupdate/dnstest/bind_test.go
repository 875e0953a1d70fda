//go:build integration

package dnstest

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/caddy-dyndns/dyndns/internal/await"
	"github.com/caddy-dyndns/dyndns/internal/loopback"
)

// startBIND runs BIND as the primary of testZone with the records and returns
// its address.
func startBIND(t *testing.T, records []string) string {
	t.Helper()
	named, err := exec.LookPath("/usr/sbin/named")
	if err != nil {
		t.Fatalf("BIND is needed for this test: %v", err)
	}
	port, err := loopback.Reserve()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { port.Close() })
	dir := t.TempDir()
	conf := fmt.Sprintf(`
key "%s" { algorithm %s; secret "%s"; };
options {
	directory "%s";
	pid-file none;
	session-keyfile none;
	listen-on port %s { 127.0.0.1; };
	listen-on-v6 { none; };
	recursion no;
	notify no;
	minimal-responses yes;
	dnssec-validation no;
};
controls { };
zone "%s" {
	type primary;
	file "zone";
	max-zone-ttl unlimited;
	# Rules of BIND's own, see the package comment.
	check-names ignore;
	check-mx ignore;
	check-integrity no;
	update-policy { grant %[1]s zonesub ANY; };
};
`, testKey.Name, testKey.Algorithm, base64.StdEncoding.EncodeToString(testKey.Secret), dir, port.Number(), testZone)
	zone := "$TTL 3600\n$ORIGIN " + testZone + "\n" + strings.Join(records, "\n") + "\n"
	for name, text := range map[string]string{"named.conf": conf, "zone": zone} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var log strings.Builder
	cmd := exec.Command(named, "-g", "-c", filepath.Join(dir, "named.conf"))
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan struct{})
	go func() {
		cmd.Wait()
		close(exited)
	}()
	t.Cleanup(func() {
		cmd.Process.Kill()
		<-exited
		if t.Failed() {
			t.Log(log.String())
		}
	})
	client := &dns.Client{Net: "tcp", Timeout: time.Minute}
	await.True(t, "BIND", func() bool {
		select {
		case <-exited:
			t.Fatal("BIND did not start")
		default:
		}
		reply, _, err := client.Exchange(ask("@ SOA"), port.Addr())
		return err == nil && reply.Rcode == dns.RcodeSuccess
	})
	return port.Addr()
}

// TestQueryLikeBIND asks BIND what TestQuery asks.
func TestQueryLikeBIND(t *testing.T) {
	addr := startBIND(t, queryRecords)
	for _, test := range queries {
		t.Run(test.name, func(t *testing.T) {
			reply, _ := exchange(t, "tcp", addr, pack(t, ask(test.ask)))
			// BIND spells an owner as it stands in the zone.
			if got := describe(reply); !strings.EqualFold(got, test.want) {
				t.Errorf("%s:\nBIND %s\nwant %s", test.ask, got, test.want)
			}
		})
	}
}

// TestUpdateLikeBIND sends the same messages to BIND and to a Server and
// compares the reply's code, the serial and the zone after each.
func TestUpdateLikeBIND(t *testing.T) {
	addr := startBIND(t, updateRecords)
	s := NewServer(Zone{Name: testZone, Keys: []Key{testKey}, Records: updateRecords})
	defer s.Close()

	g := &generator{rand: rand.New(rand.NewPCG(2136, 8945))}
	codes := make(map[int]int)
	for i := range 600 {
		lines := g.message()
		m := script(t, lines...)
		want := sendUpdate(t, addr, m)
		got := sendUpdate(t, s.Addr(), m)
		codes[want]++
		if got != want {
			t.Errorf("message %d: rcode %s, BIND says %s:\n%s", i, dns.RcodeToString[got], dns.RcodeToString[want], strings.Join(lines, "\n"))
		}
		theirs, serial := transfer(t, addr)
		if s.Zone(testZone).Serial() != serial {
			t.Errorf("message %d: serial %d, BIND has %d:\n%s", i, s.Zone(testZone).Serial(), serial, strings.Join(lines, "\n"))
		}
		if diff := changes(theirs, s.Zone(testZone).Records()); diff != nil {
			t.Errorf("message %d: the zone differs from BIND's by\n%s\nafter\n%s", i, strings.Join(diff, "\n"), strings.Join(lines, "\n"))
		}
		if t.Failed() {
			t.FailNow()
		}
	}
	// The messages must not all be refused or all be accepted.
	for _, code := range []int{dns.RcodeSuccess, dns.RcodeFormatError, dns.RcodeNameError, dns.RcodeYXDomain, dns.RcodeYXRrset, dns.RcodeNXRrset, dns.RcodeNotZone} {
		if codes[code] < 5 {
			t.Errorf("only %d of the messages led to %s", codes[code], dns.RcodeToString[code])
		}
	}
	t.Logf("codes: %v", codes)
}

// TestBINDDeparts shows where BIND does not do as RFC 2136 says, which the
// package comment lists.
func TestBINDDeparts(t *testing.T) {
	addr := startBIND(t, updateRecords)
	s := NewServer(Zone{Name: testZone, Keys: []Key{testKey}, Records: updateRecords})
	defer s.Close()
	tests := []struct {
		name       string
		class      uint16
		lines      []string
		ours, bind int
	}{
		{"another class", dns.ClassCHAOS, nil, dns.RcodeNotAuth, dns.RcodeNotImplemented},
		{"a fault in both sections", dns.ClassINET, []string{"has none", "add www.example.org. 300 A 192.0.2.1"}, dns.RcodeNameError, dns.RcodeNotZone},
		{"a malformed record behind a failing prerequisite", dns.ClassINET, []string{"has none", "update CH 300 www TXT text"}, dns.RcodeNameError, dns.RcodeFormatError},
		{"a nameserver without an address", dns.ClassINET, []string{"add @ 300 NS ns3"}, dns.RcodeSuccess, dns.RcodeRefused},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			m := script(t, test.lines...)
			m.Question[0].Qclass = test.class
			if got := sendUpdate(t, s.Addr(), m); got != test.ours {
				t.Errorf("ours: %s, want %s", dns.RcodeToString[got], dns.RcodeToString[test.ours])
			}
			if got := sendUpdate(t, addr, m); got != test.bind {
				t.Errorf("BIND: %s, want %s", dns.RcodeToString[got], dns.RcodeToString[test.bind])
			}
		})
	}
}

func sendUpdate(t *testing.T, addr string, m *dns.Msg) int {
	t.Helper()
	wire, mac := signed(t, m, testKey, time.Now())
	reply, raw := exchange(t, "tcp", addr, wire)
	// A message that cannot be parsed has a signature that cannot be checked.
	if got := seal(t, raw, testKey, mac); got != "good" && reply.Rcode != dns.RcodeFormatError {
		t.Errorf("reply of %s: signature %s", addr, got)
	}
	return reply.Rcode
}

// transfer returns the records of BIND's zone in the form of Records.
func transfer(t *testing.T, addr string) (lines []string, serial uint32) {
	t.Helper()
	envelopes, err := new(dns.Transfer).In(new(dns.Msg).SetAxfr(testZone), addr)
	if err != nil {
		t.Fatal(err)
	}
	for e := range envelopes {
		if e.Error != nil {
			t.Fatal(e.Error)
		}
		for _, rr := range e.RR {
			if soa, ok := rr.(*dns.SOA); ok {
				serial = soa.Serial
				continue
			}
			rr.Header().Name = dns.CanonicalName(rr.Header().Name)
			lines = append(lines, strings.ReplaceAll(rr.String(), "\t", " "))
		}
	}
	slices.Sort(lines)
	return lines, serial
}

// generator makes UPDATE messages as lines for script. Names and values are
// few, so that messages meet what earlier ones left. The nameservers keep their
// addresses, which BIND insists on and RFC 2136 does not.
type generator struct {
	rand   *rand.Rand
	serial uint32
}

func (g *generator) pick(from ...string) string { return from[g.rand.IntN(len(from))] }

func (g *generator) name() string {
	return g.pick("@", "www", "WWW", "alias", "ent", "a.ent", "*.wild", "x.wild", "sub", "x.sub", "new", "y.new", "mx")
}

// data returns a type with data for it.
func (g *generator) data() string {
	g.serial += uint32(g.rand.IntN(4))
	return g.pick(
		fmt.Sprintf("A 192.0.2.%d", g.rand.IntN(4)),
		fmt.Sprintf("A 192.0.2.%d", g.rand.IntN(4)),
		fmt.Sprintf("AAAA 2001:db8::%d", g.rand.IntN(3)),
		fmt.Sprintf("TXT text%d", g.rand.IntN(3)),
		"CNAME "+g.pick("www", "new", "www.example.org."),
		"MX 10 "+g.pick("mx", "mail.example.org."),
		"NS "+g.pick("ns", "ns2", "ns.example.org."),
		"SRV 0 0 443 "+g.pick("www", "new"),
		"DNAME "+g.pick("new", "example.org."),
		fmt.Sprintf("SOA ns hostmaster %d 7200 3600 1209600 300", g.serial),
		`TYPE65400 \# 2 abc`+g.pick("0", "1"),
	)
}

func (g *generator) rrtype() string {
	return g.pick("A", "A", "AAAA", "TXT", "CNAME", "MX", "NS", "SOA", "SRV", "DNAME", "TYPE65400")
}

func (g *generator) prerequisite() string {
	switch g.rand.IntN(6) {
	case 0:
		return "has " + g.name()
	case 1:
		return "not " + g.name()
	case 2:
		return "has " + g.name() + " " + g.rrtype()
	case 3:
		return "not " + g.name() + " " + g.rrtype()
	case 4:
		return "not " + g.name() + " CNAME"
	}
	return "is " + g.name() + " " + g.data()
}

func (g *generator) change() string {
	switch g.rand.IntN(8) {
	case 0:
		return "del " + g.name()
	case 1, 2:
		return "del " + g.name() + " " + g.rrtype()
	case 3:
		return "del " + g.name() + " " + g.data()
	}
	owner, data := strings.ToLower(g.name()), g.data() // BIND counts a new spelling as a change
	if owner == "@" && strings.HasPrefix(data, "DNAME") {
		owner = "new" // at the apex it would hide the nameservers' addresses
	}
	return "add " + owner + " " + g.pick("0", "60", "300", "300", "2147483647") + " " + data
}

// message returns a message. Its Update Section has a fault only where the
// prerequisites hold, for BIND looks at that section first.
func (g *generator) message() []string {
	var lines []string
	switch n := g.rand.IntN(10); {
	case n < 5:
		for range g.rand.IntN(3) {
			lines = append(lines, g.prerequisite())
		}
	case n == 5:
		lines = append(lines, "has @ SOA", g.pick(
			"has www.example.org. A", "not xdyn.example.com.", "is example.com. A 192.0.2.1",
			"prereq ANY 1 www A", "prereq NONE 1 www A", "prereq IN 1 www A 192.0.2.1",
			"prereq ANY 0 www A 192.0.2.1", "prereq NONE 0 www A 192.0.2.1", "prereq IN 0 www A",
			"prereq CH 0 www TXT text", "prereq HS 0 www TXT text",
		))
	}
	for range g.rand.IntN(5) {
		lines = append(lines, g.change())
	}
	if len(lines) == 0 || g.rand.IntN(8) > 0 {
		return lines
	}
	lines = slices.DeleteFunc(lines, func(line string) bool {
		return !strings.HasPrefix(line, "add ") && !strings.HasPrefix(line, "del ")
	})
	fault := g.pick(
		"add www.example.org. 300 A 192.0.2.1", "del xdyn.example.com. A", "del example.com. A 192.0.2.1", "del example.com.",
		"update CH 300 www TXT text", "update IN 300 www A", "update IN 300 www ANY", "update IN 300 www AXFR",
		"update ANY 1 www A", "update ANY 0 www A 192.0.2.1", "update ANY 0 www AXFR", "update ANY 0 www MAILB",
		"update NONE 1 www A 192.0.2.1", "update NONE 0 www ANY", "update NONE 0 www A",
	)
	return slices.Insert(lines, g.rand.IntN(len(lines)+1), fault)
}
