//go:build integration && linux

package server

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/miekg/dns"

	"github.com/caddy-dyndns/dyndns/internal/await"
	"github.com/caddy-dyndns/dyndns/internal/loopback"
	"github.com/caddy-dyndns/dyndns/test/caddytest"
	"github.com/caddy-dyndns/dyndns/test/markdown"
	"github.com/caddy-dyndns/dyndns/test/nameserver"
)

const (
	nameserverPage = "docs/nameserver.md"
	grownZone      = "dyn.example.com"
	grownHost      = "home.dyn.example.com"
)

// write writes a file and the folders above it.
func write(t *testing.T, file, text string) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o700), os.WriteFile(file, []byte(text), 0o600)); err != nil {
		t.Fatal(err)
	}
}

// mustUpdate gives the host an address.
func mustUpdate(t *testing.T, s *caddytest.Server, address string) {
	t.Helper()
	if got := update(s, grownHost, address, caddytest.CanaryToken); got != "good "+address {
		t.Fatalf("%s: %s", address, got)
	}
}

// awaitAddress waits until a nameserver shows the host's address.
func awaitAddress(t *testing.T, ns *nameserver.Server, address string) {
	t.Helper()
	await.Done(t, string(ns.Kind())+" to show "+address, func() error {
		got, err := ns.Lookup(grownHost, "A")
		if err == nil && strings.Join(got, ",") != address {
			err = fmt.Errorf("it shows %s", got)
		}
		return err
	})
}

// Knot in front of Caddy, configured as the page says, signs all that changes.
func TestDocumentedSigning(t *testing.T) {
	t.Setenv("HOME_TOKEN", caddytest.CanaryToken)
	port, err := loopback.Reserve()
	if err != nil {
		t.Fatal(err)
	}
	listen, addr := caddytest.DNSSockets(t)
	s := caddytest.New(t, adminOn)
	knotConf := filepath.Join(s.Dir, "knot.conf")
	run := newShell(t, s, s.Dir, map[string]string{
		"keymgr": "case $1 in -t) exec /usr/sbin/keymgr \"$@\" ;; *) exec /usr/sbin/keymgr -c " + knotConf + " \"$@\" ;; esac\n",
	}, strings.NewReplacer(" -g knot", "", " -g caddy", "", "/etc/knot", s.Dir+"/knot", "/etc/caddy", s.Dir, "@198.51.100.1", "@127.0.0.1 -p "+port.Number()))
	write(t, filepath.Join(s.Dir, "knot", "transfer.key"), "")
	scripts := markdown.Code(t, "../..", nameserverPage, "sh")
	run(scripts[0])

	var caddyfile string
	for _, b := range markdown.Code(t, "../..", nameserverPage, "caddyfile") {
		if strings.Contains(b, "transfer ") {
			caddyfile = b
		}
	}
	global, site, _ := strings.Cut(strings.NewReplacer("127.0.0.1:5300", listen+"\ndatabase "+s.Dir+"/zones.db",
		"transfer.key 127.0.0.1", "transfer.key "+port.Addr(), "/etc/caddy", s.Dir, "dyndns.example.com {", "http://:{$HTTP_PORT} {").Replace(caddyfile), "\n}\n")
	s.Global += strings.TrimPrefix(global, "{")
	if err := s.Load(site); err != nil {
		t.Fatal(err)
	}
	mustUpdate(t, s, "192.0.2.1")
	config := nameserver.Config{Zones: []nameserver.Zone{{Name: grownZone}}, Port: port}
	knot := nameserver.RunConfigured(t, nameserver.Knot, config, func(dir string, at netip.AddrPort) (func() *exec.Cmd, error) {
		conf := strings.NewReplacer("[198.51.100.1@53, 127.0.0.1@53]", fmt.Sprintf("%s@%d", at.Addr(), at.Port()), "127.0.0.1@5300", strings.Replace(addr, ":", "@", 1),
			"/etc/knot", s.Dir+"/knot", "/run/knot", dir, "/var/lib/knot", dir, "target: syslog", "target: stderr").Replace(markdown.Code(t, "../..", nameserverPage, "yaml")[0])
		write(t, knotConf, conf)
		return nameserver.KnotCommand(dir, conf)
	})
	check := func(address string) {
		t.Helper()
		awaitAddress(t, knot, address)
		if out := run(scripts[1]); !strings.HasPrefix(out, "; fully validated\n"+grownHost+".\t300\tIN\tA\t"+address+"\n") {
			t.Errorf("delv says\n%s", out)
		}
		absent := strings.Replace(scripts[1], grownHost, "none."+grownZone, 1)
		if out := run(absent); !strings.HasPrefix(out, "; negative response, fully validated\n") {
			t.Errorf("of a name that does not exist delv says\n%s", out)
		}
	}
	check("192.0.2.1")
	mustUpdate(t, s, "192.0.2.2")
	check("192.0.2.2")

	// The database is lost, and comes back from an export that is older than what Knot has.
	run(scripts[2])
	mustUpdate(t, s, "192.0.2.3")
	check("192.0.2.3")
	if err := caddy.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(s.Dir, "zones.db")); err != nil {
		t.Fatal(err)
	}
	if err := s.Load(site); err != nil {
		t.Fatal(err)
	}
	run(scripts[6])
	check("192.0.2.2")
	mustUpdate(t, s, "192.0.2.4")
	check("192.0.2.4")
}

// grownFile is where the commands of the page leave the zone.
const grownFile = grownZone + ".zone"

// moves are how a zone comes to a nameserver that the examples configure: with the words
// that its zone in the Caddyfile then has, and the command that writes the zone back.
var moves = map[nameserver.Kind]func(t *testing.T, dir string) (ns *nameserver.Server, words string, export func(run func(string) string, script []string)){
	nameserver.BIND: func(t *testing.T, dir string) (*nameserver.Server, string, func(func(string) string, []string)) {
		key := filepath.Join(dir, grownZone+".key")
		text, err := exec.Command("tsig-keygen", "-a", "hmac-sha512", grownZone).Output()
		if err != nil {
			t.Fatal(err)
		}
		conf, err := os.ReadFile("../../example/bind/named.conf.local")
		if err != nil {
			t.Fatal(err)
		}
		write(t, key, string(text))
		write(t, filepath.Join(dir, "named.conf.local"), string(conf))
		bind := nameserver.RunExample(t, dir, key)
		return bind, "tsig_keyfile " + key, func(run func(string) string, scripts []string) {
			bind.Close()
			run(strings.ReplaceAll(scripts[3], "/var/lib/bind", bind.Dir()))
		}
	},
	nameserver.Knot: func(t *testing.T, dir string) (*nameserver.Server, string, func(func(string) string, []string)) {
		key, err := exec.Command("keymgr", "-t", grownZone, "hmac-sha512").Output()
		if err != nil {
			t.Fatal(err)
		}
		config := nameserver.Config{Zones: []nameserver.Zone{{Name: grownZone}}}
		knot := nameserver.RunConfigured(t, nameserver.Knot, config, func(to string, at netip.AddrPort) (func() *exec.Cmd, error) {
			zone, err := os.ReadFile(filepath.Join(dir, grownFile))
			conf, err2 := os.ReadFile("../../example/knot/knot.conf")
			if err := errors.Join(err, err2); err != nil {
				return nil, err
			}
			write(t, filepath.Join(to, grownZone+".key"), string(key))
			write(t, filepath.Join(to, grownFile), string(zone))
			return nameserver.KnotCommand(to, strings.NewReplacer("[0.0.0.0@53, ::@53]", fmt.Sprintf("%s@%d", at.Addr(), at.Port()),
				"/etc/knot", to, "/var/lib/knot", to, "/run/knot", to, "target: syslog", "target: stderr").Replace(string(conf)))
		})
		_, secret, _ := strings.Cut(string(key), "secret: ")
		return knot, "tsig_key " + grownZone + " hmac-sha512 " + strings.TrimSpace(secret), func(run func(string) string, scripts []string) {
			run(strings.NewReplacer("knotc", "knotc -c "+knot.Dir()+"/knot.conf", "/var/lib/knot", knot.Dir()).Replace(scripts[4]))
		}
	},
}

// A zone goes to BIND or Knot and back by the commands of the page, while the same Caddy
// changes it.
func TestDocumentedMove(t *testing.T) {
	for kind, move := range moves {
		t.Run(string(kind), func(t *testing.T) {
			listen, addr := caddytest.DNSSockets(t)
			s := caddytest.New(t, adminOn)
			s.Global += "\ndyndns_nameserver {\nlisten " + listen + "\ndatabase " + s.Dir + "/zones.db\n}"
			site := func(words string) string {
				return "http://:{$HTTP_PORT} {\ndyndns {\nclient home {\ntoken " + caddytest.CanaryToken + "\nhosts " + grownHost + "\n}\nzone " + grownZone + " {\n" + words + "\n}\n}\n}\n"
			}
			load := func(words string) {
				t.Helper()
				if err := s.Load(site(words)); err != nil {
					t.Fatal(err)
				}
			}
			const served = "serve {\nns ns1.example.com\n}"
			scripts := markdown.Code(t, "../..", nameserverPage, "sh")
			run := newShell(t, s, s.Dir, nil, strings.NewReplacer())
			load(served)
			mustUpdate(t, s, "192.0.2.1")
			run(scripts[2])
			for _, check := range []string{"named-checkzone " + grownZone + " " + grownFile, "kzonecheck -o " + grownZone + " " + grownFile} {
				if page := markdown.Pages(t, "../..")[nameserverPage]; !strings.Contains(page, "`"+check+"`") {
					t.Errorf("the page does not say %q", check)
				}
				run(check)
			}

			ns, words, export := move(t, s.Dir)
			load(words + "\nnameserver " + ns.Addr())
			if got := update(s, grownHost, "192.0.2.1", caddytest.CanaryToken); got != "nochg 192.0.2.1" {
				t.Errorf("what was exported: %s", got)
			}
			mustUpdate(t, s, "192.0.2.2")
			awaitAddress(t, ns, "192.0.2.2")

			serial := ns.MustSerial(t, grownZone)
			export(run, scripts)
			load(served)
			run(scripts[5])
			if got := update(s, grownHost, "192.0.2.2", caddytest.CanaryToken); got != "nochg 192.0.2.2" {
				t.Errorf("what was imported: %s", got)
			}
			if got := answer(t, "udp", addr, grownHost+".", dns.TypeA); got != "NOERROR 192.0.2.2" {
				t.Error(got)
			}
			if soa := strings.Fields(answer(t, "udp", addr, grownZone+".", dns.TypeSOA)); len(soa) != 8 || soa[3] <= fmt.Sprint(serial) {
				t.Errorf("the SOA record is %s, the serial was %d", soa, serial)
			}
		})
	}
}
