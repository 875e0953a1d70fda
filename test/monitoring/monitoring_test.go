//go:build integration && linux

// Package monitoring tests what example/monitoring delivers with the real Prometheus.
package monitoring

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"

	_ "github.com/caddy-dyndns/dyndns" // the directive under test
	"github.com/caddy-dyndns/dyndns/clients"
	"github.com/caddy-dyndns/dyndns/internal/await"
	"github.com/caddy-dyndns/dyndns/test/caddytest"
	"github.com/caddy-dyndns/dyndns/test/markdown"
	"github.com/caddy-dyndns/dyndns/test/nameserver"
)

const (
	examples = "../../example/monitoring/"
	token    = "token-of-a-customer"
	zoneName = "dyn.example.com"
)

func TestMain(m *testing.M) { caddytest.Main(m) }

// Each alert stays silent before its time, fires then and ends after the cure, in the
// durations of the file; no alert is left out, and the page tells of all.
func TestRules(t *testing.T) {
	t.Parallel()
	tests := []string{"testdata/rules_test.yml", "testdata/rules_day_test.yml"}
	for _, args := range [][]string{
		{"check", "config", examples + "prometheus.yml"}, // and its rules
		append([]string{"test", "rules"}, tests...),
	} {
		if text, err := exec.Command("promtool", args...).CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", args, err, text)
		}
	}
	var tested string
	for _, file := range tests {
		tested += read(t, file)
	}
	page := markdown.Pages(t, "../..")["docs/monitoring.md"]
	alerts := regexp.MustCompile(`- alert: (\w+)`).FindAllStringSubmatch(read(t, examples+"rules.yml"), -1)
	for _, alert := range alerts {
		if !strings.Contains(tested, "alertname: "+alert[1]+"\n        exp_alerts:\n          -") {
			t.Errorf("%s fires in no test", alert[1])
		}
		if !strings.Contains(page, "`"+alert[1]+"`") {
			t.Errorf("docs/monitoring.md does not tell of %s", alert[1])
		}
	}
	if n := len(regexp.MustCompile("`Dyndns\\w+`").FindAllString(page, -1)); n != len(alerts) || n == 0 {
		t.Errorf("docs/monitoring.md tells of %d alerts, there are %d", n, len(alerts))
	}
}

func read(t testing.TB, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// portal is a source of clients that a test stops.
type portal struct{ down atomic.Bool }

func (p *portal) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if p.down.Load() {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	digest := clients.DigestOf(token)
	if "sha256:"+r.URL.Query().Get("digest") != digest.String() {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	fmt.Fprintf(w, `{"name":"customer","hosts":["home.%s","home.served.example.com"],"tokens":[%q]}`, zoneName, digest)
}

// A real Prometheus scrapes a real Caddy. What breaks, the alert that is for it tells, and
// no other goes on beside it; after the cure it ends. Every query of the dashboard finds data.
func TestAlertsAndDashboard(t *testing.T) {
	shim := filepath.Join(t.TempDir(), "clock.so")
	if text, err := exec.Command("cc", "-shared", "-fPIC", "-o", shim, "../faults/testdata/clock.c", "-ldl").CombinedOutput(); err != nil {
		t.Fatalf("cc: %v: %s", err, text)
	}
	customers := new(portal)
	source := httptest.NewServer(customers)
	defer source.Close()
	key, wrong := nameserver.NewKey("ddns-key"), nameserver.NewKey("ddns-key")
	bind := nameserver.Run(t, nameserver.BIND, nameserver.Config{Zones: []nameserver.Zone{{Name: zoneName, Key: key}}})
	listen, dnsAddr := caddytest.DNSSockets(t)
	s := caddytest.New(t, "dyndns_nameserver {\nlisten "+listen+"\ndatabase {$TEST_DIR}/zones.db\n}")
	metrics := caddytest.KeepSocket(t)
	load := func(key nameserver.Key) {
		t.Helper()
		err := s.Load(fmt.Sprintf(`http://:{$HTTP_PORT} {
			dyndns {
				timeout 1s
				clients http %s {
					cache 1ms
					stale off
				}
				zone %s {
					tsig_key %s %s %s
					nameserver %s
				}
				zone served.example.com {
					serve {
						ns ns.example.net
					}
				}
			}
		}
		%s`, source.URL, zoneName, key.Name, key.Algorithm, key.Secret, bind.Addr(), metricsSite(t, metrics)))
		if err != nil {
			t.Fatal(err)
		}
	}
	load(key)
	p := startPrometheus(t, metrics)

	// A router that asks without a pause, whatever the reply.
	done, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for i := 0; ; i++ {
			// A change that is lost with the nameserver would block the name until it expires.
			for host, address := range map[string]int{"home." + zoneName: 1, "home.served.example.com": 1 + i%200} {
				path := fmt.Sprintf("%s/nic/update?hostname=%s&myip=192.0.2.%d", s.HTTP, host, address)
				_, _ = s.Do(http.MethodGet, path, "", caddytest.BasicAuth("any", token))
			}
			_, _ = dns.Exchange(new(dns.Msg).SetQuestion("home.served.example.com.", dns.TypeA), dnsAddr)
			select {
			case <-done:
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	}()
	defer func() {
		close(done)
		<-stopped
	}()

	p.awaitFiring() // none
	for _, panel := range dashboardQueries(t) {
		await.Done(t, "data in "+panel.title, func() error { return p.hasData(panel.query) })
	}

	restart := func(offset string) {
		t.Helper()
		bind.Close()
		if offset != "" {
			t.Setenv("CLOCK_OFFSET", offset)
			t.Setenv("LD_PRELOAD", shim)
			defer os.Unsetenv("LD_PRELOAD")
		}
		bind.MustRestart(t)
	}
	for _, fault := range []struct {
		name        string
		bring, cure func()
		alerts      []string
	}{
		{"nameserver", bind.Kill, func() { bind.MustRestart(t) }, []string{"DyndnsNameserverDown", "DyndnsRequestsFailing"}},
		{"source of clients", func() { customers.down.Store(true) }, func() { customers.down.Store(false) }, []string{"DyndnsClientSourceFailing", "DyndnsRequestsFailing"}},
		{"key", func() { load(wrong) }, func() { load(key) }, []string{"DyndnsKeyRefused", "DyndnsRequestsFailing"}},
		{"clock", func() { restart("-120") }, func() { restart("") }, []string{"DyndnsClockOff"}},
	} {
		t.Run(fault.name, func(t *testing.T) {
			began := time.Now()
			fault.bring()
			p.awaitFiring(fault.alerts...)
			fired := time.Now()
			fault.cure()
			p.awaitFiring()
			t.Logf("fired after %v, ended after %v", fired.Sub(began).Round(time.Millisecond), time.Since(fired).Round(time.Millisecond))
		})
	}
}

// metricsSite is the Caddyfile of docs/monitoring.md, at a port of the test.
func metricsSite(t *testing.T, port string) string {
	t.Helper()
	for _, text := range markdown.Code(t, "../..", "docs/monitoring.md", "caddyfile") {
		_, site, ok := strings.Cut(text, "\n}\n\nhttp://127.0.0.1:9180 {\n\tbind 127.0.0.1\n")
		if ok {
			return "http://127.0.0.1:" + port + " {\n" + site
		}
	}
	t.Fatal("docs/monitoring.md has no site with the metrics")
	return ""
}
