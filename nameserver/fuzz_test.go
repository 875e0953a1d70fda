package nameserver

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/miekg/dns"
	"go.uber.org/zap"

	"github.com/caddy-dyndns/dyndns/internal/authority"
	"github.com/caddy-dyndns/dyndns/nameserver/internal/transport"
)

// FuzzMessage sends any message, signed or not, over UDP and TCP. What comes back is a
// reply to it that fits; what it has changed stands in the file, too.
func FuzzMessage(f *testing.F) {
	signer, err := authority.NewSigner(authority.Key(testKey))
	if err != nil {
		f.Fatal(err)
	}
	for _, m := range []*dns.Msg{
		query("www A"), query("x.wild ANY"), withCookie(query("www A"), "0102030405060708"), query("@ AXFR"), ixfr(1), new(dns.Msg).SetNotify(apex),
		edns(query("alias TXT"), func(o *dns.OPT) { o.SetVersion(1) }),
		updateMessage(insert(f, "a 60 A 192.0.2.1"), insert(f, "*.b 60 CNAME @"), insert(f, "@ 60 TXT x")),
		updateMessage(func(m *dns.Msg) { m.RemoveName(record(f, "a A 192.0.2.1")) }, insert(f, "a 60 HTTPS 1 . alpn=h2")),
	} {
		wire := pack(f, m)
		f.Add(wire, false, false)
		f.Add(wire, true, true)
	}
	server := func(t testing.TB) *Server {
		return openWith(t, Options{RateLimit: -1}, keyed(testConfig("www A 192.0.2.1", "*.wild TXT x", "alias CNAME www")))
	}
	s := server(f)
	f.Fuzz(func(t *testing.T, wire []byte, sign, stream bool) {
		if len(wire) > dns.MaxMsgSize {
			return
		}
		if sign && len(wire) >= headerSize {
			wire = signer.Sign(wire, authority.Stamp{Time: time.Now(), Fudge: authority.Fudge}, nil)
		}
		before := serial(s)
		replies := 0
		s.answerer.Handle(&transport.Exchange{
			Query: wire, From: netip.MustParseAddrPort("192.0.2.1:53"), Stream: stream,
			Go: func(f func()) { f() }, InOrder: func(f func()) { f() }, Waiting: func() bool { return false },
			Reply: func(reply []byte) error {
				replies++
				checkReply(t, wire, reply, stream)
				return nil
			},
		})
		if replies > 1 && !stream || replies == 0 && len(wire) >= headerSize && wire[2]&0x80 == 0 {
			t.Errorf("%d replies", replies)
		}
		if serial(s) == before {
			return
		}
		if !sign {
			t.Error("an unsigned message has changed the zone")
		}
		kept := new(served)
		kept.notifier = newNotifier(kept, Options{Logger: zap.NewNop()})
		if err := kept.configure(s.table.Load().zones[apex].config, s.writer.file, zap.NewNop()); err != nil {
			t.Fatal(err)
		}
		again := &Server{}
		again.table.Store(&table{zones: map[string]*served{apex: kept}})
		if got, want := all(again), all(s); !slices.Equal(got, want) || serial(again) != serial(s) {
			t.Errorf("the file has serial %d and\n%s\nnot serial %d and\n%s", serial(again), got, serial(s), want)
		}
		if values(s, "www", dns.TypeA) != "192.0.2.1" {
			t.Error("a record of the configuration has changed")
		}
	})
}

// checkReply tests what every reply has to be.
func checkReply(t *testing.T, query, reply []byte, stream bool) {
	t.Helper()
	m := new(dns.Msg)
	if err := m.Unpack(reply); err != nil {
		t.Errorf("the reply cannot be read: %v", err)
		return
	}
	if !bytes.Equal(reply[:2], query[:2]) || reply[2]&0x80 == 0 || (reply[2]^query[2])&0x78 != 0 || m.RecursionAvailable {
		t.Errorf("the header of the reply is % x, that of the query % x", reply[:headerSize], query[:headerSize])
	}
	if !stream && len(reply) > udpSize {
		t.Errorf("%d octets over UDP", len(reply))
	}
	if m.IsEdns0() == nil && !stream && len(reply) > 512 {
		t.Errorf("%d octets over UDP without EDNS", len(reply))
	}
	if _, err := authority.FindSignature(reply); err != nil {
		t.Errorf("the signature: %v", err)
	}
	if binary.BigEndian.Uint16(reply[4:]) > 1 {
		t.Errorf("the reply has %d questions", binary.BigEndian.Uint16(reply[4:]))
	}
}
