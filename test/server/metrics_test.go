package server

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/caddy-dyndns/dyndns/dnsupdate/dnstest"
	"github.com/caddy-dyndns/dyndns/internal/await"
	"github.com/caddy-dyndns/dyndns/test/caddytest"
)

// scrape returns the module's metrics from the admin API, by name with labels.
func scrape(s *caddytest.Server) map[string]float64 {
	s.T.Helper()
	values := make(map[string]float64)
	for line := range strings.Lines(s.Get(s.Admin + "/metrics").Body) {
		if !strings.HasPrefix(line, "caddy_dyndns_") {
			continue
		}
		i := strings.LastIndexByte(line, ' ')
		value, err := strconv.ParseFloat(strings.TrimSpace(line[i:]), 64)
		if err != nil {
			s.T.Fatal(err)
		}
		values[line[:i]] = value
	}
	return values
}

const adminOn = "admin kept/127.0.0.1:{$ADMIN_PORT}\n"

// After a load that two handlers and two configurations shared, the counters
// have grown by exactly what was asked.
func TestMetrics(t *testing.T) {
	ns := caddytest.Nameserver(t, "dyn.example.com.", "other.example.com.")
	dead := caddytest.ReservePort(t).Addr()
	body := "throttle off\n" + caddytest.ZoneBlock("dyn.example.com", ns.Addr()) + caddytest.ZoneBlock("other.example.com", ns.Addr()) + caddytest.ZoneBlock("dead.example.com", dead)
	sites := plainSite(body) + "https://localhost:{$HTTPS_PORT} {\ndyndns {\nsecret 12345678\n" + body + "}\n}\n"
	s := caddytest.Serve(t, adminOn+"auto_https disable_redirects", sites)
	s.AwaitTLS()
	before := scrape(s)
	up := fmt.Sprintf(`caddy_dyndns_nameserver_up{server=%q}`, ns.Addr())
	if value, ok := before[up]; ok {
		t.Errorf("%s is %v before anybody asked", up, value)
	}

	const rounds = 20
	load := func(base string, worker int) {
		host := fmt.Sprintf("h%d", worker)
		for i := range rounds {
			for _, path := range []string{
				fmt.Sprintf("/update-by-path/12345678/%s.dyn.example.com/192.0.2.%d/2001:db8::%d", host, i+1, i+1), // 2 records
				fmt.Sprintf("/update-by-path/12345678/%s.dyn.example.com/192.0.2.%d", host, i+1),
				fmt.Sprintf("/nic/update?hostname=%s.other.example.com,%s.dyn.example.com&myip=192.0.2.%d&password=12345678", host, host, i+1), // 1 record
				fmt.Sprintf("/delete-by-path/12345678/%s.other.example.com", host),                                                             // 1 record
				"/update-by-path/87654321/h.dyn.example.com/192.0.2.1",
				"/nic/update?hostname=h.dyn.example.com&myip=192.0.2.1",
				"/update?domains=h.example.org&token=12345678&ip=192.0.2.1",
			} {
				if _, err := s.Do("GET", base+path, ""); err != nil {
					t.Error(err)
				}
			}
		}
	}
	run := func() {
		var workers sync.WaitGroup
		for worker := range 4 {
			base := s.HTTP
			if worker%2 == 1 {
				base = s.HTTPS
			}
			workers.Go(func() { load(base, worker) })
		}
		workers.Wait()
	}
	run()
	if err := s.Load(sites); err != nil {
		t.Fatal(err)
	}
	after := scrape(s)
	// An alert on the increase of a counter sees the first failure only if there
	// was a zero before.
	for series := range after {
		if _, ok := before[series]; !ok && series != up && series != clockOffset(ns.Addr()) {
			t.Errorf("%s came later", series)
		}
	}
	const n = 4 * rounds
	want := map[string]float64{
		`caddy_dyndns_requests_total{dialect="native",result="updated"}`:                      n,
		`caddy_dyndns_requests_total{dialect="native",result="unchanged"}`:                    n,
		`caddy_dyndns_requests_total{dialect="native",result="deleted"}`:                      n,
		`caddy_dyndns_requests_total{dialect="native",result="refused"}`:                      n,
		`caddy_dyndns_requests_total{dialect="dyndns2",result="updated"}`:                     n,
		`caddy_dyndns_requests_total{dialect="dyndns2",result="refused"}`:                     n,
		`caddy_dyndns_requests_total{dialect="duckdns",result="refused"}`:                     n,
		`caddy_dyndns_records_changed_total{type="A",zone="dyn.example.com."}`:                n,
		`caddy_dyndns_records_changed_total{type="AAAA",zone="dyn.example.com."}`:             n,
		`caddy_dyndns_records_changed_total{type="A",zone="other.example.com."}`:              2 * n,
		`caddy_dyndns_auth_failures_total{reason="wrong"}`:                                    n,
		`caddy_dyndns_auth_failures_total{reason="missing"}`:                                  n,
		`caddy_dyndns_auth_failures_total{reason="throttled"}`:                                0,
		`caddy_dyndns_requests_total{dialect="native",result="failed"}`:                       0,
		`caddy_dyndns_dns_errors_total{kind="refused",server="` + ns.Addr() + `"}`:            0,
		`caddy_dyndns_dns_errors_total{kind="unreachable",server="` + ns.Addr() + `"}`:        0,
		`caddy_dyndns_dns_exchange_duration_seconds_count{op="update",server="` + dead + `"}`: 0,
	}
	for name, value := range want {
		if got := after[name] - before[name]; got != value {
			t.Errorf("%s grew by %v, want %v", name, got, value)
		}
	}
	updates := `caddy_dyndns_dns_exchange_duration_seconds_count{op="update",server="` + ns.Addr() + `"}`
	messages := ns.Zone("dyn.example.com.").Messages().Updates + ns.Zone("other.example.com.").Messages().Updates
	if got := after[updates] - before[updates]; got != float64(messages) { // the port may have been another's
		t.Errorf("%v updates counted, the nameserver saw %d", got, messages)
	}
	for _, gauge := range []struct {
		name  string
		value float64
	}{
		{up, 1},
		{`caddy_dyndns_queue_length{zone="dyn.example.com."}`, 0},
		{`caddy_dyndns_queue_length{zone="dead.example.com."}`, 0},
	} {
		if got, ok := after[gauge.name]; !ok || got != gauge.value {
			t.Errorf("%s is %v, want %v", gauge.name, got, gauge.value)
		}
	}
	configured := regexp.MustCompile(`server="[^"]*"`) // other tests' nameservers, too
	for name := range after {
		name = configured.ReplaceAllString(name, "")
		if strings.Contains(name, "h1") || strings.Contains(name, "192.0.2") || strings.Contains(name, "12345678") {
			t.Errorf("a host, address or secret stands in %s", name)
		}
	}
}

// What can never occur has no series, and what can has one from the start.
func TestMetricsFromZero(t *testing.T) {
	const server = "198.51.100.53:53"
	s := caddytest.Serve(t, adminOn, plainSite(caddytest.ZoneBlock("zero.example.com", server)))
	words := make(map[string][]string)
	for series := range scrape(s) {
		for _, label := range []struct{ series, label string }{
			{`caddy_dyndns_dns_errors_total{kind="`, `server="` + server + `"`},
			{`caddy_dyndns_dns_exchange_duration_seconds_count{op="`, `server="` + server + `"`},
			{`caddy_dyndns_auth_failures_total{reason="`, "}"},
			{`caddy_dyndns_requests_total{dialect="native",result="`, "}"},
			{`caddy_dyndns_requests_total{dialect="dyndns2",result="`, "}"},
			{`caddy_dyndns_requests_total{dialect="duckdns",result="`, "}"},
			{`caddy_dyndns_requests_total{dialect="pages",result="`, "}"},
			{`caddy_dyndns_records_changed_total{type="`, `zone="zero.example.com."`},
		} {
			if rest, ok := strings.CutPrefix(series, label.series); ok && strings.Contains(rest, label.label) {
				word, _, _ := strings.Cut(rest, `"`)
				words[label.series] = append(words[label.series], word)
			}
		}
	}
	for series, want := range map[string]string{
		`caddy_dyndns_dns_errors_total{kind="`:                   "clock key refused timeout unreachable",
		`caddy_dyndns_dns_exchange_duration_seconds_count{op="`:  "connect query update",
		`caddy_dyndns_auth_failures_total{reason="`:              "missing throttled wrong",
		`caddy_dyndns_requests_total{dialect="native",result="`:  "checked deleted failed refused unchanged updated",
		`caddy_dyndns_requests_total{dialect="dyndns2",result="`: "deleted failed refused unchanged updated",
		`caddy_dyndns_requests_total{dialect="duckdns",result="`: "deleted failed refused unchanged updated",
		`caddy_dyndns_requests_total{dialect="pages",result="`:   "deleted failed refused unchanged updated",
		`caddy_dyndns_records_changed_total{type="`:              "A AAAA HTTPS TXT",
	} {
		slices.Sort(words[series])
		if got := strings.Join(words[series], " "); got != want {
			t.Errorf("%s…: %s, want %s", series, got, want)
		}
	}
}

// A nameserver that fails is down and counted, and forgotten with its zone.
func TestMetricsNameserver(t *testing.T) {
	ns := caddytest.Nameserver(t, "dyn.example.com.")
	dead := caddytest.ReservePort(t).Addr()
	s := caddytest.Serve(t, adminOn, plainSite(caddytest.ZoneBlock("dyn.example.com", dead)))
	if got := s.Get(s.HTTP + "/update-by-path/12345678/a.dyn.example.com/192.0.2.1"); got.Status != 502 {
		t.Fatalf("status %d: %s", got.Status, got.Body)
	}
	down := scrape(s)
	up := fmt.Sprintf(`caddy_dyndns_nameserver_up{server=%q}`, dead)
	if got, ok := down[up]; !ok || got != 0 {
		t.Errorf("%s is %v", up, got)
	}
	if errors := fmt.Sprintf(`caddy_dyndns_dns_errors_total{kind="unreachable",server=%q}`, dead); down[errors] < 1 {
		t.Errorf("%s is %v", errors, down[errors])
	}
	// Nothing was sent.
	for op, some := range map[string]bool{"connect": true, "update": false, "query": false} {
		exchanges := fmt.Sprintf(`caddy_dyndns_dns_exchange_duration_seconds_count{op=%q,server=%q}`, op, dead)
		if got := down[exchanges]; (got > 0) != some {
			t.Errorf("%s is %v", exchanges, got)
		}
	}
	if err := s.Load(plainSite(caddytest.ZoneBlock("dyn.example.com", ns.Addr()))); err != nil {
		t.Fatal(err)
	}
	after := scrape(s)
	if _, ok := after[up]; ok {
		t.Errorf("%s is still there", up)
	}
	up = fmt.Sprintf(`caddy_dyndns_nameserver_up{server=%q}`, ns.Addr())
	if value, ok := after[up]; ok {
		t.Errorf("%s is %v before anybody asked", up, value)
	}
	if got := s.Get(s.HTTP + "/update-by-path/12345678/a.dyn.example.com/192.0.2.1"); got.Status != 200 {
		t.Fatalf("status %d: %s", got.Status, got.Body)
	}
	if got := scrape(s)[up]; got != 1 {
		t.Errorf("%s is %v", up, got)
	}
}

// The gauge returns to 1 without a request once a nameserver is back.
func TestMetricsNameserverBack(t *testing.T) {
	p := dnstest.NewProxy(caddytest.Nameserver(t, "dyn.example.com.").Addr())
	t.Cleanup(p.Close)
	s := caddytest.Serve(t, adminOn, plainSite("timeout 1s\n"+caddytest.ZoneBlock("dyn.example.com", p.Addr())))
	p.Down()
	if got := s.Get(s.HTTP + "/update-by-path/12345678/a.dyn.example.com/192.0.2.1"); got.Status == 200 {
		t.Fatalf("status %d: %s", got.Status, got.Body)
	}
	up := fmt.Sprintf(`caddy_dyndns_nameserver_up{server=%q}`, p.Addr())
	if got, ok := scrape(s)[up]; !ok || got != 0 {
		t.Errorf("%s is %v", up, got)
	}
	p.Up()
	await.True(t, "the nameserver to be up again", func() bool { return scrape(s)[up] == 1 })
	for _, message := range []string{"nameserver does not answer", "nameserver answers"} {
		if n := strings.Count(s.Log(), `"msg":"`+message+`"`); n != 1 {
			t.Errorf("%d entries %q", n, message)
		}
	}
}
