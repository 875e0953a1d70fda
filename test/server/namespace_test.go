//go:build integration && linux

package server

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// namespace is set in the process that has a network and a /etc/resolv.conf of its own.
const namespace = "DYNDNS_TEST_NAMESPACE"

// inNamespace runs the whole test once more in a process that has a network of its own
// with these addresses of loopback, and a resolver. It returns true there.
func inNamespace(t *testing.T, resolver string, addresses ...string) bool {
	t.Helper()
	if os.Getenv(namespace) == "" {
		cmd := exec.Command("unshare", "--map-root-user", "--mount", "--net", os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
		cmd.Env = append(os.Environ(), namespace+"=yes")
		if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
			t.Fatalf("%v\n%s", err, out)
		}
		return false
	}
	file := filepath.Join(t.TempDir(), "resolv.conf")
	if err := os.WriteFile(file, []byte("nameserver "+resolver+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	commands := [][]string{{"ip", "link", "set", "lo", "up"}, {"mount", "--bind", file, "/etc/resolv.conf"}}
	for _, a := range addresses {
		commands = append(commands, []string{"ip", "address", "add", a, "dev", "lo"})
	}
	for _, args := range commands {
		if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
	}
	return true
}
