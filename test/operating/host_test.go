//go:build integration && linux

// Package operating does what docs/operating.md, customers.md and migrating.md tell an
// operator to do.
package operating

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	_ "github.com/caddy-dyndns/dyndns" // the directive under test
	"github.com/caddy-dyndns/dyndns/internal/await"
	"github.com/caddy-dyndns/dyndns/internal/loopback"
	"github.com/caddy-dyndns/dyndns/test/caddytest"
)

const domain = "dyndns.example.com"

func TestMain(m *testing.M) { caddytest.Main(m) }

// host is a machine with the service, whose folders lie in one of the test's.
type host struct {
	t           *testing.T
	dir         string
	http, admin *loopback.Port
	sockets     []*os.File // of systemd, for the service
	caddy       *exec.Cmd  // nil while it does not run
}

// newHost returns a machine whose service does not run. The Caddyfile is for port 80 or 443
// of the domain, or 8080.
func newHost(t *testing.T, global, caddyfile string) *host {
	t.Helper()
	h := &host{t: t, dir: t.TempDir(), http: caddytest.ReservePort(t), admin: caddytest.ReservePort(t)}
	h.write("usr/bin/caddy", fmt.Sprintf("#!/bin/sh\nexec '%s' \"$@\"\n", os.Args[0]))
	h.write("etc/caddy/Caddyfile", fmt.Sprintf("{\n\tadmin %s\n\tpersist_config off\n\tdefault_bind 127.0.0.1\n%s%s",
		h.admin.Addr(), global, strings.TrimPrefix(h.local(caddyfile), "{\n")))
	t.Cleanup(func() {
		if err := h.stop(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("the service of %s:\n%s", h.dir, h.read("journal"))
		}
	})
	return h
}

// local replaces what is elsewhere in a test: folders, and where Caddy listens.
func (h *host) local(text string) string {
	return strings.NewReplacer(
		"/etc/caddy", h.dir+"/etc/caddy", "/var/lib/caddy", h.dir+"/var/lib/caddy", "/var/backups", h.dir+"/var/backups",
		"/usr/bin/caddy", h.dir+"/usr/bin/caddy", " -C / ", " -C "+h.dir+" ",
		"https://"+domain, "http://"+domain+":"+h.http.Number(), "http://"+domain+":8080", "http://"+domain+":"+h.http.Number(),
		"\n"+domain+" {", "\nhttp://"+domain+":"+h.http.Number()+" {",
	).Replace(text)
}

func (h *host) write(name, text string) {
	h.t.Helper()
	path := filepath.Join(h.dir, name)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o755)); err != nil {
		h.t.Fatal(err)
	}
}

// pid is the number of the process.
func (h *host) pid() string { return strconv.Itoa(h.caddy.Process.Pid) }

func (h *host) read(name string) string {
	h.t.Helper()
	text, err := os.ReadFile(filepath.Join(h.dir, name))
	if err != nil {
		h.t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}

func (h *host) env() []string {
	return append(os.Environ(), "DYNDNS_TEST_AS_CADDY=1", "HOME="+h.dir+"/var/lib/caddy", "XDG_DATA_HOME=", "XDG_CONFIG_HOME=",
		"CADDY_ADMIN="+h.admin.Addr(), "CURL_HOME="+h.dir, "PATH="+h.dir+"/bin:"+h.dir+"/usr/bin:"+os.Getenv("PATH"))
}

// start starts the service as the unit does and returns when it answers.
func (h *host) start() error {
	journal, err := os.OpenFile(h.dir+"/journal", os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer journal.Close()
	// Then systemd is told that all has started, the nameserver too; HTTP answers earlier.
	starts := func() int { return strings.Count(h.read("journal"), "serving initial configuration") }
	before := starts()
	h.caddy = exec.Command(h.dir+"/usr/bin/caddy", "run", "--config", h.dir+"/etc/caddy/Caddyfile")
	h.caddy.Env, h.caddy.Stdout, h.caddy.Stderr, h.caddy.ExtraFiles = h.env(), journal, journal, h.sockets
	h.caddy.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := h.caddy.Start(); err != nil {
		return err
	}
	await.True(h.t, "Caddy, see "+journal.Name(), func() bool { return starts() > before })
	return nil
}

// stop ends the service, if it runs, as systemd does.
func (h *host) stop() error {
	if h.caddy == nil {
		return nil
	}
	err := errors.Join(h.caddy.Process.Signal(syscall.SIGTERM), h.caddy.Wait())
	h.caddy = nil
	return err
}

// kill ends the service as a crash does.
func (h *host) kill() {
	_ = h.caddy.Process.Kill()
	_ = h.caddy.Wait()
	h.caddy = nil
}

// get asks the site of the domain. A status of 500 or more is an error.
func (h *host) get(path, token string) (string, error) {
	r, err := http.NewRequest(http.MethodGet, "http://"+h.http.Addr()+path, nil)
	if err != nil {
		return "", err
	}
	r.Host = domain
	if token != "" {
		r.SetBasicAuth("any", token)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode >= http.StatusInternalServerError {
		err = fmt.Errorf("%s: %s", res.Status, body)
	}
	return string(body), err
}

// expect updates a host and compares the reply.
func (h *host) expect(token, name, address, want string) {
	h.t.Helper()
	if got, err := h.get("/nic/update?hostname="+name+"&myip="+address, token); got != want {
		h.t.Errorf("%s to %s: %q %v, want %s", name, address, got, err, want)
	}
}

// shell runs commands as root of the machine. systemctl is for its service, and ssh leads to
// the others by their addresses.
func (h *host) shell(script string, others map[string]*host) {
	h.t.Helper()
	hosts := map[string]*host{"": h}
	curlrc := "connect-to = " + domain + "::127.0.0.1:\n"
	for address, other := range others {
		hosts[address] = other
		curlrc += fmt.Sprintf("connect-to = %s:8080:%s\n", address, other.http.Addr())
	}
	systemd := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		verb, address, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
		target := hosts[address]
		err := errors.New("no such command")
		switch verb {
		case "stop":
			err = target.stop()
		case "start":
			err = target.start()
		case "restart":
			err = errors.Join(target.stop(), target.start())
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	}))
	defer systemd.Close()
	h.write(".curlrc", curlrc)
	h.write("bin/systemctl", "#!/bin/sh\n[ \"$2\" = caddy-dyndns ] && exec curl -sSf "+systemd.URL+"/$1/$SYSTEM\n")
	h.write("bin/ssh", "#!/bin/sh\nexport SYSTEM=${1#root@}\nshift\nexec \"$@\"\n")
	h.write("bin/runuser", "#!/bin/sh\n[ \"$1 $2 $3\" = '-u caddy --' ] || exit 1\nshift 3\nexec \"$@\"\n")
	cmd := exec.Command("sh", "-euc", h.local(script))
	cmd.Env, cmd.Dir = h.env(), h.dir
	if out, err := cmd.CombinedOutput(); err != nil {
		h.t.Fatalf("%v in\n%s\n%s", err, script, out)
	}
}

// keyFile is the text of a key file.
func keyFile(name string, secret []byte) string {
	return fmt.Sprintf("key %q {\n\talgorithm hmac-sha512;\n\tsecret %q;\n};\n", name, base64.StdEncoding.EncodeToString(secret))
}
