package name

import (
	"strings"
	"testing"

	"golang.org/x/net/idna"
)

var (
	label63 = strings.Repeat("a", 63)
	name253 = strings.Join([]string{label63, label63, label63, strings.Repeat("b", 61)}, ".")
)

func TestNormalize(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"plain", "home.dyn.example.com", "home.dyn.example.com."},
		{"trailing dot", "home.dyn.example.com.", "home.dyn.example.com."},
		{"upper case", "HOME.Dyn.Example.COM", "home.dyn.example.com."},
		{"one label", "test", "test."},
		{"digits and hyphens", "0-0.r1---sn.example.com", "0-0.r1---sn.example.com."},
		{"reverse name", "1.2.0.192.in-addr.arpa", "1.2.0.192.in-addr.arpa."},
		{"wildcard", "*.Home.example.com", "*.home.example.com."},
		{"longest label", label63 + ".example", label63 + ".example."},
		{"longest name", name253, name253 + "."},
		{"longest name with dot", name253 + ".", name253 + "."},
		{"longest wildcard", "*." + name253[2:], "*." + name253[2:] + "."},
		{"U-label", "bücher.example", "xn--bcher-kva.example."},
		{"U-label in upper case", "BÜCHER.example", "xn--bcher-kva.example."},
		{"decomposed", "bu\u0308cher.example", "xn--bcher-kva.example."},
		{"A-label", "XN--bcher-KVA.example", "xn--bcher-kva.example."},
		{"nontransitional", "faß.example", "xn--fa-hia.example."},
		{"full width", "ＨＯＭＥ．example", "home.example."},
		{"ideographic full stops", "例え。テスト。", "xn--r8jz45g.xn--zckzah."},
		{"soft hyphen", "ho\u00adme.bücher.example", "home.xn--bcher-kva.example."},
		{"right to left", "שלום.example", "xn--9dbne9b.example."},
		{"wildcard below U-label", "*.bücher.example", "*.xn--bcher-kva.example."},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Normalize(tt.in)
			if err != nil || got != tt.want {
				t.Errorf("Normalize(%q) = %q, %v, want %q", tt.in, got, err, tt.want)
			}
		})
	}
}

func TestNormalizeErrors(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"empty", "", "an empty text is not a name"},
		{"root", ".", ". is not a name"},
		{"leading dot", ".example.com", "empty label"},
		{"two dots", "home..example.com", "empty label"},
		{"two dots at the end", "example.com..", "empty label"},
		{"label that is mapped to nothing", "\u00ad.bücher.example", "?.b?cher.example has an empty label"},
		{"long label", label63 + "a.example", "more than 63"},
		{"long U-label", strings.Repeat("ü", 60) + ".example", "more than 63"},
		{"long name", "a" + name253, "longer than 253"},
		{"long wildcard", "*." + name253, "longer than 253"},
		{"very long", strings.Repeat("ü", 1<<20), "longer than 253"},
		{"label of which nearly all is mapped to nothing", "home" + strings.Repeat("\u00ad", 126) + ".example", "internationalized"},
		{"leading hyphen", "-home.example.com", "hyphen"},
		{"trailing hyphen", "home-.example.com", "hyphen"},
		{"trailing hyphen of a U-label", "bücher-.example", "internationalized"},
		{"underscore", "_dmarc.example.com", "_dmarc.example.com has an underscore, which no host name may have"},
		{"underscore beside a U-label", "_dmarc.bücher.example", "internationalized"},
		{"asterisk alone", "*", "asterisk"},
		{"asterisk and dot", "*.", "*. is not a name"},
		{"two asterisks", "*.*.example.com", "asterisk"},
		{"asterisk in the middle", "home.*.example.com", "asterisk"},
		{"asterisk in a label", "*home.example.com", "asterisk"},
		{"space", "home .example.com", "home?.example.com has a character"},
		{"surrounding space", " home.example.com", "a character"},
		{"control characters", "home\r\nERROR.example.com", "home??ERROR.example.com has a character"},
		{"zero byte", "home\x00.example.com", "a character"},
		{"escape", `home\.x.example.com`, "a character"},
		{"slash", "home/x.example.com", "a character"},
		{"port", "home.example.com:443", "a character"},
		{"IPv4", "192.0.2.1", "192.0.2.1 is an IP address"},
		{"IPv4 with dot", "192.0.2.1.", "ends in a number"},
		{"IPv4 in full width", "１９２.0.2.1", "ends in a number"},
		{"shortened IPv4", "192.513", "ends in a number"},
		{"IPv6", "2001:db8::1", "2001:db8::1 is an IP address"},
		{"IPv6 in brackets", "[2001:db8::1]", "a character"},
		{"A-label that is no Punycode", "xn--a.example", "internationalized"},
		{"A-label of ASCII", "xn--home-.example", "internationalized"},
		{"A-label without text", "xn--.example", "empty label"},
		{"A-label of a capital", "xn--bcher-2pa.example", "internationalized"},
		{"broken UTF-8", "h\xffme.example", "h?me.example"},
		{"replacement character", "h\ufffdme.example", "h?me.example"},
		{"mixed directions", "aשלום.example", "internationalized"},
		{"joiner without context", "a\u200db.example", "internationalized"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Normalize(tt.in)
			if err == nil {
				t.Fatalf("Normalize(%q) = %q, want an error", tt.in, got)
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Normalize(%q): %q, want %q in it", tt.in, err, tt.want)
			}
		})
	}
}

func TestZone(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"plain", "Dyn.Example.com", "dyn.example.com."},
		{"underscore", "_acme-challenge.example.com.", "_acme-challenge.example.com."},
		{"underscore beside a U-label", "_acme.bücher.example", "_acme.xn--bcher-kva.example."},
		{"wildcard", "*.example.com", ""},
		{"address", "192.0.2.1", ""},
		{"empty", "", ""},
		{"root", ".", ""},
		{"slash", "0/25.2.0.192.in-addr.arpa", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Zone(tt.in)
			if got != tt.want || (err == nil) != (tt.want != "") {
				t.Errorf("Zone(%q) = %q, %v, want %q", tt.in, got, err, tt.want)
			}
		})
	}
}

func TestNormalizeAllocations(t *testing.T) {
	for in, most := range map[string]float64{
		"home.dyn.example.com":  1,
		"home.dyn.example.com.": 0,
	} {
		if n := testing.AllocsPerRun(100, func() { _, _ = Normalize(in) }); n > most {
			t.Errorf("Normalize(%q) allocates %v times, want at most %v", in, n, most)
		}
	}
}

func FuzzNormalize(f *testing.F) {
	for _, s := range []string{
		"home.example.com", "*.HOME.example.com.", "bücher.example", "xn--bcher-kva.example", "_x.example", "faß。x", "a..b", "192.0.2.1",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for what, normalize := range map[string]func(string) (string, error){"Normalize": Normalize, "Zone": Zone} {
			n, err := normalize(s)
			if err != nil {
				if strings.ContainsFunc(err.Error(), func(r rune) bool { return r < ' ' || r > '~' }) {
					t.Errorf("%s(%q): %q echoes raw input", what, s, err)
				}
				continue
			}
			if len(n) > maxName+1 || !strings.HasSuffix(n, ".") || n != strings.ToLower(n) {
				t.Errorf("%s(%q) = %q is not in normal form", what, s, n)
			}
			if again, err := normalize(n); again != n || err != nil {
				t.Errorf("%s(%q) = %q, and again %q, %v", what, s, n, again, err)
			}
			// What a browser makes of it must be the same name.
			if strict, err := idna.Lookup.ToASCII(strings.TrimPrefix(s, "*.")); err == nil && what == "Normalize" {
				if got := strings.TrimPrefix(n, "*."); got != strings.TrimSuffix(strict, ".")+"." {
					t.Errorf("Normalize(%q) = %q, idna.Lookup says %q", s, n, strict)
				}
			}
		}
	})
}

// different returns up to n bytes of which no two characters are the same.
func different(n int) string {
	var b strings.Builder
	for r := '\u0430'; b.Len()+2 <= n; r++ {
		b.WriteRune(r)
	}
	return b.String()
}

func BenchmarkNormalize(b *testing.B) {
	for name, s := range map[string]string{
		"plain": "home.dyn.example.com", "absolute": "home.dyn.example.com.", "upper": "Home.dyn.example.com", "idn": "bücher.example",
		"slowest label": different(maxInput), "slowest labels": strings.Repeat(different(maxLabelInput)+".", 4),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Normalize(s); (err != nil) != strings.HasPrefix(name, "slowest") {
					b.Fatal(err)
				}
			}
		})
	}
}
