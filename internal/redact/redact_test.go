package redact

import (
	"strings"
	"testing"
)

func TestEcho(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"empty", "", ""},
		{"host name", "*.Home_1.example.com", "*.Home_1.example.com"},
		{"address", "2001:db8::1/64", "2001:db8::1/64"},
		{"markup", `<b onclick="x">`, "?b?onclick??x??"},
		{"line break", "a\r\nERROR: b", "a??ERROR:?b"},
		{"one mark per character", "bücher", "b?cher"},
		{"broken UTF-8", "a\xff\xfeb", "a??b"},
		{"long", strings.Repeat("a", 81), strings.Repeat("a", 80)},
		{"long and not ASCII", strings.Repeat("ü", 81), strings.Repeat("?", 80)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := Echo(tt.in); got != tt.want {
				t.Errorf("Echo(%q) = %q, want %q", tt.in, got, tt.want)
			}
		})
	}
}

func TestSecretParam(t *testing.T) {
	secret := []string{
		"secret", "token", "password", "pass", "pwd", "passwd", "key", "apikey", "k", "authkey",
		"user", "username", "login", "u", "ddnsuser",
		"SECRET", "Api-Key", "api_key", "access.token", "secret[]", " token", "sec\x00ret",
		strings.Repeat("x", 40),
	}
	for _, name := range secret {
		if !SecretParam(name) {
			t.Errorf("SecretParam(%q) = false", name)
		}
	}
	plain := []string{
		"", "fqdn", "zone_name", "record_name", "ip_1", "ipv6", "ttl", "hostname", "myip", "domains", "txt",
		"myipv6:home.example.com", "ip6lanprefix", "keepipv4", "system", "wildcard", "kk", "uu",
	}
	for _, name := range plain {
		if SecretParam(name) {
			t.Errorf("SecretParam(%q) = true", name)
		}
	}
}

func TestURI(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"empty", "", ""},
		{"asterisk", "*", "*"},
		{"other page", "/ip?format=text", "/ip?format=text"},
		{"dots and mail address", "/@user/a@b.example?c=d@e.example", "/@user/a@b.example?c=d@e.example"},

		{"update by path", "/update-by-path/S3CRET/home.example.com/192.0.2.1", "/update-by-path/REDACTED/home.example.com/192.0.2.1"},
		{"IPv6 kept", "/update-by-path/S3CRET/home.example.com/2001:db8::1", "/update-by-path/REDACTED/home.example.com/2001:db8::1"},
		{"delete by path", "/delete-by-path/S3CRET/home.example.com", "/delete-by-path/REDACTED/home.example.com"},
		{"check", "/check/S3CRET", "/check/REDACTED"},
		{"check without secret", "/check", "/check"},
		{"duckdns path", "/update/home/S3CRET/192.0.2.1", "/update/home/REDACTED/192.0.2.1"},
		{"upper case", "/Update-By-PATH/S3CRET/home.example.com", "/Update-By-PATH/REDACTED/home.example.com"},
		{"prefix", "/ddns/v1/update-by-path/S3CRET/home.example.com", "/ddns/v1/update-by-path/REDACTED/home.example.com"},
		{"prefix that is a word", "/check/update-by-path/S3CRET/home.example.com", "/check/REDACTED/REDACTED/home.example.com"},
		{"prefix that is the word", "/update/update/home/S3CRET", "/update/update/REDACTED/REDACTED"},
		{"encoded word", "/update%2Dby-path/S3CRET/home.example.com", "/update%2Dby-path/REDACTED/home.example.com"},
		{"word encoded twice", "/%2575pdate-by-path/S3CRET/home.example.com", "/%2575pdate-by-path/REDACTED/home.example.com"},
		{"encoded slashes", "/update-by-path%2FS3CRET%2fhome.example.com/192.0.2.1", "/update-by-path%2FREDACTED/192.0.2.1"},
		{"many slashes", "//update-by-path///S3CRET//home.example.com", "//update-by-path///REDACTED//home.example.com"},
		{"dot segments", "/check/./S3CRET", "/check/REDACTED/REDACTED"},
		{"backslashes", `/\/update-by-path\S3CRET\home.example.com`, `/\/update-by-path\REDACTED`},
		{"path parameter", "/update-by-path;v=1/S3CRET/home.example.com", "/update-by-path;v=1/REDACTED/home.example.com"},
		{"segments swapped", "/update-by-path/home.example.com/S3CRET", "/update-by-path/REDACTED/REDACTED"},
		{"secret with delimiters", "/update-by-path/S3%2FCRET;S3&CRET/home.example.com", "/update-by-path/REDACTED/home.example.com"},
		{"secret in the query's path", "/update-by-query/S3CRET?fqdn=home.example.com", "/update-by-query/REDACTED?fqdn=home.example.com"},
		{"query after path", "/update-by-path/S3CRET/home.example.com?secret=S3CRET", "/update-by-path/REDACTED/home.example.com?secret=REDACTED"},

		{"query", "/update-by-query?secret=S3CRET&fqdn=home.example.com", "/update-by-query?secret=REDACTED&fqdn=home.example.com"},
		{"several", "/nic/update?user=S3CRET&hostname=h.example&pwd=S3CRET", "/nic/update?user=REDACTED&hostname=h.example&pwd=REDACTED"},
		{"empty value", "/nic/update?user=&hostname=h.example", "/nic/update?user=&hostname=h.example"},
		{"upper case name", "/x?SeCrEt=S3CRET", "/x?SeCrEt=REDACTED"},
		{"encoded name", "/x?s%65cret=S3CRET", "/x?s%65cret=REDACTED"},
		{"encoded equals sign", "/x?secret%3DS3CRET", "/x?secret%3DREDACTED"},
		{"encoded question mark", "/x%3Fsecret=S3CRET", "/x%3Fsecret=REDACTED"},
		{"encoded ampersand", "/x?a=b%26secret=S3CRET", "/x?a=b%26secret=REDACTED"},
		{"semicolons", "/x?a=b;secret=S3CRET;c=d", "/x?a=b;secret=REDACTED;c=d"},
		{"ampersand instead of question mark", "/nic/update&token=S3CRET&myip=192.0.2.1", "/nic/update&token=REDACTED&myip=192.0.2.1"},
		{"unescaped delimiters in value", "/x?pass=S3&CRET/S3?CRET#S3;CRET&a=b", "/x?pass=REDACTED&a=b"},
		{"encoded delimiters in value", "/x?pass=S3%26a%3DCRET&a=b", "/x?pass=REDACTED&a=b"},
		{"stray percent signs", "/x?pass=S3%CRET%&a=100%", "/x?pass=REDACTED&a=100%"},
		{"second equals sign", "/x?a=secret=S3CRET", "/x?a=secret=REDACTED"},
		{"fragment", "/x#token=S3CRET", "/x#token=REDACTED"},
		{"nested URL", "/x?url=https%3A%2F%2Fd.example%2Fcheck%2FS3CRET%3Fa", "/x?url=https%3A%2F%2Fd.example%2Fcheck%2FREDACTED"},

		{"absolute", "https://d.example/update-by-path/S3CRET/home.example.com", "https://d.example/update-by-path/REDACTED/home.example.com"},
		{"userinfo", "https://me:S3CRET@d.example/nic/update", "https://REDACTED@d.example/nic/update"},
		{"userinfo with at sign", "https://me@mail.example:S3@CRET@d.example/", "https://REDACTED@d.example/"},
		{"userinfo of a relative reference", "//me:S3CRET@d.example/", "//REDACTED@d.example/"},
		{"encoded userinfo", "/x?url=https%3a%2f%2fme%3aS3CRET%40d.example", "/x?url=https%3a%2f%2fREDACTED%40d.example"},

		{"control characters", "/a\n\x1b[31m\x00\x7f b", "/a%0A%1B[31m%00%7F%20b"},
		{"not ASCII", "/b\u00fc\xff", "/b%C3%BC%FF"},
		{"both", "/check/S3\nCRET?a=\n", "/check/REDACTED?a=%0A"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := URI(tt.in); got != tt.want {
				t.Errorf("URI(%q)\n got %q\nwant %q", tt.in, got, tt.want)
			}
		})
	}
}

func TestURIDoesNotAllocate(t *testing.T) {
	for _, uri := range []string{
		"/", "/nic/update?hostname=home.example.com&myip=192.0.2.1",
		"/a-parameter?that_has_quite_a_long_name_of_its=own&more=" + strings.Repeat("x", 500),
		"https://d.example/a/b?c=d#e",
	} {
		if n := testing.AllocsPerRun(100, func() { URI(uri) }); n != 0 {
			t.Errorf("URI(%q) allocates %v times", uri, n)
		}
	}
}

// Each of these would take minutes if a search started again at every level.
func TestURIIsLinear(t *testing.T) {
	const n = 1 << 20
	for _, part := range []string{
		"k=", "k=&", "/check", "%2f", "//", "%2f%2f", "/update/", "%25", "@", "//@", ";k=;", "/update-by-path%2fa%2e", "%2f%2fk=x@",
	} {
		uri := "/update-by-path/" + strings.Repeat(part, n/len(part)) + "."
		if got := URI(uri); strings.IndexFunc(got, notInURI) >= 0 {
			t.Errorf("%q: control characters are left", part)
		}
	}
}

func FuzzURI(f *testing.F) {
	f.Add("/ddns/", "home.example.com/192.0.2.1", "b=c&d")
	f.Add("//", "%2f", "%26token=")
	f.Add("https://a:b@c/", "a.b?c", "\x00\xff%")
	// Alphanumeric as every secret is, and in no other part of the input.
	const secret = "S3cr3tT0kenZZ"
	templates := []string{
		"%1update-by-path/" + secret + "/%2?%3",
		"%1DELETE-by-path//" + secret + "/%2",
		"%1check/" + secret + "?%3",
		"%1update-by-query?%3&secret=" + secret + "&%2",
		"%1nic/update?%2&PASS%57ord=" + secret,
		"https://user:" + secret + "@d.example/%1%2?%3",
	}
	f.Fuzz(func(t *testing.T, prefix, rest, query string) {
		if strings.Contains(prefix+rest+query, "S3cr3t") {
			return // the fuzzer found the needle
		}
		// A prefix ends in a slash, and where it has a question mark all behind is query.
		prefix = "/" + strings.ReplaceAll(prefix, "?", "") + "/"
		fill := strings.NewReplacer("%1", prefix, "%2", rest, "%3", query)
		for _, template := range templates {
			uri := fill.Replace(template)
			got := URI(uri)
			if strings.Contains(got, "S3cr3t") {
				t.Errorf("URI(%q) = %q", uri, got)
			}
			if strings.IndexFunc(got, notInURI) >= 0 {
				t.Errorf("URI(%q) = %q holds control characters", uri, got)
			}
		}
	})
}

func BenchmarkURI(b *testing.B) {
	for name, uri := range map[string]string{
		"plain":  "/nic/update?hostname=home.example.com&myip=192.0.2.1",
		"secret": "/update-by-path/S3CRET/home.example.com/192.0.2.1",
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				URI(uri)
			}
		})
	}
}
