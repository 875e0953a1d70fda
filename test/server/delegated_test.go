//go:build integration && linux

package server

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/caddy-dyndns/dyndns/internal/await"
	"github.com/caddy-dyndns/dyndns/test/caddytest"
	"github.com/caddy-dyndns/dyndns/test/markdown"
)

// A public DNS of one server, from the root to the zone above the one that is served.
const (
	rootAddress = "198.41.0.4"
	rootZone    = `.            SOA a.root. hostmaster.root. 1 7200 3600 1209600 3600
.            NS  a.root.
com.         NS  a.root.
a.root.      A   198.41.0.4
`
	aboveZone = `example.com. SOA a.root. hostmaster.example.com. 1 7200 3600 1209600 3600
example.com.     NS a.root.
ns1.example.com. A  203.0.113.53
ns1.example.com. AAAA 2001:db8:2::53
ns2.example.com. A  192.0.2.53
ns2.example.com. AAAA 2001:db8:3::53
example.com.     MX 10 mail.example.com.
mail.example.com. A 198.51.100.80
dyn.example.com. NS ns1.example.com.
dyn.example.com. NS ns2.example.com.
`
	comZone = `com. SOA a.root. hostmaster.com. 1 7200 3600 1209600 3600
com.         NS  a.root.
example.com. NS  a.root.
`
)

const startPage = "docs/start.md"

// The zone is found from the root, and those who judge nameservers find nothing but that
// the addresses are those of documentation and have no names.
func TestDelegated(t *testing.T) {
	if !inNamespace(t, rootAddress, rootAddress+"/32", "203.0.113.53/32", "192.0.2.53/32", "2001:db8:2::53/128", "2001:db8:3::53/128") {
		return
	}
	dir := t.TempDir()
	runRoot(t, dir)
	s := caddytest.New(t, "")
	s.Global = "dyndns_nameserver {\nlisten 203.0.113.53 192.0.2.53 2001:db8:2::53 2001:db8:3::53\ndatabase " + dir + "/zones.db\n}"
	site := "http://:{$HTTP_PORT} {\ndyndns {\nsecret " + caddytest.CanarySecret + "\nzone dyn.example.com {\nserve {\nns ns1.example.com ns2.example.com\n}\n}\n}\n}\n"
	if err := s.Load(site); err != nil {
		t.Fatal(err)
	}
	if got := s.Get(s.HTTP + "/update-by-path/" + caddytest.CanarySecret + "/home.dyn.example.com/198.51.100.99"); got.Status != 200 {
		t.Fatalf("%d %s", got.Status, got.Body)
	}
	asked := 0
	command := func(name string, args ...string) string {
		t.Helper()
		cmd := exec.Command(name, args...)
		cmd.Dir = dir
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s: %v\n%s", name, err, out)
		}
		return string(out)
	}
	for _, script := range markdown.Code(t, "../..", startPage, "sh") {
		if !strings.HasPrefix(script, "dig ") {
			continue
		}
		for line := range strings.Lines(strings.ReplaceAll(script, "198.51.100.1", "203.0.113.53")) {
			got := command("sh", "-c", line)
			whole := strings.Contains(got, "status: NOERROR") && strings.Contains(got, "flags: qr aa")
			if traced := strings.Contains(got, "198.51.100.99"); !whole && !traced {
				t.Errorf("%s%s", line, got)
			}
			asked++
		}
	}
	if asked != 3 {
		t.Errorf("%s has %d lines that ask from outside", startPage, asked)
	}
	report := command("zonemaster-cli", "--hints", "hints", "--level", "INFO", "--show-module", "--no-time", "dyn.example.com")
	if !strings.Contains(report, "NAMESERVER") {
		t.Errorf("zonemaster says\n%s", report)
	}
	for line := range strings.Lines(report) {
		level := strings.Fields(line + " .")[0]
		if (level == "WARNING" || level == "ERROR" || level == "CRITICAL") && !strings.Contains(line, " ADDRESS ") {
			t.Errorf("zonemaster: %s", line)
		}
	}
	command("dnsviz", "probe", "-A", "-a", ".", "-x", ".+:a.root="+rootAddress, "-o", "probe.json", "home.dyn.example.com")
	if got := command("dnsviz", "print", "-r", "probe.json"); !strings.Contains(got, "198.51.100.99") {
		t.Errorf("dnsviz found\n%s", got)
	}
	if got := strings.TrimSpace(command("dnsviz", "grok", "-l", "warning", "-r", "probe.json")); strings.Contains(got, "dyn.example.com") {
		t.Errorf("dnsviz: %s", got)
	}
}

// runRoot serves the zones above.
func runRoot(t *testing.T, dir string) {
	t.Helper()
	conf := fmt.Sprintf("server:\n    listen: %s@53\n    rundir: %s\ndatabase:\n    storage: %[2]s\nzone:\n", rootAddress, dir)
	for name, text := range map[string]string{".": rootZone, "com.": comZone, "example.com.": aboveZone} {
		file := filepath.Join(dir, "zone-"+strings.TrimSuffix(name, "."))
		if err := os.WriteFile(file, []byte("$TTL 3600\n"+text), 0o600); err != nil {
			t.Fatal(err)
		}
		conf += fmt.Sprintf("  - domain: %s\n    file: %s\n", name, file)
	}
	hints := ". 3600000 NS a.root.\na.root. 3600000 A " + rootAddress + "\n"
	for name, text := range map[string]string{"knot.conf": conf, "hints": hints} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	caddytest.Start(t, exec.Command("knotd", "-c", filepath.Join(dir, "knot.conf")))
	await.Done(t, "the root", func() error {
		_, err := dns.Exchange(new(dns.Msg).SetQuestion(".", dns.TypeSOA), rootAddress+":53")
		return err
	})
}
