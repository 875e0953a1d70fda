package clients

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/caddy-dyndns/dyndns/internal/name"
)

func TestGrant(t *testing.T) {
	tests := []struct {
		name  string
		hosts string
		host  string
		want  Grant
	}{
		{"exact", "home.dyn.example.com", "home.dyn.example.com.", Exact},
		{"written otherwise", "HOME.dyn.example.com.", "home.dyn.example.com.", Exact},
		{"IDN", "bücher.dyn.example.com", "xn--bcher-kva.dyn.example.com.", Exact},
		{"another name", "home.dyn.example.com", "nas.dyn.example.com.", Denied},
		{"below an exact name", "home.dyn.example.com", "a.home.dyn.example.com.", Denied},
		{"above an exact name", "home.dyn.example.com", "dyn.example.com.", Denied},
		{"wildcard owner below an exact name", "home.dyn.example.com", "*.home.dyn.example.com.", Denied},
		{"pattern", "*.dyn.example.com", "home.dyn.example.com.", ByPattern},
		{"pattern, deep", "*.dyn.example.com", "a.b.c.dyn.example.com.", ByPattern},
		{"pattern's own name", "*.home.dyn.example.com", "home.dyn.example.com.", Denied},
		{"pattern on a label boundary", "*.home.dyn.example.com", "myhome.dyn.example.com.", Denied},
		{"pattern's literal owner", "*.dyn.example.com", "*.dyn.example.com.", ByPattern},
		{"pattern above the zone", "*.example.com", "home.dyn.example.com.", ByPattern},
		{"pattern above the zone, apex", "*.example.com", "dyn.example.com.", ByPattern},
		{"IDN pattern", "*.BÜCHER.dyn.example.com", "a.xn--bcher-kva.dyn.example.com.", ByPattern},
		{"exact wins over pattern", "*.dyn.example.com home.dyn.example.com", "home.dyn.example.com.", Exact},
		{"exact wins over everything", "* home.dyn.example.com", "home.dyn.example.com.", Exact},
		{"name and below", "home.dyn.example.com *.home.dyn.example.com", "home.dyn.example.com.", Exact},
		{"name and below, below", "home.dyn.example.com *.home.dyn.example.com", "a.home.dyn.example.com.", ByPattern},
		{"everything", "*", "home.other.test.", ByPattern},
		{"apex by name", "dyn.example.com", "dyn.example.com.", Exact},
		{"LAN host", "home.dyn.example.com", "nas.dyn.example.com.", Denied},
		{"empty", "*.dyn.example.com", "", Denied},
		{"not absolute", "home.dyn.example.com", "home.dyn.example.com", Denied},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := newStatic(t, Spec{
				Name: "router", Tokens: []string{tokenA}, Hosts: strings.Fields(tt.hosts),
				LAN: []LAN{{"nas.dyn.example.com", netip.MustParseAddr("::1")}},
			}).tokens[DigestOf(tokenA)]
			if got := c.Grant(tt.host); got != tt.want {
				t.Errorf("hosts %s: Grant(%q) = %v, want %v", tt.hosts, tt.host, got, tt.want)
			}
		})
	}
}

func TestClient(t *testing.T) {
	iid := netip.MustParseAddr("::1")
	r := newStatic(t,
		Spec{Name: "secret", Tokens: []string{secret}, Unrestricted: true},
		Spec{Name: "all", Tokens: []string{tokenA}, Hosts: []string{"*"}},
		Spec{
			Name: "some", Tokens: []string{tokenB},
			Hosts: []string{"b.dyn.example.com", "*.dyn.example.com", "A.dyn.example.com", "b.dyn.example.com."},
			LAN:   []LAN{{"NAS.dyn.example.com", iid}},
		},
	)
	tests := []struct {
		token             string
		unrestricted, all bool
		hosts             []string
		lan               []LAN
		apex              Grant
	}{
		{secret, true, true, nil, nil, Exact},
		{tokenA, false, true, nil, nil, ByPattern},
		{tokenB, false, false, []string{"b.dyn.example.com.", "a.dyn.example.com."}, []LAN{{"nas.dyn.example.com.", iid}}, Denied},
	}
	for _, tt := range tests {
		c := r.tokens[DigestOf(tt.token)]
		if c.unrestricted != tt.unrestricted || c.All() != tt.all {
			t.Errorf("%s: unrestricted %v, all %v", c.Name, c.unrestricted, c.All())
		}
		if got := c.ExactHosts(); !slices.Equal(got, tt.hosts) {
			t.Errorf("%s: exact hosts %q, want %q", c.Name, got, tt.hosts)
		}
		if !slices.Equal(c.LAN, tt.lan) {
			t.Errorf("%s: LAN %v, want %v", c.Name, c.LAN, tt.lan)
		}
		if got := c.Grant("dyn.example.com."); got != tt.apex {
			t.Errorf("%s: the apex is granted %v, want %v", c.Name, got, tt.apex)
		}
	}
}

// FuzzPattern compares the walk over labels with what a pattern means by its text.
func FuzzPattern(f *testing.F) {
	for _, s := range [][2]string{
		{"*", "home.dyn.example.com"},
		{"*.dyn.example.com", "home.dyn.example.com"},
		{"home.dyn.example.com", "HOME.dyn.example.com."},
		{"*.home.dyn.example.com", "myhome.dyn.example.com"},
		{"*.example.com", "*.dyn.example.com"},
		{"a.*.dyn.example.com", "a.b.dyn.example.com"},
	} {
		f.Add(s[0], s[1])
	}
	f.Fuzz(func(t *testing.T, pattern, host string) {
		r, err := NewStatic([]Spec{{Name: "a", Tokens: []string{tokenA}, Hosts: []string{pattern}}}, config)
		if err != nil {
			if strings.ContainsFunc(err.Error(), func(r rune) bool { return r < ' ' || r > '~' }) {
				t.Errorf("%q echoes raw input", err)
			}
			return
		}
		h, err := name.Normalize(host)
		if err != nil {
			return
		}
		want := Denied
		if suffix, below := strings.CutPrefix(pattern, "*"); below {
			base, err := name.Normalize(strings.TrimPrefix(suffix, "."))
			if suffix == "" || err == nil && strings.HasSuffix(h, "."+base) {
				want = ByPattern
			}
		} else if n, err := name.Normalize(pattern); err == nil && n == h {
			want = Exact
		}
		if got := r.tokens[DigestOf(tokenA)].Grant(h); got != want {
			t.Errorf("pattern %q: Grant(%q) = %v, want %v", pattern, h, got, want)
		}
	})
}

func BenchmarkGrant(b *testing.B) {
	hosts := []string{"*.pool.dyn.example.com"}
	for _, spec := range manyClients(1000) {
		hosts = append(hosts, spec.Hosts...)
	}
	c := newStatic(b, Spec{Name: "many", Tokens: []string{tokenA}, Hosts: hosts}).tokens[DigestOf(tokenA)]
	for name, host := range map[string]string{
		"exact": "host-500.dyn.example.com.", "pattern": "a.b.pool.dyn.example.com.", "denied": "a.b.c.dyn.example.com.",
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				c.Grant(host)
			}
		})
	}
}
