package nameserver

import (
	"encoding/base64"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/caddy-dyndns/dyndns/internal/authority"
	"github.com/caddy-dyndns/dyndns/zone"
)

// transfer asks for a zone by the library's routine, which checks all signatures, and
// returns the records.
func transfer(t testing.TB, addr string, m *dns.Msg) []dns.RR {
	t.Helper()
	records, err := tryTransfer(addr, m)
	if err != nil {
		t.Fatal(err)
	}
	return records
}

func tryTransfer(addr string, m *dns.Msg) (records []dns.RR, err error) {
	m.SetTsig(testKey.Name, dns.Fqdn(testKey.Algorithm), 300, time.Now().Unix())
	client := dns.Transfer{TsigSecret: map[string]string{testKey.Name: base64.StdEncoding.EncodeToString(testKey.Secret)}, ReadTimeout: 30 * time.Second}
	envelopes, err := client.In(m, addr)
	if err != nil {
		return nil, err
	}
	for e := range envelopes {
		if e.Error != nil {
			err = e.Error
		}
		records = append(records, e.RR...)
	}
	return records, err
}

// lines returns records without the SOA records at both ends, sorted.
func lines(records []dns.RR) []string {
	var lines []string
	for _, rr := range records[1 : len(records)-1] {
		lines = append(lines, strings.ReplaceAll(rr.String(), "\t", " "))
	}
	slices.Sort(lines)
	return lines
}

// all returns what is served, in the same form.
func all(s *Server) []string {
	var records []dns.RR
	s.table.Load().zones[apex].read(func(_ *configuration, data *authority.Zone) {
		for _, rr := range data.All() {
			if rr.Header().Rrtype != dns.TypeSOA {
				records = append(records, rr)
			}
		}
	})
	return lines(slices.Concat([]dns.RR{nil}, records, []dns.RR{nil}))
}

func TestAXFR(t *testing.T) {
	s := open(t, keyed(testConfig()))
	addr := listen(t, s)
	for names := range 3 {
		for i := range names {
			mustApply(t, s, set(fmt.Sprint("n", i), "192.0.2.1"), set(fmt.Sprint("o", i), "192.0.2.2"))
		}
		records := transfer(t, addr, new(dns.Msg).SetAxfr(apex))
		if got, want := lines(records), all(s); !slices.Equal(got, want) {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
		if soa, ok := records[0].(*dns.SOA); !ok || soa.Serial != serial(s) || records[len(records)-1].String() != soa.String() {
			t.Errorf("it begins with %s and ends with %s", records[0], records[len(records)-1])
		}
	}
}

// TestLargeAXFR is one of several messages.
func TestLargeAXFR(t *testing.T) {
	var records []string
	for i := range 2000 {
		records = append(records, fmt.Sprintf("n%d TXT %d%s", i, i, strings.Repeat("x", 50)))
	}
	s := open(t, keyed(testConfig(records...)))
	if got, want := lines(transfer(t, listen(t, s), new(dns.Msg).SetAxfr(apex))), all(s); !slices.Equal(got, want) {
		t.Errorf("got %d records, want %d", len(got), len(want))
	}
}

func ixfr(from uint32) *dns.Msg { return new(dns.Msg).SetIxfr(apex, from, ".", ".") }

// TestIXFR follows changes by differences, from any serial that the log has.
func TestIXFR(t *testing.T) {
	s := open(t, keyed(testConfig()))
	addr := listen(t, s)
	started := serial(s)
	versions := map[uint32][]string{started: all(s)}
	for i := range 30 {
		change := set(fmt.Sprint("n", i%7), fmt.Sprint("192.0.2.", i))
		if i%5 == 4 {
			change = set(fmt.Sprint("n", (i-1)%7), "")
			change.Action, change.Values = zone.Delete, nil
		}
		mustApply(t, s, change)
		versions[serial(s)] = all(s)
	}
	current := serial(s)
	for from, have := range versions {
		records := transfer(t, addr, ixfr(from))
		if from == current {
			if len(records) != 1 || records[0].(*dns.SOA).Serial != current {
				t.Errorf("nothing has changed, and the answer is %v", records)
			}
			continue
		}
		if want := int(current-from)*2 + 2; count(records, dns.TypeSOA) != want {
			t.Errorf("from +%d: %d SOA records, want %d", from-started, count(records, dns.TypeSOA), want)
		}
		if got := follow(t, have, records[1:len(records)-1]); !slices.Equal(got, versions[current]) {
			t.Errorf("from +%d: got\n%s\nwant\n%s", from-started, got, versions[current])
		}
	}
	for name, from := range map[string]uint32{"older than the log": started - 1, "far away": started - 1<<30} {
		if got := lines(transfer(t, addr, ixfr(from))); !slices.Equal(got, versions[current]) {
			t.Errorf("%s: got %s", name, got)
		}
	}
	if records := transfer(t, addr, ixfr(current+5)); len(records) != 1 {
		t.Errorf("newer than the zone: %v", records)
	}
	// Over UDP the SOA record alone says that there is something new.
	reply, _ := exchange(t, "udp", addr, first(signed(t, ixfr(started))))
	if got := outline(reply); got != "NOERROR aa an:SOA ar:TSIG" {
		t.Errorf("over UDP: %s", got)
	}
}

func count(records []dns.RR, rrtype uint16) (n int) {
	for _, rr := range records {
		if rr.Header().Rrtype == rrtype {
			n++
		}
	}
	return n
}

// follow makes the changes of an IXFR, which must find what they remove.
func follow(t testing.TB, have []string, differences []dns.RR) []string {
	t.Helper()
	have = slices.Clone(have)
	removing := false
	for _, rr := range differences {
		line := strings.ReplaceAll(rr.String(), "\t", " ")
		at := slices.Index(have, line)
		switch {
		case rr.Header().Rrtype == dns.TypeSOA:
			removing = !removing
		case removing && at >= 0:
			have = slices.Delete(have, at, at+1)
		case !removing && at < 0:
			have = append(have, line)
		default:
			t.Errorf("%s does not fit; removing: %t", line, removing)
		}
	}
	slices.Sort(have)
	return have
}

func TestTransferErrors(t *testing.T) {
	noSOA := ixfr(1)
	noSOA.Ns = nil
	other := new(dns.Msg).SetAxfr("www." + apex)
	s := open(t, keyed(testConfig()))
	addr := listen(t, s)
	for _, tt := range []struct {
		name, network string
		m             *dns.Msg
		want          string
	}{
		{"AXFR over UDP", "udp", new(dns.Msg).SetAxfr(apex), "FORMERR ar:TSIG"},
		{"IXFR without a SOA record", "tcp", noSOA, "FORMERR ar:TSIG"},
		{"AXFR of a name in the zone", "tcp", other, "NOTAUTH ar:TSIG"},
		{"AXFR of another zone", "tcp", new(dns.Msg).SetAxfr("example.org."), "REFUSED ar:TSIG"},
	} {
		reply, _ := exchange(t, tt.network, addr, first(signed(t, tt.m)))
		if got := outline(reply); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
		}
	}
	z := keyed(testConfig())
	z.TransferKeys = nil
	if err := s.Configure([]ZoneConfig{z}); err != nil {
		t.Fatal(err)
	}
	if _, err := tryTransfer(addr, new(dns.Msg).SetAxfr(apex)); err == nil {
		t.Error("a key without the right transfers the zone")
	}
}

// The hook tells of transfers, and a secondary that goes away harms nobody.
func TestTransferred(t *testing.T) {
	done := make(chan string, 10)
	var records []string
	for i := range 40_000 { // more than the buffers of sockets take
		records = append(records, fmt.Sprintf("n%d TXT %d%s", i, i, strings.Repeat("x", 200)))
	}
	s := open(t, keyed(testConfig(records...)))
	s.answerer.hooks.Transferred = func(zone, kind string, _ netip.AddrPort, records int, err error) {
		done <- fmt.Sprint(zone, " ", kind, " ", records, " ", err != nil)
	}
	addr := listen(t, s)
	transfer(t, addr, ixfr(1))
	if got := <-done; got != apex+" AXFR 40005 false" {
		t.Errorf("got %s", got)
	}
	mustApply(t, s, set("a", "192.0.2.1"))
	transfer(t, addr, ixfr(serial(s)-1))
	if got := <-done; got != apex+" IXFR 5 false" {
		t.Errorf("got %s", got)
	}
	c := dial(t, "tcp", addr)
	send(t, c, first(signed(t, new(dns.Msg).SetAxfr(apex))))
	if _, err := receive(c); err != nil {
		t.Fatal(err)
	}
	c.Close()
	if got := <-done; got != apex+" AXFR 40006 true" {
		t.Errorf("a secondary that goes away: %s", got)
	}
}
