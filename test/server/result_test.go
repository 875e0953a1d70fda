package server

import (
	"fmt"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-dyndns/dyndns/internal/pages"
	"github.com/caddy-dyndns/dyndns/test/caddytest"
)

// Log, metrics, events and history say the same of a request.
func TestOneClassification(t *testing.T) {
	t.Setenv("XDG_DATA_HOME", t.TempDir())
	events := make(chan string, 100)
	record(t, func(e caddy.Event) { events <- e.Name() })
	ns := caddytest.Nameserver(t, "dyn.example.com.")
	ns.Zone("dyn.example.com.").Edit("alias.home CNAME elsewhere.example.")
	s := caddytest.Serve(t, recordEvents+"\n"+adminOn, historySite(ns.Addr(), "timeout 1s"))
	rows := []struct {
		name, path string
		down       bool
		status     int
		result     string
		event      string
	}{
		{"written", "/update-by-path/12345678/a.home.dyn.example.com/192.0.2.1", false, 200, "updated", "dyndns.updated"},
		{"in place", "/update-by-path/12345678/a.home.dyn.example.com/192.0.2.1", false, 200, "unchanged", ""},
		{"removed", "/delete-by-path/12345678/a.home.dyn.example.com", false, 200, "deleted", "dyndns.deleted"},
		{"conflict", "/update-by-path/12345678/alias.home.dyn.example.com/192.0.2.1", false, 409, "refused", "dyndns.refused"},
		{"nameserver down", "/update-by-path/12345678/b.home.dyn.example.com/192.0.2.1", true, 502, "failed", "dyndns.refused"},
	}
	for i, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			if row.down {
				ns.Close()
			}
			series := fmt.Sprintf(`caddy_dyndns_requests_total{dialect="native",result=%q}`, row.result)
			before := scrape(s)[series]
			if got := s.Get(s.HTTP + row.path); got.Status != row.status {
				t.Errorf("status %d, want %d: %s", got.Status, row.status, got.Body)
			}
			// A page is a request with an entry of its own.
			entries := apiEntries(t, s.Log())
			if got := entries[2*i]["result"]; got != row.result {
				t.Errorf("the log says %v, want %s", got, row.result)
			}
			if got := scrape(s)[series] - before; got != 1 {
				t.Errorf("%s grew by %v", series, got)
			}
			var latest struct{ Submissions []struct{ Result string } }
			readPage(s, pages.PathLatest, homeToken, &latest)
			if len(latest.Submissions) != i+1 || latest.Submissions[0].Result != row.result {
				t.Errorf("the history says %v, want %s", latest.Submissions, row.result)
			}
			if row.event != "" {
				if got := caddytest.Receive(t, events, "event"); got != row.event {
					t.Errorf("the event is %s, want %s", got, row.event)
				}
			}
		})
	}
	if len(events) > 0 {
		t.Errorf("an event too many: %s", <-events)
	}
}
