//go:build integration && linux

package test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/caddy-dyndns/dyndns/internal/await"
	"github.com/caddy-dyndns/dyndns/internal/loopback"
	"github.com/caddy-dyndns/dyndns/test/markdown"
)

// newcomer is a user with an empty home, whose machine has what Debian has and
// Go. The commands share one folder and what they export.
type newcomer struct {
	t    *testing.T // of the present command
	page string     // the text that it stands in
	file string     // the file with that text
	root *testing.T // of all commands

	repo, dir               string
	env                     []string
	caddyfiles              map[string]string // the first of each file
	admin, http, https, dns *loopback.Port
	// caddy is what ends the running Caddy, lookup asks the zone's nameserver.
	caddy  func() error
	lookup func(name, qtype string) string
}

func newNewcomer(t *testing.T, blocks []markdown.Block) *newcomer {
	repo, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	n := &newcomer{t: t, root: t, repo: repo, dir: t.TempDir(), caddyfiles: make(map[string]string)}
	n.env = append(os.Environ(),
		"HOME="+n.mkdir("home"), "TMPDIR="+n.mkdir("tmp"),
		// Caddy's folders follow these before they follow HOME.
		"XDG_DATA_HOME=", "XDG_CONFIG_HOME=",
		"PATH="+n.dir+":"+os.Getenv("PATH")+":/usr/sbin",
	)
	// Go's caches are those of the machine.
	for _, name := range []string{"GOPATH", "GOMODCACHE", "GOCACHE"} {
		value, err := exec.Command("go", "env", name).Output()
		if err != nil {
			t.Fatal(err)
		}
		n.env = append(n.env, name+"="+strings.TrimSpace(string(value)))
	}
	for _, b := range slices.Backward(blocks) {
		if b.Language == "caddyfile" {
			n.caddyfiles[b.File] = b.Text
		}
	}
	for _, port := range []**loopback.Port{&n.admin, &n.http, &n.https, &n.dns} {
		if *port, err = loopback.Reserve(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { (*port).Close() })
	}
	n.env = append(n.env, "CADDY_ADMIN="+n.admin.Addr())
	return n
}

func (n *newcomer) mkdir(name string) string {
	n.t.Helper()
	path := filepath.Join(n.dir, name)
	if err := os.Mkdir(path, 0o700); err != nil {
		n.t.Fatal(err)
	}
	return path
}

// command is a shell that types the lines.
func (n *newcomer) command(ctx context.Context, lines string) *exec.Cmd {
	exports := filepath.Join(n.dir, "exports")
	c := exec.CommandContext(ctx, "sh", "-ec", fmt.Sprintf("[ ! -e %[1]s ] || . %[1]s\n%s\nexport -p > %[1]s", exports, lines))
	c.Dir, c.Env = n.dir, n.env
	return c
}

// run runs the lines to their end and returns what they print to standard output.
func (n *newcomer) run(lines string) string {
	n.t.Helper()
	var stdout, stderr bytes.Buffer
	c := n.command(n.t.Context(), lines)
	c.Stdout, c.Stderr = &stdout, &stderr
	if err := c.Run(); err != nil {
		n.t.Fatalf("%s\n%v\n%s%s", lines, err, stdout.String(), stderr.String())
	}
	return stdout.String()
}

// start starts lines that run until they are interrupted, and returns their
// output and the function that does it, as Ctrl-C does: for the whole group.
func (n *newcomer) start(dir, lines string, files ...*os.File) (output io.Reader, interrupt func() error) {
	n.t.Helper()
	// The shell stays out of the way, as one does that has a terminal.
	c := n.command(context.Background(), "exec "+lines)
	c.Dir, c.ExtraFiles = dir, files
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	read, write, err := os.Pipe()
	if err != nil {
		n.t.Fatal(err)
	}
	n.root.Cleanup(func() { read.Close() })
	c.Stdout, c.Stderr = write, write
	err = c.Start()
	write.Close()
	if err != nil {
		n.t.Fatal(err)
	}
	exited := make(chan error, 1)
	go func() { exited <- c.Wait() }()
	var once sync.Once
	interrupt = func() (err error) {
		once.Do(func() {
			if err = syscall.Kill(-c.Process.Pid, syscall.SIGINT); err != nil {
				return
			}
			select {
			case err = <-exited:
			case <-time.After(time.Minute):
				err = errors.Join(errors.New("it did not end"), syscall.Kill(-c.Process.Pid, syscall.SIGKILL))
			}
		})
		return err
	}
	n.root.Cleanup(func() { _ = interrupt() })
	return read, interrupt
}

// readUntil reads output until a text has come.
func (n *newcomer) readUntil(output io.Reader, text string) string {
	n.t.Helper()
	var all []byte
	buffer := make([]byte, 4096)
	for !strings.Contains(string(all), text) {
		length, err := output.Read(buffer)
		all = append(all, buffer[:length]...)
		if err != nil {
			n.t.Fatalf("reading until %q: %v\n%s", text, err, all)
		}
	}
	return string(all)
}

func (n *newcomer) expect(got, want string) {
	n.t.Helper()
	if got != want {
		n.t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// writeCaddyfile writes a Caddyfile for a machine on which others have the ports 80,
// 443 and 2019 and whose name no public authority certifies.
func (n *newcomer) writeCaddyfile(text, option string) {
	options := fmt.Sprintf("{\n\thttp_port %s\n\thttps_port %s\n\tdefault_bind 127.0.0.1\n\tlocal_certs\n\tskip_install_trust\n\t%s\n", n.http.Number(), n.https.Number(), option)
	n.write("home/.curlrc", fmt.Sprintf("silent\nshow-error\nconnect-to = dyndns.example.com:443:127.0.0.1:%s\ncacert = %s\n", n.https.Number(), n.authority()))
	n.write("Caddyfile", options+strings.TrimPrefix(text, "{\n"))
}

func (n *newcomer) write(name, text string) {
	n.t.Helper()
	if err := os.WriteFile(filepath.Join(n.dir, name), []byte(text), 0o600); err != nil {
		n.t.Fatal(err)
	}
}

// authority is the certificate of the one that Caddy makes for itself.
func (n *newcomer) authority() string {
	return filepath.Join(n.dir, "home/.local/share/caddy/pki/authorities/local/root.crt")
}

// startCaddy leaves Caddy running for the commands that follow, with these sockets.
func (n *newcomer) startCaddy(lines string, sockets ...interface{ File() (*os.File, error) }) {
	var files []*os.File
	for _, s := range sockets {
		file, err := s.File()
		if err != nil {
			n.t.Fatal(err)
		}
		defer file.Close()
		files = append(files, file)
	}
	output, interrupt := n.start(n.dir, lines, files...)
	n.readUntil(output, "serving initial configuration")
	go io.Copy(io.Discard, output)
	n.caddy = interrupt
	n.root.Cleanup(func() {
		if err := interrupt(); err != nil {
			n.root.Errorf("Caddy, after Ctrl-C: %v", err)
		}
	})
	// The certificate is made after Caddy has begun to serve.
	await.Done(n.t, "the certificate", func() error {
		ca, err := os.ReadFile(n.authority())
		if err != nil {
			return err
		}
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(ca)
		conn, err := tls.Dial("tcp", n.https.Addr(), &tls.Config{RootCAs: roots, ServerName: "dyndns.example.com"})
		if err != nil {
			return err
		}
		return conn.Close()
	})
}
