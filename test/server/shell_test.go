//go:build integration

package server

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddy-dyndns/dyndns/test/caddytest"
)

// newShell returns a function that runs what a page says in a folder, and returns what it
// prints. The command caddy is this test's program and talks to the server; further
// programs are scripts of sh.
func newShell(t *testing.T, s *caddytest.Server, folder string, programs map[string]string, replace *strings.Replacer) func(script string) string {
	t.Helper()
	bin := t.TempDir()
	write := func(name, script string) {
		if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\n"+script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write("caddy", fmt.Sprintf("DYNDNS_TEST_AS_CADDY=1 exec '%s' \"$@\"\n", os.Args[0]))
	for name, script := range programs {
		write(name, script)
	}
	return func(script string) string {
		t.Helper()
		script = replace.Replace(script)
		cmd := exec.Command("sh", "-euc", script)
		cmd.Dir = folder
		cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH")+":/usr/sbin", "XDG_DATA_HOME="+folder, "CADDY_ADMIN="+strings.TrimPrefix(s.Admin, "http://"))
		var stderr strings.Builder
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%v in\n%s\n%s%s", err, script, out, &stderr)
		}
		return string(out)
	}
}
