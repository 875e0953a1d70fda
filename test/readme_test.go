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
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/caddy-dyndns/dyndns/internal/await"
	"github.com/caddy-dyndns/dyndns/internal/loopback"
	"github.com/caddy-dyndns/dyndns/test/markdown"
	"github.com/caddy-dyndns/dyndns/test/nameserver"
)

// commands runs the documentation's shell blocks, in the order in which they
// stand there. A block that is not here fails the test.
var commands = map[string]func(*newcomer, string){
	"go run ./example\n": (*newcomer).runExample,
	"test/run\n":         (*newcomer).findTestRun,
	"xcaddy build --with github.com/caddy-dyndns/dyndns\n":                                           (*newcomer).buildCaddy,
	"tsig-keygen -a hmac-sha512 dyn.example.com > dyn.example.com.key\n":                             (*newcomer).makeKey,
	"export DYNDNS_SECRET=$(caddy dyndns-token | head -n 1)\n":                                       (*newcomer).makeSecret,
	"caddy dyndns-check --config Caddyfile\n":                                                        (*newcomer).checkZones,
	"caddy run --config Caddyfile\n":                                                                 (*newcomer).runCaddy,
	"curl https://dyndns.example.com/update-by-path/$DYNDNS_SECRET/home.dyn.example.com/192.0.2.1\n": (*newcomer).update,
	"caddy dyndns-token\n":                                                                           (*newcomer).makeToken,
	"caddy dyndns-import /etc/dyndns.yml\n":                                                          (*newcomer).importYAML,
}

// elsewhere are the pages whose commands are run by tests of test/server.
var elsewhere = map[string]bool{"certificates.md": true, "customers.md": true}

// Someone who types what the README says, from nothing to the first update.
func TestDocumentedCommands(t *testing.T) {
	pages := markdown.Pages(t, "..")
	var blocks []markdown.Block
	for _, file := range slices.Sorted(maps.Keys(pages)) { // README.md first
		blocks = append(blocks, markdown.Blocks(file, pages[file])...)
	}
	n := newNewcomer(t, blocks)
	done := make(map[string]bool)
	for _, block := range blocks {
		if block.Language != "sh" || elsewhere[filepath.Base(block.File)] {
			continue
		}
		run := commands[block.Text]
		if run == nil {
			t.Errorf("%s:%d: no test runs this:\n%s", block.File, block.Line, block.Text)
			continue
		}
		done[block.Text] = true
		if !t.Run(strings.TrimSpace(block.Text), func(t *testing.T) {
			n.t, n.page = t, pages[block.File]
			run(n, block.Text)
		}) {
			break
		}
	}
	for command := range commands {
		if !done[command] && !t.Failed() {
			t.Errorf("this stands nowhere in the documentation:\n%s", command)
		}
	}
}

// newcomer is a user with an empty home, whose machine has what Debian has and
// Go. The commands share one folder and what they export.
type newcomer struct {
	t    *testing.T // of the present command
	page string     // where it stands
	root *testing.T // of all commands

	repo, dir string
	env       []string
	caddyfile string // the first in the README
	dns       *nameserver.Server
}

func newNewcomer(t *testing.T, blocks []markdown.Block) *newcomer {
	repo, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	n := &newcomer{t: t, root: t, repo: repo, dir: t.TempDir()}
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
	first := slices.IndexFunc(blocks, func(b markdown.Block) bool { return b.Language == "caddyfile" })
	n.caddyfile = blocks[first].Text
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
func (n *newcomer) start(dir, lines string) (output io.Reader, interrupt func() error) {
	n.t.Helper()
	// The shell stays out of the way, as one does that has a terminal.
	c := n.command(context.Background(), "exec "+lines)
	c.Dir = dir
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

func (n *newcomer) runExample(lines string) {
	output, interrupt := n.start(n.repo, lines)
	printed := n.readUntil(output, "Ctrl-C ends it.\n")
	var replies []string
	for _, match := range regexp.MustCompile(`(?m)^ +((?:curl|dig) .*)$`).FindAllStringSubmatch(printed, -1) {
		replies = append(replies, n.run(strings.Replace(match[1], "curl ", "curl --silent --show-error --fail ", 1)))
	}
	want := []string{
		"UPDATED: home.dyn.example.com. A None -> 192.0.2.1\nUPDATED: home.dyn.example.com. AAAA None -> 2001:db8::1\n",
		"192.0.2.1\n",
		"2001:db8::1\n",
		"good 192.0.2.2",
		"UPDATED: home.dyn.example.com. A 192.0.2.2 -> 192.0.2.3\nUNCHANGED: home.dyn.example.com. AAAA 2001:db8::1\n",
		"UPDATED: home.dyn.example.com. A 192.0.2.3 -> None\nUPDATED: home.dyn.example.com. AAAA 2001:db8::1 -> None\n",
	}
	if len(replies) != len(want)+1 {
		n.t.Fatalf("the lines to try have %d replies, want %d:\n%s", len(replies), len(want)+1, printed)
	}
	for i := range want {
		n.expect(replies[i], want[i])
	}
	if check := replies[len(want)]; !strings.HasPrefix(check, "INFO: dyn.example.com.") || strings.Contains(check, "CHECK_ERROR") {
		n.t.Errorf("the check says\n%s", check)
	}
	// The status is that of "go run", which an interrupt is a failure to.
	var status *exec.ExitError
	if err := interrupt(); err != nil && !errors.As(err, &status) {
		n.t.Errorf("after Ctrl-C: %v", err)
	}
	n.readUntil(output, "\nstopped\n")
	// Go keeps its own counts in the user's folder.
	n.expect(n.run(`find "$HOME" "$TMPDIR" -mindepth 1 -not -path '*/.config*'; find "$HOME" -path '*/.config/*' -not -path '*/.config/go*'`), "")
}

// findTestRun does not run the program, which runs this test.
func (n *newcomer) findTestRun(lines string) {
	n.run("cd " + n.repo + " && test -x " + lines)
	script, err := os.ReadFile(filepath.Join(n.repo, "test", "run"))
	if err != nil {
		n.t.Fatal(err)
	}
	if !bytes.Contains(script, []byte("go_test -race -tags integration $(tagged_packages ")) {
		n.t.Error("test/run does not run the tests with the tag integration")
	}
}

// buildCaddy builds from the repository that is tested, with the release of
// Caddy that go.mod names.
func (n *newcomer) buildCaddy(lines string) {
	n.getXcaddy()
	caddy, err := exec.Command("go", "list", "-m", "-f", "{{.Version}}", "github.com/caddyserver/caddy/v2").Output()
	if err != nil {
		n.t.Fatal(err)
	}
	n.env = append(n.env, "CADDY_VERSION="+strings.TrimSpace(string(caddy)),
		// Its own flags have -trimpath, with which all of Caddy would be compiled anew.
		"XCADDY_GO_BUILD_FLAGS=-ldflags=-s")
	n.run(strings.TrimSpace(lines) + "@v0.0.0=" + n.repo)
	if modules := n.run("caddy list-modules"); !strings.Contains(modules, "\nhttp.handlers.dyndns\n") {
		n.t.Errorf("Caddy has the modules\n%s", modules)
	}
}

// getXcaddy builds the release of xcaddy that test/run names, which has it in
// Go's cache.
func (n *newcomer) getXcaddy() {
	script, err := os.ReadFile(filepath.Join(n.repo, "test", "run"))
	if err != nil {
		n.t.Fatal(err)
	}
	version := regexp.MustCompile(`(?m)^xcaddy_version=(\S+)$`).FindSubmatch(script)[1]
	n.mkdir("xcaddy.mod")
	n.run(fmt.Sprintf("cd xcaddy.mod; go mod init xcaddy; go get %s@%s; go build -o ../xcaddy %[1]s",
		"github.com/caddyserver/xcaddy/cmd/xcaddy", version))
}

// makeKey makes the key and gives it to BIND.
func (n *newcomer) makeKey(lines string) {
	n.run(lines)
	n.dns = nameserver.RunExample(n.root, filepath.Join(n.repo, "example", "bind"), filepath.Join(n.dir, "dyn.example.com.key"))
}

func (n *newcomer) makeSecret(lines string) {
	n.run(lines)
	if secret := n.run(`echo "$DYNDNS_SECRET"`); !regexp.MustCompile(`^\w{20,}\n$`).MatchString(secret) {
		n.t.Errorf("the secret is %q", secret)
	}
}

// checkZones writes the smallest Caddyfile, for a machine on which others have the
// ports 53, 80, 443 and 2019 and whose name no public authority certifies.
func (n *newcomer) checkZones(lines string) {
	var ports [3]*loopback.Port
	for i := range ports {
		port, err := loopback.Reserve()
		if err != nil {
			n.t.Fatal(err)
		}
		n.root.Cleanup(func() { port.Close() })
		ports[i] = port
	}
	admin, http, https := ports[0].Addr(), ports[1].Number(), ports[2].Number()
	n.env = append(n.env, "CADDY_ADMIN="+admin, "HTTPS_PORT="+https)
	options := fmt.Sprintf("{\n\thttp_port %s\n\thttps_port %s\n\tdefault_bind 127.0.0.1\n\tlocal_certs\n\tskip_install_trust\n", http, https)
	n.write("Caddyfile", options+strings.NewReplacer("/etc/caddy", n.dir, "nameserver 127.0.0.1", "nameserver "+n.dns.Addr()).Replace(strings.TrimPrefix(n.caddyfile, "{\n")))
	n.write("home/.curlrc", fmt.Sprintf("silent\nshow-error\nconnect-to = dyndns.example.com:443:127.0.0.1:%s\ncacert = %s\n", https, n.authority()))

	report := n.run(lines)
	if !strings.HasPrefix(report, "zone dyn.example.com.\n") || !strings.Contains(report, "\n  ok ") || strings.Contains(report, "FAILED") {
		n.t.Errorf("the check says\n%s", report)
	}
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

// runCaddy leaves Caddy running for the commands that follow.
func (n *newcomer) runCaddy(lines string) {
	output, interrupt := n.start(n.dir, lines)
	n.readUntil(output, "serving initial configuration")
	go io.Copy(io.Discard, output)
	n.root.Cleanup(func() {
		if err := interrupt(); err != nil {
			n.root.Errorf("Caddy, after Ctrl-C: %v", err)
		}
	})
	// The certificate is made after Caddy has begun to serve.
	port := strings.TrimSpace(n.run("echo $HTTPS_PORT"))
	await.Done(n.t, "the certificate", func() error {
		ca, err := os.ReadFile(n.authority())
		if err != nil {
			return err
		}
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(ca)
		conn, err := tls.Dial("tcp", "127.0.0.1:"+port, &tls.Config{RootCAs: roots, ServerName: "dyndns.example.com"})
		if err != nil {
			return err
		}
		return conn.Close()
	})
}

func (n *newcomer) update(lines string) {
	reply := n.run(lines)
	if want := "    " + strings.ReplaceAll(strings.TrimSpace(reply), "\n", "\n    ") + "\n"; !strings.Contains(n.page, want) {
		n.t.Errorf("the reply stands nowhere on the page:\n%s", reply)
	}
	n.expect(n.dns.MustLookup(n.t, "home.dyn.example.com", "A"), "192.0.2.1")
}

func (n *newcomer) makeToken(lines string) {
	if reply := n.run(lines); !regexp.MustCompile(`^[\w-]{20,}\nsha256:[0-9a-f]{64}\n$`).MatchString(reply) {
		n.t.Errorf("the reply is %q", reply)
	}
}

func (n *newcomer) importYAML(lines string) {
	n.write("imported", n.run(strings.ReplaceAll(lines, "/etc/", n.repo+"/example/")))
	n.run("caddy validate --adapter caddyfile --config imported")
}
