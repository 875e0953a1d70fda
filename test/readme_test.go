//go:build integration && linux

package test

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/caddy-dyndns/dyndns/test/caddytest"
	"github.com/caddy-dyndns/dyndns/test/markdown"
	"github.com/caddy-dyndns/dyndns/test/nameserver"
)

// commands runs the documentation's shell blocks, in the order in which they
// stand there. A block that is not here fails the test.
var commands = map[string]func(*newcomer, string){
	"go run ./example\n": (*newcomer).runExample,
	"test/run\n":         (*newcomer).findTestRun,
	"xcaddy build --with github.com/caddy-dyndns/dyndns\n":                                                                                     (*newcomer).buildCaddy,
	"tsig-keygen -a hmac-sha512 dyn.example.com > dyn.example.com.key\n":                                                                       (*newcomer).makeKey,
	"export HOME_TOKEN=$(caddy dyndns-token | head -n 1)\n":                                                                                    (*newcomer).exportToken,
	"caddy dyndns-check --config Caddyfile\n":                                                                                                  (*newcomer).checkZones,
	"caddy run --config Caddyfile\n":                                                                                                           (*newcomer).runCaddy,
	"curl https://dyndns.example.com/update-by-path/$HOME_TOKEN/home.dyn.example.com/192.0.2.1\n":                                              (*newcomer).update,
	"curl https://dyndns.example.com/update-by-path/$HOME_TOKEN/home.example.com/192.0.2.1\n":                                                  (*newcomer).updateAtHoster,
	"install -m 640 -g bind dyn.example.com.key /etc/bind/\ninstall -m 640 -g caddy dyn.example.com.key /etc/caddy/\nrm dyn.example.com.key\n": (*newcomer).runBIND,
	"curl -H \"Authorization: Bearer $HOME_TOKEN\" \"https://dyndns.example.com/update-by-query?fqdn=home.dyn.example.com&ipv4=none\"\n":       (*newcomer).removeFamily,
	"caddy dyndns-token\n":                  (*newcomer).makeToken,
	"caddy dyndns-import /etc/dyndns.yml\n": (*newcomer).importYAML,
}

// elsewhere are the pages and programs whose commands are run by tests of test/server and
// test/operating and test/packaging.
var elsewhere = map[string]bool{"certificates.md": true, "customers.md": true, "install.md": true, "nameserver.md": true, "operating.md": true, "dig": true, "jq": true}

// inOrder are the pages that go on where the one before has ended.
var inOrder = []string{"README.md", "docs/routers.md", "docs/start.md", "docs/hosters.md"}

// Someone who types what the README says, from nothing to the first update.
func TestDocumentedCommands(t *testing.T) {
	pages := markdown.Pages(t, "..")
	var blocks []markdown.Block
	for _, file := range slices.SortedFunc(maps.Keys(pages), func(a, b string) int {
		return cmp.Or(cmp.Compare(uint(slices.Index(inOrder, a)), uint(slices.Index(inOrder, b))), cmp.Compare(a, b))
	}) {
		blocks = append(blocks, markdown.Blocks(file, pages[file])...)
	}
	n := newNewcomer(t, blocks)
	done := make(map[string]bool)
	for _, block := range blocks {
		if program, _, _ := strings.Cut(block.Text, " "); block.Language != "sh" || elsewhere[filepath.Base(block.File)] || elsewhere[program] {
			continue
		}
		run := commands[block.Text]
		if run == nil {
			t.Errorf("%s:%d: no test runs this:\n%s", block.File, block.Line, block.Text)
			continue
		}
		done[block.Text] = true
		if !t.Run(strings.TrimSpace(block.Text), func(t *testing.T) {
			n.t, n.page, n.file = t, pages[block.File], block.File
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
	if !bytes.Contains(script, []byte("go_test -p 3 -race -tags integration $(tagged_packages ")) {
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

// getXcaddy builds one release of xcaddy, in a module that requires it: "go install"
// takes no module with replacements.
func (n *newcomer) getXcaddy() {
	n.mkdir("xcaddy.mod")
	n.run("cd xcaddy.mod; go mod init xcaddy; go get github.com/caddyserver/xcaddy/cmd/xcaddy@v0.4.6; " +
		"go build -o ../xcaddy github.com/caddyserver/xcaddy/cmd/xcaddy")
}

func (n *newcomer) exportToken(lines string) {
	n.run(lines)
	if token := n.run(`echo "$HOME_TOKEN"`); !regexp.MustCompile(`^[\w-]{20,}\n$`).MatchString(token) {
		n.t.Errorf("the token is %q", token)
	}
}

// runCaddy runs the page's Caddyfile, whose nameserver, if it has one, is handed a free port.
func (n *newcomer) runCaddy(lines string) {
	if n.file == "docs/hosters.md" {
		n.runCaddyAtHoster(lines)
		return
	}
	listener, packets, err := n.dns.Listen()
	if err != nil {
		n.t.Fatal(err)
	}
	defer listener.Close()
	defer packets.Close()
	n.lookup = func(name, qtype string) string {
		return n.run("dig +short @127.0.0.1 -p " + n.dns.Number() + " " + name + " " + qtype)
	}
	n.writeCaddyfile(n.caddyfiles[n.file], "dyndns_nameserver {\n\t\tlisten fd/3 fdgram/4\n\t}")
	n.startCaddy(lines, listener.(*net.TCPListener), packets.(*net.UDPConn))
}

// runCaddyAtHoster runs a Caddy that has a module for the hoster: this test's program.
func (n *newcomer) runCaddyAtHoster(lines string) {
	if err := n.caddy(); err != nil {
		n.t.Fatal(err)
	}
	script := fmt.Sprintf("#!/bin/sh\n%s exec %q \"$@\"\n", caddytest.AsCaddy, os.Args[0])
	if err := os.Rename(filepath.Join(n.dir, "caddy"), filepath.Join(n.dir, "caddy-without")); err != nil {
		n.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(n.dir, "caddy"), []byte(script), 0o700); err != nil {
		n.t.Fatal(err)
	}
	n.run("export CLOUDFLARE_API_TOKEN=" + caddytest.CanaryToken)
	n.writeCaddyfile(n.caddyfiles[n.file], "")
	n.startCaddy(lines)
}

// checkZones checks the page's zone, to which no public nameserver leads.
func (n *newcomer) checkZones(lines string) {
	report := n.run(lines)
	if !regexp.MustCompile(`^zone (dyn\.)?example\.com\.\n`).MatchString(report) || !strings.Contains(report, "\n  ok ") || strings.Contains(report, "FAILED") {
		n.t.Errorf("the check says\n%s", report)
	}
}

// makeKey makes the key in the folder that the next command expects it in.
func (n *newcomer) makeKey(lines string) { n.run(lines) }

// runBIND gives the key to both and goes on with BIND, from nothing, to the page's first update.
func (n *newcomer) runBIND(lines string) {
	group := fmt.Sprint("-g ", os.Getgid())
	n.run("mkdir -p etc/bind etc/caddy\n" + strings.NewReplacer("/etc/", "etc/", "-g bind", group, "-g caddy", group).Replace(lines))
	n.expect(n.run("find . -name 'dyn.*.key' -printf '%P %m\n' | sort"), "etc/bind/dyn.example.com.key 640\netc/caddy/dyn.example.com.key 640\n")
	bind := nameserver.RunExample(n.root, filepath.Join(n.repo, "example", "bind"), filepath.Join(n.dir, "etc/bind/dyn.example.com.key"))
	n.lookup = func(name, qtype string) string { return bind.MustLookup(n.t, name, qtype) + "\n" }
	if err := n.caddy(); err != nil {
		n.t.Fatal(err)
	}
	n.writeCaddyfile(strings.NewReplacer("/etc/caddy", n.dir+"/etc/caddy", "nameserver 127.0.0.1", "nameserver "+bind.Addr()).Replace(n.caddyfiles[n.file]), "")
	n.startCaddy("caddy run --config Caddyfile\n")
	n.checkZones("caddy dyndns-check --config Caddyfile\n")
	n.expect(n.run("curl https://dyndns.example.com/update-by-path/$HOME_TOKEN/home.dyn.example.com/192.0.2.1\n"),
		"UPDATED: home.dyn.example.com. A None -> 192.0.2.1\nUNCHANGED: home.dyn.example.com. AAAA None\n")
	n.expect(n.lookup("home.dyn.example.com", "A"), "192.0.2.1\n")
}

var indentation = regexp.MustCompile(`(?m)^ +`)

func (n *newcomer) update(lines string) {
	n.expectOnPage(n.run(lines))
	n.expect(n.lookup("home.dyn.example.com", "A"), "192.0.2.1\n")
}

// updateAtHoster updates twice, and so reads at the hoster what it has written.
func (n *newcomer) updateAtHoster(lines string) {
	n.expectOnPage(n.run(lines))
	n.expect(n.run(lines), "UNCHANGED: home.example.com. A 192.0.2.1\nUNCHANGED: home.example.com. AAAA None\n")
}

func (n *newcomer) removeFamily(lines string) {
	n.expectOnPage(n.run(lines))
	n.expect(n.lookup("home.dyn.example.com", "A"), "")
}

func (n *newcomer) expectOnPage(reply string) {
	n.t.Helper()
	if !strings.Contains(indentation.ReplaceAllString(n.page, ""), "\n"+reply) {
		n.t.Errorf("the reply stands nowhere on the page:\n%s", reply)
	}
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
