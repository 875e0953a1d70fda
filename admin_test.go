package dyndns

import (
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"testing"
)

type statusReply struct {
	Zones []zoneStatus `json:"zones"`
}

func (s *testServer) status() statusReply {
	s.t.Helper()
	got := s.get(s.admin + "/dyndns/status")
	var status statusReply
	if err := json.Unmarshal([]byte(got.body), &status); err != nil || got.status != 200 {
		s.t.Fatalf("%v in %d %s", err, got.status, got.body)
	}
	return status
}

func TestAdminStatus(t *testing.T) {
	ns := startNameserver(t, "dyn.example.com.")
	dead := reservePort(t).Addr()
	s := serve(t, adminOn, plainSite(zoneBlock("dyn.example.com", ns.Addr())+zoneBlock("dead.example.com", dead+" "+ns.Addr())))
	for _, zone := range s.status().Zones {
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
		s.get(s.http + path)
	}
	status := s.status()
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
	if got, err := s.do(http.MethodPost, s.admin+"/dyndns/status", ""); err != nil || got.status != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d %v", got.status, err)
	}
}

// The endpoint answers while configurations come and go, and shows the zones of
// one of them.
func TestAdminStatusDuringReload(t *testing.T) {
	ns := startNameserver(t, "a.example.com.", "b.example.com.")
	s := serve(t, adminOn, plainSite(zoneBlock("a.example.com", ns.Addr())))
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
			if got, err := s.do(http.MethodGet, s.admin+"/dyndns/status", ""); err == nil && got.status != 200 {
				t.Errorf("%d %s", got.status, got.body)
			}
		}
	})
	for i := range 10 {
		zone := []string{"b.example.com", "a.example.com"}[i%2]
		if err := s.load(plainSite(zoneBlock(zone, ns.Addr()))); err != nil {
			t.Error(err)
		}
	}
	close(stop)
	reader.Wait()
	if status := s.status(); len(status.Zones) != 1 || status.Zones[0].Zone != "a.example.com." {
		t.Errorf("%+v", status)
	}
}
