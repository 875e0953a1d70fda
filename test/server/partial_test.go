package server

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/miekg/dns"

	"github.com/caddy-dyndns/dyndns/dnsupdate/dnstest"
	"github.com/caddy-dyndns/dyndns/internal/pages"
	"github.com/caddy-dyndns/dyndns/test/caddytest"
)

// What was changed stands in log, metrics, events and history although the reply
// is that of what failed.
func TestPartlyDenied(t *testing.T) {
	t.Setenv("XDG_DATA_HOME", t.TempDir())
	events := make(chan string, 10)
	record(t, func(e caddy.Event) { events <- eventText(e) })
	ns := dnstest.NewServer(dnstest.Zone{
		Name: "dyn.example.com.", Keys: []dnstest.Key{caddytest.Key},
		Allow: func(_, _ string, rrtype uint16) bool { return rrtype != dns.TypeTXT },
	})
	t.Cleanup(ns.Close)
	s := caddytest.Serve(t, adminOn+recordEvents, historySite(ns.Addr()))
	before := scrape(s)

	got := s.Get(s.HTTP + "/update?domains=home&token=" + homeToken + "&ip=192.0.2.1&txt=" + strings.Repeat("x", 43))
	if got.Status != 503 || got.Body != "KO" {
		t.Errorf("got %d %q", got.Status, got.Body)
	}
	if !slices.ContainsFunc(ns.Zone("dyn.example.com.").Records(), func(r string) bool { return strings.HasSuffix(r, " A 192.0.2.1") }) {
		t.Fatalf("the zone holds %q", ns.Zone("dyn.example.com.").Records())
	}

	entries := apiEntries(t, s.Log())
	if len(entries) != 1 {
		t.Fatalf("%d entries", len(entries))
	}
	host := entries[0]["hosts"].([]any)[0].(map[string]any)
	if records := fmt.Sprint(host["records"]); entries[0]["result"] != "failed" || host["result"] != "failed" ||
		host["reason"] != "dns_refused" || records != "[map[changed:true new:192.0.2.1 old: proven:true ttl:300 type:A]]" {
		t.Errorf("logged: %v", entries[0])
	}

	after := scrape(s)
	for name, want := range map[string]float64{
		`caddy_dyndns_records_changed_total{type="A",zone="dyn.example.com."}`:   1,
		`caddy_dyndns_records_changed_total{type="TXT",zone="dyn.example.com."}`: 0,
		`caddy_dyndns_requests_total{dialect="duckdns",result="failed"}`:         1,
	} {
		if grown := after[name] - before[name]; grown != want {
			t.Errorf("%s grew by %v, want %v", name, grown, want)
		}
	}

	var told []string
	for range 2 {
		name, data, _ := strings.Cut(caddytest.Receive(t, events, "event"), " ")
		told = append(told, name)
		if name == "dyndns.updated" && !strings.Contains(data, " new=192.0.2.1 ") {
			t.Errorf("event with %s", data)
		}
	}
	if slices.Sort(told); !slices.Equal(told, []string{"dyndns.refused", "dyndns.updated"}) {
		t.Errorf("events %q", told)
	}

	var kept struct {
		Changes, Failures uint64
		Current           []struct{ Values []string }
	}
	readPage(s, pages.PathHosts+"?fqdn=home.dyn.example.com", homeToken, &kept)
	if kept.Changes != 1 || kept.Failures != 1 || len(kept.Current) != 1 || kept.Current[0].Values[0] != "192.0.2.1" {
		t.Errorf("the history has %+v", kept)
	}
	for accept, want := range map[string]string{"text/plain": "failed  A none -> 192.0.2.1; ", "text/html": " → "} {
		latest := ask(s, "GET", pagesHost, pages.PathLatest, caddytest.BasicAuth("any", homeToken), "Accept: "+accept).Body
		if !strings.Contains(latest, want) {
			t.Errorf("the latest submissions are %s", latest)
		}
	}
}

// No reply looks done while a host behind the router keeps its old address.
func TestLANHostDenied(t *testing.T) {
	t.Setenv("XDG_DATA_HOME", t.TempDir())
	ns := dnstest.NewServer(dnstest.Zone{
		Name: "dyn.example.com.", Keys: []dnstest.Key{caddytest.Key},
		Allow: func(_, owner string, _ uint16) bool { return owner != "nas.dyn.example.com." },
	})
	t.Cleanup(ns.Close)
	s := caddytest.Serve(t, "", historySite(ns.Addr()))
	const prefix = "&ip6lanprefix=2001:db8:0:5::/64"
	rows := []struct{ name, path, want string }{
		{"dyndns2", "/nic/update?hostname=home.dyn.example.com&myip=192.0.2.1" + prefix, "dnserr"},
		{"dyndns2, again", "/nic/update?hostname=home.dyn.example.com&myip=192.0.2.1" + prefix, "dnserr"},
		{"dyndns2 without a prefix", "/nic/update?hostname=home.dyn.example.com&myip=192.0.2.1", "nochg 192.0.2.1"},
		{"native", "/update-by-query?fqdn=home.dyn.example.com&ipv4=192.0.2.2" + prefix,
			"UPDATED: home.dyn.example.com. A 192.0.2.1 -> 192.0.2.2\nUNCHANGED: home.dyn.example.com. AAAA None\nDNS_SERVER_ERROR: nas.dyn.example.com.: "},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			got := s.Get(s.HTTP+row.path, caddytest.BasicAuth("any", homeToken))
			if !strings.HasPrefix(got.Body, row.want) || strings.Count(got.Body, "\n") != strings.Count(row.want, "\n")+strings.Count(row.want, "ERROR") {
				t.Errorf("got %d %q", got.Status, got.Body)
			}
		})
	}
	entries := apiEntries(t, s.Log())
	if lan := fmt.Sprint(entries[0]["lan"]); entries[0]["result"] != "failed" || !strings.Contains(lan, "reason:dns_refused") || !strings.Contains(fmt.Sprint(entries[0]["hosts"]), "new:192.0.2.1") {
		t.Errorf("logged: %v", entries[0])
	}
}
