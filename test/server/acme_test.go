//go:build integration

package server

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/caddy-dyndns/dyndns/dnsupdate/dnstest"
	"github.com/caddy-dyndns/dyndns/test/caddytest"
	"github.com/caddy-dyndns/dyndns/zone"
)

// Caddy obtains the site's certificate from an ACME server on loopback, and
// serves an update over it to a client that trusts that authority alone.
func TestACME(t *testing.T) {
	const host = "ddns.example.org"
	ns := caddytest.Nameserver(t, "dyn.example.com.")
	// It also tells the ACME server where the site is.
	resolver := dnstest.NewServer(dnstest.Zone{Name: "example.org.", Records: []string{"ddns A 127.0.0.1"}})
	t.Cleanup(resolver.Close)
	s := caddytest.New(t, "")
	s.OpenSockets()
	ca := caddytest.StartPebble(t, s, resolver.Addr())
	s.Global = "acme_ca " + ca.Directory + "\nacme_ca_root " + ca.Certificate
	if err := s.Load("https://" + host + ":{$HTTPS_PORT} {\nlog\ndyndns {\nsecret 12345678\n" + caddytest.ZoneBlock("dyn.example.com", ns.Addr()) + "}\n}\n"); err != nil {
		t.Fatal(err)
	}
	s.HTTPS = "https://" + host + ":" + os.Getenv("HTTPS_PORT")
	s.Client.Transport = &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: ca.Roots()},
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, strings.Replace(addr, host, "127.0.0.1", 1))
		},
	}
	s.AwaitTLS()
	got := s.Get(s.HTTPS + "/update-by-path/12345678/home.dyn.example.com/192.0.2.1")
	if want := "UPDATED: home.dyn.example.com. A None -> 192.0.2.1\nUNCHANGED: home.dyn.example.com. AAAA None\n"; got.Status != 200 || got.Body != want {
		t.Errorf("%d %s", got.Status, got.Body)
	}
	if records := ns.Zone("dyn.example.com.").Lookup("home.dyn.example.com.", uint16(zone.TypeA)); len(records) != 1 {
		t.Errorf("records %v", records)
	}
	// The redirect from HTTP, which the challenge was answered on, keeps the secret too.
	if got := s.Get("http://" + host + ":" + os.Getenv("HTTP_PORT") + "/update-by-path/12345678/home.dyn.example.com"); got.Status != http.StatusPermanentRedirect {
		t.Errorf("status %d", got.Status)
	}
	if log := s.Log(); strings.Contains(log, "12345678") || !strings.Contains(log, "certificate obtained successfully") {
		t.Error("the log holds the secret, or nothing of the certificate")
	}
}
