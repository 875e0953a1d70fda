package redact_test

import (
	"strings"
	"testing"

	_ "github.com/caddy-dyndns/dyndns/internal/dialect" // the arguments of the dialects
	. "github.com/caddy-dyndns/dyndns/internal/redact"
)

// What stands for secrets in the rows: a token, a password, the base64 of a key.
const (
	token    = "S3CRET_token-0123456789"
	password = "S3CRET42"
	key      = "S3CRETcDovL2Jhc2U2NC9rZXk+MDEyMzQ1Njc4OQ=="
)

func TestEcho(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"empty", "", ""},
		{"host name", "*.Home_1.example.com", "*.Home_1.example.com"},
		{"address", "2001:db8::1/64", "2001:db8::1/64"},
		{"name of an argument", "Record_Name", "Record_Name"},
		{"short", "foo", "foo"},
		{"markup", `<b "x>`, "?b??x?"},
		{"line break", "a\r\nb: c", "a??b:?c"},
		{"one mark per character", "bücher.example", "b?cher.example"},
		{"broken UTF-8", "a\xff\xfeb", "a??b"},
		{"name with markup", "<b>.example", "?b?.example"},
		{"empty label", ".home..example.com", ".home..example.com"},
		{"mistyped address", " 192.000.2.1", "?192.000.2.1"},
		{"long", strings.Repeat("a.", 50) + "a", strings.Repeat("a.", 40)},
		{"token", token, Mark},
		{"password", password, Mark},
		{"letters", "correcthorse", Mark},
		{"key", key, Mark},
		{"final dot", token + ".", Mark},
		{"with markup", `<` + token + `>&"`, Mark},
		{"with line breaks", "a\r\n" + token, Mark},
		{"JSON Web Token", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.abc", Mark},
		{"zone id", "fe80::1%" + token, Mark},
		{"number", "12345678", Mark},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := Echo(tt.in); got != tt.want {
				t.Errorf("Echo(%q) = %q, want %q", tt.in, got, tt.want)
			}
		})
	}
}

// What a configuration says is shown unless it may be a key.
func TestConfigured(t *testing.T) {
	tests := []struct {
		name   string
		show   func(string) string
		shown  []string
		hidden []string
	}{
		{"word", Word, []string{"log_level", "nameservers", "sha1", "secret"}, []string{token, password, key, strings.Repeat("a", 16)}},
		{"client", ClientName, []string{"home", "fritzbox-7590", "home.router.example"}, []string{token, key}},
		{"path", Path,
			[]string{"/etc/caddy/dyn.example.com.key", "/run/secrets/dyndns", "./.dyndns.yml", "dyn.key", "/", "", `caddy\dyn.key`, "/run/credentials/caddy.service/dyn.key"},
			[]string{token, password, key, "correcthorse", "/" + key, "a/" + token, "key \"dyn.example.com\" { secret \"" + key + "\"; };", "/etc/a.key\n" + key}},
		{"method", Method, []string{"GET", "OPTIONS", "PROPFIND"}, []string{token, password}},
		{"host", Host, []string{"", "dyn.example.com:443", "192.0.2.1", "[2001:db8::1]:8443", "localhost:80", "nas"}, []string{token, password, token + ":80", "a:" + password, "nas:" + "0123456789"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, s := range tt.shown {
				if got := tt.show(s); got != s {
					t.Errorf("%q is shown as %q", s, got)
				}
			}
			for _, s := range tt.hidden {
				if got := tt.show(s); got != Mark {
					t.Errorf("%q is shown as %q", s, got)
				}
			}
		})
	}
}

func TestURI(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"empty", "", ""},
		{"asterisk", "*", "*"},
		{"authority", "dyn.example.com:443", "dyn.example.com:443"},

		{"other page", "/blog/2026/11/index.html", "/blog/2026/11/index.html"},
		{"long words of another page", "/posts/a-longer-title/?q=x", "/posts/REDACTED/?REDACTED=REDACTED"},
		{"icon", "/favicon.ico", "/favicon.ico"},
		{"statistics", "/statistics/updates-by-fqdn", "/statistics/updates-by-fqdn"},
		{"secret alone", "/S3CRET42", "/REDACTED"},
		{"mistyped path", "/updat-by-path/S3CRET42/home.example.com", "/REDACTED/REDACTED/home.example.com"},

		{"update by path", "/update-by-path/S3CRET/home.example.com/192.0.2.1", "/update-by-path/REDACTED/home.example.com/192.0.2.1"},
		{"IPv6 kept", "/update-by-path/S3CRET/home.example.com/2001:db8::1", "/update-by-path/REDACTED/home.example.com/2001:db8::1"},
		{"encoded IPv6", "/update-by-path/S3CRET/home.example.com/2001%3adb8%3A%3a1", "/update-by-path/REDACTED/home.example.com/2001%3adb8%3A%3a1"},
		{"zone id", "/update-by-path/S3CRET/home.example.com/fe80::1%25S3CRET", "/update-by-path/REDACTED/home.example.com/REDACTED"},
		{"delete by path", "/delete-by-path/S3CRET/home.example.com", "/delete-by-path/REDACTED/home.example.com"},
		{"check", "/check/S3CRET", "/check/REDACTED"},
		{"check without secret", "/check", "/check"},
		{"secret like a name", "/check/s3cret.example", "/check/REDACTED"},
		{"duckdns path", "/update/home/S3CRET/192.0.2.1", "/update/REDACTED/REDACTED/192.0.2.1"},
		{"duckdns path with a name", "/update/home.example.com/S3CRET/192.0.2.1", "/update/home.example.com/REDACTED/192.0.2.1"},
		{"upper case", "/Update-By-PATH/S3CRET/home.example.com", "/Update-By-PATH/REDACTED/home.example.com"},
		{"prefix", "/ddns/v1/update-by-path/S3CRET/home.example.com", "/ddns/v1/update-by-path/REDACTED/home.example.com"},
		{"prefix that is a word", "/check/update-by-path/S3CRET/home.example.com", "/check/REDACTED/REDACTED/home.example.com"},
		{"encoded word", "/update%2Dby-path/S3CRET/home.example.com", "/update%2Dby-path/REDACTED/home.example.com"},
		{"word encoded twice", "/%2575pdate-by-path/S3CRET42/home.example.com", "/REDACTED/REDACTED/home.example.com"},
		{"encoded slashes", "/update-by-path%2FS3CRET%2fhome.example.com/192.0.2.1", "/REDACTED/192.0.2.1"},
		{"many slashes", "//update-by-path///S3CRET//home.example.com", "//update-by-path///REDACTED//home.example.com"},
		{"dot segments", "/check/./S3CRET", "/check/./REDACTED"},
		{"backslashes", `/\/update-by-path\S3CRET\home.example.com`, `/\/update-by-path\REDACTED\home.example.com`},
		{"path parameter", "/update-by-path;v=1/S3CRET42/home.example.com", "/REDACTED/REDACTED/home.example.com"},
		{"segments swapped", "/update-by-path/home.example.com/S3CRET", "/update-by-path/REDACTED/REDACTED"},
		{"secret with delimiters", "/update-by-path/S3%2FCRET;S3&CRET/home.example.com", "/update-by-path/REDACTED/home.example.com"},
		{"secret in the query's path", "/update-by-query/S3CRET?fqdn=home.example.com", "/update-by-query/REDACTED?fqdn=home.example.com"},
		{"query after path", "/update-by-path/S3CRET/home.example.com?secret=S3CRET", "/update-by-path/REDACTED/home.example.com?secret=REDACTED"},
		{"secret as address", "/update-by-path/S3CRET/home.example.com/S3CRET", "/update-by-path/REDACTED/home.example.com/REDACTED"},

		{"query", "/update-by-query?secret=S3CRET&fqdn=home.example.com&ttl=60", "/update-by-query?secret=REDACTED&fqdn=home.example.com&ttl=60"},
		{"several", "/nic/update?user=S3CRET&hostname=h.example&pwd=S3CRET", "/nic/update?user=REDACTED&hostname=h.example&pwd=REDACTED"},
		{"empty value", "/nic/update?user=&hostname=h.example&wildcard=", "/nic/update?user=&hostname=h.example&wildcard="},
		{"all flags", "/nic/update?system=dyndns&wildcard=NOCHG&mx=mail.example.com&backmx=NO&offline=YES&keepipv4=1&verbose=true&clear=true", "/nic/update?system=dyndns&wildcard=NOCHG&mx=mail.example.com&backmx=NO&offline=YES&keepipv4=1&verbose=true&clear=true"},
		{"lists", "/nic/update?hostname=a.example.com,*.b.example.com&myip=192.0.2.1%2C2001%3adb8::1&ipv6=preserve", "/nic/update?hostname=a.example.com,*.b.example.com&myip=192.0.2.1%2C2001%3adb8::1&ipv6=preserve"},
		{"prefix of IPv6", "/nic/update?ip6lanprefix=2001:db8::/56&myip=[2001:db8::1]", "/nic/update?ip6lanprefix=2001:db8::/56&myip=[2001:db8::1]"},
		{"value for a host", "/nic/update?myipv6:a.example.com,b.example.com=2001:db8::1", "/nic/update?myipv6:a.example.com,b.example.com=2001:db8::1"},
		{"value for a secret", "/nic/update?myipv6:S3CRET42=2001:db8::1", "/nic/update?REDACTED=REDACTED"},
		{"duckdns label", "/update?domains=home&token=S3CRET&txt=S3CRET", "/update?domains=home&token=REDACTED&txt=REDACTED"},
		{"upper case name", "/x?SeCrEt=S3CRET", "/x?SeCrEt=REDACTED"},
		{"encoded name", "/x?s%65cret=S3CRET", "/x?s%65cret=REDACTED"},
		{"unknown name", "/x?bogus=S3CRET", "/x?REDACTED=REDACTED"},
		{"misspelt name", "/x?pasword=S3CRET", "/x?REDACTED=REDACTED"},
		{"secret as name", "/x?S3CRET", "/x?REDACTED"},
		{"secret as name with a value", "/x?S3CRET=1&myip=192.0.2.1", "/x?REDACTED=REDACTED&myip=192.0.2.1"},
		{"long name", "/x?" + strings.Repeat("a", 40) + "=", "/x?REDACTED="},
		{"host without a dot", "/nic/update?hostname=" + strings.Repeat("a1B2", 10), "/nic/update?hostname=REDACTED"},
		{"one bad host of several", "/nic/update?hostname=a.example.com,S3CRET42", "/nic/update?hostname=REDACTED"},
		{"host with a dot alone", "/nic/update?hostname=S3CRET42.", "/nic/update?hostname=REDACTED"},
		{"secret as address", "/nic/update?myip=S3CRET", "/nic/update?myip=REDACTED"},
		{"secret as TTL", "/update-by-query?ttl=12345678", "/update-by-query?ttl=REDACTED"},
		{"secret as flag", "/nic/update?wildcard=S3CRET", "/nic/update?wildcard=REDACTED"},
		{"encoded equals sign", "/x?secret%3DS3CRET", "/x?REDACTED"},
		{"encoded question mark", "/x%3Fsecret=S3CRET", "/REDACTED"},
		{"encoded ampersand", "/x?a=b%26secret=S3CRET", "/x?a=REDACTED"},
		{"semicolons", "/x?ip=192.0.2.1;secret=S3CRET;c=d", "/x?ip=REDACTED"},
		{"ampersand instead of question mark", "/nic/update&token=S3CRET&myip=192.0.2.1", "/nic/REDACTED"},
		{"unescaped delimiters in value", "/x?pass=S3&CRET/S3?CRET=S3;CRET&ip=1.2.3.4", "/x?pass=REDACTED&REDACTED=REDACTED&ip=1.2.3.4"},
		{"encoded delimiters in value", "/x?pass=S3%26a%3DCRET&ip=1.2.3.4", "/x?pass=REDACTED&ip=1.2.3.4"},
		{"stray percent signs", "/x?pass=S3%CRET%&hostname=100%", "/x?pass=REDACTED&hostname=REDACTED"},
		{"second equals sign", "/x?a=secret=S3CRET", "/x?a=REDACTED"},
		{"fragment", "/x#token=S3CRET", "/x#REDACTED"},
		{"fragment of a query", "/x?pass=S3#CRET&ip=1.2.3.4", "/x?pass=REDACTED#REDACTED"},
		{"nested URL", "/x?url=https%3A%2F%2Fd.example%2Fcheck%2FS3CRET%3Fa", "/x?url=REDACTED"},

		{"absolute", "https://d.example/update-by-path/S3CRET/home.example.com", "https://d.example/update-by-path/REDACTED/home.example.com"},
		{"absolute with port", "http://[2001:db8::1]:8080?ip=1.2.3.4", "http://[2001:db8::1]:8080?ip=1.2.3.4"},
		{"userinfo", "https://me:S3CRET@d.example/nic/update", "https://REDACTED@d.example/nic/update"},
		{"userinfo with at sign", "https://me@mail.example:S3@CRET@d.example/", "https://REDACTED@d.example/"},
		{"userinfo of a relative reference", "//me:S3CRET@d.example/", "//REDACTED/"},
		{"secret as host", "https://S3CRET42/nic/update", "https://REDACTED/nic/update"},
		{"secret as scheme", "S3CRET42://d.example/", "REDACTED://d.example/"},

		{"control characters", "/a\n\x1b[31m\x00\x7f b", "/REDACTED"},
		{"not ASCII", "/b\u00fc\xff", "/REDACTED"},
		{"control characters in a name", "/x?hostname=a.example\n", "/x?hostname=REDACTED"},
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
		"/", "/nic/update?hostname=home.example.com&myip=192.0.2.1,2001:db8::1&ip6lanprefix=2001:db8::/56&wildcard=NOCHG",
		"https://d.example/a/b?ttl=1",
	} {
		if n := testing.AllocsPerRun(100, func() { URI(uri) }); n != 0 {
			t.Errorf("URI(%q) allocates %v times", uri, n)
		}
	}
}

// Each of these would take minutes if a search started again at every level.
func TestURIIsLinear(t *testing.T) {
	const n = 1 << 18
	for _, part := range []string{"k=", "k=&", "/check", "%2f", "//", "%2f%2f", "/update/", "%25", "@", "//@", "://", ";k=;", "a.", ",", "&"} {
		uri := "/update-by-path/" + strings.Repeat(part, n/len(part)) + "."
		for _, show := range []func(string) string{URI, Text, Prose, Arguments, Echo} {
			show(uri)
			show("/x?ip=" + uri)
			show("/x?" + uri)
		}
	}
}

func TestText(t *testing.T) {
	const uri = "/nic/update?hostname=a.example.com&bogus=" + token
	const shown = "/nic/update?hostname=a.example.com&REDACTED=REDACTED"
	tests := []struct{ name, in, text, arguments string }{
		{"empty", "", "", ""},
		{"sentence", "handled request", "handled request", "handled request"},
		{"dial", "dial tcp 127.0.0.1:9: connect: connection refused", "dial tcp 127.0.0.1:9: connect: connection refused", "dial tcp 127.0.0.1:9: connect: connection refused"},
		{"pair", "write tcp 10.0.0.1:443->[2001:db8::5]:39482: i/o timeout", "write tcp 10.0.0.1:443->[2001:db8::5]:39482: i/o timeout", "write tcp 10.0.0.1:443->[2001:db8::5]:39482: i/o timeout"},
		{"signs", "a / b = c", "a / b = c", "a / b = c"},
		{"URI", "GET " + uri + " HTTP/1.1", "GET " + shown + " HTTP/1.1", "GET " + shown + " HTTP/1.1"},
		{"quoted", `Get "https://d.example` + uri + `": EOF`, `Get "https://d.example` + shown + `": EOF`, `Get "https://d.example` + shown + `": EOF`},
		{"file", "open /srv/www/chek/correcthorse: no such file or directory", "open /srv/www/chek/REDACTED: no such file or directory", "open /srv/www/chek/correcthorse: no such file or directory"},
		{"key in a path", "open /srv/" + token + ": gone", "open /srv/REDACTED: gone", "open /srv/REDACTED: gone"},
		{"certificate", "certificates/acme-v02.api.letsencrypt.org-directory/d.example", "REDACTED/acme-v02.api.letsencrypt.org-directory/d.example", "certificates/acme-v02.api.letsencrypt.org-directory/d.example"},
		{"key alone", "bad " + token + ", sorry", "bad REDACTED, sorry", "bad " + token + ", sorry"},
		{"pointer", "0xc0003b4080", "REDACTED", "0xc0003b4080"},
		{"placeholder", "{env.HOME_TOKEN}", "{env.HOME_TOKEN}", "{env.HOME_TOKEN}"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := Text(tt.in); got != tt.text {
				t.Errorf("Text(%q)\n got %q\nwant %q", tt.in, got, tt.text)
			}
			if got := Arguments(tt.in); got != tt.arguments {
				t.Errorf("Arguments(%q)\n got %q\nwant %q", tt.in, got, tt.arguments)
			}
		})
	}
}

func TestHeader(t *testing.T) {
	tests := []struct{ name, header, in, want string }{
		{"user agent", "User-Agent", "inadyn/2.10.0 https://github.com/troglobit/inadyn/issues", "inadyn/2.10.0 https://github.com/troglobit/inadyn/issues"},
		{"browser", "User-Agent", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0"},
		{"Speedport", "User-Agent", "Deutsche Telekom - Speedport Smart 4 Typ B - 010137.4.8.001.0", "Deutsche Telekom - Speedport Smart 4 Typ B - 010137.4.8.001.0"},
		{"secret user agent", "user-agent", "curl/8 " + token + "/" + password, "curl/8 REDACTED/REDACTED"},
		{"encoded user agent", "User-Agent", "curl/8 %53%33CRET%34%32 100%", "curl/8 REDACTED 100%"},
		{"accept", "Accept", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"},
		{"secret accept", "Accept", token, Mark},
		{"date", "Date", "Wed, 21 Oct 2026 07:28:00 GMT", "Wed, 21 Oct 2026 07:28:00 GMT"},
		{"location", "Location", "https://d.example/check/" + token, "https://d.example/check/REDACTED"},
		{"referer", "Referer", "https://d.example/?" + token, "https://d.example/?REDACTED"},
		{"origin", "Origin", "https://d.example", "https://d.example"},
		{"forwarded for", "X-Forwarded-For", "192.0.2.1, 2001:db8::1", "192.0.2.1, 2001:db8::1"},
		{"secret forwarded for", "X-Forwarded-For", "192.0.2.1, " + password, Mark},
		{"forwarded host", "X-Forwarded-Host", token, Mark},
		{"authorization", "Authorization", "Basic abc", Mark},
		{"cookie", "Cookie", "a=b", Mark},
		{"API key", "X-Api-Key", "abc", Mark},
		{"unknown", "X-Bogus", "abc", Mark},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := Header(tt.header, tt.in); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
	for name, want := range map[string]string{
		"X-Api-Key": "X-Api-Key", "Proxy-Authorization": "Proxy-Authorization", token: Mark, "X-" + key[:20]: Mark,
	} {
		if got := HeaderName(name); got != want {
			t.Errorf("HeaderName(%q) = %q, want %q", name, got, want)
		}
	}
}

func FuzzURI(f *testing.F) {
	f.Add("/ddns/", "home.example.com/192.0.2.1", "b=c&d")
	f.Add("//", "%2f", "%26token=")
	f.Add("https://a:b@c/", "a.b?c", "\x00\xff%")
	f.Add("/#/", "#", "hostname")
	// In no other part of the input.
	const needle = "S3cr3tT0kenZZ"
	templates := []string{
		"%1update-by-path/" + needle + "/%2?%3",
		"%1DELETE-by-path//" + needle + "/%2",
		"%1check/" + needle + "?%3",
		"%1update-by-query?%3&secret=" + needle + "&%2",
		"%1nic/update?%2&PASS%57ord=" + needle,
		"https://user:" + needle + "@d.example/%1%2?%3",
		"%1" + needle + "/%2?%3",
		"%1%2?" + needle + "&%3",
		"%1?" + needle + "=%3",
		"%1?%3=" + needle,
		"%1?%2&bogus=" + needle + "&%3",
		"%1?hostname=" + needle + "&myip=" + needle + "&ttl=" + needle + "&wildcard=" + needle,
		"%1x#" + needle,
	}
	f.Fuzz(func(t *testing.T, prefix, rest, query string) {
		if strings.Contains(prefix+rest+query, "S3cr3t") {
			return // the fuzzer found the needle
		}
		fill := strings.NewReplacer("%1", "/"+prefix+"/", "%2", rest, "%3", query)
		for _, template := range templates {
			uri := fill.Replace(template)
			got := URI(uri)
			if strings.Contains(got, "S3cr3t") {
				t.Errorf("URI(%q) = %q", uri, got)
			}
			if strings.IndexFunc(got, func(r rune) bool { return r <= ' ' || r >= 0x7f }) >= 0 {
				t.Errorf("URI(%q) = %q holds more than a URI may", uri, got)
			}
		}
		for _, got := range []string{Text(query + " " + needle + "01234 " + rest), Prose(query + " " + needle + "/" + rest)} {
			if strings.Contains(got, "S3cr3t") {
				t.Errorf("%q", got)
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
