//go:build integration && linux

package histories

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
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

	"github.com/caddy-dyndns/dyndns/zone/zonetest"
)

const (
	secret = "12345678secret"
	// asCaddy makes the test binary Caddy.
	asCaddy = "DYNDNS_TEST_AS_CADDY"
	// timeout is the handler's, grace what a busy machine may add to it.
	timeout = 3 * time.Second
	grace   = 10 * time.Second
)

func TestMain(m *testing.M) {
	if os.Getenv(asCaddy) != "" {
		listenForDNS()
		caddycmd.Main()
		return
	}
	os.Exit(m.Run())
}

// caddy is one instance. Its process may be killed; the socket stays, so that
// clients wait until the next one accepts.
type caddy struct {
	name   string
	config []byte
	dir    string
	socket *os.File
	url    string
	client *http.Client
	admin  *http.Client
	cmd    *exec.Cmd
}

// startCaddy runs an instance until the end of the test; zones is the part of the
// Caddyfile that tells about them.
func startCaddy(t *testing.T, name, zones string) *caddy {
	t.Helper()
	socket, url := listenForHTTP(t)
	// Not t.TempDir: with the test's name the path of the admin socket gets too long.
	dir, err := os.MkdirTemp("", "histories")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	admin := filepath.Join(dir, "admin.sock")
	c := &caddy{
		name:   name,
		dir:    dir,
		socket: socket,
		url:    url,
		client: newClient(),
		admin: &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", admin)
		}}, Timeout: time.Minute},
		config: caddyfile(dir, "", zones),
	}
	if err := os.WriteFile(filepath.Join(dir, "Caddyfile"), c.config, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.stop(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			log, _ := os.ReadFile(filepath.Join(dir, "log"))
			t.Logf("the last that Caddy %s logged:\n%s", name, log[max(0, len(log)-3000):])
		}
	})
	if err := c.start(); err != nil {
		t.Fatal(err)
	}
	return c
}

// listenForHTTP opens the socket of an instance.
func listenForHTTP(t *testing.T) (socket *os.File, url string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	if socket, err = listener.(*net.TCPListener).File(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { socket.Close() })
	return socket, "http://" + listener.Addr().String()
}

func newClient() *http.Client {
	return &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 10000}, Timeout: timeout + grace}
}

// caddyfile is the configuration of an instance, with further global options.
func caddyfile(dir, global, zones string) []byte {
	return fmt.Appendf(nil, `{
	admin unix/%[1]s/admin.sock
	persist_config off
	grace_period 10s
	storage file_system %[1]s
	log {
		level WARN
	}
	%[2]s
}
http:// {
	bind fd/3
	dyndns {
		secret %[3]s
		timeout %[4]s
		%[5]s
	}
}
`, dir, global, secret, timeout, zones)
}

// start runs the process and waits until it answers.
func (c *caddy) start() error {
	log, err := os.OpenFile(filepath.Join(c.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(os.Args[0], "run", "--config", filepath.Join(c.dir, "Caddyfile"), "--adapter", "caddyfile")
	cmd.Env = append(os.Environ(), asCaddy+"=1", "XDG_DATA_HOME="+c.dir, "XDG_CONFIG_HOME="+c.dir)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.ExtraFiles = []*os.File{c.socket}
	// A test that ends in a panic or a timeout runs no clean-up.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	c.cmd = cmd
	if err := cmd.Start(); err != nil {
		return err
	}
	res, err := c.client.Get(c.url + "/update-by-query")
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusUnauthorized {
		return fmt.Errorf("without a credential: %s", res.Status)
	}
	return nil
}

// kill ends the process with SIGKILL and starts another.
func (c *caddy) kill() error {
	if err := c.cmd.Process.Kill(); err != nil {
		return err
	}
	_ = c.cmd.Wait() // says that it was killed
	return c.start()
}

// stop ends the process in the regular way. It may be called twice.
func (c *caddy) stop() error {
	if c.cmd == nil || c.cmd.Process == nil || c.cmd.ProcessState != nil {
		return nil
	}
	if err := c.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	return c.cmd.Wait()
}

// reload loads the configuration again, as "caddy reload --force" does.
func (c *caddy) reload() error {
	r, err := http.NewRequest(http.MethodPost, "http://localhost/load", bytes.NewReader(c.config))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "text/caddyfile")
	r.Header.Set("Cache-Control", "must-revalidate")
	res, err := c.admin.Do(r)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("reload: %s: %s", res.Status, text)
	}
	return err
}

// reply is what the native dialect says in JSON.
type reply struct {
	Records []struct { // A and AAAA; nobody writes the latter
		Old, New []string
		Proven   *bool
	}
	Error struct{ Message string }
}

// errRefused is the error of an operation that had no effect.
var errRefused = errors.New("refused")

// update gives a name a value and returns what the client knows about it then. The
// request is a POST because net/http sends a GET again when its connection breaks.
func (c *caddy) update(name, value string) (zonetest.Operation, error) {
	o := zonetest.Operation{New: value}
	if value == "" {
		value = "none"
	}
	form := url.Values{"secret": {secret}, "fqdn": {name}, "ipv4": {value}}
	r, err := http.NewRequest(http.MethodPost, c.url+"/update-by-query", strings.NewReader(form.Encode()))
	if err != nil {
		return o, err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Accept", "application/json")
	res, err := c.client.Do(r)
	if err != nil {
		o.UnknownCause = err.Error()
		return o, nil
	}
	defer res.Body.Close()
	status := res.StatusCode
	body, err := io.ReadAll(res.Body)
	if err != nil {
		o.UnknownCause = err.Error()
		return o, nil
	}
	var said reply
	if err := json.Unmarshal(body, &said); err != nil {
		return o, fmt.Errorf("%d %q: %w", status, body, err)
	}
	switch {
	case status != http.StatusOK && strings.Contains(said.Error.Message, "may have been applied"):
		o.UnknownCause = fmt.Sprintf("%d %s", status, said.Error.Message)
		return o, nil
	case status != http.StatusOK:
		return o, fmt.Errorf("%w: %d %s", errRefused, status, said.Error.Message)
	case len(said.Records) != 2 || join(said.Records[0].New) != o.New || len(said.Records[1].Old)+len(said.Records[1].New) > 0:
		return o, fmt.Errorf("%q, where %q was wanted", body, o.New)
	}
	o.Effect = zonetest.Proven
	if p := said.Records[0].Proven; p != nil && !*p {
		o.Effect = zonetest.Written
	}
	o.Old = join(said.Records[0].Old)
	return o, nil
}

// join makes one value of an RRset's.
func join(values []string) string {
	slices.Sort(values)
	return strings.Join(values, ",")
}
