//go:build integration

package faults

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddy-dyndns/dyndns/dnsupdate"
	"github.com/caddy-dyndns/dyndns/test/nameserver"
	"github.com/caddy-dyndns/dyndns/zone"
)

// edit changes the configuration file of a nameserver and restarts it.
func edit(t *testing.T, s *nameserver.Server, file string, change func(string) string) {
	t.Helper()
	path := filepath.Join(s.Dir(), file)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(change(string(text))), 0o600); err != nil {
		t.Fatal(err)
	}
	s.Kill()
	s.MustRestart(t)
}

// guarded is a change that must not touch a nameserver's name.
func guarded(name, address string) zone.Change {
	return zone.Change{Name: name, Type: zone.TypeA, Action: zone.Set, Values: []string{address}, TTL: 60, NotNameServer: true}
}

func kindOf(r zone.Result) zone.Reason {
	var e *zone.Error
	errors.As(r.Err, &e)
	return e.Reason
}

// TestNameServerNames protects the name of a real nameserver, also on a Knot that
// refuses every query that our key signs, and every message without changes.
func TestNameServerNames(t *testing.T) {
	const zoneName = "dyn.example.com"
	rows := []struct {
		name string
		kind nameserver.Kind
		deny bool
	}{{"BIND", nameserver.BIND, false}, {"Knot", nameserver.Knot, false}, {"PowerDNS", nameserver.PowerDNS, false}, {"Knot with a deny rule", nameserver.Knot, true}}
	atOnce(t, len(rows), func(i int) string { return rows[i].name }, func(t *testing.T, i int) {
		key := nameserver.NewKey("ddns-key")
		server := nameserver.Run(t, rows[i].kind, nameserver.Config{Zones: []nameserver.Zone{{Name: zoneName, Key: key}}})
		if rows[i].deny {
			edit(t, server, "knot.conf", func(conf string) string {
				conf = strings.Replace(conf, "acl:\n", "acl:\n  - id: denied\n    key: ddns-key\n    action: update\n    update-owner: name\n    update-owner-match: equal\n    update-owner-name: [secret]\n    deny: on\n", 1)
				return strings.Replace(conf, "acl: update0", "acl: [denied, update0]", 1)
			})
		}
		before := server.MustLookup(t, "ns1."+zoneName, "A")
		u := configuredZone{zoneName, key, []string{server.Addr()}}.open(t, dnsupdate.Hooks{})
		for _, address := range []string{"192.0.2.1", "192.0.2.2", "192.0.2.2"} {
			challenge := zone.Change{Name: "_acme-challenge.ns1." + zoneName, Type: zone.TypeTXT, Action: zone.Set, Values: []string{address}, TTL: 60, NotNameServer: true}
			results := u.Apply(t.Context(), []zone.Change{guarded("home."+zoneName, address), guarded("NS1."+zoneName, address), challenge})
			if results[0].Err != nil || results[0].New[0] != address {
				t.Errorf("got %+v", results[0])
			}
			// Without a message of which the nameserver signs the answer it can only be refused.
			for _, r := range results[1:] {
				if r.Err == nil || kindOf(r) != zone.NameServer && !(rows[i].deny && kindOf(r) == zone.Refused) {
					t.Errorf("got %+v", r)
				}
			}
		}
		if after := server.MustLookup(t, "ns1."+zoneName, "A"); after != before {
			t.Errorf("the nameserver's address went from %s to %s", before, after)
		}
		if names, err := u.NameServers(t.Context()); err != nil || names.Proven == rows[i].deny || len(names.Names) != 1 || names.Names[0] != "ns1."+zoneName+"." {
			t.Errorf("got %v, %v", names, err)
		}
	})
}

// TestPowerDNSPolicy has a Lua policy drop what PowerDNS then acknowledges.
func TestPowerDNSPolicy(t *testing.T) {
	const zoneName = "dyn.example.com"
	key := nameserver.NewKey("ddns-key")
	server := nameserver.Run(t, nameserver.PowerDNS, nameserver.Config{Zones: []nameserver.Zone{{Name: zoneName, Key: key}}})
	policy := filepath.Join(server.Dir(), "policy.lua")
	const script = "function updatepolicy(input)\n" +
		"  local name = input:getQName():toString()\n" +
		"  return name ~= 'bad." + zoneName + ".' and input:getQType() ~= 28\nend\n"
	if err := os.WriteFile(policy, []byte(script), 0o644); err != nil {
		t.Fatal(err)
	}
	edit(t, server, "pdns.conf", func(conf string) string { return conf + "\nlua-dnsupdate-policy-script=" + policy + "\n" })
	u := configuredZone{zoneName, key, []string{server.Addr()}}.open(t, dnsupdate.Hooks{})
	set := func(name, value string, t zone.Type) zone.Change {
		return zone.Change{Name: name + "." + zoneName, Type: t, Action: zone.Set, Values: []string{value}, TTL: 60}
	}
	for range 2 {
		results := u.Apply(t.Context(), []zone.Change{
			set("good", "192.0.2.1", zone.TypeA), set("bad", "192.0.2.1", zone.TypeA), set("six", "2001:db8::1", zone.TypeAAAA)})
		if results[0].Err != nil || server.MustLookup(t, "good."+zoneName, "A") != "192.0.2.1" {
			t.Errorf("what is allowed: %+v", results[0])
		}
		for _, r := range results[1:] {
			if r.Err == nil || kindOf(r) != zone.Refused || !strings.Contains(r.Err.Error(), "lua-dnsupdate-policy-script") {
				t.Errorf("what is denied: %+v", r)
			}
		}
	}
	if got := server.MustLookup(t, "bad."+zoneName, "A") + server.MustLookup(t, "six."+zoneName, "AAAA"); got != "" {
		t.Errorf("the zone holds %q", got)
	}
}
