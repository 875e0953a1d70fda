package server

import (
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddy-dyndns/dyndns/test/caddytest"
)

// statusReply is what the endpoint says.
type statusReply struct {
	Zones []struct {
		Zone, Key   string
		Nameservers []struct {
			Address   string
			Up        *bool
			RestsTill *time.Time `json:"rests_till"`
			Latency   float64    `json:"latency_seconds"`
			LastError string     `json:"last_error"`
			// ClockOffset is nil before it told the time.
			ClockOffset *float64 `json:"clock_offset_seconds"`
		}
		Waiting, Updates, Queries, Unmet, Denied, Failed int
	}
}

func status(s *caddytest.Server) statusReply {
	s.T.Helper()
	got := s.Get(s.Admin + "/dyndns/status")
	var status statusReply
	if err := json.Unmarshal([]byte(got.Body), &status); err != nil || got.Status != 200 {
		s.T.Fatalf("%v in %d %s", err, got.Status, got.Body)
	}
	return status
}

func TestAdminStatus(t *testing.T) {
	ns := caddytest.Nameserver(t, "dyn.example.com.")
	dead := caddytest.ReservePort(t).Addr()
	s := caddytest.Serve(t, adminOn, plainSite(caddytest.ZoneBlock("dyn.example.com", ns.Addr())+caddytest.ZoneBlock("dead.example.com", dead+" "+ns.Addr())))
	for _, zone := range status(s).Zones {
		for _, n := range zone.Nameservers {
			if n.Up != nil || n.LastError != "" {
				t.Errorf("before anybody asked: %+v", n)
			}
		}
	}
	for _, path := range []string{
		"/update-by-path/12345678/a.dyn.example.com/192.0.2.1",
		"/update-by-path/12345678/a.dyn.example.com/192.0.2.1",
		"/update-by-path/12345678/a.dead.example.com/192.0.2.1",
	} {
		s.Get(s.HTTP + path)
	}
	status := status(s)
	if len(status.Zones) != 2 {
		t.Fatalf("%d zones", len(status.Zones))
	}
	bad, good := status.Zones[0], status.Zones[1]
	if good.Zone != "dyn.example.com." || good.Updates < 2 || good.Failed != 0 || good.Waiting != 0 || len(good.Nameservers) != 1 {
		t.Errorf("%+v", good)
	}
	if n := good.Nameservers[0]; n.Address != ns.Addr() || n.Up == nil || !*n.Up || n.Latency <= 0 || n.LastError != "" || n.RestsTill != nil {
		t.Errorf("%+v", n)
	}
	if bad.Zone != "dead.example.com." || len(bad.Nameservers) != 2 {
		t.Fatalf("%+v", bad)
	}
	if bad.Updates != 1 {
		t.Errorf("%d updates were sent, want 1", bad.Updates)
	}
	if n := bad.Nameservers[0]; n.Address != dead || n.Up == nil || *n.Up || n.RestsTill == nil || !strings.Contains(n.LastError, "could not be reached") {
		t.Errorf("%+v", n)
	}
	if got, err := s.Do(http.MethodPost, s.Admin+"/dyndns/status", ""); err != nil || got.Status != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d %v", got.Status, err)
	}
}

// The endpoint answers while configurations come and go, and shows the zones of
// one of them.
func TestAdminStatusDuringReload(t *testing.T) {
	ns := caddytest.Nameserver(t, "a.example.com.", "b.example.com.")
	s := caddytest.Serve(t, adminOn, plainSite(caddytest.ZoneBlock("a.example.com", ns.Addr())))
	stop := make(chan struct{})
	var reader sync.WaitGroup
	reader.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			// The admin server itself is replaced as well.
			if got, err := s.Do(http.MethodGet, s.Admin+"/dyndns/status", ""); err == nil && got.Status != 200 {
				t.Errorf("%d %s", got.Status, got.Body)
			}
		}
	})
	for i := range 10 {
		zone := []string{"b.example.com", "a.example.com"}[i%2]
		if err := s.Load(plainSite(caddytest.ZoneBlock(zone, ns.Addr()))); err != nil {
			t.Error(err)
		}
	}
	close(stop)
	reader.Wait()
	if status := status(s); len(status.Zones) != 1 || status.Zones[0].Zone != "a.example.com." {
		t.Errorf("%+v", status)
	}
}
