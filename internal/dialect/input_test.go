package dialect

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"testing"

	"github.com/caddy-dyndns/dyndns/internal/service"
)

func TestParams(t *testing.T) {
	tests := []struct{ name, raw, want string }{
		{"order and repetition", "b=1&a=2&b=3", "b=1 a=2 b=3"},
		{"empty pairs", "&&a=1&&", "a=1"},
		{"no value", "a&b=", "a= b="},
		{"equals sign in the value", "a=b=c", "a=b=c"},
		{"escapes", "myip=2001%3adb8%3A%3a7&a=x+y%2Bz", "myip=2001:db8::7 a=x y+z"},
		{"escaped name", "m%79ip=1", "myip=1"},
		{"stray percent signs", "a=100%&b=%zz&c=%4", "a=100% b=%zz c=%4"},
		{"semicolon is no separator", "a=1;b=2", "a=1;b=2"},
		{"NUL and invalid UTF-8", "a=%00%ff", "a=\x00\xff"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var q Input
			q.parse(test.raw)
			var got []string
			for _, p := range q.params {
				got = append(got, p.name+"="+p.value)
			}
			if got := strings.Join(got, " "); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestBody(t *testing.T) {
	const form = "application/x-www-form-urlencoded"
	tests := []struct {
		name, contentType, body string
		want                    service.Reason
	}{
		{"form", form, "a=1", ""},
		{"form with a charset", form + "; charset=utf-8", "a=1", ""},
		{"form with a broken parameter", form + "; charset", "a=1", ""},
		{"form in upper case", strings.ToUpper(form), "a=1", ""},
		{"empty of any type", "application/json", "", ""},
		{"JSON", "application/json", "{}", service.BadMediaType},
		{"no type", "", "a=1", ""},
		{"no type and no form", "", "{}", ""},
		{"text", "text/plain", "a=1", service.BadMediaType},
		{"largest", form, strings.Repeat("a", maxBody), ""},
		{"too large", form, strings.Repeat("a", maxBody+1), service.BadParameter},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			in := NewInput(post(t, "/nic/update", test.contentType, test.body), netip.Addr{}, Options{})
			var got service.Reason
			if err := in.ReadBody(dyndns2{}); err != nil {
				got = err.Reason
			}
			if got != test.want {
				t.Errorf("reason %q, want %q", got, test.want)
			}
		})
	}
}

func TestBodyCutShort(t *testing.T) {
	err := NewInput(read(t, "POST /nic/update HTTP/1.1\nHost: x\nContent-Type: application/x-www-form-urlencoded\nContent-Length: 10\n\na=1"), netip.Addr{}, Options{}).ReadBody(dyndns2{})
	if err == nil || err.Reason != service.BadParameter || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("error %v", err)
	}
}

func TestTooManyArguments(t *testing.T) {
	query := strings.Repeat("x=&", maxParams) + "hostname=a.example.com"
	for _, uri := range []string{"/nic/update?", "/update-by-query?", "/update?domains=a&"} {
		_, _, sub, err := ask(t, get(t, uri+query), Options{})
		if err == nil || err.Reason != service.BadParameter {
			t.Errorf("%s: %s", uri, answer(sub, err))
		}
	}
}

func TestCredential(t *testing.T) {
	const (
		dyn    = "/nic/update?hostname=a"
		query  = "/update-by-query"
		path   = "/update-by-path"
		duck   = "/update?domains=a"
		secret = "Authorization: Basic dXNlcjpzZWNyZXQ=" // user:secret
	)
	tests := []struct{ name, uri, header, want string }{
		{"none", dyn, "", "[]"},
		{"Basic", dyn, secret, "[secret]"},
		{"Basic in lower case", dyn, "Authorization: basic  dXNlcjpzZWNyZXQ= ", "[secret]"},
		{"Basic with a colon in the password", dyn, "Authorization: Basic dTphOmI=", "[a:b]"},
		{"Basic with an empty password", dyn, "Authorization: Basic dXNlcjo=", "[]"},
		{"Basic without a colon", dyn, "Authorization: Basic dXNlcg==", "[] malformed"},
		{"Basic that is no base64", dyn, "Authorization: Basic %%%", "[] malformed"},
		{"Basic with NUL", dyn, "Authorization: Basic dTpwAHc=", "[p\x00w]"},
		{"Basic with invalid UTF-8", dyn, "Authorization: Basic dTr/", "[\xff]"},
		{"Basic alone", dyn, "Authorization: Basic", "[] malformed"},
		{"Bearer", dyn, "Authorization: Bearer tok", "[tok] url"},
		{"Bearer alone", dyn, "Authorization: Bearer", "[] malformed"},
		{"Token", dyn, "Authorization: Token tok", "[tok] url"},
		{"other scheme", dyn, "Authorization: Digest x", "[] malformed"},
		{"empty header", dyn, "Authorization: ", "[]"},
		{"two headers", dyn, secret + "\nAuthorization: Bearer tok", "[secret tok] url"},
		{"the same twice", dyn + "&password=secret", secret, "[secret] url"},
		{"two that disagree", dyn + "&password=other", secret, "[secret other] url"},
		{"username and password", dyn + "&username=u&password=p", "", "[p] url"},
		{"user and pass", dyn + "&user=u&pass=p", "", "[p] url"},
		{"user and pwd", dyn + "&user=u&pwd=p", "", "[p] url"},
		{"key", dyn + "&key=p", "", "[p] url"},
		{"token in any case", dyn + "&Token=p", "", "[p] url"},
		{"empty token", dyn + "&token=", secret, "[secret]"},
		{"native argument", query + "?secret=s", "", "[s] url"},
		{"native argument of another dialect", query + "?token=s", "", "[]"},
		{"native argument twice", query + "?secret=s&secret=t", "", "[s t] url"},
		{"native Basic", query, secret, "[secret]"},
		{"native Bearer", query, "Authorization: Bearer tok", "[tok] url"},
		{"native path", path + "/s/a.example.com", "", "[s] url"},
		{"native path with an escape", path + "/s%2Ft+/a.example.com", "", "[s/t+] url"},
		{"native path without a secret", path + "//a.example.com", secret, "[secret]"},
		{"native path and header", path + "/s/a.example.com", secret, "[secret s] url"},
		{"check", "/check/s", "", "[s] url"},
		{"DuckDNS", duck + "&token=t", "", "[t] url"},
		{"DuckDNS with Basic", duck, secret, "[secret]"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			raw := "GET " + test.uri + " HTTP/1.1\nHost: x\n"
			if test.header != "" {
				raw += test.header + "\n"
			}
			call := match(read(t, raw+"\n"), Options{})
			_ = call.read()
			c := call.req.Credential
			got := fmt.Sprint(c.Secrets)
			if c.InURL {
				got += " url"
			}
			if c.Malformed {
				got += " malformed"
			}
			if got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

// A request that presents one secret after another is a guess, whose length must
// not cost more than a short one's.
func TestTooManySecrets(t *testing.T) {
	uri := "/nic/update?hostname=a"
	for i := range maxSecrets + 1 {
		uri += fmt.Sprintf("&token=t%d", i)
	}
	call := match(get(t, uri), Options{})
	_ = call.read()
	if c := call.req.Credential; len(c.Secrets) != maxSecrets || !c.Malformed {
		t.Errorf("%d secrets, malformed: %t", len(c.Secrets), c.Malformed)
	}
	call = match(get(t, strings.Replace(uri, "t0", "t1", 1)), Options{})
	_ = call.read()
	if c := call.req.Credential; len(c.Secrets) != maxSecrets || c.Malformed {
		t.Errorf("%d secrets, malformed: %t, of which one is given twice", len(c.Secrets), c.Malformed)
	}
}

func TestCredentialInBody(t *testing.T) {
	const form = "application/x-www-form-urlencoded"
	_, credential, sub, err := ask(t, post(t, "/update-by-query?ipv4=192.0.2.1", form, "secret=s&fqdn=a.example.com"), Options{})
	if got := answer(sub, err); got != "a.example.com A:set 192.0.2.1 AAAA:keep" || !credential.InURL || credential.Secrets[0] != "s" {
		t.Errorf("%q, %+v", got, credential)
	}
	_, _, sub, err = ask(t, post(t, "/update-by-query?ipv4=192.0.2.1", form, "secret=s&fqdn=a.example.com&ipv4=192.0.2.1"), Options{})
	if err == nil || err.Message != `The argument "ipv4" is given twice` {
		t.Errorf("an argument in query and body: %s", answer(sub, err))
	}
}

// jsonDialect is a dialect whose bodies are JSON.
type jsonDialect struct{ dyndns2 }

func (jsonDialect) Info() *Info { return &Info{Name: "json", JSON: true} }

func TestJSONBody(t *testing.T) {
	in := NewInput(post(t, "/records?a=1", "text/plain", `{"a":2}`), netip.Addr{}, Options{})
	if err := in.ReadBody(jsonDialect{}); err != nil || string(in.body) != `{"a":2}` || len(in.params) != 1 {
		t.Errorf("got %v, %q, %v", err, in.body, in.params)
	}
}
