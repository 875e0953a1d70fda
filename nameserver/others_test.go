//go:build integration && linux

package nameserver

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	daemon "github.com/caddy-dyndns/dyndns/test/nameserver"
)

// names are relative to a zone, few and at every depth, so that wildcards, empty
// non-terminals and aliases meet.
func (g generator) anywhere() string {
	if g.IntN(12) == 0 {
		return "@"
	}
	labels := []string{g.pick("a", "b", "*", "c", "A")}
	for range g.IntN(3) {
		labels = append(labels, g.pick("a", "b", "b", "*"))
	}
	return strings.Join(labels, ".")
}

// zone returns the configuration of a zone with a few random records, where no other data
// is at an alias.
func (g generator) zone(name string) ZoneConfig {
	records := map[string][]string{"ns1": {"A 192.0.2.53"}}
	target := func() string { return g.pick(g.anywhere(), g.anywhere(), "www.example.org.", "none") }
	for range 3 + g.IntN(12) {
		owner := strings.ToLower(g.anywhere())
		if owner != "@" && g.IntN(3) == 0 {
			if records[owner] == nil {
				records[owner] = []string{"CNAME " + target()}
			}
			continue
		}
		data := g.pick("A 192.0.2.1", "A 192.0.2.2", "AAAA 2001:db8::1", "TXT x", "TXT y", "MX 1 "+target(), "SRV 0 0 1 "+target(), "CAA 0 issue \"example.org\"", `TYPE65400 \# 1 00`, "HTTPS 1 . alpn=h2")
		if old := records[owner]; len(old) == 0 || !strings.HasPrefix(old[0], "CNAME") && !slices.Contains(old, data) {
			records[owner] = append(old, data)
		}
	}
	config := ZoneConfig{Name: name, NameServers: []string{"ns1." + name, "ns2.example.net."}}
	for owner, list := range records {
		for _, data := range list {
			config.Records = append(config.Records, owner+" 300 "+data)
		}
	}
	return keyed(config)
}

// asker asks one server over connections that stay.
type asker map[string]net.Conn // by network

func newAsker(t *testing.T, addr string) asker {
	return asker{"udp": dial(t, "udp", addr), "tcp": dial(t, "tcp", addr)}
}

func (a asker) ask(t *testing.T, network string, wire []byte) *dns.Msg {
	t.Helper()
	conn := a[network]
	conn.SetDeadline(time.Now().Add(30 * time.Second))
	send(t, conn, wire)
	reply, err := receive(conn)
	m := new(dns.Msg)
	if err == nil {
		err = m.Unpack(reply)
	}
	if err != nil {
		t.Fatalf("%s over %s: %v", conn.RemoteAddr(), network, err)
	}
	return m
}

// serial returns the serial of the zone that most tests have.
func (a asker) serial(t *testing.T) uint32 {
	t.Helper()
	reply := a.ask(t, "tcp", pack(t, query("@ SOA")))
	if len(reply.Answer) != 1 {
		t.Fatal(reply)
	}
	return reply.Answer[0].(*dns.SOA).Serial
}

// TestLikeOthers asks BIND, Knot, NSD and the server about random zones. What the three
// agree on the server says too; else it says what one of them says.
func TestLikeOthers(t *testing.T) {
	t.Parallel()
	const zones, queries = 40, 200
	g := newGenerator(1034, 4592)
	s := openWith(t, Options{RateLimit: -1})
	addr := listen(t, s)
	var configs []ZoneConfig
	var secondary daemon.Config
	for i := range zones {
		name := fmt.Sprintf("z%d.example.com.", i)
		configs = append(configs, g.zone(name))
		secondary.Zones = append(secondary.Zones, daemon.Zone{Name: name, Primary: addr, PrimaryKey: daemonKey})
	}
	if err := s.Configure(configs); err != nil {
		t.Fatal(err)
	}
	kinds := []daemon.Kind{daemon.BIND, daemon.Knot, daemon.NSD}
	askers := make([]asker, len(kinds)+1)
	askers[len(kinds)] = newAsker(t, addr)
	var started sync.WaitGroup
	for i, kind := range kinds {
		started.Go(func() { askers[i] = newAsker(t, daemon.Run(t, kind, secondary).Addr()) })
	}
	started.Wait()
	cases, apart, outlines := 0, 0, make(map[string]int)
	for _, z := range configs {
		for range queries {
			m := query("@ " + g.pick("A", "A", "A", "AAAA", "TXT", "CNAME", "MX", "SRV", "CAA", "HTTPS", "NS", "SOA", "NAPTR"))
			m.Question[0].Name = strings.TrimPrefix(g.anywhere()+".", "@.") + z.Name
			if g.IntN(20) == 0 {
				m.Question[0].Qtype = 65400
			}
			if g.IntN(2) == 0 {
				m.SetEdns0(1232, g.IntN(2) == 0)
			}
			network, wire := g.pick("udp", "tcp"), pack(t, m)
			said := make([]string, len(askers))
			for i, a := range askers {
				reply := a.ask(t, network, wire)
				said[i] = describe(reply)
				outlines[outline(reply)]++
			}
			cases++
			ours, theirs := said[len(kinds)], said[:len(kinds)]
			if theirs[0] != theirs[1] || theirs[1] != theirs[2] {
				apart++
			}
			if !slices.Contains(theirs, ours) {
				t.Errorf("%s over %s, in a zone with\n%s\nours %s\n%s %q", m.Question[0].String(), network, strings.Join(z.Records, "\n"), ours, kinds, theirs)
			}
		}
	}
	t.Logf("%d cases, of which the others disagree in %d; %d kinds of answers", cases, apart, len(outlines))
	if apart > cases/10 || len(outlines) < 30 {
		t.Errorf("of %d cases the others disagree in %d; there are %d kinds of answers", cases, apart, len(outlines))
	}
}
