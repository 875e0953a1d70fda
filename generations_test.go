package dyndns

import (
	"net/http"
	"strings"
	"testing"

	"github.com/caddy-dyndns/dyndns/test/caddytest"
)

const updateHome = "/update-by-query?fqdn=home.dyn.test&ipv4=192.0.2.1"

// bearer is a header line with the token.
func bearer(token string) string { return "Authorization: Bearer " + token }

// Wrong secrets count over handlers and reloads.
func TestReloadKeepsThrottle(t *testing.T) {
	ns := caddytest.Nameserver(t, "dyn.test")
	block := func(words string) string {
		return "dyndns {\nthrottle 4 1h\n" + caddytest.ClientBlocks + caddytest.ZoneBlock("dyn.test", ns.Addr()) + words + "\n}\n"
	}
	sites := func(words string) string {
		return "http://:{$HTTP_PORT} {\nhandle_path /a/* {\n" + block(words) + "}\n" + block(words) + "}\n"
	}
	s := caddytest.Serve(t, "", sites(""))
	for i, path := range []string{"/a", "", "/a"} {
		if got := s.Get(s.HTTP+path+updateHome, bearer("wrong")); got.Status != http.StatusForbidden {
			t.Errorf("failure %d: got %d", i, got.Status)
		}
	}
	if err := s.Load(sites("timeout 5s")); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		path, token string
		status      int
	}{
		{"", caddytest.CanaryToken, http.StatusOK},
		{"", "wrong", http.StatusForbidden},
		{"", "wrong", http.StatusTooManyRequests},
		{"/a", caddytest.CanaryToken, http.StatusOK}, // which was right from here before
		{"/a", caddytest.CanarySecret, http.StatusTooManyRequests},
	} {
		if got := s.Get(s.HTTP+step.path+updateHome, bearer(step.token)); got.Status != step.status {
			t.Errorf("%q with %s: got %d, want %d", step.path, step.token, got.Status, step.status)
		}
	}
	// Without a handler the process forgets.
	if err := s.Load("http://:{$HTTP_PORT} {\nrespond 418\n}\n"); err != nil {
		t.Fatal(err)
	}
	emptyPool(t)
	if err := s.Load(sites("")); err != nil {
		t.Fatal(err)
	}
	if got := s.Get(s.HTTP+updateHome, bearer(caddytest.CanaryToken)); got.Status != http.StatusOK {
		t.Errorf("afterwards: got %d", got.Status)
	}
}

// A configuration that cannot be loaded leaves the running one as it is.
func TestFailedReload(t *testing.T) {
	ns := caddytest.Nameserver(t, "dyn.test")
	s := caddytest.Serve(t, "", caddytest.ServiceSite(ns, ""))
	before := references(processKey{})
	for _, words := range []string{
		"ttl 300 600 60", "client other {\ntoken " + caddytest.CanaryToken + "\nhosts *\n}", "domain a_b", "zone bad.test canary0",
	} {
		err := s.Load(caddytest.ServiceSite(ns, words))
		if err == nil {
			t.Fatalf("%s: no error", words)
		}
		caddytest.CheckNoSecret(t, err.Error())
		if got := references(processKey{}); got != before {
			t.Errorf("%s: %d references, want %d", words, got, before)
		}
		if got := s.Get(s.HTTP+updateHome, bearer(caddytest.CanaryToken)); got.Status != http.StatusOK {
			t.Errorf("%s: got %d %q", words, got.Status, got.Body)
		}
	}
	caddytest.CheckNoSecret(t, s.Log())
}

// During a rotation both tokens are valid, after it the new one.
func TestRotation(t *testing.T) {
	ns := caddytest.Nameserver(t, "dyn.test")
	site := func(tokens string) string {
		return "http://:{$HTTP_PORT} {\ndyndns {\nclient home {\ntoken " + tokens + "\nhosts *\n}\n" + caddytest.ZoneBlock("dyn.test", ns.Addr()) + "}\n}\n"
	}
	const before, after = "canary-token-before-1", "canary-token-after-12"
	s := caddytest.Serve(t, "", site(before))
	for _, step := range []struct {
		tokens        string
		before, after int
	}{
		{before, http.StatusOK, http.StatusForbidden},
		{before + " " + after, http.StatusOK, http.StatusOK},
		{after, http.StatusForbidden, http.StatusOK},
	} {
		if err := s.Load(site(step.tokens)); err != nil {
			t.Fatal(err)
		}
		for token, status := range map[string]int{before: step.before, after: step.after} {
			if got := s.Get(s.HTTP+updateHome, bearer(token)); got.Status != status {
				t.Errorf("%s with %s: got %d %q", token, step.tokens, got.Status, got.Body)
			}
		}
	}
}

// A whole server runs on the file of the Flask application; keys that have no
// effect are warned about with file and line.
func TestSeedFileServer(t *testing.T) {
	ns := caddytest.Nameserver(t, "dyn.test")
	host, port, _ := strings.Cut(ns.Addr(), ":")
	path := write(t, "dyndns.yml", "secret: 01234567\nnameserver: "+host+"\nport: "+port+"\nlog_level: DEBUG\nzones: []\n")
	zone, _, _ := strings.Cut(caddytest.ZoneBlock("dyn.test", ns.Addr()), "nameserver")
	s := caddytest.Serve(t, "", "http://:{$HTTP_PORT} {\ndyndns {\nconfig "+path+"\n"+zone+"}\n}\n}\n")
	got := s.Get(s.HTTP + "/update-by-path/01234567/home.dyn.test/192.0.2.1")
	if got.Status != http.StatusOK || !strings.HasPrefix(got.Body, "UPDATED: home.dyn.test. A None -> 192.0.2.1\n") {
		t.Errorf("got %d %q", got.Status, got.Body)
	}
	if log := s.Log(); !strings.Contains(log, path+":4: log_level") || strings.Contains(log, "01234567") {
		t.Errorf("the log says %s", log)
	}
}
