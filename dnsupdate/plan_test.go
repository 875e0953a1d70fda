package dnsupdate

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/caddy-dyndns/dyndns/dnsupdate/internal/wire"
	"github.com/caddy-dyndns/dyndns/internal/change"
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
	known := newMemory(10, learned{})
	know := func(name string, t zone.Type, set change.Set, loose bool) {
		*known.of(wire.RRsetID{Name: name, Type: t}) = belief{Set: set, known: true, loose: loose}
	}
	set := func(typ zone.Type, values ...string) change.Set {
		set, err := change.ParseSet(typ, values, 300)
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
	items := []*item{
		{call: c, RRsetID: wire.RRsetID{Name: home, Type: zone.TypeA}, wish: &change.Change{Action: zone.Set, Values: set(zone.TypeA, "192.0.2.3")}},
		{call: c, RRsetID: wire.RRsetID{Name: home, Type: zone.TypeAAAA}, wish: &change.Change{Action: zone.Keep}},
		{call: c, RRsetID: wire.RRsetID{Name: deep, Type: zone.TypeTXT}, wish: &change.Change{Action: zone.Set, Values: set(zone.TypeTXT, `a "b"`)}},
		{call: c, RRsetID: wire.RRsetID{Name: host("x.b.c"), Type: zone.TypeA}, wish: &change.Change{Action: zone.Delete}},
		{call: c, RRsetID: wire.RRsetID{Name: zoneName, Type: zone.TypeA}, wish: &change.Change{Action: zone.Keep}},
	}
	for _, it := range items {
		it.belief = known.of(it.RRsetID)
	}
	p.build(items, false)
	var m wire.Message
	m.Begin(dns.OpcodeUpdate, zoneName, dns.TypeSOA)
	if !p.pack(&m, new(apexNS), false) {
		t.Fatal("the message is too long")
	}
	m.Finish(wire.NewSigner(testKey.Name, testKey.Algorithm, testKey.Secret), wire.StampAt(time.Now()), nil)
	got := new(dns.Msg)
	if err := got.Unpack(m.Frame[wire.FramePrefix:]); err != nil {
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
	if back := new(dns.Msg); back.Unpack(m.Frame[wire.FramePrefix:]) != nil || len(m.Frame) > 600 {
		t.Errorf("%d bytes: the names are not compressed", len(m.Frame))
	}
}
