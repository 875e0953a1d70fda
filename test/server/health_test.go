package server

import (
	"errors"
	"os/exec"
	"strings"
	"testing"

	"github.com/caddy-dyndns/dyndns/test/caddytest"
)

// health runs the command dyndns-health and returns what it printed.
func health(t *testing.T, args ...string) (output string, code int) {
	t.Helper()
	cmd := caddytest.Command(append([]string{"dyndns-health"}, args...)...)
	var exit *exec.ExitError
	out, err := cmd.CombinedOutput()
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// A server is healthy if it has zones, whatever their nameservers do.
func TestCommandHealth(t *testing.T) {
	ns := caddytest.Nameserver(t, "dyn.example.com.")
	dead := caddytest.ReservePort(t).Addr()
	s := caddytest.Serve(t, adminOn, plainSite(caddytest.ZoneBlock("dyn.example.com", dead+" "+ns.Addr())))
	address := strings.TrimPrefix(s.Admin, "http://")
	if out, code := health(t, "--address", address); code != 0 || out != "healthy, zones: 1\n" {
		t.Errorf("exit code %d: %s", code, out)
	}
	s.Get(s.HTTP + "/update-by-path/12345678/a.dyn.example.com/192.0.2.1")
	t.Setenv("CADDY_ADMIN", address)
	if out, code := health(t); code != 0 || !strings.HasPrefix(out, "dyn.example.com. nameserver "+dead+" is down: ") || !strings.HasSuffix(out, "\nhealthy, zones: 1\n") {
		t.Errorf("exit code %d: %s", code, out)
	}
	if err := s.Load("http:// {\nrespond 404\n}\n"); err != nil {
		t.Fatal(err)
	}
	if out, code := health(t); code != 1 || !strings.Contains(out, "no dyndns handler is running") {
		t.Errorf("without a handler, exit code %d: %s", code, out)
	}
	if out, code := health(t, "--address", dead); code != 1 || !strings.Contains(out, "connection refused") {
		t.Errorf("without a server, exit code %d: %s", code, out)
	}
}
