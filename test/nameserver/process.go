//go:build linux

package nameserver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/caddy-dyndns/dyndns/internal/loopback"
)

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
