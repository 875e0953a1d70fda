package dyndns

import (
	"net/http"
	"strings"
	"testing"
)

const updateHome = "/update-by-query?fqdn=home.dyn.test&ipv4=192.0.2.1"

// bearer is a header line with the token.
func bearer(token string) string { return "Authorization: Bearer " + token }

// Wrong secrets count over handlers and reloads.
func TestReloadKeepsThrottle(t *testing.T) {
	ns := startNameserver(t, "dyn.test")
	block := func(words string) string {
		return "dyndns {\nthrottle 4 1h\n" + clientBlocks + zoneBlock("dyn.test", ns.Addr()) + words + "\n}\n"
	}
	sites := func(words string) string {
		return "http://:{$HTTP_PORT} {\nhandle_path /a/* {\n" + block(words) + "}\n" + block(words) + "}\n"
	}
	s := serve(t, "", sites(""))
	for i, path := range []string{"/a", "", "/a"} {
		if got := s.get(s.http+path+updateHome, bearer("wrong")); got.status != http.StatusForbidden {
			t.Errorf("failure %d: got %d", i, got.status)
		}
	}
	if err := s.load(sites("timeout 5s")); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		path, token string
		status      int
	}{
		{"", canaryToken, http.StatusOK},
		{"", "wrong", http.StatusForbidden},
		{"", "wrong", http.StatusTooManyRequests},
		{"/a", canaryToken, http.StatusOK}, // which was right from here before
		{"/a", canarySecret, http.StatusTooManyRequests},
	} {
		if got := s.get(s.http+step.path+updateHome, bearer(step.token)); got.status != step.status {
			t.Errorf("%q with %s: got %d, want %d", step.path, step.token, got.status, step.status)
		}
	}
	// Without a handler the process forgets.
	if err := s.load("http://:{$HTTP_PORT} {\nrespond 418\n}\n"); err != nil {
		t.Fatal(err)
	}
	emptyPool(t)
	if err := s.load(sites("")); err != nil {
		t.Fatal(err)
	}
	if got := s.get(s.http+updateHome, bearer(canaryToken)); got.status != http.StatusOK {
		t.Errorf("afterwards: got %d", got.status)
	}
}

// A configuration that cannot be loaded leaves the running one as it is.
func TestFailedReload(t *testing.T) {
	ns := startNameserver(t, "dyn.test")
	s := serve(t, "", serviceSite(ns, ""))
	before := references(throttleKey{})
	for _, words := range []string{
		"ttl 300 600 60", "client other {\ntoken " + canaryToken + "\nhosts *\n}", "domain a_b", "zone bad.test canary0",
	} {
		err := s.load(serviceSite(ns, words))
		if err == nil {
			t.Fatalf("%s: no error", words)
		}
		checkNoSecret(t, err.Error())
		if got := references(throttleKey{}); got != before {
			t.Errorf("%s: %d references, want %d", words, got, before)
		}
		if got := s.get(s.http+updateHome, bearer(canaryToken)); got.status != http.StatusOK {
			t.Errorf("%s: got %d %q", words, got.status, got.body)
		}
	}
	checkNoSecret(t, s.log())
}

// During a rotation both tokens are valid, after it the new one.
func TestRotation(t *testing.T) {
	ns := startNameserver(t, "dyn.test")
	site := func(tokens string) string {
		return "http://:{$HTTP_PORT} {\ndyndns {\nclient home {\ntoken " + tokens + "\nhosts *\n}\n" + zoneBlock("dyn.test", ns.Addr()) + "}\n}\n"
	}
	const before, after = "canary-token-before-1", "canary-token-after-12"
	s := serve(t, "", site(before))
	for _, step := range []struct {
		tokens        string
		before, after int
	}{
		{before, http.StatusOK, http.StatusForbidden},
		{before + " " + after, http.StatusOK, http.StatusOK},
		{after, http.StatusForbidden, http.StatusOK},
	} {
		if err := s.load(site(step.tokens)); err != nil {
			t.Fatal(err)
		}
		for token, status := range map[string]int{before: step.before, after: step.after} {
			if got := s.get(s.http+updateHome, bearer(token)); got.status != status {
				t.Errorf("%s with %s: got %d %q", token, step.tokens, got.status, got.body)
			}
		}
	}
}

// A whole server runs on the file of the Flask application; keys that have no
// effect are warned about with file and line.
func TestSeedFileServer(t *testing.T) {
	ns := startNameserver(t, "dyn.test")
	host, port, _ := strings.Cut(ns.Addr(), ":")
	path := write(t, "dyndns.yml", "secret: 01234567\nnameserver: "+host+"\nport: "+port+"\nlog_level: DEBUG\nzones: []\n")
	zone, _, _ := strings.Cut(zoneBlock("dyn.test", ns.Addr()), "nameserver")
	s := serve(t, "", "http://:{$HTTP_PORT} {\ndyndns {\nconfig "+path+"\n"+zone+"}\n}\n}\n")
	got := s.get(s.http + "/update-by-path/01234567/home.dyn.test/192.0.2.1")
	if got.status != http.StatusOK || !strings.HasPrefix(got.body, "UPDATED: home.dyn.test. A None -> 192.0.2.1\n") {
		t.Errorf("got %d %q", got.status, got.body)
	}
	if log := s.log(); !strings.Contains(log, path+":4: log_level") || strings.Contains(log, "01234567") {
		t.Errorf("the log says %s", log)
	}
}
