//go:build linux

package dist

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	_ "github.com/caddyserver/caddy/v2/modules/standard" // the Caddyfile's directives

	_ "github.com/caddy-dyndns/dyndns" // the directive under test
	"github.com/caddy-dyndns/dyndns/dnsupdate/dnstest"
	"github.com/caddy-dyndns/dyndns/test/markdown"
)

// asCaddy makes the test's own program the one that the unit starts.
const asCaddy = "DYNDNS_TEST_AS_CADDY"

func TestMain(m *testing.M) {
	if os.Getenv(asCaddy) != "" {
		caddycmd.Main()
		return
	}
	os.Exit(m.Run())
}

// readUnit returns the values of each word of the unit.
func readUnit(t *testing.T) map[string][]string {
	t.Helper()
	text, err := os.ReadFile("caddy-dyndns.service")
	if err != nil {
		t.Fatal(err)
	}
	unit := make(map[string][]string)
	for line := range strings.Lines(string(text)) {
		if word, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && !strings.HasPrefix(word, "#") {
			unit[word] = append(unit[word], value)
		}
	}
	return unit
}

// documentedSite is the Caddyfile that the documentation shows for the unit.
func documentedSite(t *testing.T) string {
	t.Helper()
	const page = "../docs/operating.md"
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	blocks := markdown.Blocks(page, string(text))
	i := slices.IndexFunc(blocks, func(b markdown.Block) bool {
		return b.Language == "caddyfile" && strings.Contains(b.Text, "CREDENTIALS_DIRECTORY")
	})
	if i < 0 {
		t.Fatal("no Caddyfile reads a credential")
	}
	return blocks[i].Text
}

// service is what the unit starts, in a folder in place of the machine's.
type service struct {
	t       *testing.T
	dir     string
	env     []string
	output  *os.File
	client  http.Client
	started *net.UnixConn
}

// newService writes what the documentation asks the administrator for.
func newService(t *testing.T, nameserver string, key dnstest.Key, token string, unit map[string][]string) *service {
	// A socket's path may have some 100 characters; that of a test's folder is longer.
	dir, err := os.MkdirTemp("", "unit")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	s := &service{t: t, dir: dir}
	clause := fmt.Sprintf("key %q {\n\talgorithm %s;\n\tsecret %q;\n};\n", strings.TrimSuffix(key.Name, "."), key.Algorithm, base64.StdEncoding.EncodeToString(key.Secret))
	id, _, _ := strings.Cut(unit["LoadCredential"][0], ":")
	s.write("credentials/"+id+"_dyn.example.com.key", clause)
	s.write("tokens/home-router", token+"\n")
	s.write("Caddyfile", strings.NewReplacer(
		"dyndns.example.com {", "http://dyndns.example.com {\n\tbind unix/"+dir+"/http",
		"nameserver 127.0.0.1", "nameserver "+nameserver,
		"/etc/caddy/tokens", dir+"/tokens",
		"\tlog {", "\tdebug\n\tlog {",
	).Replace(documentedSite(t)))

	if s.output, err = os.Create(filepath.Join(dir, "journal")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.output.Close() })
	socket := &net.UnixAddr{Name: filepath.Join(dir, "notify"), Net: "unixgram"}
	if s.started, err = net.ListenUnixgram("unixgram", socket); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.started.Close() })
	// What systemd passes on, and nothing of the test's own.
	s.env = append(slices.Clone(unit["Environment"]),
		"HOME="+dir, "PATH=/usr/bin:/bin", "NOTIFY_SOCKET="+socket.Name, "CREDENTIALS_DIRECTORY="+dir+"/credentials",
		"CADDY_ADMIN=unix/"+dir+"/admin", "OTHER_SECRET=canary-in-the-environment", asCaddy+"=1")
	s.client.Transport = &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", dir+"/http")
	}}
	return s
}

func (s *service) write(name, text string) {
	s.t.Helper()
	path := filepath.Join(s.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o640); err != nil {
		s.t.Fatal(err)
	}
}

// command is a command line of the unit, with its output in the journal.
func (s *service) command(line string) *exec.Cmd {
	s.t.Helper()
	self, err := os.Executable()
	if err != nil {
		s.t.Fatal(err)
	}
	args := strings.Fields(strings.ReplaceAll(line, "/etc/caddy/Caddyfile", filepath.Join(s.dir, "Caddyfile")))
	if args[0] != "/usr/bin/caddy" {
		s.t.Fatalf("the unit runs %s", args[0])
	}
	c := exec.Command(self, args[1:]...)
	c.Env, c.Dir = s.env, "/"
	c.Stdout, c.Stderr = s.output, s.output
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return c
}

// awaitReady waits for what Type=notify waits for.
func (s *service) awaitReady() {
	s.t.Helper()
	if err := s.started.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		s.t.Fatal(err)
	}
	message := make([]byte, 4096)
	for {
		n, err := s.started.Read(message)
		if err != nil {
			s.t.Fatalf("waiting for READY=1: %v\n%s", err, s.journal())
		}
		if bytes.Contains(message[:n], []byte("READY=1")) {
			return
		}
	}
}

func (s *service) journal() string {
	text, err := os.ReadFile(s.output.Name())
	if err != nil {
		s.t.Fatal(err)
	}
	return string(text)
}

func (s *service) expect(path string, status int, body string) {
	s.t.Helper()
	res, err := s.client.Get("http://dyndns.example.com" + path)
	if err != nil {
		s.t.Fatalf("%v\n%s", err, s.journal())
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != status || !strings.HasPrefix(string(text), body) {
		s.t.Errorf("got %d %q, %v; want %d %q", res.StatusCode, text, err, status, body)
	}
}

// The unit's command lines start the service, take up a changed token and stop
// it, and the journal holds no secret.
func TestUnit(t *testing.T) {
	const (
		first, second = "canary-token-0123456789", "canary-token-9876543210"
		path          = "/nic/update?hostname=home.dyn.example.com&myip="
	)
	unit := readUnit(t)
	key := dnstest.Key{Name: "dyn.example.com.", Algorithm: "hmac-sha512", Secret: []byte("canary-key-of-thirty-two-octets!")}
	ns := dnstest.NewServer(dnstest.Zone{Name: "dyn.example.com.", Keys: []dnstest.Key{key}})
	t.Cleanup(ns.Close)
	s := newService(t, ns.Addr(), key, first, unit)

	run := s.command(unit["ExecStart"][0])
	if err := run.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = run.Process.Kill() }) // it has ended unless the test fails
	s.awaitReady()
	s.expect(path+"192.0.2.1&password="+first, http.StatusOK, "good 192.0.2.1")

	s.write("tokens/home-router", second)
	reload := s.command(unit["ExecReload"][0])
	if err := reload.Run(); err != nil {
		t.Fatalf("%v\n%s", err, s.journal())
	}
	s.expect(path+"192.0.2.2&password="+first, http.StatusUnauthorized, "badauth")
	s.expect(path+"192.0.2.2&password="+second, http.StatusOK, "good 192.0.2.2")
	s.expect("/nic/updat/"+second, http.StatusNotFound, "")

	if err := run.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := run.Wait(); err != nil {
		t.Errorf("after SIGTERM: %v", err)
	}
	journal := s.journal()
	for _, secret := range []string{"canary", base64.StdEncoding.EncodeToString(key.Secret)} {
		for line := range strings.Lines(journal) {
			if strings.Contains(line, secret) {
				t.Errorf("%s stands in %s", secret, line)
			}
		}
	}
	for _, want := range []string{`"msg":"answered request"`, "password=REDACTED"} {
		if !strings.Contains(journal, want) {
			t.Errorf("the test did not see %s", want)
		}
	}
}

// What systemd itself thinks of the unit, where its tool is installed.
func TestUnitVerifies(t *testing.T) {
	tool, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Logf("no systemd-analyze here: %v", err)
		return
	}
	text, err := os.ReadFile("caddy-dyndns.service")
	if err != nil {
		t.Fatal(err)
	}
	// It looks for the program.
	path := filepath.Join(t.TempDir(), "caddy-dyndns.service")
	if err := os.WriteFile(path, bytes.ReplaceAll(text, []byte("/usr/bin/caddy"), []byte("/bin/true")), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"verify", "--man=no", path},
		{"security", "--offline=true", "--threshold=20", "--no-pager", path},
	} {
		if out, err := exec.Command(tool, args...).CombinedOutput(); err != nil || args[0] == "verify" && len(out) > 0 {
			t.Errorf("%s: %v\n%s", args[0], err, out)
		}
	}
}

// The unit keeps what the documentation promises.
func TestUnitPromises(t *testing.T) {
	unit := readUnit(t)
	for word, want := range map[string]string{
		"User": "caddy", "LoadCredential": "tsig:/etc/caddy/tsig", "StateDirectory": "caddy", "RuntimeDirectory": "caddy", "LogsDirectory": "caddy", "TimeoutStopSec": "30s",
		"AmbientCapabilities": "CAP_NET_BIND_SERVICE", "CapabilityBoundingSet": "CAP_NET_BIND_SERVICE", "NoNewPrivileges": "yes", "ProtectSystem": "strict",
	} {
		if got := unit[word]; !slices.Equal(got, []string{want}) {
			t.Errorf("%s is %q, want %q", word, got, want)
		}
	}
}
