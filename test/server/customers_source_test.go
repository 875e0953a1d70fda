package server

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/caddy-dyndns/dyndns/clients"
	"github.com/caddy-dyndns/dyndns/test/caddytest"
)

// portal is a customer database that a test stops.
type portal struct {
	down  atomic.Bool
	asked atomic.Int64
}

func (p *portal) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.asked.Add(1)
	if p.down.Load() {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	if d := clients.DigestOf("token-of-a-customer"); "sha256:"+r.URL.Query().Get("digest") == d.String() {
		fmt.Fprintf(w, `{"name":"customer","hosts":["customer.mem.test"],"tokens":[%q]}`, d)
		return
	}
	w.WriteHeader(http.StatusNotFound)
}

// While the source fails, no dialect says that the token is wrong, nobody is throttled for
// it, who was there before goes on, and afterwards all goes on by itself.
func TestCustomersSourceFails(t *testing.T) {
	p := new(portal)
	server := httptest.NewServer(p)
	defer server.Close()
	s := caddytest.Serve(t, adminOn, customerSite("http "+server.URL+" {\ncache 1ms\nstale 1h\n}"))
	const token, unseen = "token-of-a-customer", "token-that-was-not-seen"
	if got := update(s, "customer.mem.test", "192.0.2.1", token); got != "good 192.0.2.1" {
		t.Fatal(got)
	}
	p.down.Store(true)
	basic := caddytest.BasicAuth("", unseen)
	for range 25 { // more than the throttle allows
		for _, tt := range []struct {
			name, path string
			headers    []string
			status     int
			body       string
		}{
			{"dyndns2", "/nic/update?hostname=customer.mem.test&myip=192.0.2.1", []string{basic}, 503, "911"},
			{"two hosts", "/nic/update?hostname=customer.mem.test,b.mem.test&myip=192.0.2.1", []string{basic}, 503, "911\n911"},
			{"native", "/update-by-path/" + unseen + "/customer.mem.test/192.0.2.1", nil, 503, "DNS_SERVER_ERROR: it cannot be told at present whose token this is; try again later\n"},
			{"duckdns", "/update?domains=customer&token=" + unseen, nil, 503, "KO"},
			{"pages", "/statistics/updates-by-fqdn", []string{"Host: localhost", basic}, 503, ""},
			{"known", "/nic/update?hostname=customer.mem.test&myip=192.0.2.1", []string{caddytest.BasicAuth("", token)}, 200, "nochg 192.0.2.1"},
			{"configured", "/nic/update?hostname=fixed.mem.test&myip=192.0.2.1", []string{caddytest.BasicAuth("", caddytest.CanaryToken)}, 200, " 192.0.2.1"},
		} {
			got := s.Get(s.HTTP+tt.path, tt.headers...)
			if got.Status != tt.status || !strings.HasSuffix(got.Body, tt.body) {
				t.Fatalf("%s: %d %q, want %d %q", tt.name, got.Status, got.Body, tt.status, tt.body)
			}
			if got.Status == 503 && (got.Header.Get("Retry-After") == "" || got.Header.Get("WWW-Authenticate") != "") {
				t.Fatalf("%s: %v", tt.name, got.Header)
			}
		}
	}
	p.down.Store(false)
	if got := update(s, "customer.mem.test", "192.0.2.1", unseen); got != "badauth" {
		t.Errorf("an unknown token when the source is back: %s", got)
	}
	if got := update(s, "customer.mem.test", "192.0.2.2", token); got != "good 192.0.2.2" {
		t.Errorf("the customer when it is back: %s", got)
	}
	if !strings.Contains(s.Log(), "status 502") {
		t.Error("the log does not say what the source answers")
	}
	counted := s.Get(s.Admin + "/metrics").Body
	for _, result := range []string{"found", "stale", "failed", "unknown"} {
		if line := `caddy_dyndns_client_lookups_total{result="` + result + `",source="http"}`; !strings.Contains(counted, line) || strings.Contains(counted, line+" 0\n") {
			t.Errorf("the metrics do not count %s", result)
		}
	}
}

// from and limit hold for the clients of the configuration too.
func TestConfiguredNetworkAndLimit(t *testing.T) {
	s := caddytest.Serve(t, "", `http://:{$HTTP_PORT} {
	dyndns {
		client inside {
			token token-of-one-inside
			hosts in.mem.test
			from 127.0.0.0/8
			limit 2 1h
		}
		client outside {
			token token-of-one-outside
			hosts out.mem.test
			from 192.0.2.0/24
		}
		zone mem.test {
			memory 60
		}
	}
}
`)
	for _, tt := range []struct {
		name, path string
		status     int
		body       string
	}{
		{"first", "/nic/update?hostname=in.mem.test&myip=192.0.2.1&token=token-of-one-inside", 200, "good 192.0.2.1"},
		{"second", "/nic/update?hostname=in.mem.test&myip=192.0.2.2&token=token-of-one-inside", 200, "good 192.0.2.2"},
		{"third", "/nic/update?hostname=in.mem.test&myip=192.0.2.3&token=token-of-one-inside", 503, "911"},
		{"third, native", "/update-by-path/token-of-one-inside/in.mem.test/192.0.2.3", 503, "UNCHANGED: in.mem.test. AAAA None\nDNS_SERVER_ERROR: this client may change 2 records within 1h0m0s; try again later\n"},
		{"third, DuckDNS", "/update?domains=in&token=token-of-one-inside&ip=192.0.2.3", 503, "KO"},
		{"as it is", "/nic/update?hostname=in.mem.test&myip=192.0.2.2&token=token-of-one-inside", 200, "nochg 192.0.2.2"},
		{"outside", "/nic/update?hostname=out.mem.test&myip=192.0.2.1&token=token-of-one-outside", 200, "nohost"},
		{"outside, native", "/update-by-path/token-of-one-outside/out.mem.test/192.0.2.1", 403, "PARAMETER_ERROR: this client may not ask from your network\n"},
		{"outside, DuckDNS", "/update?domains=out&token=token-of-one-outside", 200, "KO"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := s.Get(s.HTTP + tt.path)
			if got.Status != tt.status || got.Body != tt.body || got.Status == 503 && got.Header.Get("Retry-After") == "" {
				t.Errorf("got %d %q, want %d %q", got.Status, got.Body, tt.status, tt.body)
			}
		})
	}
}

// One address behind which many routers come up at once asks the source once.
func TestCustomersTogether(t *testing.T) {
	p := new(portal)
	server := httptest.NewServer(p)
	defer server.Close()
	s := caddytest.Serve(t, "", customerSite("http "+server.URL))
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			if got := update(s, "customer.mem.test", "192.0.2.1", "token-of-a-customer"); !strings.HasSuffix(got, " 192.0.2.1") {
				t.Errorf("got %s", got)
			}
		})
	}
	all.Wait()
	if n := p.asked.Load(); n != 1 {
		t.Errorf("asked %d times", n)
	}
}
