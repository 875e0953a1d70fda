package caddytest

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
)

// Start starts a program that is killed at the end of the test, which has what it prints.
func Start(t testing.TB, cmd *exec.Cmd) {
	t.Helper()
	cmd.Stdout, cmd.Stderr = t.Output(), t.Output()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
}

const asCaddy = "DYNDNS_TEST_AS_CADDY"

// AsCaddy is the assignment with which a shell starts such a program as the command caddy.
const AsCaddy = asCaddy + "=1"

// Command is this test's program as the command caddy, if its TestMain calls Main.
func Command(args ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), asCaddy+"=1", "XDG_DATA_HOME="+filepath.Join(os.TempDir(), "dyndns-test"))
	return cmd
}

// Main runs the tests, or is the command caddy if Command started the program.
func Main(m *testing.M) {
	// A test asks nobody outside.
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		return nil, errors.New("a test has no resolver")
	}}
	if os.Getenv(asCaddy) != "" {
		caddycmd.Main()
		return
	}
	os.Exit(m.Run())
}
