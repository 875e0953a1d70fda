package clients

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
)

const (
	tokenA = "aaaaaaaaaaaaaaa1"
	tokenB = "bbbbbbbb_bbbbb-2"
	tokenC = "cccccccccccccccccccccccc3"
	secret = "12345678"
)

var config = NewConfig([]string{"dyn.example.com.", "other.test."})

func hashed(token string) string {
	sum := sha256.Sum256([]byte(token))
	return "sha256:" + hex.EncodeToString(sum[:])
}

func newStatic(t testing.TB, specs ...Spec) *Static {
	t.Helper()
	r, err := NewStatic(specs, config)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestFindClient(t *testing.T) {
	r := newStatic(t,
		Spec{Name: "secret", Tokens: []string{secret}, Unrestricted: true},
		Spec{Name: "a", Tokens: []string{tokenA, hashed(tokenC)}, Hosts: []string{"a.dyn.example.com"}},
		Spec{Name: "b", Tokens: []string{strings.Replace(strings.ToUpper(hashed(tokenB)), "SHA", "sha", 1)}, Hosts: []string{"*"}},
	)
	tests := []struct{ name, presented, want string }{
		{"secret", secret, "secret"},
		{"plain", tokenA, "a"},
		{"second of a client", tokenC, "a"},
		{"hashed", tokenB, "b"},
		{"unknown", "dddddddddddddddd", ""},
		{"empty", "", ""},
		{"other case", strings.ToUpper(tokenA), ""},
		{"longer", tokenA + "1", ""},
		{"shorter", tokenA[:15], ""},
		{"surrounding space", tokenA + "\n", ""},
		{"the digest itself", hashed(tokenB), ""},
		{"the digest without its prefix", strings.TrimPrefix(hashed(tokenB), "sha256:"), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := ""
			if c, _ := r.FindClient(t.Context(), DigestOf(tt.presented)); c != nil {
				got = c.Name
			}
			if got != tt.want {
				t.Errorf("FindClient(%q) = %q, want %q", tt.presented, got, tt.want)
			}
		})
	}
}

func TestNewStaticErrors(t *testing.T) {
	iid := netip.MustParseAddr("::1")
	client := func(change func(*Spec)) []Spec {
		s := Spec{Name: "router", Tokens: []string{tokenA}, Hosts: []string{"home.dyn.example.com"}}
		change(&s)
		return []Spec{s}
	}
	tokens := func(tokens ...string) []Spec { return client(func(s *Spec) { s.Tokens = tokens }) }
	hosts := func(hosts ...string) []Spec { return client(func(s *Spec) { s.Hosts = hosts }) }
	lan := func(lan ...LAN) []Spec { return client(func(s *Spec) { s.LAN = lan }) }
	secrets := func(secrets ...string) []Spec {
		return []Spec{{Name: "secret", Tokens: secrets, Unrestricted: true}}
	}
	tests := []struct {
		name  string
		specs []Spec
		want  []string // all of these in the message
	}{
		{"no name", client(func(s *Spec) { s.Name = "" }), []string{"client", "name is empty"}},
		{"name twice", append(tokens(tokenA), tokens(tokenB)...), []string{"client router", "exists already"}},

		{"no token", tokens(), []string{"client router", "token", "none"}},
		{"empty token", tokens(""), []string{"client router", "token", "16 characters"}},
		{"short token", tokens("Zq3456789012345"), []string{"client router", "token", "16 characters"}},
		{"token with another character", tokens("Zq34567890123456!"), []string{"client router", "token"}},
		{"token with a line break", tokens("Zq34567890123456\n"), []string{"client router", "token"}},
		{"short digest", tokens("sha256:Zq34"), []string{"client router", "token", "64"}},
		{"digest that is no hex", tokens("sha256:" + strings.Repeat("Zq", 32)), []string{"client router", "token", "64"}},
		{"token of two clients", append(client(func(s *Spec) { s.Name = "first" }), tokens(tokenA)...), []string{"client router", "token", "client first"}},
		{"token twice, once hashed", tokens(tokenA, hashed(tokenA)), []string{"client router", "token", "twice"}},

		{"no secret", secrets(), []string{"secret", "none"}},
		{"short secret", secrets("Zq34567"), []string{"secret", "8 characters"}},
		{"secret with another character", secrets("Zq345678-"), []string{"secret", "letters and digits"}},
		{"secret is a token", append(client(func(*Spec) {}), secrets(tokenA)...), []string{"secret", "client router"}},

		{"no hosts", hosts(), []string{"client router", "hosts", "none"}},
		{"empty pattern", hosts(""), []string{"client router", "hosts", "an empty text is not a name"}},
		{"no name", hosts("a..b"), []string{"client router", "hosts", "a..b"}},
		{"outside every zone", hosts("home.dyn.example.com", "home.example.org"), []string{"client router", "hosts", "home.example.org", "zone"}},
		{"name above a zone", hosts("example.com"), []string{"client router", "hosts", "example.com", "zone"}},
		{"label boundary", hosts("notdyn.example.com"), []string{"client router", "hosts", "notdyn.example.com"}},
		{"pattern outside every zone", hosts("*.example.org"), []string{"client router", "hosts", "*.example.org", "zone"}},
		{"two asterisks", hosts("*.*.dyn.example.com"), []string{"client router", "hosts", "*.*.dyn.example.com", "asterisk"}},
		{"asterisk in the middle", hosts("a.*.dyn.example.com"), []string{"client router", "hosts", "a.*.dyn.example.com"}},
		{"asterisk in a label", hosts("a*.dyn.example.com"), []string{"client router", "hosts", "a*.dyn.example.com"}},
		{"everything below the root", hosts("*."), []string{"client router", "hosts"}},

		{"LAN outside every zone", lan(LAN{"nas.example.org", iid}), []string{"client router", "lan", "nas.example.org"}},
		{"LAN that is no name", lan(LAN{"nas_1.dyn.example.com", iid}), []string{"client router", "lan", "underscore"}},
		{"LAN twice", lan(LAN{"nas.dyn.example.com", iid}, LAN{"NAS.dyn.example.com.", iid}), []string{"client router", "lan", "twice"}},
		{"LAN without identifier", lan(LAN{Name: "nas.dyn.example.com"}), []string{"client router", "lan", "identifier"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := NewStatic(tt.specs, config)
			if err == nil {
				t.Fatal("want an error")
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q, want %q in it", err, want)
				}
			}
			for _, part := range []string{tokenA, tokenB, "Zq3", "ZqZq", hashed(tokenA)[7:]} {
				if strings.Contains(err.Error(), part) {
					t.Errorf("%q tells a token", err)
				}
			}
		})
	}
}

func manyClients(n int) []Spec {
	specs := make([]Spec, n)
	for i := range specs {
		specs[i] = Spec{
			Name:   fmt.Sprintf("client-%d", i),
			Tokens: []string{fmt.Sprintf("token-of-client-%06d", i)},
			Hosts:  []string{fmt.Sprintf("host-%d.dyn.example.com", i)},
		}
	}
	return specs
}

func BenchmarkFindClient(b *testing.B) {
	r := newStatic(b, manyClients(100_000)...)
	for name, presented := range map[string]string{"known": "token-of-client-054321", "unknown": "token-of-client-999999"} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = r.FindClient(b.Context(), DigestOf(presented))
			}
		})
	}
}

func BenchmarkNewStatic(b *testing.B) {
	specs := manyClients(100_000)
	b.ReportAllocs()
	for b.Loop() {
		newStatic(b, specs...)
	}
}

func TestOverlaps(t *testing.T) {
	spec := func(name string, noCertificates bool, hosts ...string) Spec {
		return Spec{Name: name, Tokens: []string{name + "-0123456789abcdef"}, Hosts: hosts, NoCertificates: noCertificates}
	}
	s, err := NewStatic([]Spec{
		spec("home", false, "home.dyn.test"),
		spec("nas", false, "nas.home.dyn.test", "deep.nas.home.dyn.test", "_x.home.dyn.test"),
		spec("bare", true, "bare.dyn.test"),
		spec("cam", true, "cam.bare.dyn.test", "cam.home.dyn.test"),
		spec("own", false, "own.dyn.test", "a.own.dyn.test"),
		spec("all", false, "*"),
	}, NewConfig([]string{"dyn.test."}))
	if err != nil {
		t.Fatal(err)
	}
	want := []Overlap{
		{"cam.home.dyn.test.", "cam", "*.home.dyn.test.", "home"},
		{"nas.home.dyn.test.", "nas", "*.home.dyn.test.", "home"},
	}
	if got := s.Overlaps(); !slices.Equal(got, want) {
		t.Errorf("got %v", got)
	}
}

func TestShared(t *testing.T) {
	spec := func(name string, hosts ...string) Spec {
		return Spec{Name: name, Tokens: []string{name + "-0123456789abcdef", name + "-fedcba9876543210"}, Hosts: hosts}
	}
	s := newStatic(t,
		spec("one", "home.dyn.example.com", "own.dyn.example.com", "_x.dyn.example.com"), spec("two", "HOME.dyn.example.com.", "_x.dyn.example.com", "nas.dyn.example.com"),
		spec("three", "*.dyn.example.com", "nas.dyn.example.com", "home.dyn.example.com"), spec("all", "*"),
	)
	want := []Shared{{"home.dyn.example.com.", []string{"one", "three", "two"}}, {"nas.dyn.example.com.", []string{"three", "two"}}}
	if got := s.Shared(); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v", got)
	}
}
