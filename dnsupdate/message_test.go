package dnsupdate

import (
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/caddy-dyndns/dyndns/zone"
)

func texts(rrs []dns.RR) []string {
	var all []string
	for _, rr := range rrs {
		h := rr.Header()
		text := strings.Join([]string{h.Name, dns.ClassToString[h.Class], dns.TypeToString[h.Rrtype]}, " ")
		if data := strings.TrimPrefix(rr.String(), h.String()); h.Class == dns.ClassINET {
			text += " " + data
		}
		all = append(all, text)
	}
	return all
}

// TestMessage has miekg/dns read what we pack.
func TestMessage(t *testing.T) {
	u := &Updater{zone: zoneName, known: newMemory(10)}
	know := func(name string, t zone.Type, set rrset, loose bool) {
		*u.known.of(rrsetID{name, t}) = belief{rrset: set, known: true, loose: loose}
	}
	set := func(typ zone.Type, values ...string) rrset {
		set, err := parseRRset(typ, values, 300)
		if err != nil {
			t.Fatal(err)
		}
		return set
	}
	home, deep := host("home"), host("a.b.c")
	know(home, zone.TypeA, set(zone.TypeA, "192.0.2.1", "192.0.2.2"), false)
	know(home, zone.TypeAAAA, set(zone.TypeAAAA, "2001:db8::1"), true)
	c := &call{}
	var p plan
	p.build(u.known, []*item{
		{call: c, rrsetID: rrsetID{home, zone.TypeA}, action: zone.Set, values: set(zone.TypeA, "192.0.2.3")},
		{call: c, rrsetID: rrsetID{home, zone.TypeAAAA}, action: zone.Keep},
		{call: c, rrsetID: rrsetID{deep, zone.TypeTXT}, action: zone.Set, values: set(zone.TypeTXT, `a "b"`)},
		{call: c, rrsetID: rrsetID{host("x.b.c"), zone.TypeA}, action: zone.Delete},
		{call: c, rrsetID: rrsetID{zoneName, zone.TypeA}, action: zone.Keep},
	}, false)
	var m message
	if !p.pack(&m, u) {
		t.Fatal("the message is too long")
	}
	m.finish(newSigner(testKey), stampAt(testTime), nil)
	got := new(dns.Msg)
	if err := got.Unpack(m.frame[framePrefix:]); err != nil {
		t.Fatal(err)
	}
	if got.Opcode != dns.OpcodeUpdate || got.Response || len(got.Question) != 1 || got.Question[0] != (dns.Question{Name: zoneName, Qtype: dns.TypeSOA, Qclass: dns.ClassINET}) {
		t.Errorf("header and zone section: %v", got)
	}
	require := []string{
		home + " IN A 192.0.2.1", home + " IN A 192.0.2.2", home + " ANY AAAA", home + " NONE CNAME", home + " NONE NS", zoneName + " NONE DNAME",
		deep + " NONE TXT", deep + " NONE CNAME", deep + " NONE NS", host("b.c") + " NONE NS", host("b.c") + " NONE DNAME", host("c") + " NONE NS", host("c") + " NONE DNAME",
		host("x.b.c") + " NONE A", host("x.b.c") + " NONE CNAME", host("x.b.c") + " NONE NS",
		zoneName + " NONE A", zoneName + " NONE CNAME",
	}
	if !slices.Equal(texts(got.Answer), require) {
		t.Errorf("prerequisites:\n got %q\nwant %q", texts(got.Answer), require)
	}
	update := []string{home + " ANY A", home + " IN A 192.0.2.3", deep + " ANY TXT", deep + ` IN TXT "a \"b\""`}
	if !slices.Equal(texts(got.Ns), update) {
		t.Errorf("updates:\n got %q\nwant %q", texts(got.Ns), update)
	}
	if got.IsEdns0() == nil || got.IsTsig() == nil {
		t.Error("the message has no OPT or no TSIG record")
	}
	if back := new(dns.Msg); back.Unpack(m.frame[framePrefix:]) != nil || len(m.frame) > 600 {
		t.Errorf("%d bytes: the names are not compressed", len(m.frame))
	}
}

func TestParseReply(t *testing.T) {
	m := new(dns.Msg)
	m.SetQuestion("HOME."+zoneName, dns.TypeA)
	m.Response, m.Compress = true, true
	m.Answer = []dns.RR{&dns.CNAME{Hdr: dns.RR_Header{Name: "home." + zoneName, Rrtype: dns.TypeCNAME, Class: dns.ClassINET}, Target: "x." + zoneName}}
	m.SetEdns0(1232, false)
	opt := m.IsEdns0()
	opt.Option = append(opt.Option, &dns.EDNS0_EDE{InfoCode: dns.ExtendedErrorCodeProhibited, ExtraText: "no\nway"})
	m.Rcode = dns.RcodeBadVers
	good, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	r, err := parseReply(good)
	if err != nil {
		t.Fatal(err)
	}
	if r.rcode != dns.RcodeBadVers || string(r.question) != string(wireName(host("home"))) || r.questionType != dns.TypeA {
		t.Errorf("got %+v", r)
	}
	if want := []string{"Prohibited (no?way)"}; !slices.Equal(r.ede, want) {
		t.Errorf("extended errors %q, want %q", r.ede, want)
	}
	request, _ := signedRequest(newSigner(testKey), testTime)
	for name, msg := range map[string][]byte{
		"empty":             {},
		"cut off":           good[:len(good)-1],
		"header alone":      good[:12],
		"more than it says": append(slices.Clone(good), 0),
		"TSIG not last":     tsigFirst(t, request),
		"pointer loop":      {0, 0, 0x80, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0xC0, 12, 0, 1, 0, 1},
		"pointer forwards":  {0, 0, 0x80, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0xC0, 18, 0, 1, 0, 1, 0},
		"reserved label":    {0, 0, 0x80, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0x80, 0, 0, 1, 0, 1},
		"two questions":     {0, 0, 0x80, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 1, 0, 1},
	} {
		if _, err := parseReply(msg); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

// tsigFirst swaps a request's TSIG record and the OPT record before it.
func tsigFirst(t *testing.T, request []byte) []byte {
	r, err := parseReply(request)
	if err != nil {
		t.Fatal(err)
	}
	const optSize = 11
	opt := r.tsig.start - optSize
	return slices.Concat(request[:opt], request[r.tsig.start:], request[opt:r.tsig.start])
}

func FuzzParseReply(f *testing.F) {
	request, mac := signedRequest(newSigner(testKey), testTime)
	f.Add(request)
	f.Add(signedReply(f, testKey, request, mac, testTime, func(m *dns.Msg) { m.Rcode = dns.RcodeNotAuth }))
	f.Fuzz(func(t *testing.T, msg []byte) {
		r, err := parseReply(msg)
		if err != nil {
			return
		}
		if r.tsig != nil && (r.tsig.start < 12 || r.tsig.start >= len(msg)) {
			t.Errorf("the TSIG record begins at %d of %d", r.tsig.start, len(msg))
		}
		for _, text := range r.ede {
			if strings.ContainsFunc(text, func(c rune) bool { return c < ' ' || c > '~' }) {
				t.Errorf("the text %q is not printable", text)
			}
		}
	})
}
