//go:build linux

package nameserver

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// RunExample runs BIND for a test as the folder example/bind configures it, but
// for ports and paths, with the zone's key in a file that tsig-keygen wrote.
func RunExample(t testing.TB, folder, keyFile string) *Server {
	t.Helper()
	const zone = "dyn.example.com"
	return RunConfigured(t, BIND, Config{Zones: []Zone{{Name: zone}}}, func(dir string, at netip.AddrPort) (func() *exec.Cmd, error) {
		paths := strings.NewReplacer("/etc/bind", dir, "/var/lib/bind", dir)
		var conf string
		for _, file := range []string{keyFile, filepath.Join(folder, zone+".zone"), filepath.Join(folder, "named.conf.local")} {
			text, err := os.ReadFile(file)
			if err != nil {
				return nil, err
			}
			conf = paths.Replace(string(text))
			if err := os.WriteFile(filepath.Join(dir, filepath.Base(file)), []byte(conf), 0o600); err != nil {
				return nil, err
			}
		}
		return namedCommand(dir, fmt.Sprintf(bindOptions, dir, at.Port(), at.Addr())+conf)
	})
}

// RunConfigured runs a nameserver for a test that a function configures, for a directory
// and an address. The function returns the command that runs the server in the foreground.
// Of the zones only the names count.
func RunConfigured(t testing.TB, kind Kind, config Config, configure func(dir string, at netip.AddrPort) (func() *exec.Cmd, error)) *Server {
	t.Helper()
	return runTest(t, func(ctx context.Context, dir string) (*Server, error) {
		return run(ctx, kind, dir, config, func(at netip.AddrPort) (func() *exec.Cmd, error) { return configure(dir, at) })
	})
}
