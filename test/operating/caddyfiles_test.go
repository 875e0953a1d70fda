//go:build integration && linux

package operating

import (
	"encoding/base64"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/caddy-dyndns/dyndns/clients"
	"github.com/caddy-dyndns/dyndns/test/markdown"
)

// documented is the one Caddyfile of a page that has these words, with a nameserver of the
// test, and a domain, where the harness asks whether it runs.
func documented(t *testing.T, page, words, nameserver string) string {
	t.Helper()
	for _, text := range markdown.Code(t, "../..", page, "caddyfile") {
		if strings.Contains(text, words) {
			if !strings.HasPrefix(text, "{\n") {
				text = "{\n}\n\n" + text
			}
			return strings.NewReplacer("\n\tdyndns {\n", "\n\tdyndns {\n\t\tdomain "+domain+"\n", "nameserver 192.0.2.53", "nameserver "+nameserver,
				"{env.DYNDNS_SECRET}", "secret0123456789").Replace(text)
		}
	}
	t.Fatalf("%s has no Caddyfile with %s", page, words)
	return ""
}

// A customer whose file comes, changes or goes does so with a reload; a mistake leaves the
// others as they were.
func TestImportedCustomers(t *testing.T) {
	t.Parallel()
	ns, key := primary(t, "dyn.example.com")
	h := newHost(t, "", documented(t, "docs/customers.md", "import customers/*.conf", ns.Addr()))
	h.write("etc/caddy/dyn.example.com.key", keyFile("dyn.example.com", key.Secret))
	if err := h.start(); err != nil {
		t.Fatal(err)
	}
	const ada, eve, reload = "token-of-ada-0123", "token-of-eve-0123", "caddy reload --config /etc/caddy/Caddyfile"
	file := markdown.Code(t, "../..", "docs/customers.md", "conf")[0]
	customer := func(token string) string {
		return strings.Replace(file, "sha256:…", clients.DigestOf(token).String(), 1)
	}
	h.expect(ada, "ada.dyn.example.com", "192.0.2.1", "badauth")
	h.write("etc/caddy/customers/ada.conf", customer(ada))
	h.shell(reload, nil)
	h.expect(ada, "ada.dyn.example.com", "192.0.2.1", "good 192.0.2.1")
	h.expect(ada, "eve.dyn.example.com", "192.0.2.1", "nohost")
	h.write("etc/caddy/customers/eve.conf", strings.ReplaceAll(customer(eve), "ada", "eve"))
	h.shell(reload, nil)
	h.expect(eve, "eve.dyn.example.com", "192.0.2.1", "good 192.0.2.1")
	h.write("etc/caddy/customers/ada.conf", customer(ada)+"}")
	h.shell("! "+reload, nil)
	h.expect(ada, "ada.dyn.example.com", "192.0.2.1", "nochg 192.0.2.1")
	h.shell("rm /etc/caddy/customers/ada.conf\n"+reload, nil)
	h.expect(ada, "ada.dyn.example.com", "192.0.2.1", "badauth")
	h.expect(eve, "eve.dyn.example.com", "192.0.2.1", "nochg 192.0.2.1")
}

// The Flask application's file and a client beside it go together, and nothing is written into
// that file or, but for what was asked for, into the zone.
func TestFileAndClients(t *testing.T) {
	t.Parallel()
	const secret, token, name = "secret0123456789", "token-of-the-home-router", "home.dyn.example.com"
	ns, key := primary(t, "dyn.example.com")
	caddyfile := documented(t, "docs/migrating.md", "config /etc/dyndns.yml", "")
	h := newHost(t, "", strings.NewReplacer("{env.HOME_TOKEN}", token, "/etc/dyndns.yml", "/etc/caddy/dyndns.yml").Replace(caddyfile))
	nameserver, port, err := net.SplitHostPort(ns.Addr())
	if err != nil {
		t.Fatal(err)
	}
	seed := fmt.Sprintf("secret: %s\nnameserver: %s\nport: %s\nzones:\n  - name: dyn.example.com\n    tsig_key: %s\n",
		secret, nameserver, port, base64.StdEncoding.EncodeToString(key.Secret))
	h.write("etc/caddy/dyndns.yml", seed)
	if err := h.start(); err != nil {
		t.Fatal(err)
	}
	if got, err := h.get("/update-by-path/"+secret+"/"+name+"/192.0.2.1", ""); err != nil || !strings.HasPrefix(got, "UPDATED: "+name+". A None -> 192.0.2.1\n") {
		t.Errorf("with the secret of the file: %q %v", got, err)
	}
	h.expect(token, name, "192.0.2.2", "good 192.0.2.2")
	h.expect(token, "other.dyn.example.com", "192.0.2.2", "nohost")
	h.expect(secret, "other.dyn.example.com", "192.0.2.2", "good 192.0.2.2")
	if h.read("etc/caddy/dyndns.yml") != strings.TrimSpace(seed) {
		t.Error("the file was written to")
	}
	records := slices.DeleteFunc(ns.Zone("dyn.example.com.").Records(), func(r string) bool { return strings.HasPrefix(r, "dyn.example.com.") })
	if want := []string{"home.dyn.example.com. 300 IN A 192.0.2.2", "other.dyn.example.com. 300 IN A 192.0.2.2"}; !slices.Equal(records, want) {
		t.Errorf("the zone has %q", records)
	}
}
