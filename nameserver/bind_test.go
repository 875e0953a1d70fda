//go:build integration && linux

package nameserver

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	daemon "github.com/caddy-dyndns/dyndns/test/nameserver"
)

// daemonKey is testKey for other servers.
var daemonKey = daemon.Key{Name: testKey.Name, Algorithm: testKey.Algorithm, Secret: base64.StdEncoding.EncodeToString(testKey.Secret)}

// generator makes queries and updates of few names and values, so that they meet what
// earlier ones left. It makes none at which BIND's own checks take offence: names with
// underscores (check-names), targets without addresses (check-mx).
type generator struct {
	*rand.Rand
	// ttls are those of records that updates add.
	ttls []string
}

func newGenerator(seed1, seed2 uint64) generator {
	return generator{rand.New(rand.NewPCG(seed1, seed2)), []string{"0", "60", "60", "300"}}
}

func (g generator) pick(from ...string) string { return from[g.IntN(len(from))] }

func (g generator) name() string {
	return g.pick("@", "a", "a", "B", "b", "c.b", "d.c.b", "*.w", "x.w", "y.x.w", "*", "alias", "alias2", "ns1", "NS1", "z.ns1", "new", "ent.new")
}

func (g generator) rrtype() string {
	return g.pick("A", "A", "AAAA", "TXT", "CNAME", "MX", "SRV", "HTTPS", "TYPE65400", "NS", "SOA")
}

func (g generator) data() string {
	return g.pick(
		fmt.Sprint("A 192.0.2.", g.IntN(3)), fmt.Sprint("A 192.0.2.", g.IntN(3)), fmt.Sprint("AAAA 2001:db8::", 1+g.IntN(3)),
		fmt.Sprint("TXT t", g.IntN(3)), "CNAME "+g.pick("a", "b", "alias", "none", "www.example.org.", "x.w"), "MX 10 mail.example.org.",
		"SRV 0 0 1 host.example.org.", "HTTPS "+g.pick("1 . alpn=h2", "0 host.example.org."), `TYPE65400 \# 1 0`+g.pick("0", "1"))
}

// update returns a message, and its lines to be shown. Either its prerequisites fail or
// its update section is refused, for BIND looks at them in the other order.
func (g generator) update(t *testing.T) (*dns.Msg, string) {
	m := new(dns.Msg).SetUpdate(apex)
	var lines []string
	add := func(what string, f func([]dns.RR), line string) {
		lines = append(lines, what+" "+line)
		f(record(t, line))
	}
	placeholder := func() string {
		rrtype := g.rrtype()
		data := map[string]string{"A": "192.0.2.1", "AAAA": "::1", "TXT": "x", "CNAME": "a", "MX": "1 a", "SRV": "0 0 0 a", "HTTPS": "1 .", "TYPE65400": `\# 0`, "NS": "a", "SOA": "a a 1 1 1 1 1"}
		return g.name() + " 0 " + rrtype + " " + data[rrtype]
	}
	if g.IntN(2) == 0 {
		for range g.IntN(3) {
			switch g.IntN(5) {
			case 0:
				add("in use", m.NameUsed, placeholder())
			case 1:
				add("not in use", m.NameNotUsed, placeholder())
			case 2:
				add("exists", m.RRsetUsed, placeholder())
			case 3:
				add("absent", m.RRsetNotUsed, placeholder())
			case 4:
				add("is", m.Used, g.name()+" 0 "+g.data())
			}
		}
	}
	if len(lines) == 0 && g.IntN(6) == 0 {
		switch g.IntN(4) {
		case 0:
			add("add", m.Insert, g.pick("ns1 60 A 192.0.2.9", "@ 60 NS ns9.example.org.", "b 60 NS ns9.example.org.", "x 60 DNAME example.org."))
		case 1:
			add("add", m.Insert, "www.example.org. 60 A 192.0.2.1")
		case 2:
			add("delete", m.RemoveRRset, g.pick("ns1 0 A 192.0.2.53", "www.example.org. 0 A 192.0.2.1"))
		case 3:
			add("delete all of", m.RemoveName, g.pick("ns1 0 A 192.0.2.53", "www.example.org. 0 A 192.0.2.1"))
		}
	}
	for range g.IntN(5) {
		owner := strings.ToLower(g.name())
		if owner == "ns1" || owner == "@" {
			owner = "a"
		}
		switch g.IntN(8) {
		case 0:
			add("delete all of", m.RemoveName, owner+" 0 A 192.0.2.1")
		case 1:
			line := placeholder()
			if strings.HasPrefix(line, "NS1 ") || strings.HasPrefix(line, "ns1 ") || strings.Contains(line, " NS ") || strings.Contains(line, " SOA ") {
				line = "a 0 A 192.0.2.1"
			}
			add("delete", m.RemoveRRset, line)
		case 2:
			add("delete record", m.Remove, owner+" 0 "+g.data())
		default:
			add("add", m.Insert, owner+" "+g.pick(g.ttls...)+" "+g.data())
		}
	}
	return m, strings.Join(lines, "\n")
}

// describe writes what of a reply has to be the same.
func describe(m *dns.Msg) string {
	if m.Truncated {
		return dns.RcodeToString[m.Rcode] + ", truncated"
	}
	var answer []string
	for _, rr := range m.Answer {
		// The SOA record is not the same.
		if rr.Header().Rrtype == dns.TypeSOA || rr.Header().Rrtype == dns.TypeNS {
			answer = append(answer, dns.TypeToString[rr.Header().Rrtype])
			continue
		}
		answer = append(answer, strings.ToLower(strings.ReplaceAll(rr.String(), "\t", " ")))
	}
	slices.Sort(answer)
	return fmt.Sprintf("%s aa=%t %q negative=%t", dns.RcodeToString[m.Rcode], m.Authoritative, answer, len(m.Ns) == 1 && m.Ns[0].Header().Rrtype == dns.TypeSOA)
}

// TestLikeBIND sends the same updates and queries to BIND and to the server.
func TestLikeBIND(t *testing.T) {
	t.Parallel()
	bind := daemon.Run(t, daemon.BIND, daemon.Config{Zones: []daemon.Zone{{
		Name: "dyn.example.com", Key: daemonKey,
		UpdatePolicy: fmt.Sprintf("deny %[1]s name ns1.%[2]s A; grant %[1]s zonesub A AAAA TXT CNAME MX SRV HTTPS TYPE65400;", testKey.Name, apex),
	}}})
	codes := compareUpdates(t, bind, newGenerator(2136, 1034), 2000)
	for _, code := range []string{"NOERROR", "NXDOMAIN", "YXDOMAIN", "YXRRSET", "NXRRSET", "NOTZONE", "REFUSED"} {
		if codes[code] < 20 {
			t.Errorf("only %d of the updates led to %s", codes[code], code)
		}
	}
}

// TestLikeKnot is the same with Knot, whose rules cannot be those of the configuration, and
// which keeps the TTL of a record that is added again.
func TestLikeKnot(t *testing.T) {
	t.Parallel()
	knot := daemon.RunConfigured(t, daemon.Knot, daemon.Config{Zones: []daemon.Zone{{Name: apex}}}, func(dir string, at netip.AddrPort) (func() *exec.Cmd, error) {
		zone := "$ORIGIN " + apex + "\n$TTL 300\n@ SOA ns1 hostmaster 1 3600 600 604800 60\n@ NS ns1\nns1 A 192.0.2.53\n"
		if err := os.WriteFile(filepath.Join(dir, "zone"), []byte(zone), 0o600); err != nil {
			return nil, err
		}
		return daemon.KnotCommand(dir, fmt.Sprintf(`server:
    listen: %[1]s@%[2]d
    rundir: %[3]s
database:
    storage: %[3]s
    journal-db-mode: asynchronous
key:
  - id: %[4]s
    algorithm: %[5]s
    secret: %[6]s
acl:
  - id: all
    key: %[4]s
    action: [update, transfer]
zone:
  - domain: %[7]s
    file: %[3]s/zone
    zonefile-sync: -1
    zonefile-load: whole
    journal-content: changes
    acl: all
`, at.Addr(), at.Port(), dir, daemonKey.Name, daemonKey.Algorithm, daemonKey.Secret, apex))
	})
	g := newGenerator(2136, 1034)
	g.ttls = []string{"60"}
	codes := compareUpdates(t, knot, g, 600)
	for _, code := range []string{"NOERROR", "NXDOMAIN", "YXDOMAIN", "YXRRSET", "NXRRSET", "NOTZONE"} {
		if codes[code] < 5 {
			t.Errorf("only %d of the updates led to %s", codes[code], code)
		}
	}
}

// compareUpdates sends the same updates and queries to another server and to ours, and
// compares codes, serials, answers and in the end all records. It returns how often there
// was which code.
func compareUpdates(t *testing.T, other *daemon.Server, g generator, updates int) (codes map[string]int) {
	t.Helper()
	const queries = 5
	s := openWith(t, Options{RateLimit: -1}, keyed(ZoneConfig{Name: apex, NameServers: []string{"ns1." + apex}, Records: []string{"ns1 300 A 192.0.2.53"}}))
	us, them := newAsker(t, listen(t, s)), newAsker(t, other.Addr())
	codes = make(map[string]int)
	asked := make(map[string]int)
	theirs, ours := them.serial(t), serial(s)
	for i := range updates {
		m, text := g.update(t)
		wire, _ := signed(t, m)
		got := us.ask(t, "tcp", wire).Rcode
		if got == dns.RcodeRefused && other.Kind() == daemon.Knot {
			continue
		}
		want := them.ask(t, "tcp", wire).Rcode
		codes[dns.RcodeToString[want]]++
		if got != want {
			t.Fatalf("update %d: %s, %s says %s:\n%s", i, dns.RcodeToString[got], other.Kind(), dns.RcodeToString[want], text)
		}
		if now := them.serial(t); now-theirs != serial(s)-ours {
			t.Fatalf("update %d: the serial rose by %d, that of %s by %d:\n%s", i, serial(s)-ours, other.Kind(), now-theirs, text)
		}
		for range queries {
			q := query(g.name() + " A")
			q.Question[0].Qtype = dns.StringToType[g.rrtype()]
			if q.Question[0].Qtype == 0 {
				q.Question[0].Qtype = 65400
			}
			network := g.pick("udp", "tcp")
			want, got := them.ask(t, network, pack(t, q)), us.ask(t, network, pack(t, q))
			asked[outline(want)]++
			if other.Kind() == daemon.Knot && got.Rcode == dns.RcodeServerFailure {
				got.Rcode = dns.RcodeSuccess // aliases in a circle, which it takes for an answer
			}
			if describe(got) != describe(want) {
				t.Fatalf("%s:\n     %s\n%s %s\nafter update %d:\n%s", q.Question[0].String(), describe(got), other.Kind(), describe(want), i, text)
			}
		}
	}
	if len(asked) < 15 {
		t.Errorf("the queries had only these kinds of answers: %v", asked)
	}
	t.Logf("codes: %v; %d kinds of answers", codes, len(asked))
	m := new(dns.Msg).SetAxfr(apex)
	m.SetTsig(daemonKey.Name, dns.Fqdn(daemonKey.Algorithm), 300, time.Now().Unix())
	envelopes, err := (&dns.Transfer{ReadTimeout: time.Minute, TsigSecret: map[string]string{daemonKey.Name: daemonKey.Secret}}).In(m, other.Addr())
	if err != nil {
		t.Fatal(err)
	}
	var records []dns.RR
	for e := range envelopes {
		if e.Error != nil {
			t.Fatal(e.Error)
		}
		records = append(records, e.RR...)
	}
	notNS := func(line string) bool { return strings.Contains(line, " IN NS ") }
	if got, want := slices.DeleteFunc(all(s), notNS), slices.DeleteFunc(lines(records), notNS); !slices.Equal(got, want) {
		t.Errorf("in the end\n%s\n%s has\n%s", strings.Join(got, "\n"), other.Kind(), strings.Join(want, "\n"))
	}
	return codes
}
