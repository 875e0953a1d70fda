package server

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/caddy-dyndns/dyndns/dnsupdate/dnstest"
	"github.com/caddy-dyndns/dyndns/test/caddytest"
)

// testService is a server whose zone dyn.test a secret and two clients may change.
type testService struct {
	*caddytest.Server
	ns *dnstest.Server
}

// startService serves the directive with further words on the plain HTTP port,
// where 127.0.0.1 is a trusted proxy.
func startService(t *testing.T, words string) *testService {
	t.Helper()
	ns := caddytest.Nameserver(t, "dyn.test")
	s := caddytest.Serve(t, strictProxies, caddytest.ServiceSite(ns, words))
	return &testService{s, ns}
}

// records returns what the zone holds beside SOA and NS, as "owner TTL type value".
func (s *testService) records() []string {
	var records []string
	for _, r := range s.ns.Zone("dyn.test").Records() {
		if f := strings.Fields(r); f[3] != "SOA" && f[3] != "NS" {
			records = append(records, strings.Join([]string{f[0], f[1], f[3], f[4]}, " "))
		}
	}
	return records
}

// checkHeaders asserts what every reply must say.
func checkHeaders(t *testing.T, got caddytest.Reply) {
	t.Helper()
	for name, want := range map[string]string{
		"Content-Length": strconv.Itoa(len(got.Body)), "Cache-Control": "no-store",
		"Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff", "Transfer-Encoding": "",
	} {
		if value := got.Header.Get(name); value != want {
			t.Errorf("%s is %q, want %q", name, value, want)
		}
	}
}

// The main job, step by step on one zone.
func TestNativeSequence(t *testing.T) {
	s := startService(t, "")
	const path, query = "/update-by-path/" + caddytest.CanarySecret, "/update-by-query?secret=" + caddytest.CanarySecret
	steps := []struct {
		name, url string
		body      string
		records   []string
	}{
		{"first", path + "/home.dyn.test/192.0.2.1", "UPDATED: home.dyn.test. A None -> 192.0.2.1\nUNCHANGED: home.dyn.test. AAAA None\n", []string{"home.dyn.test. 300 A 192.0.2.1"}},
		{"the same again", path + "/home.dyn.test/192.0.2.1", "UNCHANGED: home.dyn.test. A 192.0.2.1\nUNCHANGED: home.dyn.test. AAAA None\n", []string{"home.dyn.test. 300 A 192.0.2.1"}},
		{"the other family", path + "/Home.Dyn.Test./2001:DB8::1", "UNCHANGED: home.dyn.test. A 192.0.2.1\nUPDATED: home.dyn.test. AAAA None -> 2001:db8::1\n", []string{"home.dyn.test. 300 A 192.0.2.1", "home.dyn.test. 300 AAAA 2001:db8::1"}},
		{"both", path + "/home.dyn.test/2001:db8::2/192.0.2.2", "UPDATED: home.dyn.test. A 192.0.2.1 -> 192.0.2.2\nUPDATED: home.dyn.test. AAAA 2001:db8::1 -> 2001:db8::2\n", []string{"home.dyn.test. 300 A 192.0.2.2", "home.dyn.test. 300 AAAA 2001:db8::2"}},
		{"TTL alone", query + "&fqdn=home.dyn.test&ipv4=192.0.2.2&ttl=60", "UPDATED: home.dyn.test. A 192.0.2.2 -> 192.0.2.2\nUNCHANGED: home.dyn.test. AAAA 2001:db8::2\n", []string{"home.dyn.test. 300 AAAA 2001:db8::2", "home.dyn.test. 60 A 192.0.2.2"}},
		{"one family taken away", query + "&zone_name=dyn.test&record_name=home&ipv6=none", "UNCHANGED: home.dyn.test. A 192.0.2.2\nUPDATED: home.dyn.test. AAAA 2001:db8::2 -> None\n", []string{"home.dyn.test. 60 A 192.0.2.2"}},
		{"deleted", "/delete-by-path/" + caddytest.CanarySecret + "/home.dyn.test", "UPDATED: home.dyn.test. A 192.0.2.2 -> None\nUNCHANGED: home.dyn.test. AAAA None\n", nil},
		{"nothing to delete", "/delete-by-path/" + caddytest.CanarySecret + "/home.dyn.test", "UNCHANGED: home.dyn.test. A None\nUNCHANGED: home.dyn.test. AAAA None\n", nil},
		{"apex", query + "&zone_name=dyn.test&record_name=@&ip_1=192.0.2.3", "UPDATED: dyn.test. A None -> 192.0.2.3\nUNCHANGED: dyn.test. AAAA None\n", []string{"dyn.test. 300 A 192.0.2.3"}},
	}
	for _, step := range steps {
		got := s.Get(s.HTTP + step.url)
		if got.Status != http.StatusOK || got.Body != step.body || got.Header.Get("Content-Type") != "text/plain; charset=utf-8" {
			t.Errorf("%s: got %d %q", step.name, got.Status, got.Body)
		}
		checkHeaders(t, got)
		if records := s.records(); !slices.Equal(records, step.records) {
			t.Errorf("%s: the zone holds %q", step.name, records)
		}
	}
	if m := s.ns.Zone("dyn.test").Messages(); m.Changes != 7 {
		t.Errorf("the zone was changed %d times", m.Changes)
	}
}

// Wrong requests change nothing and get their word and status.
func TestNativeRefusals(t *testing.T) {
	s := startService(t, "ttl 300 60 86400\nthrottle off")
	const query = "/update-by-query?secret=" + caddytest.CanarySecret + "&"
	tests := []struct {
		name, url string
		headers   []string
		status    int
		body      string
	}{
		{"no secret", "/update-by-query?fqdn=home.dyn.test", nil, 401, "PARAMETER_ERROR: a secret or token is needed\n"},
		{"no secret in the path", "/update-by-path/", nil, 401, "PARAMETER_ERROR: a secret or token is needed\n"},
		{"wrong in the path", "/update-by-path/wrong-secret/home.dyn.test", nil, 403, "PARAMETER_ERROR: wrong secret or token\n"},
		{"wrong in the query", "/update-by-query?secret=wrong&fqdn=home.dyn.test", nil, 403, "PARAMETER_ERROR: wrong secret or token\n"},
		{"wrong as Bearer", "/update-by-query?fqdn=home.dyn.test", []string{"Authorization: Bearer wrong"}, 403, "PARAMETER_ERROR: wrong secret or token\n"},
		{"wrong as Basic", "/update-by-query?fqdn=home.dyn.test", []string{caddytest.BasicAuth("u", "wrong")}, 401, "PARAMETER_ERROR: wrong secret or token\n"},
		{"two that disagree", query + "fqdn=home.dyn.test", []string{"Authorization: Bearer " + caddytest.CanaryToken}, 403, "PARAMETER_ERROR: the secrets of this request disagree\n"},
		{"unknown argument", query + "fqdn=home.dyn.test&foo=1", nil, 400, "PARAMETER_ERROR: Unknown query string argument: \"foo\"\n"},
		{"repeated argument", query + "fqdn=home.dyn.test&fqdn=a.dyn.test", nil, 400, "PARAMETER_ERROR: The argument \"fqdn\" is given twice\n"},
		{"no name", query + "ipv4=192.0.2.1", nil, 400, "PARAMETER_ERROR: The argument \"fqdn\" is missing\n"},
		{"two names", query + "fqdn=home.dyn.test&zone_name=dyn.test&record_name=other", nil, 400, "PARAMETER_ERROR: fqdn, and zone_name with record_name, are two names\n"},
		{"ttl in words", query + "fqdn=home.dyn.test&ipv4=192.0.2.1&ttl=abc", nil, 400, "PARAMETER_ERROR: ttl abc is not a whole number from 0 to 2147483647\n"},
		{"ttl too small", query + "fqdn=home.dyn.test&ipv4=192.0.2.1&ttl=59", nil, 400, "PARAMETER_ERROR: ttl 59 is not between 60 and 86400\n"},
		{"bad name", query + "fqdn=a_b.dyn.test&ipv4=192.0.2.1", nil, 400, "DNS_NAME_ERROR: a_b.dyn.test has an underscore, which no host name may have\n"},
		{"no zone", query + "fqdn=notdyn.test&ipv4=192.0.2.1", nil, 404, "DNS_NAME_ERROR: notdyn.test. is in no zone that this server changes\n"},
		{"not granted", "/update-by-query?secret=" + caddytest.CanaryToken + "&fqdn=work.dyn.test&ipv4=192.0.2.1", nil, 403, "PARAMETER_ERROR: you may not change work.dyn.test.\n"},
		{"no zone, not granted", "/update-by-query?secret=" + caddytest.CanaryToken + "&fqdn=a.example.com&ipv4=192.0.2.1", nil, 403, "PARAMETER_ERROR: you may not change a.example.com.\n"},
		{"the nameserver by pattern", "/update-by-query?secret=canary-token_below-dyn-test&fqdn=" + nameserverOf(s.ns) + "&ipv4=192.0.2.1", nil, 403, "PARAMETER_ERROR: you may not change " + nameserverOf(s.ns) + "\n"},
		{"bad address", query + "fqdn=home.dyn.test&ip_1=300.0.0.1", nil, 400, "IP_ADDRESS_ERROR: 300.0.0.1 is not an IP address\n"},
		{"loopback", query + "fqdn=home.dyn.test&ip_1=127.0.0.1", nil, 400, "IP_ADDRESS_ERROR: 127.0.0.1 is a loopback address\n"},
		{"the client's own loopback", query + "fqdn=home.dyn.test", nil, 400, "IP_ADDRESS_ERROR: your address 127.0.0.1 is a loopback address; give one\n"},
		{"one family twice", query + "fqdn=home.dyn.test&ip_1=192.0.2.1&ip_2=192.0.2.2", nil, 400, "IP_ADDRESS_ERROR: 192.0.2.2 is a second value for its address family\n"},
		{"other family", query + "fqdn=home.dyn.test&ipv4=2001:db8::1", nil, 400, "IP_ADDRESS_ERROR: 2001:db8::1 is not an IPv4 address\n"},
		{"markup", query + "fqdn=%3Cscript%3E.dyn.test&ip_1=192.0.2.1", nil, 400, "DNS_NAME_ERROR: ?script?.dyn.test"},
		{"other site's page", query + "fqdn=home.dyn.test&ip_1=192.0.2.1", []string{"Sec-Fetch-Site: cross-site"}, 403, "PARAMETER_ERROR: this request comes from another site's page\n"},
		{"other origin", query + "fqdn=home.dyn.test&ip_1=192.0.2.1", []string{"Origin: https://evil.example"}, 403, "PARAMETER_ERROR: this request comes from another site's page\n"},
		{"prefetch", query + "fqdn=home.dyn.test&ip_1=192.0.2.1", []string{"Sec-Purpose: prefetch;prerender"}, 403, "PARAMETER_ERROR: this request comes from another site's page\n"},
		{"check for one host's client", "/check/" + caddytest.CanaryToken, nil, 403, "PARAMETER_ERROR: a check needs the secret or a client with hosts *\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := s.Get(s.HTTP+tt.url, tt.headers...)
			if got.Status != tt.status || !strings.HasPrefix(got.Body, tt.body) {
				t.Errorf("got %d %q", got.Status, got.Body)
			}
			if challenge := got.Header.Get("WWW-Authenticate"); (challenge == `Basic realm="dyndns"`) != (tt.status == 401) {
				t.Errorf("got challenge %q", challenge)
			}
			checkHeaders(t, got)
			caddytest.CheckNoSecret(t, got.Body)
		})
	}
	// That the name is a nameserver's was proven by a message without changes.
	if m := s.ns.Zone("dyn.test").Messages(); m.Updates > 1 || m.Changes != 0 || len(s.records()) > 0 {
		t.Errorf("the zone was sent %d updates, changed %d times and holds %q", m.Updates, m.Changes, s.records())
	}
	caddytest.CheckNoSecret(t, s.Log())
}

// nameserverOf is the target of the zone's NS record.
func nameserverOf(ns *dnstest.Server) string {
	for _, r := range ns.Zone("dyn.test").Records() {
		if f := strings.Fields(r); f[3] == "NS" {
			return f[4]
		}
	}
	return ""
}

// Each check hides what the later ones would tell.
func TestCheckOrder(t *testing.T) {
	s := startService(t, "throttle 3 1h")
	request := func(method, contentType, secret, address, name string, headers ...string) caddytest.Reply {
		t.Helper()
		values := url.Values{"fqdn": {name}, "ipv4": {address}}
		if secret != "" {
			values.Set("secret", secret)
		}
		got, err := s.Do(method, s.HTTP+"/update-by-query", values.Encode(), append(headers, "Content-Type: "+contentType)...)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	const form, foreign = "application/x-www-form-urlencoded", "Sec-Fetch-Site: cross-site"
	tests := []struct {
		name   string
		got    func() caddytest.Reply
		status int
	}{
		{"method", func() caddytest.Reply { return request("PUT", "text/html", "wrong", "x", "_", foreign) }, 405},
		{"cross-site", func() caddytest.Reply { return request("POST", "text/html", "wrong", "x", "_", foreign) }, 403},
		{"media type", func() caddytest.Reply { return request("POST", "text/html", "wrong", "x", "_") }, 415},
		{"no credential", func() caddytest.Reply { return request("POST", form, "", "x", "_") }, 401},
		{"arguments", func() caddytest.Reply { return request("POST", form, caddytest.CanaryToken, "x", "_") }, 400},
		{"name", func() caddytest.Reply { return request("POST", form, caddytest.CanaryToken, "192.0.2.1", "_") }, 400},
		{"grant", func() caddytest.Reply {
			return request("POST", form, caddytest.CanaryToken, "192.0.2.1", "a.example.com")
		}, 403},
		{"zone", func() caddytest.Reply {
			return request("POST", form, caddytest.CanarySecret, "192.0.2.1", "a.example.com")
		}, 404},
		{"nothing", func() caddytest.Reply {
			return request("POST", form, caddytest.CanaryToken, "192.0.2.1", "home.dyn.test")
		}, 200},
		{"first wrong one", func() caddytest.Reply { return request("POST", form, "wrong", "x", "_") }, 403},
		{"second wrong one", func() caddytest.Reply { return request("POST", form, "wrong", "x", "_") }, 403},
		{"third wrong one", func() caddytest.Reply { return request("POST", form, "wrong", "x", "_") }, 403},
		{"throttle, wrong", func() caddytest.Reply { return request("POST", form, "wrong", "x", "_") }, 429},
		{"throttle, right", func() caddytest.Reply {
			return request("POST", form, caddytest.CanarySecret, "192.0.2.1", "home.dyn.test")
		}, 429},
		{"throttle, right as before", func() caddytest.Reply {
			return request("POST", form, caddytest.CanaryToken, "192.0.2.1", "home.dyn.test")
		}, 200},
		{"throttle, method", func() caddytest.Reply { return request("PUT", form, "wrong", "x", "_") }, 405},
		{"throttle, no credential", func() caddytest.Reply { return request("POST", form, "", "x", "_") }, 401},
		{"throttle, another network", func() caddytest.Reply {
			return request("POST", form, caddytest.CanaryToken, "192.0.2.1", "home.dyn.test", "X-Forwarded-For: 198.51.100.1")
		}, 200},
	}
	for _, tt := range tests {
		got := tt.got()
		if got.Status != tt.status {
			t.Errorf("%s: got %d %q, want %d", tt.name, got.Status, got.Body, tt.status)
		}
		checkHeaders(t, got)
		if retry, _ := strconv.Atoi(got.Header.Get("Retry-After")); (retry > 0) != (tt.status == 429) {
			t.Errorf("%s: Retry-After is %q", tt.name, got.Header.Get("Retry-After"))
		}
	}
}

func TestMethods(t *testing.T) {
	s := startService(t, "")
	paths := []string{
		"/update-by-path/" + caddytest.CanarySecret + "/home.dyn.test/192.0.2.1", "/update-by-query?secret=" + caddytest.CanarySecret + "&fqdn=home.dyn.test&ip_1=192.0.2.1",
		"/delete-by-path/" + caddytest.CanarySecret + "/home.dyn.test", "/check/" + caddytest.CanarySecret, "/nic/update?hostname=home.dyn.test&myip=192.0.2.1&password=" + caddytest.CanarySecret,
		"/update?domains=home.dyn.test&ip=192.0.2.1&token=" + caddytest.CanarySecret,
	}
	for _, method := range []string{"HEAD", "PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND", "get"} {
		for _, path := range paths {
			got, err := s.Do(method, s.HTTP+path, "")
			if err != nil {
				t.Fatal(err)
			}
			if got.Status != http.StatusMethodNotAllowed || got.Header.Get("Allow") != "GET, POST" {
				t.Errorf("%s %s: got %d, Allow %q", method, path, got.Status, got.Header.Get("Allow"))
			}
			if method != "HEAD" {
				checkHeaders(t, got)
			}
		}
	}
	if m := s.ns.Zone("dyn.test").Messages(); m.Updates != 0 {
		t.Errorf("the zone was sent %d updates", m.Updates)
	}
}

func TestJSON(t *testing.T) {
	s := startService(t, "")
	const accept = "Accept: application/json"
	for _, tt := range []struct {
		url, body string
		status    int
	}{
		{"/update-by-path/" + caddytest.CanarySecret + "/home.dyn.test/192.0.2.1", `{"records":[{"name":"home.dyn.test.","type":"A","old":[],"new":["192.0.2.1"],"ttl":300,"changed":true,"proven":true},{"name":"home.dyn.test.","type":"AAAA","old":[],"new":[],"ttl":0,"changed":false,"proven":true}]}`, 200},
		{"/update-by-path/" + caddytest.CanarySecret + "/a_b.dyn.test/192.0.2.1", `{"error":{"word":"DNS_NAME_ERROR","message":"a_b.dyn.test has an underscore, which no host name may have"}}`, 400},
		{"/update-by-path/wrong/home.dyn.test", `{"error":{"word":"PARAMETER_ERROR","message":"wrong secret or token"}}`, 403},
	} {
		got := s.Get(s.HTTP+tt.url, accept)
		if got.Status != tt.status || strings.TrimSpace(got.Body) != tt.body || got.Header.Get("Content-Type") != "application/json" {
			t.Errorf("got %d %s %s", got.Status, got.Header.Get("Content-Type"), got.Body)
		}
		checkHeaders(t, got)
	}
}

// A check writes to the zone and leaves nothing behind.
func TestCheck(t *testing.T) {
	s := startService(t, "")
	got := s.Get(s.HTTP + "/check/" + caddytest.CanarySecret)
	if got.Status != http.StatusOK || !strings.HasPrefix(got.Body, "INFO: dyn.test. ") || strings.Contains(got.Body, "CHECK_ERROR") {
		t.Errorf("got %d %s", got.Status, got.Body)
	}
	checkHeaders(t, got)
	if len(s.records()) > 0 {
		t.Errorf("the zone holds %q", s.records())
	}
	s.ns.Close()
	got = s.Get(s.HTTP + "/check/" + caddytest.CanarySecret)
	if got.Status != http.StatusBadGateway || !strings.Contains(got.Body, "CHECK_ERROR: dyn.test. ") {
		t.Errorf("without nameserver: got %d %s", got.Status, got.Body)
	}
	if got := s.Get(s.HTTP + "/check"); got.Status != http.StatusTeapot {
		t.Errorf("the site's own /check: got %d %s", got.Status, got.Body)
	}
	if got := s.Get(s.HTTP + "/update-by-path/" + caddytest.CanarySecret + "/home.dyn.test/192.0.2.1"); got.Status != http.StatusBadGateway || !strings.HasPrefix(got.Body, "DNS_SERVER_ERROR: nameserver "+s.ns.Addr()) {
		t.Errorf("update without nameserver: got %d %s", got.Status, got.Body)
	}
}
