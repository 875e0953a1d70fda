//go:build integration && linux

package faults

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/caddy-dyndns/dyndns/test/nameserver"
)

// A nameserver whose clock is ten minutes off refuses what we sign. The reply
// says so, and setting the clock is all it takes.
func TestClock(t *testing.T) {
	const zoneName = "dyn.example.com"
	shim := filepath.Join(t.TempDir(), "clock.so")
	if text, err := exec.Command("cc", "-shared", "-fPIC", "-o", shim, "testdata/clock.c", "-ldl").CombinedOutput(); err != nil {
		t.Fatalf("cc: %v: %s", err, text)
	}
	differ := regexp.MustCompile(`BADTIME.*the clocks differ by (59\d|60\d) s: set both by NTP`)
	rows := []struct {
		kind   nameserver.Kind
		offset string
		says   *regexp.Regexp
	}{
		{nameserver.BIND, "600", differ},
		{nameserver.BIND, "-600", differ},
		{nameserver.Knot, "600", differ},
		{nameserver.Knot, "-600", differ},
		{nameserver.PowerDNS, "600", regexp.MustCompile(`REFUSED.*clock`)},
		{nameserver.PowerDNS, "-600", regexp.MustCompile(`REFUSED.*clock`)},
	}
	for _, row := range rows {
		t.Run(fmt.Sprintf("%s %s", row.kind, row.offset), func(t *testing.T) {
			key := nameserver.NewKey("ddns-key")
			// The nameserver inherits these.
			t.Setenv("CLOCK_OFFSET", row.offset)
			t.Setenv("LD_PRELOAD", shim)
			server := nameserver.Run(t, row.kind, nameserver.Config{Zones: []nameserver.Zone{{Name: zoneName, Key: key}}})
			os.Unsetenv("LD_PRELOAD")
			s := serve(t, 5*time.Second, configuredZone{zoneName, key, []string{server.Addr()}})
			hosts := ledgers(zoneName, 2)
			for _, l := range hosts {
				l.n++
				if r := s.request(t, l); r.Status != http.StatusBadGateway || !row.says.MatchString(r.Body) || l.unknown > 0 {
					t.Errorf("%d %s", r.Status, r.Body)
				}
				if err := l.holds(server); err != nil {
					t.Error(err)
				}
			}
			server.Close()
			server.MustRestart(t)
			s.settle(t, server, hosts)
		})
	}
}
