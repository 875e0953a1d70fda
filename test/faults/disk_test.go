//go:build integration && linux

package faults

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/caddy-dyndns/dyndns/test/nameserver"
)

// A nameserver that cannot write its zone: the request fails, nothing changes,
// and the next one works when the disk does.
func TestDisk(t *testing.T) {
	// A process that is told of the limit by a signal, not an error, would end.
	// What is ignored here stays so in the nameservers that are started.
	signal.Ignore(syscall.SIGXFSZ)
	defer signal.Reset(syscall.SIGXFSZ)

	full := func(t *testing.T, s *nameserver.Server) (mend func()) {
		limit(t, s, "1")
		return func() { limit(t, s, "unlimited") }
	}
	rows := []struct {
		name string
		kind nameserver.Kind
		// says is in the reply.
		says   string
		damage func(t *testing.T, s *nameserver.Server) (mend func())
	}{
		{"BIND's journal cannot be made", nameserver.BIND, "SERVFAIL", func(t *testing.T, s *nameserver.Server) func() {
			journal := filepath.Join(s.Dir(), "0.zone.jnl")
			if err := os.Mkdir(journal, 0o700); err != nil {
				t.Fatal(err)
			}
			return func() {
				if err := os.Remove(journal); err != nil {
					t.Error(err)
				}
			}
		}},
		{"BIND's disk is full", nameserver.BIND, "SERVFAIL", full},
		{"Knot's disk is full", nameserver.Knot, "SERVFAIL", full},
		// It hangs up.
		{"PowerDNS's disk is full", nameserver.PowerDNS, "may have been applied", full},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			const name = "dyn.example.com"
			key := nameserver.NewKey("ddns-key")
			server := nameserver.Run(t, row.kind, nameserver.Config{Zones: []nameserver.Zone{{Name: name, Key: key}}})
			s := serve(t, 5*time.Second, configuredZone{name, key, []string{server.Addr()}})
			hosts := ledgers(name, 4)
			mend := row.damage(t, server)
			serial := server.MustSerial(t, name)
			for _, l := range hosts {
				l.n++
				r := s.request(t, l)
				if r.Status != http.StatusBadGateway || !strings.Contains(r.Body, row.says) {
					t.Errorf("%d %s", r.Status, r.Body)
				}
				if err := l.holds(server); err != nil {
					t.Error(err)
				}
			}
			if got := server.MustSerial(t, name); got != serial {
				t.Errorf("the serial went from %d to %d", serial, got)
			}
			mend()
			s.settle(t, server, hosts)
		})
	}
}

// limit bounds the size of the files that a running nameserver may write.
func limit(t *testing.T, s *nameserver.Server, size string) {
	t.Helper()
	text, err := exec.Command("prlimit", "--pid", fmt.Sprint(pid(t, s)), "--fsize="+size+":").CombinedOutput()
	if err != nil {
		t.Fatalf("prlimit: %v: %s", err, text)
	}
}

// pid finds the process of a nameserver by its directory.
func pid(t *testing.T, s *nameserver.Server) int {
	t.Helper()
	links, err := filepath.Glob("/proc/[0-9]*/cwd")
	if err != nil {
		t.Fatal(err)
	}
	for _, link := range links {
		var pid int
		if dir, err := os.Readlink(link); err == nil && dir == s.Dir() {
			if _, err := fmt.Sscanf(link, "/proc/%d/cwd", &pid); err == nil {
				return pid
			}
		}
	}
	t.Fatal("no process works in the nameserver's directory")
	return 0
}
