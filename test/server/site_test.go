package server

import (
	"context"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/caddy-dyndns/dyndns/test/caddytest"
)

// The handler works below a prefix and with the slashes that routers send.
func TestPaths(t *testing.T) {
	ns := caddytest.Nameserver(t, "dyn.test")
	block := "dyndns {\n" + caddytest.ClientBlocks + caddytest.ZoneBlock("dyn.test", ns.Addr()) + "}\n"
	s := caddytest.Serve(t, "", "http://:{$HTTP_PORT} {\nhandle_path /dns/* {\n"+block+"respond prefix 418\n}\n"+
		"handle {\n"+block+"respond none 418\n}\n}\n")
	const update = "update-by-path/" + caddytest.CanarySecret + "/home.dyn.test/192.0.2.1"
	tests := []struct {
		name, path string
		status     int
	}{
		{"plain", "/" + update, 200},
		{"two slashes", "//" + update, 200},
		{"many slashes", "/////" + update, 200},
		{"slash at the end", "/" + update + "/", 200},
		{"below the prefix", "/dns/" + update, 200},
		{"two slashes below the prefix", "/dns//" + update, 200},
		{"escaped letters", "/%75pdate-by-path/" + caddytest.CanarySecret + "/home.dyn.test/192.0.2.1", 200},
		{"escaped secret", "/update-by-path/%43" + caddytest.CanarySecret[1:] + "/home.dyn.test/192.0.2.1", 200},
		{"escaped colons", "/update-by-path/" + caddytest.CanarySecret + "/home.dyn.test/2001%3adb8%3a%3a1", 200},
		{"UniFi's backslash", `/\/nic/update?hostname=home.dyn.test&myip=192.0.2.1&password=` + caddytest.CanarySecret, 200},
		{"query below the prefix", "/dns/update-by-query?secret=" + caddytest.CanarySecret + "&fqdn=home.dyn.test&ip_1=192.0.2.1", 200},
		{"too many segments", "/" + update + "/2001:db8::1/x", 400},
		{"another path", "/updates", 418},
		{"another path below the prefix", "/dns/updates", 418},
		{"another case", "/Update-By-Path/" + caddytest.CanarySecret + "/home.dyn.test", 418},
		{"below another path", "/x/" + update, 418},
		{"the site's own /update", "/update", 418},
		{"the site's own /check", "/check", 418},
		{"the site's own page", "/", 418},
		{"query form with a segment", "/update-by-query/x?secret=" + caddytest.CanarySecret, 418},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := rawGet(t, s, tt.path); got.Status != tt.status {
				t.Errorf("got %d %q, want %d", got.Status, got.Body, tt.status)
			}
		})
	}
}

// Which address is published if a request gives none.
func TestClientAddress(t *testing.T) {
	tests := []struct {
		name, trusted, forwarded, words string
		status                          int
		body                            string
	}{
		{name: "of the proxy", trusted: "192.0.2.0/24", forwarded: "198.51.100.1", status: 400, body: "IP_ADDRESS_ERROR: your address 127.0.0.1 is a loopback address; give one\n"},
		{name: "behind a trusted proxy", trusted: "127.0.0.1/32", forwarded: "198.51.100.1", status: 200, body: "UPDATED: home.dyn.test. A None -> 198.51.100.1\nUNCHANGED: home.dyn.test. AAAA None\n"},
		{name: "IPv6", trusted: "127.0.0.1/32", forwarded: "2001:db8::1", status: 200, body: "UNCHANGED: home.dyn.test. A None\nUPDATED: home.dyn.test. AAAA None -> 2001:db8::1\n"},
		{name: "mapped", trusted: "127.0.0.1/32", forwarded: "::ffff:198.51.100.1", status: 200, body: "UPDATED: home.dyn.test. A None -> 198.51.100.1\nUNCHANGED: home.dyn.test. AAAA None\n"},
		{name: "mapped loopback", trusted: "127.0.0.1/32", forwarded: "::ffff:127.0.0.2", status: 400, body: "IP_ADDRESS_ERROR: your address 127.0.0.2 is a loopback address; give one\n"},
		{name: "private", trusted: "127.0.0.1/32", forwarded: "172.17.0.1", status: 400, body: "IP_ADDRESS_ERROR: your address 172.17.0.1 is a private address; give one, or set private_clients\n"},
		{name: "private clients", words: "private_clients", trusted: "127.0.0.1/32", forwarded: "172.17.0.1", status: 200, body: "UPDATED: home.dyn.test. A None -> 172.17.0.1\nUNCHANGED: home.dyn.test. AAAA None\n"},
		{name: "missing family deleted", words: "missing_family delete", trusted: "127.0.0.1/32", forwarded: "198.51.100.1", status: 200, body: "UPDATED: home.dyn.test. A None -> 198.51.100.1\nUNCHANGED: home.dyn.test. AAAA None\n"},
		{name: "no address", trusted: "127.0.0.1/32", forwarded: "unknown", status: 400, body: "IP_ADDRESS_ERROR: your address 127.0.0.1 is a loopback address; give one\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ns := caddytest.Nameserver(t, "dyn.test")
			s := caddytest.Serve(t, "servers {\ntrusted_proxies static "+tt.trusted+"\ntrusted_proxies_strict\n}", caddytest.ServiceSite(ns, tt.words))
			got := s.Get(s.HTTP+"/update-by-path/"+caddytest.CanarySecret+"/home.dyn.test", "X-Forwarded-For: "+tt.forwarded)
			if got.Status != tt.status || got.Body != tt.body {
				t.Errorf("got %d %q", got.Status, got.Body)
			}
			if changed := ns.Zone("dyn.test").Messages().Changes > 0; changed != (tt.status == 200) {
				t.Errorf("changed: %t", changed)
			}
		})
	}
}

// On a unix socket there is no address to detect; one that is given counts.
func TestUnixSocket(t *testing.T) {
	// A socket's path may have some 100 characters; that of a test's folder is longer.
	dir, err := os.MkdirTemp("", "dyndns")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket := filepath.Join(dir, "s")
	ns := caddytest.Nameserver(t, "dyn.test")
	s := caddytest.Serve(t, "", "http:// {\nbind unix/"+socket+"\ndyndns {\n"+caddytest.ClientBlocks+caddytest.ZoneBlock("dyn.test", ns.Addr())+"}\n}\n")
	s.Client.Transport = &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}
	const path = "http://dyn.test/update-by-path/" + caddytest.CanarySecret + "/home.dyn.test"
	if got := s.Get(path); got.Status != 400 || got.Body != "IP_ADDRESS_ERROR: your address is not known here; give one\n" {
		t.Errorf("got %d %q", got.Status, got.Body)
	}
	if got := s.Get(path + "/192.0.2.1"); got.Status != 200 {
		t.Errorf("got %d %q", got.Status, got.Body)
	}
}

// Beside directives that would swallow, shadow or interpret our paths, the API
// works and the site keeps its pages.
func TestAmongOtherDirectives(t *testing.T) {
	root := t.TempDir()
	for file, content := range map[string]string{
		"index.html": "index of {{.Req.Host}}", "check": "the site's own check", "page.html": "{{env `DYNDNS_TEST_SECRET`}} page",
	} {
		if err := os.WriteFile(filepath.Join(root, file), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("DYNDNS_TEST_SECRET", "interpreted")
	ns := caddytest.Nameserver(t, "dyn.test")
	s := caddytest.Serve(t, "", "http://:{$HTTP_PORT} {\nroot * "+root+`
		# The password is the user's name.
		basic_auth {
			reader $2a$04$qR1c2sYl1Kqhga0fdKGdAeq6R40MwpD/.3qmsNrNoPc2WcN4rwAmG
		}
		encode gzip
		templates {
			mime text/plain text/html application/json
		}
		try_files {path} /index.html
		handle {
			file_server
		}
		dyndns {
`+caddytest.ClientBlocks+caddytest.ZoneBlock("dyn.test", ns.Addr())+"}\n}\n")
	reader := []string{caddytest.BasicAuth("reader", "reader")}
	const template = "{{env%20%60DYNDNS_TEST_SECRET%60}}"
	tests := []struct {
		name, url string
		headers   []string
		status    int
		body      string
	}{
		{name: "update", url: "/update-by-path/" + caddytest.CanarySecret + "/home.dyn.test/192.0.2.1", status: 200, body: "UPDATED: home.dyn.test. A None -> 192.0.2.1\n"},
		{name: "dyndns2", url: "/nic/update?hostname=home.dyn.test&myip=192.0.2.1", headers: []string{caddytest.BasicAuth("x", caddytest.CanaryToken)}, status: 200, body: "nochg 192.0.2.1"},
		{name: "compression asked for", url: "/update-by-path/" + caddytest.CanarySecret + "/home.dyn.test/192.0.2.1", headers: []string{"Accept-Encoding: gzip"}, status: 200, body: "UNCHANGED: home.dyn.test. A 192.0.2.1\n"},
		{name: "template as name", url: "/update-by-path/" + caddytest.CanarySecret + "/" + template + "/192.0.2.1", status: 400, body: "DNS_NAME_ERROR: REDACTED"},
		{name: "template as argument", url: "/update-by-query?secret=" + caddytest.CanarySecret + "&" + template + "=1", status: 400, body: "PARAMETER_ERROR: Unknown query string argument: \"REDACTED"},
		{name: "template as address", url: "/update-by-path/" + caddytest.CanarySecret + "/home.dyn.test/" + template, status: 400, body: "IP_ADDRESS_ERROR: REDACTED"},
		{name: "placeholder as name", url: "/update-by-path/" + caddytest.CanarySecret + "/{env.DYNDNS_TEST_SECRET}/192.0.2.1", status: 400, body: "DNS_NAME_ERROR: ?env.DYNDNS_TEST_SECRET?"},
		{name: "the site's start page", url: "/", headers: reader, status: 200, body: "index of 127.0.0.1"},
		{name: "the site's page", url: "/page.html", headers: reader, status: 200, body: "interpreted page"},
		{name: "the site's fallback", url: "/nothing/here", headers: reader, status: 200, body: "index of 127.0.0.1"},
		{name: "the site's own check", url: "/check", status: 401},
		{name: "the site's own update", url: "/update?version=2", headers: reader, status: 200, body: "index of"},
		{name: "the site's pages are still protected", url: "/page.html", status: 401},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := s.Get(s.HTTP+tt.url, tt.headers...)
			if got.Status != tt.status || !strings.HasPrefix(got.Body, tt.body) {
				t.Errorf("got %d %q", got.Status, got.Body)
			}
			if strings.Contains(got.Body, "interpreted") != strings.HasPrefix(tt.body, "interpreted") {
				t.Errorf("a request was interpreted: %q", got.Body)
			}
		})
	}
	if got := ns.Zone("dyn.test").Lookup("home.dyn.test.", dns.TypeA); !slices.Equal(got, []string{"192.0.2.1"}) {
		t.Errorf("the zone holds %q", got)
	}
	caddytest.CheckNoSecret(t, s.Log())
}
