package wire

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/caddy-dyndns/dyndns/zone"
)

var testTime = time.Unix(1_700_000_000, 0)

const zoneName = "dyn.example.com."

// key is a key as both sides have it.
type key struct {
	name, algorithm string
	secret          []byte
}

var testKey = key{"ddns-key.", "hmac-sha256", []byte("a secret of the tests")}

func (k key) signer() *Signer { return NewSigner(k.name, k.algorithm, k.secret) }

// signedRequest gives a signed message without its frame, and its MAC.
func signedRequest(s *Signer, now time.Time) (msg, mac []byte) {
	var m Message
	m.Begin(dns.OpcodeUpdate, zoneName, dns.TypeSOA)
	m.RequireAbsent(RRsetID{"home." + zoneName, zone.TypeA})
	mac = m.Finish(s, StampAt(now), nil)
	return m.Frame[FramePrefix:], mac
}

// signedReply has miekg/dns answer a request, as a nameserver with the key would.
func signedReply(t testing.TB, k key, request, mac []byte, now time.Time, change func(*dns.Msg)) []byte {
	t.Helper()
	q, m := new(dns.Msg), new(dns.Msg)
	if err := q.Unpack(request); err != nil {
		t.Fatal(err)
	}
	m.SetReply(q)
	m.SetTsig(k.name, k.algorithm+".", WideFudge, now.Unix())
	if change != nil {
		change(m)
	}
	msg, _, err := dns.TsigGenerate(m, base64.StdEncoding.EncodeToString(k.secret), hex.EncodeToString(mac), false)
	if err != nil {
		t.Fatal(err)
	}
	return msg
}

// TestSignatures has miekg/dns check what we sign, and us what it signs.
func TestSignatures(t *testing.T) {
	for algorithm := range Algorithms {
		t.Run(algorithm, func(t *testing.T) {
			key := key{"ddns-key.", algorithm, []byte("some secret")}
			s := key.signer()
			for range 3 { // the pooled state must not remember
				request, mac := signedRequest(s, time.Now())
				if err := dns.TsigVerify(request, base64.StdEncoding.EncodeToString(key.secret), "", false); err != nil {
					t.Fatalf("miekg/dns does not take our signature: %v", err)
				}
				r, err := ParseReply(signedReply(t, key, request, mac, time.Now(), nil))
				if err != nil {
					t.Fatal(err)
				}
				if err := s.Verify(r, mac, time.Now()); err != nil {
					t.Errorf("we do not take the signature of miekg/dns: %v", err)
				}
			}
		})
	}
}

func TestVerify(t *testing.T) {
	s := testKey.signer()
	request, mac := signedRequest(s, testTime)
	setTSIG := func(f func(*dns.TSIG)) func(*dns.Msg) {
		return func(m *dns.Msg) { f(m.Extra[len(m.Extra)-1].(*dns.TSIG)) }
	}
	flip := func(at int) func([]byte) []byte {
		return func(b []byte) []byte {
			b[(len(b)+at)%len(b)] ^= 1
			return b
		}
	}
	for _, row := range []struct {
		name   string
		key    key
		change func(*dns.Msg)
		mac    []byte
		at     time.Time
		spoil  func([]byte) []byte
		want   error
	}{
		{name: "good"},
		{name: "an error, signed", change: func(m *dns.Msg) { m.Rcode = dns.RcodeNotAuth }},
		{name: "within the fudge", at: testTime.Add(299 * time.Second)},
		{name: "late", at: testTime.Add(301 * time.Second), want: errReplyTime},
		{name: "early", at: testTime.Add(-301 * time.Second), want: errReplyTime},
		{name: "late, but that is what it says", at: testTime.Add(time.Hour), change: setTSIG(func(t *dns.TSIG) {
			t.Error, t.OtherLen, t.OtherData = dns.RcodeBadTime, 6, "000065541f10"
		})},
		{name: "another secret", key: key{testKey.name, testKey.algorithm, []byte("x")}, want: errBadMAC},
		{name: "another name", key: key{"other.", testKey.algorithm, testKey.secret}, want: errOtherKey},
		{name: "another algorithm", key: key{testKey.name, "hmac-sha512", testKey.secret}, want: errOtherKey},
		{name: "another request", mac: make([]byte, 32), want: errBadMAC},
		{name: "another id", spoil: flip(0), want: nil}, // the original id is signed, the header's is compared with ours
		{name: "another rcode", spoil: flip(3), want: errBadMAC},
		{name: "another zone", spoil: flip(14), want: errBadMAC},
		{name: "another error", spoil: flip(-3), want: errBadMAC},
		{name: "another original id", spoil: flip(-6), want: errBadMAC},
		{name: "another MAC", spoil: flip(-7), want: errBadMAC},
	} {
		t.Run(row.name, func(t *testing.T) {
			key, prior, at := testKey, mac, testTime
			if row.key.name != "" {
				key = row.key
			}
			if row.mac != nil {
				prior = row.mac
			}
			if !row.at.IsZero() {
				at = row.at
			}
			msg := signedReply(t, key, request, prior, testTime, row.change)
			if row.spoil != nil {
				msg = row.spoil(msg)
			}
			r, err := ParseReply(msg)
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Verify(r, mac, at); !errors.Is(err, row.want) {
				t.Errorf("got %v, want %v", err, row.want)
			}
		})
	}

	t.Run("truncated MAC", func(t *testing.T) {
		r, err := ParseReply(signedReply(t, testKey, request, mac, testTime, nil))
		if err != nil {
			t.Fatal(err)
		}
		r.TSIG.MAC = r.TSIG.MAC[:16]
		if err := s.Verify(r, mac, testTime); !errors.Is(err, errBadMAC) {
			t.Errorf("got %v", err)
		}
		r.TSIG.MAC = nil
		if err := s.Verify(r, mac, testTime); !errors.Is(err, errUnsigned) {
			t.Errorf("got %v", err)
		}
		r.TSIG = nil
		if err := s.Verify(r, mac, testTime); !errors.Is(err, errUnsigned) {
			t.Errorf("got %v", err)
		}
	})
}

func FuzzVerify(f *testing.F) {
	s := testKey.signer()
	request, mac := signedRequest(s, testTime)
	good := signedReply(f, testKey, request, mac, testTime, nil)
	f.Add(good)
	f.Add(request)
	f.Fuzz(func(t *testing.T, msg []byte) {
		r, err := ParseReply(msg)
		if err != nil || s.Verify(r, mac, testTime) != nil {
			return
		}
		// Only the id may differ from what the nameserver signed, and the case of
		// the TSIG record's names.
		if len(msg) != len(good) || string(msg[2:r.TSIG.start]) != string(good[2:r.TSIG.start]) {
			t.Errorf("a forgery verifies: %x", msg)
		}
	})
}

func BenchmarkSign(b *testing.B) {
	s := key{"ddns-key.", "hmac-sha512", testKey.secret}.signer()
	var m Message
	var mac []byte
	b.ReportAllocs()
	for b.Loop() {
		m.Begin(dns.OpcodeUpdate, zoneName, dns.TypeSOA)
		mac = m.Finish(s, StampAt(testTime), mac)
	}
}

func BenchmarkVerify(b *testing.B) {
	key := key{"ddns-key.", "hmac-sha512", testKey.secret}
	s := key.signer()
	request, mac := signedRequest(s, testTime)
	msg := signedReply(b, key, request, mac, testTime, nil)
	b.ReportAllocs()
	for b.Loop() {
		r, err := ParseReply(msg)
		if err != nil || s.Verify(r, mac, testTime) != nil {
			b.Fatal("the reply does not verify")
		}
	}
}
