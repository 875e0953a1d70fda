package server

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/caddy-dyndns/dyndns/test/caddytest"
)

// clockOffset is the series of a nameserver's clock.
func clockOffset(server string) string {
	return fmt.Sprintf(`caddy_dyndns_nameserver_clock_offset_seconds{server=%q}`, server)
}

// A nameserver's clock is told in metrics and status before it is so far off that nothing is
// accepted, and then too. A key that it does not take is told from a refusal.
func TestMetricsClockAndKey(t *testing.T) {
	ns := caddytest.Nameserver(t, "dyn.example.com.")
	block := caddytest.ZoneBlock("dyn.example.com", ns.Addr())
	s := caddytest.Serve(t, adminOn, plainSite(block))
	offset := clockOffset(ns.Addr())
	failures := func(kind string) string {
		return fmt.Sprintf(`caddy_dyndns_dns_errors_total{kind=%q,server=%q}`, kind, ns.Addr())
	}
	if value, ok := scrape(s)[offset]; ok {
		t.Errorf("the offset is %v before anybody asked", value)
	}
	for i, row := range []struct {
		ahead  time.Duration
		status int
	}{{0, 200}, {100 * time.Second, 200}, {-10 * time.Minute, 502}, {0, 200}} {
		ns.SetClock(func() time.Time { return time.Now().Add(row.ahead) })
		before := scrape(s)[failures("clock")]
		if got := s.Get(fmt.Sprintf("%s/update-by-path/12345678/a%d.dyn.example.com/192.0.2.1", s.HTTP, i)); got.Status != row.status {
			t.Errorf("%v ahead: status %d: %s", row.ahead, got.Status, got.Body)
		}
		after := scrape(s)
		if got := after[offset]; math.Abs(got-row.ahead.Seconds()) > 2 {
			t.Errorf("%v ahead: the offset is %v", row.ahead, got)
		}
		if refused := after[failures("clock")] > before; row.status != 200 && !refused {
			t.Errorf("%v ahead: no failure by the clock is counted", row.ahead)
		}
		if got := status(s).Zones[0].Nameservers[0].ClockOffset; got == nil || math.Abs(*got-row.ahead.Seconds()) > 2 {
			t.Errorf("%v ahead: the status says %v", row.ahead, got)
		}
	}
	if err := s.Load(plainSite(strings.Replace(block, "MDEy", "MDEx", 1))); err != nil {
		t.Fatal(err)
	}
	if got := s.Get(s.HTTP + "/update-by-path/12345678/a.dyn.example.com/192.0.2.1"); got.Status != 502 || !strings.Contains(got.Body, "BADSIG") {
		t.Errorf("with a wrong key: %d %s", got.Status, got.Body)
	}
	after := scrape(s)
	if after[failures("key")] == 0 || after[failures("refused")] != 0 {
		t.Errorf("%v failures by the key, %v refusals", after[failures("key")], after[failures("refused")])
	}
}
