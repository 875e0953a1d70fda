package authority

import (
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

const apex = "example.com."

// newZone returns the zone of RFC 4592 section 2.2.1, with a delegation and an alias.
func newZone(t testing.TB) *Zone {
	z := NewZone(apex)
	err := z.Load([]string{
		"@ SOA ns.example.com. hostmaster.example.com. 7 7200 3600 1209600 300", "@ NS ns.example.com.", "@ NS ns.example.net.",
		"*.example.com. TXT \"this is a wildcard\"", "*.example.com. MX 10 host1.example.com.", "sub.*.example.com. TXT \"this is not a wildcard\"",
		"host1.example.com. A 192.0.2.1", "_ssh._tcp.host1.example.com. SRV 0 0 22 host1.example.com.", "_ssh._tcp.host2.example.com. SRV 0 0 22 host1.example.com.",
		"subdel.example.com. NS ns.example.net.", "alias.example.com. CNAME host1.example.com.",
	})
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func TestResolve(t *testing.T) {
	z := newZone(t)
	for _, tt := range []struct {
		name, question string
		qtype          uint16
		rcode          int
		answers        string
	}{
		{"RFC 4592: a wildcard's MX", "host3.example.com.", dns.TypeMX, dns.RcodeSuccess, "MX"},
		{"RFC 4592: a wildcard without the type", "host3.example.com.", dns.TypeA, dns.RcodeSuccess, ""},
		{"RFC 4592: below a name that no wildcard covers", "foo.bar.example.com.", dns.TypeTXT, dns.RcodeSuccess, "TXT"},
		{"RFC 4592: a name that exists", "host1.example.com.", dns.TypeMX, dns.RcodeSuccess, ""},
		{"RFC 4592: below the asterisk", "sub.*.example.com.", dns.TypeMX, dns.RcodeSuccess, ""},
		{"RFC 4592: below a name that exists", "_telnet._tcp.host1.example.com.", dns.TypeSRV, dns.RcodeNameError, ""},
		{"RFC 4592: a delegation", "host.subdel.example.com.", dns.TypeA, dns.RcodeSuccess, ""},
		{"RFC 4592: the asterisk's child", "ghost.*.example.com.", dns.TypeMX, dns.RcodeNameError, ""},
		{"RFC 1034 3.6.2: an alias", "ALIAS.example.com.", dns.TypeA, dns.RcodeSuccess, "CNAME A"},
		{"RFC 1034 3.6.2: the alias itself", "alias.example.com.", dns.TypeCNAME, dns.RcodeSuccess, "CNAME"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			reply := new(dns.Msg)
			z.Resolve(tt.question, tt.qtype, reply)
			var types []string
			for _, rr := range reply.Answer {
				types = append(types, dns.TypeToString[rr.Header().Rrtype])
			}
			if got := strings.Join(types, " "); reply.Rcode != tt.rcode || got != tt.answers {
				t.Errorf("got %s with %q", dns.RcodeToString[reply.Rcode], got)
			}
		})
	}
}

// Update tells what the RRsets were that it changed, the SOA record's included.
func TestUpdateChanges(t *testing.T) {
	z := newZone(t)
	m := new(dns.Msg).SetUpdate(apex)
	m.Insert([]dns.RR{record(t, "host1.example.com. 60 A 192.0.2.2"), record(t, "new.example.com. 60 A 192.0.2.3")})
	m.RemoveRRset([]dns.RR{record(t, "none.example.com. 0 A 192.0.2.1")})
	rcode, before := z.Update(received(t, m), Policy{})
	want := map[RRset]int{{"host1.example.com.", dns.TypeA}: 1, {"new.example.com.", dns.TypeA}: 0, {apex, dns.TypeSOA}: 1}
	if rcode != dns.RcodeSuccess || len(before) != len(want) {
		t.Fatalf("got %s and %v", dns.RcodeToString[rcode], before)
	}
	for id, count := range want {
		if old, ok := before[id]; !ok || len(old) != count {
			t.Errorf("%v was %v", id, old)
		}
	}
	if z.SOA().Serial != 8 || len(z.Records("host1.example.com.", dns.TypeA)) != 2 {
		t.Errorf("serial %d, %v", z.SOA().Serial, z.Records("host1.example.com.", dns.TypeA))
	}
	if _, before := z.Update(received(t, m), Policy{}); len(before) > 0 {
		t.Errorf("the same again changes %v", before)
	}
}

func TestPolicy(t *testing.T) {
	update := func(p Policy) (int, bool) {
		z := newZone(t)
		m := new(dns.Msg).SetUpdate(apex)
		m.Used([]dns.RR{record(t, "host1.example.com. 0 A 192.0.2.1")})
		m.Insert([]dns.RR{record(t, "new.example.com. 60 A 192.0.2.3")})
		rcode, _ := z.Update(received(t, m), p)
		return rcode, z.Records("new.example.com.", dns.TypeA) != nil
	}
	for _, tt := range []struct {
		name   string
		policy Policy
		rcode  int
		there  bool
	}{
		{"none", Policy{}, dns.RcodeSuccess, true},
		{"denied", Policy{Allow: func(string, uint16) bool { return false }}, dns.RcodeRefused, false},
		{"nothing is equal", Policy{Equal: func(dns.RR, dns.RR) bool { return false }}, dns.RcodeNXRrset, false},
		{"left out", Policy{Filter: func(dns.RR) dns.RR { return nil }}, dns.RcodeSuccess, false},
	} {
		if rcode, there := update(tt.policy); rcode != tt.rcode || there != tt.there {
			t.Errorf("%s: got %s, written: %t", tt.name, dns.RcodeToString[rcode], there)
		}
	}
}

// received returns a message as it comes in, with the lengths of its records.
func received(t testing.TB, m *dns.Msg) *dns.Msg {
	wire, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	got := new(dns.Msg)
	if err := got.Unpack(wire); err != nil {
		t.Fatal(err)
	}
	return got
}

func record(t testing.TB, text string) dns.RR {
	rr, err := dns.NewRR(text)
	if err != nil {
		t.Fatal(err)
	}
	return rr
}

// FuzzMessage has a zone answer and carry out any message, signed by anybody.
func FuzzMessage(f *testing.F) {
	signer, err := NewSigner(Key{Name: "key", Algorithm: "hmac-sha256", Secret: []byte("a secret of the tests")})
	if err != nil {
		f.Fatal(err)
	}
	now := time.Unix(1_700_000_000, 0)
	m := new(dns.Msg).SetUpdate(apex)
	m.Used([]dns.RR{record(f, "host1.example.com. 0 A 192.0.2.1")})
	m.Insert([]dns.RR{record(f, "*.b.example.com. 60 CNAME example.com."), record(f, "example.com. 60 DNAME a.example.com.")})
	m.RemoveName([]dns.RR{record(f, "example.com. 0 A 192.0.2.1")})
	for _, msg := range []*dns.Msg{m, new(dns.Msg).SetQuestion("a.alias.example.com.", dns.TypeANY), new(dns.Msg).SetNotify(apex)} {
		wire, err := msg.Pack()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(wire)
		f.Add(signer.Sign(wire, Stamp{Time: now, Fudge: Fudge}, nil))
	}
	f.Fuzz(func(t *testing.T, wire []byte) {
		sig, err := FindSignature(wire)
		req := new(dns.Msg)
		if err != nil || req.Unpack(wire) != nil {
			return
		}
		if sig != nil {
			k, code := sig.Authenticate(wire, map[string]Signer{signer.Name: signer}, nil, now)
			if code != 0 {
				if _, err := sig.Reject(new(dns.Msg).SetReply(req), k, code, now); err != nil {
					t.Error(err)
				}
			}
		}
		z := newZone(t)
		z.Update(req, Policy{})
		for _, q := range req.Question {
			z.Resolve(dns.CanonicalName(q.Name), q.Qtype, new(dns.Msg))
		}
		if len(z.Records(apex, dns.TypeSOA)) != 1 || len(z.Records(apex, dns.TypeNS)) == 0 {
			t.Errorf("the apex lost its records: %v", z.All())
		}
	})
}
