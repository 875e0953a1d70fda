package dialect

import (
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/caddy-dyndns/dyndns/internal/service"
	"github.com/caddy-dyndns/dyndns/zone"
)

// exercise takes a request through a call and checks what must hold of any
// submission and of any reply.
func exercise(t *testing.T, r *http.Request) {
	call := match(r, Options{Domains: []string{"x"}})
	if call == nil {
		return
	}
	CrossSite(r, true)
	err := call.read()
	for _, secret := range call.req.Credential.Secrets {
		if secret == "" {
			t.Error("an empty secret")
		}
	}
	sub := call.req.Submission
	out := service.Outcome{Err: err}
	if err != nil {
		if strings.IndexFunc(err.Message, func(r rune) bool { return r < ' ' || r > '~' }) >= 0 {
			t.Errorf("unsafe message %q", err.Message)
		}
	} else {
		if n := len(sub.Hosts); (n == 0) != sub.Check || n > maxHosts {
			t.Errorf("%d hosts", n)
		}
		for _, h := range sub.Hosts {
			checkWish(t, h.A, true)
			checkWish(t, h.AAAA, false)
			out.Hosts = append(out.Hosts, service.HostOutcome{Name: h.Name, Err: &service.Error{Reason: service.BadName, Message: "m"}})
		}
		if p := sub.Prefix; p.IsValid() && (p != p.Masked() || p.Bits() < 48 || p.Bits() > 64) {
			t.Errorf("prefix %s", p)
		}
	}
	reply := call.reply(out)
	if reply.Status < 200 || reply.Status > 504 {
		t.Errorf("status %d", reply.Status)
	}
	if body := string(reply.Body); call.name() != "native" && (body == "" || strings.HasSuffix(body, "\n")) {
		t.Errorf("body %q", body)
	}
}

func checkWish(t *testing.T, w service.Wish, is4 bool) {
	if (w.Action == zone.Set) != (len(w.Values) > 0) {
		t.Errorf("wish %+v", w)
	}
	for _, v := range w.Values {
		if addr, err := netip.ParseAddr(v); err != nil || addr.Is4() != is4 || addr.IsUnspecified() || addr.IsLoopback() || addr.String() != v {
			t.Errorf("address %q", v)
		}
	}
}

func FuzzDialects(f *testing.F) {
	for _, path := range []string{"/nic/update", "/update", "/update-by-query", "/update-by-path/s/h.example.com/192.0.2.1/2001:db8::%2F64", "/delete-by-path/s/h", "/check/s", `/\/nic/update`} {
		f.Add(path, "hostname=a,b&myip=192.0.2.1,2001:db8::1/64&myipv6:a,c=auto&ip6lanprefix=2001:db8::/56", "secret=s&fqdn=a.example.com&ttl=60&ipv4=none", "Basic dXNlcjpzZWNyZXQ=")
	}
	f.Add("/update", "domains=a&token=t&ip=::ffff:192.0.2.1&txt=x&clear=true", "verbose=true&ipv6=[2001:db8::1]", "Bearer t")
	f.Add("/update-by-query", "zone_name=example.com&record_name=@&ip_1=%00%ff&ip_2=%zz", "", "Token \xff")
	f.Fuzz(func(t *testing.T, path, query, body, authorization string) {
		u, err := url.Parse(path)
		if err != nil {
			return
		}
		u.RawQuery = query
		r := &http.Request{Method: http.MethodPost, URL: u, Host: "x", Header: http.Header{
			"Authorization": {authorization}, "Content-Type": {"application/x-www-form-urlencoded"},
			"Accept": {authorization}, "Origin": {path},
		}}
		r.Body = http.NoBody
		if body != "" {
			r.Body = readCloser{strings.NewReader(body)}
		}
		exercise(t, r)
	})
}

type readCloser struct{ *strings.Reader }

func (readCloser) Close() error { return nil }

func FuzzUnescape(f *testing.F) {
	f.Add("a%20b+c%zz%")
	f.Fuzz(func(t *testing.T, s string) {
		if want, err := url.QueryUnescape(s); err == nil && unescape(s, true) != want {
			t.Errorf("form: %q, want %q", unescape(s, true), want)
		}
		if want, err := url.PathUnescape(s); err == nil && unescape(s, false) != want {
			t.Errorf("path: %q, want %q", unescape(s, false), want)
		}
	})
}

func FuzzBasic(f *testing.F) {
	f.Add("user", "pass:word")
	f.Fuzz(func(t *testing.T, user, password string) {
		r := &http.Request{Header: http.Header{}}
		r.SetBasicAuth(user, password)
		wantUser, wantPassword, _ := r.BasicAuth()
		_, value, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		if u, p, ok := decodeBasic(value); !ok || u != wantUser || p != wantPassword {
			t.Errorf("got %q, %q, %t, want %q, %q", u, p, ok, wantUser, wantPassword)
		}
	})
}
