//go:build linux

// Package nameserver runs the real nameservers that the project is tested and
// measured with: BIND, Knot DNS, PowerDNS, YADIFA and NSD, as Debian packages them. Each
// server gets a directory and a loopback port of its own, so that any number of
// them run at once, as root or as an ordinary user.
package nameserver

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/miekg/dns"

	"github.com/caddy-dyndns/dyndns/internal/loopback"
)

// Kind is one of the nameservers.
type Kind string

// The nameservers that can be run.
const (
	BIND     Kind = "BIND"
	Knot     Kind = "Knot"
	PowerDNS Kind = "PowerDNS"
	YADIFA   Kind = "YADIFA"
	// NSD is a secondary only.
	NSD Kind = "NSD"
)

// Kinds are those that the project has an example for, for tests that hold on
// each.
var Kinds = []Kind{BIND, Knot, PowerDNS}

// Config is what a server serves.
type Config struct {
	Zones []Zone
	// Keys are known to the server beside those of the zones, but have no rights.
	Keys []Key
	// Port is where it listens; nil means one that it reserves itself.
	Port *loopback.Port
}

// Zone is a zone that dynamic updates may change.
type Zone struct {
	Name string
	// Records are lines of a zone file, added to a SOA with serial 1, one NS
	// (ns1) and its address.
	Records []string
	// Key may update A, AAAA, TXT and HTTPS records anywhere in the zone (with PowerDNS
	// and YADIFA: everything, they know no such rule). The zero Key: no updates.
	Key Key
	// Only limits Key to these names and what is below them. BIND and Knot only.
	//
	// There is no list of exceptions: Knot refuses every query that is signed with
	// a key for which the zone has a rule with "deny: on", whatever its action.
	Only []string

	// Primary makes the server a secondary of the zone, which it gets from that
	// address. It forwards no updates; with Knot it knows no key for the zone.
	Primary string
	// PrimaryKey signs what the secondary asks of the primary, and the NOTIFY messages
	// that it takes. BIND, Knot and NSD only.
	PrimaryKey Key

	// Notify are the addresses of the secondaries, which are told of each change. BIND only.
	Notify []string

	// UpdatePolicy replaces the statements that Key and Only make. BIND only.
	UpdatePolicy string
	// Signed turns on dnssec-policy and inline-signing. BIND only.
	Signed bool
	// MaxTTL is max-zone-ttl in seconds. BIND only.
	MaxTTL int
	// Private puts the zone into a view of its own that only requests signed by
	// Key see; another zone may have its name for everybody else. BIND only.
	Private bool
}

// Key is a TSIG key; the secret is in base64.
type Key struct{ Name, Algorithm, Secret string }

// NewKey returns a key with a random secret for hmac-sha512.
func NewKey(name string) Key {
	secret := make([]byte, 64)
	rand.Read(secret)
	return Key{Name: name, Algorithm: "hmac-sha512", Secret: base64.StdEncoding.EncodeToString(secret)}
}

// Server is a running nameserver.
type Server struct {
	kind Kind
	dir  string
	port *loopback.Port
	// zones are asked for their SOA to learn whether the server is up.
	zones   []Zone
	command func() *exec.Cmd

	mu      sync.Mutex
	process *os.Process
	exited  chan struct{} // closed when process has ended
}

// Start runs a nameserver in dir, which must exist, and returns when it answers
// for all its zones. The context bounds the start alone.
func Start(ctx context.Context, kind Kind, dir string, config Config) (*Server, error) {
	configure, ok := map[Kind]configureFunc{BIND: configureBIND, Knot: configureKnot, PowerDNS: configurePowerDNS, YADIFA: configureYADIFA, NSD: configureNSD}[kind]
	if !ok {
		return nil, fmt.Errorf("unknown nameserver %q", kind)
	}
	return run(ctx, kind, dir, config, func(at netip.AddrPort) (func() *exec.Cmd, error) {
		command, err := configure(ctx, dir, at, config)
		if err != nil {
			return nil, fmt.Errorf("configuring %s: %w", kind, err)
		}
		return command, nil
	})
}

// configureFunc writes a nameserver's configuration into dir and returns the
// command that runs it in the foreground.
type configureFunc func(ctx context.Context, dir string, at netip.AddrPort, config Config) (func() *exec.Cmd, error)

// run reserves a port and starts the server that configure configures for it.
func run(ctx context.Context, kind Kind, dir string, config Config, configure func(at netip.AddrPort) (func() *exec.Cmd, error)) (*Server, error) {
	port := config.Port
	if port == nil {
		var err error
		if port, err = loopback.Reserve(); err != nil {
			return nil, err
		}
	}
	s := &Server{kind: kind, dir: dir, port: port, zones: config.Zones}
	var err error
	if s.command, err = configure(port.AddrPort()); err != nil {
		return nil, errors.Join(err, port.Close())
	}
	if err := s.Restart(ctx); err != nil {
		s.Close()
		return nil, errors.Join(err, port.Close())
	}
	return s, nil
}

// Kind tells which nameserver it is.
func (s *Server) Kind() Kind { return s.kind }

// Addr is the host:port that the server listens on, over TCP and UDP.
func (s *Server) Addr() string { return s.port.Addr() }

// Dir is the directory that holds the server's zones and journals.
func (s *Server) Dir() string { return s.dir }

// Restart starts the server again on its port, after Close or Kill, and returns
// when it answers for all its zones.
func (s *Server) Restart(ctx context.Context) error {
	// Knot takes the file that a killed one leaves behind for a running one.
	if err := os.Remove(filepath.Join(s.dir, "knot.pid")); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	log, err := os.OpenFile(s.logFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := s.command()
	cmd.Dir, cmd.Stdout, cmd.Stderr = s.dir, log, log
	// A test that ends in a panic or a timeout runs no clean-up.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("starting %s: %w", s.kind, err)
	}
	exited := make(chan struct{})
	go func() {
		// How it ended is in its log.
		_ = cmd.Wait()
		close(exited)
	}()
	s.mu.Lock()
	s.process, s.exited = cmd.Process, exited
	s.mu.Unlock()
	return s.ready(ctx, exited)
}

// ready waits until the server answers for its zones.
func (s *Server) ready(ctx context.Context, exited <-chan struct{}) error {
	var last error
	for _, z := range s.zones {
		for {
			if _, last = s.serial(z); last == nil {
				break
			}
			select {
			case <-exited:
				return fmt.Errorf("%s ended at once:\n%s", s.kind, s.Log())
			case <-ctx.Done():
				return fmt.Errorf("waiting for %s to serve %s: %w (%w)", s.kind, z.Name, ctx.Err(), last)
			case <-time.After(10 * time.Millisecond):
			}
		}
	}
	return nil
}

// Kill ends the server as a crash would, with SIGKILL.
func (s *Server) Kill() {
	s.signal(syscall.SIGKILL)
	<-s.exited
}

// Stop freezes the server with SIGSTOP: its port stays open, nothing answers.
func (s *Server) Stop() {
	s.signal(syscall.SIGSTOP)
	for !s.stopped() {
		time.Sleep(time.Millisecond)
	}
}

// stopped tells whether the kernel has halted all threads, or the process ended.
func (s *Server) stopped() bool {
	stats, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", s.process.Pid))
	for _, file := range stats {
		stat, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		// The state follows the name, which is in parentheses.
		if _, state, _ := bytes.Cut(stat, []byte(") ")); len(state) > 0 && bytes.IndexByte([]byte("TZX"), state[0]) < 0 {
			return false
		}
	}
	return true
}

// Continue thaws the server after Stop.
func (s *Server) Continue() { s.signal(syscall.SIGCONT) }

// Close ends the server in the regular way, or by force if that takes long. It
// keeps its port, for a restart.
func (s *Server) Close() {
	s.mu.Lock()
	process, exited := s.process, s.exited
	s.mu.Unlock()
	if process == nil {
		return
	}
	s.signal(syscall.SIGTERM)
	s.signal(syscall.SIGCONT)
	select {
	case <-exited:
	case <-time.After(time.Minute):
		s.Kill()
	}
}

func (s *Server) signal(sig syscall.Signal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	// It may have ended by itself: then there is nobody to tell.
	_ = s.process.Signal(sig)
}

func (s *Server) logFile() string { return filepath.Join(s.dir, "server.log") }

// Log is everything that the server logged.
func (s *Server) Log() string {
	log, err := os.ReadFile(s.logFile())
	if err != nil {
		return err.Error()
	}
	return string(log)
}

// zoneFile is the text of a zone's file as it is before the first update.
func (z Zone) zoneFile() string {
	text := "$ORIGIN " + dns.Fqdn(z.Name) + "\n$TTL 300\n" +
		"@ SOA ns1 hostmaster 1 3600 600 604800 60\n@ NS ns1\nns1 A 192.0.2.53\n"
	for _, r := range z.Records {
		text += r + "\n"
	}
	return text
}

// keys are all keys of the configuration, each once.
func (c Config) keys() []Key {
	var keys []Key
	seen := map[string]bool{"": true}
	for _, z := range c.Zones {
		for _, k := range []Key{z.Key, z.PrimaryKey} {
			if !seen[k.Name] {
				keys = append(keys, k)
			}
			seen[k.Name] = true
		}
	}
	return append(keys, c.Keys...)
}
