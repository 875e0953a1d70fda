package wire

import (
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

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
	r, err := ParseReply(good)
	if err != nil {
		t.Fatal(err)
	}
	if r.RCode != dns.RcodeBadVers || string(r.Question) != string(Name("home."+zoneName)) || r.QuestionType != dns.TypeA {
		t.Errorf("got %+v", r)
	}
	if want := []string{"Prohibited (no?way)"}; !slices.Equal(r.EDE, want) {
		t.Errorf("extended errors %q, want %q", r.EDE, want)
	}
	request, _ := signedRequest(testKey.signer(), testTime)
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
		if _, err := ParseReply(msg); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

// tsigFirst swaps a request's TSIG record and the OPT record before it.
func tsigFirst(t *testing.T, request []byte) []byte {
	r, err := ParseReply(request)
	if err != nil {
		t.Fatal(err)
	}
	const optSize = 11
	opt := r.TSIG.start - optSize
	return slices.Concat(request[:opt], request[r.TSIG.start:], request[opt:r.TSIG.start])
}

func FuzzParseReply(f *testing.F) {
	request, mac := signedRequest(testKey.signer(), testTime)
	f.Add(request)
	f.Add(signedReply(f, testKey, request, mac, testTime, func(m *dns.Msg) { m.Rcode = dns.RcodeNotAuth }))
	f.Fuzz(func(t *testing.T, msg []byte) {
		r, err := ParseReply(msg)
		if err != nil {
			return
		}
		if r.TSIG != nil && (r.TSIG.start < 12 || r.TSIG.start >= len(msg)) {
			t.Errorf("the TSIG record begins at %d of %d", r.TSIG.start, len(msg))
		}
		for _, text := range r.EDE {
			if strings.ContainsFunc(text, func(c rune) bool { return c < ' ' || c > '~' }) {
				t.Errorf("the text %q is not printable", text)
			}
		}
	})
}
