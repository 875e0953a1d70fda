//go:build linux

package nameserver

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"
)

// Run is Start for a test: the server ends with it, and its log is shown if the
// test fails.
func Run(t testing.TB, kind Kind, config Config) *Server {
	t.Helper()
	return runTest(t, func(ctx context.Context, dir string) (*Server, error) {
		return Start(ctx, kind, dir, config)
	})
}

func runTest(t testing.TB, start func(ctx context.Context, dir string) (*Server, error)) *Server {
	t.Helper()
	// Not t.TempDir: with the test's name the path of the control socket gets too long.
	dir, err := os.MkdirTemp("", "nameserver")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	s, err := start(ctx, dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.Close()
		if t.Failed() {
			lines := strings.Split(s.Log(), "\n")
			t.Logf("the last lines that %s logged:\n%s", s.kind, strings.Join(lines[max(0, len(lines)-30):], "\n"))
		}
		if err := s.port.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// MustRestart is Restart for a test.
func (s *Server) MustRestart(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := s.Restart(ctx); err != nil {
		t.Fatal(err)
	}
}

// MustSerial is Serial for a test.
func (s *Server) MustSerial(t testing.TB, zone string) uint32 {
	t.Helper()
	serial, err := s.Serial(zone)
	if err != nil {
		t.Fatal(err)
	}
	return serial
}

// MustLookup is Lookup for a test, the values joined by commas.
func (s *Server) MustLookup(t testing.TB, name, rrtype string) string {
	t.Helper()
	values, err := s.Lookup(name, rrtype)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(values, ",")
}

// MustAdd is Add for a test.
func (s *Server) MustAdd(t testing.TB, zone, record string, key *Key) string {
	t.Helper()
	rcode, err := s.Add(zone, record, key)
	if err != nil {
		t.Fatal(err)
	}
	return rcode
}
