//go:build integration && linux

package nameserver

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const (
	examples    = "../../example"
	exampleZone = "dyn.example.com"
)

// copyExample copies a file of the examples to dir, with other paths and ports.
func copyExample(t *testing.T, dir, file string, replace ...string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(examples, file))
	if err != nil {
		t.Fatal(err)
	}
	text := strings.NewReplacer(replace...).Replace(string(data))
	if err := os.WriteFile(filepath.Join(dir, filepath.Base(file)), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return text
}

// makeKey runs the program that the example names and returns the file's text.
func makeKey(t *testing.T, dir string, command ...string) []byte {
	t.Helper()
	text, err := exec.Command(command[0], command[1:]...).Output()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, exampleZone+".key"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	return text
}

// configureExample makes the files that the examples name, and returns the command
// that runs the nameserver and the secret of its key.
var configureExample = map[Kind]func(t *testing.T, dir string, at netip.AddrPort) (command func() *exec.Cmd, secret string){
	BIND: func(t *testing.T, dir string, at netip.AddrPort) (func() *exec.Cmd, string) {
		key := makeKey(t, dir, "tsig-keygen", "-a", "hmac-sha512", exampleZone)
		copyExample(t, dir, "bind/dyn.example.com.zone")
		conf := copyExample(t, dir, "bind/named.conf.local", "/etc/bind", dir, "/var/lib/bind", dir)
		command, err := namedCommand(dir, fmt.Sprintf(bindOptions, dir, at.Port(), at.Addr())+conf)
		if err != nil {
			t.Fatal(err)
		}
		return command, string(regexp.MustCompile(`secret "(.*)"`).FindSubmatch(key)[1])
	},
	Knot: func(t *testing.T, dir string, at netip.AddrPort) (func() *exec.Cmd, string) {
		key := makeKey(t, dir, "keymgr", "-t", exampleZone, "hmac-sha512")
		copyExample(t, dir, "knot/dyn.example.com.zone")
		conf := copyExample(t, dir, "knot/knot.conf",
			"[0.0.0.0@53, ::@53]", fmt.Sprintf("%s@%d", at.Addr(), at.Port()),
			"/etc/knot", dir, "/var/lib/knot", dir, "/run/knot", dir, "target: syslog", "target: stderr")
		command, err := KnotCommand(dir, conf)
		if err != nil {
			t.Fatal(err)
		}
		return command, string(regexp.MustCompile(`secret: (.*)`).FindSubmatch(key)[1])
	},
	PowerDNS: func(t *testing.T, dir string, at netip.AddrPort) (func() *exec.Cmd, string) {
		// Debian's pdns.conf is this include; the rest are paths and ports.
		conf := fmt.Sprintf("launch=\ninclude-dir=%[1]s/pdns.d\nlocal-address=%[2]s\nlocal-port=%[3]d\nreuseport=yes\nsocket-dir=%[1]s\nsecurity-poll-suffix=\n", dir, at.Addr(), at.Port())
		if err := os.WriteFile(filepath.Join(dir, "pdns.conf"), []byte(conf), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Mkdir(filepath.Join(dir, "pdns.d"), 0o700); err != nil {
			t.Fatal(err)
		}
		copyExample(t, filepath.Join(dir, "pdns.d"), "powerdns/dyndns.conf", "/var/lib/powerdns", dir)
		copyExample(t, dir, "powerdns/dyn.example.com.zone")
		copyExample(t, dir, "powerdns/setup.sh", "/var/lib/powerdns", dir, "/etc/powerdns", dir)
		text, err := exec.Command("sh", filepath.Join(dir, "setup.sh")).CombinedOutput()
		if err != nil {
			t.Fatalf("setup.sh: %v\n%s", err, text)
		}
		return powerDNSCommand(dir), string(regexp.MustCompile(`hmac-sha512 (\S+)`).FindSubmatch(text)[1])
	},
}

// The configurations in example/ run as they are but for ports and paths, and
// their key may do what a dynamic DNS service needs and no more.
func TestExamples(t *testing.T) {
	rows := []struct {
		name    string
		record  string
		signed  bool
		allowed func(Kind) bool
	}{
		{"an address below the zone", "home.dyn.example.com. 60 A 192.0.2.1", true, always},
		{"an IPv6 address below the zone", "home.dyn.example.com. 60 AAAA 2001:db8::1", true, always},
		{"an address far below", "a.b.c.dyn.example.com. 60 A 192.0.2.1", true, always},
		{"an address at a wildcard", "*.home.dyn.example.com. 60 A 192.0.2.1", true, always},
		{"an HTTPS record, as for Encrypted ClientHello", "home.dyn.example.com. 60 HTTPS 1 . alpn=h2", true, always},
		{"an ACME challenge", "_acme-challenge.home.dyn.example.com. 60 TXT x", true, always},
		{"unsigned", "unsigned.dyn.example.com. 60 A 192.0.2.1", false, func(Kind) bool { return false }},
		{"an address at the apex", "dyn.example.com. 60 A 192.0.2.1", true, onlyPowerDNS},
		{"another nameserver", "dyn.example.com. 60 NS ns.example.net.", true, onlyPowerDNS},
		{"a delegation", "child.dyn.example.com. 60 NS ns.example.net.", true, onlyPowerDNS},
		{"a mail exchanger", "mail.dyn.example.com. 60 MX 1 mx.example.net.", true, onlyPowerDNS},
	}
	for _, kind := range Kinds {
		t.Run(string(kind), func(t *testing.T) {
			var key Key
			s := runTest(t, func(ctx context.Context, dir string) (*Server, error) {
				return run(ctx, kind, dir, Config{Zones: []Zone{{Name: exampleZone}}}, func(at netip.AddrPort) (func() *exec.Cmd, error) {
					command, secret := configureExample[kind](t, dir, at)
					key = Key{Name: exampleZone, Algorithm: "hmac-sha512", Secret: secret}
					return command, nil
				})
			})
			for _, row := range rows {
				t.Run(row.name, func(t *testing.T) {
					signer := &key
					if !row.signed {
						signer = nil
					}
					rcode := s.MustAdd(t, exampleZone, row.record, signer)
					if got := rcode == "NOERROR"; got != row.allowed(kind) {
						t.Errorf("answered %s, allowed should be %t", rcode, row.allowed(kind))
					}
				})
			}
		})
	}
}

func always(Kind) bool { return true }

// onlyPowerDNS is what its configuration says that PowerDNS cannot forbid.
func onlyPowerDNS(k Kind) bool { return k == PowerDNS }
