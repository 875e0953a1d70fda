//go:build integration

package server

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddy-dyndns/dyndns/test/caddytest"
	"github.com/caddy-dyndns/dyndns/test/markdown"
)

// The command of the page finds in a log why updates of one client failed, and nothing else.
func TestDocumentedLogRecipe(t *testing.T) {
	const page = "docs/troubleshooting.md"
	dir := t.TempDir()
	log := filepath.Join(dir, "log")
	s := caddytest.Serve(t, "log dyndns {\ninclude http.handlers.dyndns\noutput file "+log+"\nformat dyndns json\n}", `http://:{$HTTP_PORT} {
	dyndns {
		zone dyn.example.com {
			memory 60
		}
		client home {
			token `+caddytest.CanaryToken+`
			hosts home.dyn.example.com
		}
		secret `+caddytest.CanarySecret+`
	}
}
`)
	for _, path := range []string{
		"/update-by-path/" + caddytest.CanaryToken + "/home.dyn.example.com/192.0.2.1",
		"/nic/update?hostname=hmoe.dyn.example.com&myip=192.0.2.1&password=" + caddytest.CanaryToken,
		"/update-by-query?fqdn=home.dyn.example.com&ipv4=none-of-these&secret=" + caddytest.CanaryToken,
		"/update-by-path/" + caddytest.CanarySecret + "/other.example.org/192.0.2.1",
	} {
		s.Get(s.HTTP + path)
	}
	ran := false
	for _, script := range markdown.Code(t, "../..", page, "sh") {
		if !strings.HasPrefix(script, "jq ") {
			continue
		}
		ran = true
		out, err := exec.Command("sh", "-c", strings.ReplaceAll(script, "/var/log/caddy/dyndns.log", log)).CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		lines := strings.Split(strings.TrimSpace(string(out)), "\n")
		if len(lines) != 2 || !strings.Contains(lines[0], "\t200\thmoe.dyn.example.com. you may not change") || !strings.Contains(lines[1], "\t400\t") || !strings.Contains(lines[1], "is not an IP address") {
			t.Errorf("it prints\n%s", out)
		}
		caddytest.CheckNoSecret(t, string(out))
	}
	if !ran {
		t.Errorf("%s has no such command", page)
	}
}
