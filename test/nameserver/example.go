//go:build linux

package nameserver

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddy-dyndns/dyndns/internal/loopback"
)

// RunExample runs BIND for a test as the folder example/bind configures it, but
// for ports and paths, with the zone's key in a file that tsig-keygen wrote.
func RunExample(t testing.TB, folder, keyFile string) *Server {
	t.Helper()
	const zone = "dyn.example.com"
	return RunConfigured(t, BIND, zone, nil, func(dir string, _ netip.AddrPort) (conf string, err error) {
		paths := strings.NewReplacer("/etc/bind", dir, "/var/lib/bind", dir)
		for _, file := range []string{keyFile, filepath.Join(folder, zone+".zone"), filepath.Join(folder, "named.conf.local")} {
			text, err := os.ReadFile(file)
			if err != nil {
				return "", err
			}
			conf = paths.Replace(string(text))
			if err := os.WriteFile(filepath.Join(dir, filepath.Base(file)), []byte(conf), 0o600); err != nil {
				return "", err
			}
		}
		return conf, nil
	})
}

// RunConfigured runs BIND or Knot for a test with a configuration that a function makes
// for the server's directory and address; with BIND it has no options. The port is as in
// [Config].
func RunConfigured(t testing.TB, kind Kind, zone string, port *loopback.Port, configure func(dir string, at netip.AddrPort) (string, error)) *Server {
	t.Helper()
	return runTest(t, func(ctx context.Context, dir string) (*Server, error) {
		return run(ctx, kind, dir, Config{Zones: []Zone{{Name: zone}}, Port: port}, func(at netip.AddrPort) (func() *exec.Cmd, error) {
			conf, err := configure(dir, at)
			switch {
			case err != nil:
				return nil, err
			case kind == BIND:
				return namedCommand(dir, fmt.Sprintf(bindOptions, dir, at.Port(), at.Addr())+conf)
			case kind == Knot:
				return knotCommand(dir, conf)
			}
			return nil, errors.New("only BIND and Knot have a configuration of the test's own")
		})
	})
}
