package server

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/caddy-dyndns/dyndns/test/caddytest"
)

const strictProxies = "servers {\ntrusted_proxies static 127.0.0.1/32\ntrusted_proxies_strict\n}"

// Behind a proxy, which writes its peer's address behind what that has sent, a
// client cannot choose its own: not to guess on, not to lock out another, not to
// have another address published.
func TestForgedAddress(t *testing.T) {
	ns := caddytest.Nameserver(t, "dyn.test")
	s := caddytest.Serve(t, strictProxies, caddytest.ServiceSite(ns, "throttle 3 1h"))
	from := func(forged, client string) string { return "X-Forwarded-For: " + forged + ", " + client }
	const attacker, victim = "198.51.100.7", "203.0.113.9"
	wrong := s.HTTP + "/check/"
	passed := 0
	for i := range 50 {
		forged := fmt.Sprintf("192.0.2.%d", i)
		if i%2 == 1 {
			forged = victim
		}
		if got := s.Get(fmt.Sprintf("%swrongwrong%d", wrong, i), from(forged, attacker)); got.Status != http.StatusTooManyRequests {
			passed++
		}
	}
	if passed != 3 {
		t.Errorf("%d of 50 guesses passed a throttle of 3", passed)
	}
	if got := s.Get(wrong+"wrongwrong", from("192.0.2.200", victim)); got.Status != http.StatusForbidden {
		t.Errorf("the victim gets %d %q", got.Status, got.Body)
	}
	got := s.Get(s.HTTP+"/update-by-path/"+caddytest.CanarySecret+"/home.dyn.test", from("192.0.2.201", victim))
	if want := "A None -> " + victim; !strings.Contains(got.Body, want) {
		t.Errorf("got %d %q, want %q", got.Status, got.Body, want)
	}
}

// The warning names the server and the directive that is missing.
func TestProxyWarning(t *testing.T) {
	const trusted = "trusted_proxies static 127.0.0.1/32\n"
	rows := []struct{ name, servers, want string }{
		{"no proxy", "", ""},
		{"strict", trusted + "trusted_proxies_strict\n", ""},
		{"not strict", trusted, "trusted_proxies without trusted_proxies_strict"},
		{"private ranges", "trusted_proxies static private_ranges\n", "trusted_proxies without trusted_proxies_strict"},
		{"unix socket", "trusted_proxies_unix\n", "trusted_proxies_unix without trusted_proxies_strict"},
		{"strict unix socket", "trusted_proxies_unix\ntrusted_proxies_strict\n", ""},
		{"strict alone", "trusted_proxies_strict\n", ""},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			ns := caddytest.Nameserver(t, "dyn.test")
			s := caddytest.Serve(t, "servers {\n"+row.servers+"}", caddytest.ServiceSite(ns, ""))
			log := s.Log()
			if row.want == "" {
				if strings.Contains(log, "trusted_proxies") {
					t.Errorf("there is a warning: %s", log)
				}
				return
			}
			for line := range strings.Lines(log) {
				if strings.Contains(line, row.want) {
					for _, part := range []string{`"level":"warn"`, `"server":"srv0"`, `"listen":["`} {
						if !strings.Contains(line, part) {
							t.Errorf("%s is missing from %s", part, line)
						}
					}
					return
				}
			}
			t.Errorf("no warning in %s", log)
		})
	}
}
