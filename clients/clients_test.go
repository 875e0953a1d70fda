package clients

import (
	"slices"
	"testing"
)

// NewClient is for sources that several handlers ask: names of other zones are left out.
func TestNewClient(t *testing.T) {
	c, err := NewConfig([]string{"dyn.example.com."}).NewClient(Spec{
		Name:  "all",
		Hosts: []string{"home.dyn.example.com", "home.other.test", "*.other.test", "*.example.com"},
		LAN:   []LAN{{Name: "nas.other.test"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := c.ExactHosts(); !slices.Equal(got, []string{"home.dyn.example.com."}) || len(c.LAN) > 0 {
		t.Errorf("it has %q and %v", got, c.LAN)
	}
	for host, want := range map[string]Grant{"home.dyn.example.com.": Exact, "a.dyn.example.com.": ByPattern, "home.other.test.": Denied, "a.other.test.": Denied} {
		if got := c.Grant(host); got != want {
			t.Errorf("%s: %v, want %v", host, got, want)
		}
	}
	unrestricted, err := NewConfig([]string{"dyn.example.com."}).NewClient(Spec{Name: "all", Hosts: []string{"home.dyn.example.com"}, Unrestricted: true})
	if err != nil || unrestricted.Grant("dyn.example.com.") != Denied || unrestricted.All() {
		t.Errorf("a record made itself unrestricted: %+v, %v", unrestricted, err)
	}
	if _, err := NewConfig(nil).NewClient(Spec{Hosts: []string{"*"}}); err == nil {
		t.Error("a client without a name was taken")
	}
	if _, err := NewConfig(nil).NewClient(Spec{Name: "bad", Hosts: []string{"a..b"}}); err == nil {
		t.Error("a host that is no name was taken")
	}
}

func TestSources(t *testing.T) {
	first := newStatic(t, Spec{Name: "first", Tokens: []string{tokenA}, Hosts: []string{"*"}})
	second := newStatic(t, Spec{Name: "second", Tokens: []string{tokenA, tokenB}, Hosts: []string{"*"}})
	for _, tt := range []struct{ token, want string }{{tokenA, "first"}, {tokenB, "second"}, {tokenC, ""}} {
		c, err := Sources{first, second}.FindClient(t.Context(), DigestOf(tt.token))
		if err != nil || (c != nil) != (tt.want != "") || c != nil && c.Name != tt.want {
			t.Errorf("%s: got %v, %v", tt.token, c, err)
		}
	}
}

func TestParseToken(t *testing.T) {
	digest, err := ParseToken(tokenA)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := ParseToken(digest.String()); err != nil || again != digest {
		t.Errorf("%s became %v: %v", digest, again, err)
	}
	for _, bad := range []string{"", "short", tokenA + " ", "sha256:12", "sha256:" + tokenA} {
		if _, err := ParseToken(bad); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}
