//go:build integration && linux

package clients

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
)

// ddupdate runs with one of its services, whose address is built in: a proxy leads it to
// the server. It prints its request and the reply. args are further ones.
func ddupdate(t *testing.T, a ask, service, machine, proxy string, args ...string) result {
	netrc := write(t, ".netrc", "machine "+machine+" login home-router password "+a.password)
	return run(t, "", "env", append([]string{"HOME=" + filepath.Dir(netrc), "http_proxy=" + proxy, "https_proxy=" + proxy, "SSL_CERT_FILE=" + a.ca,
		"ddupdate", "-l", "debug", "-H", a.host, "-s", service, "-a", "hardcoded-ip", "-O", "ip=" + a.address}, args...)...)
}

// runDdupdateNoIP asks the server for the URL of another one, as a proxy is asked.
func runDdupdateNoIP(t *testing.T, a ask) result {
	return ddupdate(t, a, "no-ip.com", "dynupdate.no-ip.com", a.url)
}

// Whoever resolves www.duckdns.org to this server has ddupdate's requests for DuckDNS.
func TestDdupdateDuckDNS(t *testing.T) {
	s := start(t, true, "https://www.duckdns.org")
	// It connects to the server, whoever is asked for.
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect || r.Host != "www.duckdns.org:443" {
			t.Errorf("%s %s", r.Method, r.Host)
			return
		}
		server, err := net.Dial("tcp", strings.TrimPrefix(numeric(s.URL), "https://"))
		if err != nil {
			t.Error(err)
			return
		}
		defer server.Close()
		client, buffered, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer client.Close()
		// Either end may be gone before the other.
		_, _ = io.WriteString(client, "HTTP/1.1 200 OK\r\n\r\n")
		go func() { _, _ = io.Copy(server, buffered) }()
		_, _ = io.Copy(client, server)
	}))
	t.Cleanup(proxy.Close)
	outcomes := []outcome{
		{0, "Got response (200) : OK"},
		{0, "Got response (200) : OK"},
		{4, "Update error, got: KO"},
		{4, "Update error, got: KO"},
		{4, "HTTP Error 503: Service Unavailable"},
	}
	for i, scenario := range scenarios {
		t.Run(scenario.name, func(t *testing.T) {
			a, ipv6 := ask{ca: s.RootCA(), password: scenario.password, host: scenario.host, address: "192.0.2.7"}, "2001:db8::7"
			if scenario.down {
				a.address, ipv6 = "192.0.2.8", "2001:db8::8"
				s.link.Down()
				defer s.link.Up()
			}
			outcomes[i].check(t, ddupdate(t, a, "duckdns.org", "www.duckdns.org", proxy.URL, "-v", "all", "-O", "ip6="+ipv6))
			if got := s.records(); got != "home.dyn.example.com. A 192.0.2.7; home.dyn.example.com. AAAA 2001:db8::7" {
				t.Errorf("DNS has %q", got)
			}
		})
	}
}
