package cookie

import (
	"bytes"
	"encoding/hex"
	"net/netip"
	"slices"
	"testing"
	"time"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestRFC has the test vectors of RFC 9018 appendix A.
func TestRFC(t *testing.T) {
	first, second := Secret(unhex(t, "e5e973e5a6b2a43f48e7dc849e37bfcf")), Secret(unhex(t, "dd3bdf9344b678b185a6f5cb60fca715"))
	third := Secret(unhex(t, "445536bcd2513298075a5d379663c962"))
	for _, tt := range []struct {
		name    string
		from    string
		now     int64
		secrets []Secret
		option  string
		verdict Verdict
		reply   string
	}{
		{"A.1 learning", "198.51.100.100", 1559731985, []Secret{first}, "2464c4abcf10c957", Unknown, "2464c4abcf10c957010000005cf79f111f8130c3eee29480"},
		{"A.2 the same client later", "198.51.100.100", 1559734385, []Secret{first}, "2464c4abcf10c957010000005cf79f111f8130c3eee29480", Valid, "2464c4abcf10c957010000005cf7a871d4a564a1442aca77"},
		{"A.3 another client, with reserved bits", "203.0.113.203", 1559734700, []Secret{first}, "fc93fc62807ddb8601abcdef5cf78f71a314227b6679ebf5", Unknown, "fc93fc62807ddb86010000005cf7a9acf73a7810aca2381e"},
		{"A.3 a quarter of a minute after it was made", "203.0.113.203", 1559728000, []Secret{first}, "fc93fc62807ddb8601abcdef5cf78f71a314227b6679ebf5", Valid, "fc93fc62807ddb8601abcdef5cf78f71a314227b6679ebf5"},
		{"A.4 an IPv6 client with an updated secret", "2001:db8:220:1:59de:d0f4:8769:82b8", 1559741961, []Secret{third, second}, "22681ab97d52c298010000005cf7c57926556bd0934c72f8", Valid, "22681ab97d52c298010000005cf7c609a6bb79d16625507a"},
	} {
		verdict, reply := Check(unhex(t, tt.option), netip.MustParseAddr(tt.from), tt.secrets, time.Unix(tt.now, 0))
		if verdict != tt.verdict || hex.EncodeToString(reply) != tt.reply {
			t.Errorf("%s: got %d and %x", tt.name, verdict, reply)
		}
	}
}

// TestSipHash has two of the vectors of the reference implementation.
func TestSipHash(t *testing.T) {
	var key [16]byte
	var message []byte
	for i := range byte(16) {
		key[i] = i
	}
	want := map[int]uint64{0: 0x726fdb47dd0e0e31, 15: 0xa129ca6149be45e5}
	for i := range byte(16) {
		if w, ok := want[len(message)]; ok && sipHash(key, message) != w {
			t.Errorf("%d octets: got %x, want %x", len(message), sipHash(key, message), w)
		}
		message = append(message, i)
	}
}

func TestCheck(t *testing.T) {
	secret, from, now := Secret{1}, netip.MustParseAddr("192.0.2.1"), time.Unix(1_700_000_000, 0)
	_, good := Check([]byte("12345678"), from, []Secret{secret}, now)
	other := slices.Clone(good)
	other[len(other)-1] ^= 1
	for _, tt := range []struct {
		name    string
		option  []byte
		from    string
		age     time.Duration
		secret  Secret
		verdict Verdict
		same    bool
	}{
		{"its own", good, "192.0.2.1", 0, secret, Valid, true},
		{"after half an hour", good, "192.0.2.1", 30 * time.Minute, secret, Valid, true},
		{"a little later", good, "192.0.2.1", 31 * time.Minute, secret, Valid, false},
		{"after more than an hour", good, "192.0.2.1", 61 * time.Minute, secret, Unknown, false},
		{"from the near future", good, "192.0.2.1", -5 * time.Minute, secret, Valid, true},
		{"from the future", good, "192.0.2.1", -6 * time.Minute, secret, Unknown, false},
		{"another address", good, "192.0.2.2", 0, secret, Unknown, false},
		{"another secret", good, "192.0.2.1", 0, Secret{2}, Unknown, false},
		{"forged", other, "192.0.2.1", 0, secret, Unknown, true},
		{"another server's", append(slices.Clone(good), 0), "192.0.2.1", 0, secret, Unknown, true},
		{"nothing", nil, "192.0.2.1", 0, secret, Malformed, false},
		{"too short", good[:7], "192.0.2.1", 0, secret, Malformed, false},
		{"half of a server's", good[:15], "192.0.2.1", 0, secret, Malformed, false},
		{"the shortest of another server", good[:16], "192.0.2.1", 0, secret, Unknown, true},
		{"too long", make([]byte, 41), "192.0.2.1", 0, secret, Malformed, false},
	} {
		verdict, reply := Check(tt.option, netip.MustParseAddr(tt.from), []Secret{tt.secret}, now.Add(tt.age))
		if verdict != tt.verdict || bytes.Equal(reply, good) != tt.same || (reply == nil) != (verdict == Malformed) {
			t.Errorf("%s: got %d and %x", tt.name, verdict, reply)
		}
	}
}
