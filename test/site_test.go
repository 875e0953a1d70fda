//go:build integration && linux

package test

import (
	"encoding/base64"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddy-dyndns/dyndns/test/nameserver"
	"github.com/caddy-dyndns/dyndns/test/site"
)

// basic is a header with the credentials of a user.
func basic(user, password string) string {
	return "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

// On a site that rewrites, asks for passwords, renders templates and catches all
// paths, the API works and the site keeps its pages.
func TestSiteWithEverything(t *testing.T) {
	root := t.TempDir()
	for name, text := range map[string]string{
		"index.html":  `index {{ add 1 2 }}`,
		"update.html": `update {{ add 1 2 }}`,
	} {
		if err := os.WriteFile(filepath.Join(root, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("DYNDNS_TEST_CANARY", "canary")
	key := nameserver.NewKey(zone)
	s := nameserver.Run(t, nameserver.BIND, nameserver.Config{Zones: []nameserver.Zone{{Name: zone, Key: key}}})
	c := site.Run(t, site.Config{
		Global: "servers {\ntrusted_proxies static 127.0.0.1/32\ntrusted_proxies_strict\n}",
		Body: block(s, zone, key) + `
			root ` + root + `
			try_files {path} {path}.html /index.html
			encode gzip
			templates
			basic_auth {
				# wonderland
				alice $2a$04$pwzkjAhDTUB4GDf77teuGOWdCut9RZtRw2Tn6bKVwNO4xgG2UHPIS
			}
			handle {
				file_server
			}`,
	})
	const home = "home.dyn.example.com"
	visitor := basic("alice", "wonderland")
	rows := []struct {
		name    string
		path    string
		headers []string
		status  int
		want    string
	}{
		{"an update", "/update-by-path/SECRET/" + home + "/192.0.2.1", nil, 200,
			"UPDATED: home.dyn.example.com. A None -> 192.0.2.1\nUNCHANGED: home.dyn.example.com. AAAA None\n"},
		{"an update by a proxy's client", "/update-by-query?secret=SECRET&fqdn=" + home, []string{"X-Forwarded-For: 203.0.113.7"}, 200,
			"UPDATED: home.dyn.example.com. A 192.0.2.1 -> 203.0.113.7\nUNCHANGED: home.dyn.example.com. AAAA None\n"},
		{"the secret as a password", "/update-by-query?fqdn=" + home + "&ipv4=192.0.2.2", []string{basic("router", secret)}, 200,
			"UPDATED: home.dyn.example.com. A 203.0.113.7 -> 192.0.2.2\nUNCHANGED: home.dyn.example.com. AAAA None\n"},
		{"the secret as a bearer token", "/update-by-query?fqdn=" + home + "&ipv4=192.0.2.2", []string{"Authorization: Bearer " + secret}, 200,
			"UNCHANGED: home.dyn.example.com. A 192.0.2.2\nUNCHANGED: home.dyn.example.com. AAAA None\n"},
		{"leading slashes", "//update-by-path/SECRET/" + home + "/192.0.2.2", nil, 200,
			"UNCHANGED: home.dyn.example.com. A 192.0.2.2\nUNCHANGED: home.dyn.example.com. AAAA None\n"},
		{"dyndns2", "/nic/update?hostname=" + home + "&myip=192.0.2.3", []string{basic("router", secret)}, 200, "good 192.0.2.3"},
		{"a check", "/check/SECRET", nil, 200, ""},

		{"a page without password", "/", nil, 401, ""},
		{"a page", "/", []string{visitor}, 200, "index 3"},
		{"any page, by try_files", "/some/where", []string{visitor}, 200, "index 3"},
		{"the site's own /update", "/update", []string{visitor}, 200, "update 3"},
		{"the site's own /ip", "/ip", []string{visitor}, 200, "index 3"},
		{"the site's own /statistics", "/statistics/updates-by-fqdn", []string{visitor}, 200, "index 3"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			r := get(t, c, row.path, row.headers...)
			if r.Status != row.status || row.want != "" && r.Body != row.want {
				t.Errorf("got %d %q, want %d %q", r.Status, r.Body, row.status, row.want)
			}
		})
	}
	t.Run("no template in a request is interpreted", func(t *testing.T) {
		for _, text := range []string{
			`{{ add 40 2 }}`, `{{ env "DYNDNS_TEST_CANARY" }}`, `{env.DYNDNS_TEST_CANARY}`, `{http.request.method}`, `{file./etc/hostname}`,
		} {
			for _, path := range []string{
				"/update-by-query?secret=SECRET&ipv4=192.0.2.1&fqdn=" + url.QueryEscape(text),
				"/update-by-query?secret=SECRET&fqdn=" + home + "&ipv4=" + url.QueryEscape(text),
				"/update-by-query?secret=SECRET&fqdn=" + home + "&" + url.QueryEscape(text) + "=1",
				"/update-by-query?fqdn=" + home + "&secret=" + url.QueryEscape(text),
				"/update-by-path/SECRET/" + url.PathEscape(text),
			} {
				r := get(t, c, path)
				for _, interpreted := range []string{"42", "canary", "GET", "{"} {
					if r.Status < 400 || strings.Contains(r.Body, interpreted) {
						t.Errorf("GET %s\n got %d %q", path, r.Status, r.Body)
					}
				}
			}
		}
	})
}

// A site serves the API below a path of its own.
func TestSitePrefix(t *testing.T) {
	key := nameserver.NewKey(zone)
	s := nameserver.Run(t, nameserver.Knot, nameserver.Config{Zones: []nameserver.Zone{{Name: zone, Key: key}}})
	c := site.Run(t, site.Config{HTTPS: true, Body: "handle_path /dns/* {\n" + block(s, zone, key) + "\n}\nrespond \"the site\""})
	expect(t, c, "/dns/update-by-path/SECRET/home.dyn.example.com/192.0.2.1", 200,
		"UPDATED: home.dyn.example.com. A None -> 192.0.2.1\nUNCHANGED: home.dyn.example.com. AAAA None\n")
	expect(t, c, "/update-by-path/SECRET/home.dyn.example.com/192.0.2.2", 200, "the site")
	expect(t, c, "/dns/elsewhere", 200, "the site")
}
