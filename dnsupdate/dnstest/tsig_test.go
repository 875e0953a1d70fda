package dnstest

import (
	"encoding/binary"
	"fmt"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/caddy-dyndns/dyndns/internal/authority"
)

func TestTSIG(t *testing.T) {
	wrongSecret, unknown, wrongAlgorithm := testKey, testKey, testKey
	wrongSecret.Secret = []byte("wrong")
	unknown.Name = "unknown"
	wrongAlgorithm.Algorithm = "hmac-sha512"
	upper := testKey
	upper.Name = "ROUTER-Key"
	now := time.Now()
	tests := []struct {
		name  string
		key   Key
		at    time.Time
		bend  func([]byte) []byte
		rcode int
		err   uint16
		seal  string
	}{
		{name: "good", key: testKey, at: now, seal: "good"},
		{name: "key name in another case", key: upper, at: now, seal: "good"},
		{name: "another id on the way", key: testKey, at: now, bend: func(m []byte) []byte { m[0] ^= 0xff; return m }, seal: "good"},
		{name: "unknown key", key: unknown, at: now, rcode: dns.RcodeNotAuth, err: dns.RcodeBadKey, seal: "empty"},
		{name: "wrong algorithm", key: wrongAlgorithm, at: now, rcode: dns.RcodeNotAuth, err: dns.RcodeBadKey, seal: "empty"},
		{name: "wrong secret", key: wrongSecret, at: now, rcode: dns.RcodeNotAuth, err: dns.RcodeBadSig, seal: "empty"},
		{name: "changed on the way", key: testKey, at: now, bend: func(m []byte) []byte { m[3] ^= 0x10; return m }, rcode: dns.RcodeNotAuth, err: dns.RcodeBadSig, seal: "empty"},
		{name: "clock at the limit", key: testKey, at: now.Add(-authority.Fudge * time.Second), seal: "good"},
		{name: "clock behind", key: testKey, at: now.Add(-10 * time.Minute), rcode: dns.RcodeNotAuth, err: dns.RcodeBadTime, seal: "good"},
		{name: "clock ahead", key: testKey, at: now.Add(10 * time.Minute), rcode: dns.RcodeNotAuth, err: dns.RcodeBadTime, seal: "good"},
		{name: "wrong secret and clock", key: wrongSecret, at: now.Add(time.Hour), rcode: dns.RcodeNotAuth, err: dns.RcodeBadSig, seal: "empty"},
		{name: "MAC cut to half", key: testKey, at: now, bend: cutMAC(16), rcode: dns.RcodeNotAuth, err: dns.RcodeBadTrunc, seal: "good"},
		{name: "MAC cut below half", key: testKey, at: now, bend: cutMAC(15), rcode: dns.RcodeFormatError, seal: "none"},
		{name: "two signatures", key: testKey, at: now, bend: func(m []byte) []byte {
			k, _ := authority.NewSigner(authority.Key(testKey))
			return k.Sign(m, authority.Stamp{Time: now, Fudge: authority.Fudge}, nil)
		}, rcode: dns.RcodeFormatError, seal: "none"},
		{name: "cut short", key: testKey, at: now, bend: func(m []byte) []byte { return m[:len(m)-1] }, rcode: dns.RcodeFormatError, seal: "none"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := NewServer(Zone{Name: testZone, Keys: []Key{testKey}})
			defer s.Close()
			s.SetClock(func() time.Time { return now })
			m := script(t, "add x 60 A 192.0.2.9")
			wire, mac := signed(t, m, test.key, test.at)
			if test.bend != nil {
				wire = test.bend(wire)
			}
			sig, err := authority.FindSignature(wire)
			if err == nil {
				mac = sig.TSIG.MAC // a cut one is what the reply refers to
			}
			reply, raw := exchange(t, "tcp", s.Addr(), wire)
			if reply.Rcode != test.rcode {
				t.Errorf("rcode %s, want %s", dns.RcodeToString[reply.Rcode], dns.RcodeToString[test.rcode])
			}
			if got := seal(t, raw, test.key, mac); got != test.seal {
				t.Errorf("signature %s, want %s", got, test.seal)
			}
			if rr := reply.IsTsig(); rr != nil {
				if rr.Error != test.err {
					t.Errorf("TSIG error %d, want %d", rr.Error, test.err)
				}
				if rr.Error == dns.RcodeBadTime {
					if want := hex48(now); rr.OtherData != want || int64(rr.TimeSigned) != test.at.Unix() {
						t.Errorf("server time %s and time signed %d, want %s and %d", rr.OtherData, rr.TimeSigned, want, test.at.Unix())
					}
				}
			}
			if applied := s.Zone(testZone).Serial() == 2; applied != (test.rcode == dns.RcodeSuccess) {
				t.Errorf("applied: %t", applied)
			}
		})
	}
}

func TestAlgorithms(t *testing.T) {
	for _, algorithm := range []string{"hmac-sha1", "hmac-sha224", "hmac-sha256.", "HMAC-SHA384", "hmac-sha512"} {
		t.Run(algorithm, func(t *testing.T) {
			k := Key{Name: "k.example.", Algorithm: algorithm, Secret: []byte("secret")}
			s := NewServer(Zone{Name: testZone, Keys: []Key{k}})
			defer s.Close()
			wire, mac := signed(t, script(t, "add x 60 A 192.0.2.9"), k, time.Now())
			reply, raw := exchange(t, "udp", s.Addr(), wire)
			if got := seal(t, raw, k, mac); reply.Rcode != dns.RcodeSuccess || got != "good" {
				t.Errorf("rcode %s, signature %s", dns.RcodeToString[reply.Rcode], got)
			}
		})
	}
}

// cutMAC shortens the MAC of a message to n octets.
func cutMAC(n int) func([]byte) []byte {
	return func(m []byte) []byte {
		sig, err := authority.FindSignature(m)
		if err != nil {
			panic(err)
		}
		cut := len(sig.MAC()) - n
		rdlen := len(sig.Strip(m)) + wireSize(sig.TSIG.Hdr.Name) + 8
		size := rdlen + 2 + wireSize(sig.TSIG.Algorithm) + 8
		binary.BigEndian.PutUint16(m[rdlen:], binary.BigEndian.Uint16(m[rdlen:])-uint16(cut))
		binary.BigEndian.PutUint16(m[size:], uint16(n))
		end := size + 2 + len(sig.MAC())
		return append(m[:end-cut], m[end:]...)
	}
}

// wireSize returns the octets of a name that is not compressed.
func wireSize(name string) int {
	end, err := dns.PackDomainName(name, make([]byte, 256), 0, nil, false)
	if err != nil {
		panic(err)
	}
	return end
}

func hex48(at time.Time) string { return fmt.Sprintf("%012x", at.Unix()) }

func FuzzAnswer(f *testing.F) {
	m := new(dns.Msg).SetQuestion("www."+testZone, dns.TypeA)
	wire, err := m.Pack()
	if err != nil {
		f.Fatal(err)
	}
	k, err := authority.NewSigner(authority.Key(testKey))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(wire)
	f.Add(k.Sign(wire, authority.Stamp{Time: time.Now(), Fudge: authority.Fudge}, nil))
	update := new(dns.Msg).SetUpdate(testZone)
	update.Insert([]dns.RR{&dns.A{Hdr: dns.RR_Header{Name: "x." + testZone, Rrtype: dns.TypeA, Class: dns.ClassINET}, A: []byte{192, 0, 2, 1}}})
	if wire, err = update.Pack(); err != nil {
		f.Fatal(err)
	}
	f.Add(wire)
	s := NewServer(Zone{Name: testZone, Keys: []Key{testKey}, Records: updateRecords})
	f.Cleanup(s.Close)
	f.Fuzz(func(t *testing.T, wire []byte) {
		reply := s.answer(wire, false)
		if reply != nil && (len(reply) < headerSize || reply[0] != wire[0] || reply[1] != wire[1] || reply[2]&0x80 == 0) {
			t.Errorf("no reply to the message: %x", reply)
		}
		// The same again as its key's holder would send it.
		if len(wire) >= headerSize {
			s.answer(k.Sign(wire, authority.Stamp{Time: time.Now(), Fudge: authority.Fudge}, nil), true)
		}
	})
}
