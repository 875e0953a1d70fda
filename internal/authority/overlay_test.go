package authority

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// An overlay makes of updates what the zone itself makes of them, but for the serial,
// and its differences bring the zone there.
func TestOverlay(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	name := func() string {
		return []string{apex, "host1." + apex, "new." + apex, "a.new." + apex, "alias." + apex}[random.IntN(5)]
	}
	data := func() string {
		return []string{"A 192.0.2.1", "A 192.0.2.2", "TXT x", "CNAME " + apex, "NS ns." + apex}[random.IntN(5)]
	}
	direct, layered := newZone(t), newZone(t)
	for range 300 {
		before := records(layered)
		overlay := layered.Overlay()
		for range 1 + random.IntN(3) {
			m := new(dns.Msg).SetUpdate(apex)
			for range 1 + random.IntN(3) {
				rr := []dns.RR{record(t, fmt.Sprintf("%s %d %s", name(), 60*random.IntN(2), data()))}
				[]func([]dns.RR){m.Insert, m.Insert, m.Remove, m.RemoveRRset, m.RemoveName, m.NameUsed}[random.IntN(6)](rr)
			}
			m = received(t, m)
			rcode, changed := overlay.Update(m, Policy{})
			want, changedDirectly := direct.Update(m, Policy{})
			if rcode != want || (len(changed) > 0) != (len(changedDirectly) > 0) {
				t.Fatalf("%s, %d RRsets; the zone itself: %s, %d", dns.RcodeToString[rcode], len(changed), dns.RcodeToString[want], len(changedDirectly))
			}
		}
		if got := records(layered); !slices.Equal(got, before) {
			t.Fatal("the base has changed")
		}
		serial := layered.SOA().Serial
		differences := overlay.Differences()
		for _, d := range differences {
			layered.Store(d.RRset, d.After)
		}
		if got, want := records(layered), records(direct); !slices.Equal(got, want) {
			t.Fatalf("got\n%q\nwant\n%q", got, want)
		}
		if risen := layered.SOA().Serial - serial; risen > 1 || risen == 0 && len(differences) > 0 {
			t.Fatalf("the serial rose by %d with %d differences", risen, len(differences))
		}
	}
}

// records returns all records but the SOA, sorted.
func records(z *Zone) []string {
	var lines []string
	for _, rr := range z.All() {
		if rr.Header().Rrtype != dns.TypeSOA {
			lines = append(lines, rr.String())
		}
	}
	slices.Sort(lines)
	return lines
}

// What was changed can be undone in an overlay, the serial included.
func TestUndo(t *testing.T) {
	overlay := newZone(t).Overlay()
	before := overlay.Change(func() {
		overlay.Store(RRset{"host1." + apex, dns.TypeA}, nil)
		overlay.Store(RRset{"x." + apex, dns.TypeA}, []dns.RR{record(t, "x."+apex+" 60 A 192.0.2.1")})
	})
	if len(before) != 3 || len(overlay.Differences()) != 3 {
		t.Fatalf("changed %v, differences %v", before, overlay.Differences())
	}
	for id, old := range before {
		overlay.Store(id, old)
	}
	if got := overlay.Differences(); len(got) != 0 {
		t.Errorf("left: %v", got)
	}
}

// The library verifies what is signed in several messages.
func TestSequence(t *testing.T) {
	key := Key{Name: "key.", Algorithm: dns.HmacSHA256, Secret: []byte("a secret of the tests")}
	k, err := NewSigner(key)
	if err != nil {
		t.Fatal(err)
	}
	secret := base64.StdEncoding.EncodeToString(key.Secret)
	request := new(dns.Msg).SetAxfr(apex)
	request.SetTsig(key.Name, key.Algorithm, Fudge, time.Now().Unix())
	wire, mac, err := dns.TsigGenerate(request, secret, "", false)
	if err != nil {
		t.Fatal(err)
	}
	sig, err := FindSignature(wire)
	if err != nil {
		t.Fatal(err)
	}
	sequence := k.Answer(sig)
	for i := range 3 {
		bare, err := new(dns.Msg).SetReply(request).Pack()
		if err != nil {
			t.Fatal(err)
		}
		signed := sequence.Sign(bare, time.Now())
		if err := dns.TsigVerify(slices.Clone(signed), secret, mac, i > 0); err != nil {
			t.Errorf("message %d: %v", i, err)
		}
		m := new(dns.Msg)
		if err := m.Unpack(signed); err != nil {
			t.Fatal(err)
		}
		mac = m.IsTsig().MAC
	}
}
