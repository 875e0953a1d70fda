package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/caddy-dyndns/dyndns/internal/loopback"
	"github.com/caddy-dyndns/dyndns/test/nameserver"
)

const (
	zoneName = "dyn.example.com"
	secret   = "benchmarksecret"
)

// zoneKey is the key that may change the zone.
var zoneKey = nameserver.NewKey("bench-key")

// site is a Caddy process with the module, and beside it a site that only
// answers `respond`.
type site struct {
	cmd *exec.Cmd
	// api, respond and the zone's nameserver are host:port.
	api, respond, dns string
	// admin is the socket of Caddy's admin endpoint.
	admin string
}

// served is not a nameserver beside Caddy but the one that is brought along.
const served nameserver.Kind = "Caddy"

// startSite runs the built Caddy against a nameserver, or, if that is nil, with the zone
// in it.
func startSite(binary, dir string, server *nameserver.Server) (*site, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	api, err := loopback.Reserve()
	if err != nil {
		return nil, err
	}
	defer api.Close()
	respond, err := loopback.Reserve()
	if err != nil {
		return nil, err
	}
	defer respond.Close()
	s := &site{api: api.Addr(), respond: respond.Addr(), admin: filepath.Join(dir, "admin.sock")}
	var (
		option, zone string
		sockets      []*os.File
	)
	if server != nil {
		s.dns = server.Addr()
		zone = fmt.Sprintf("tsig_key %s %s %s", zoneKey.Name, zoneKey.Algorithm, zoneKey.Secret)
	} else {
		port, err := loopback.Reserve()
		if err != nil {
			return nil, err
		}
		defer port.Close()
		if sockets, err = listen(port); err != nil {
			return nil, err
		}
		for _, file := range sockets {
			defer file.Close()
		}
		keyFile := filepath.Join(dir, "update.key")
		if err := writeKey(keyFile); err != nil {
			return nil, err
		}
		s.dns = port.Addr()
		option = fmt.Sprintf("dyndns_nameserver {\n\t\tlisten fd/3 fdgram/4\n\t\tdatabase %s\n\t}", filepath.Join(dir, "zones.db"))
		zone = fmt.Sprintf("serve {\n\t\t\t\tns ns1.example.com\n\t\t\t\tupdate %s\n\t\t\t}", keyFile)
	}
	config := filepath.Join(dir, "Caddyfile")
	text := fmt.Sprintf(`{
	admin unix/%s
	persist_config off
	storage file_system %s
	%s
}
http://%s {
	dyndns {
		secret %s
		nameserver %s
		zone %s {
			%s
		}
	}
}
http://%s {
	respond "UNCHANGED: h1.dyn.example.com. A 192.0.2.1"
}
`, s.admin, dir, option, s.api, secret, s.dns, zoneName, zone, s.respond)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return nil, err
	}
	s.cmd = exec.Command(binary, "run", "--config", config, "--adapter", "caddyfile")
	s.cmd.ExtraFiles = sockets
	s.cmd.Env = append(os.Environ(), "XDG_DATA_HOME="+dir, "XDG_CONFIG_HOME="+dir)
	log, err := os.Create(filepath.Join(dir, "caddy.log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	s.cmd.Stderr = log
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	for ctx.Err() == nil {
		if c, err := net.Dial("tcp", s.api); err == nil {
			return s, c.Close()
		}
		time.Sleep(20 * time.Millisecond)
	}
	s.stop()
	return nil, fmt.Errorf("caddy did not start, see %s", log.Name())
}

// listen returns the sockets of a port, for TCP and for UDP.
func listen(port *loopback.Port) ([]*os.File, error) {
	tcp, udp, err := port.Listen()
	if err != nil {
		return nil, err
	}
	defer tcp.Close()
	defer udp.Close()
	var files []*os.File
	for _, socket := range []any{tcp, udp} {
		file, err := socket.(interface{ File() (*os.File, error) }).File()
		if err != nil {
			return nil, err
		}
		files = append(files, file)
	}
	return files, nil
}

func (s *site) stop() {
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	_ = s.cmd.Wait()
}

// status is a figure of the process, in MiB: VmHWM is the most resident memory that it had.
func (s *site) status(name string) (float64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(status)) {
		if value, ok := strings.CutPrefix(line, name); ok {
			kib, err := strconv.Atoi(strings.Fields(value)[0])
			return float64(kib) / 1024, err
		}
	}
	return 0, fmt.Errorf("process %d tells no %s", s.cmd.Process.Pid, name)
}

// load runs the load generator and measures the processor time of Caddy.
func (s *site) load(addr string, connections int, d time.Duration, perConnection int, next requester) (load, error) {
	return s.measure(func() (load, error) { return run(addr, connections, d, perConnection, next) })
}

// measure adds the processor time of Caddy to what was measured meanwhile.
func (s *site) measure(run func() (load, error)) (load, error) {
	before, err := s.cpu()
	if err != nil {
		return load{}, err
	}
	l, err := run()
	if err != nil {
		return l, err
	}
	after, err := s.cpu()
	l.cpu = after - before
	return l, err
}

// clockTick is the unit of /proc/<pid>/stat, the same on all of Linux (USER_HZ).
const clockTick = 10 * time.Millisecond

// cpu is the processor time that the process has had.
func (s *site) cpu() (time.Duration, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	// The name in parentheses may hold spaces; utime and stime are fields 14 and 15.
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	user, err := strconv.Atoi(fields[11])
	if err != nil {
		return 0, err
	}
	system, err := strconv.Atoi(fields[12])
	return time.Duration(user+system) * clockTick, err
}

// update is the request that sets a host's IPv4 address.
func update(host string, address string) []byte {
	return []byte("GET /update-by-path/" + secret + "/" + host + "." + zoneName + "/" + address +
		" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
}
