package server

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddy-dyndns/dyndns/internal/await"
	"github.com/caddy-dyndns/dyndns/test/caddytest"
)

func init() {
	caddy.RegisterModule(new(subscriber))
}

// subscriber receives events in tests.
type subscriber struct{}

// recorded is what all subscribers do with an event.
var recorded struct {
	sync.Mutex
	handle func(caddy.Event)
}

func (*subscriber) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "events.handlers.dyndns_test", New: func() caddy.Module { return new(subscriber) }}
}

func (*subscriber) UnmarshalCaddyfile(*caddyfile.Dispenser) error { return nil }

func (*subscriber) Handle(_ context.Context, e caddy.Event) error {
	recorded.Lock()
	handle := recorded.handle
	recorded.Unlock()
	handle(e)
	return nil
}

// record calls handle for every event until the test ends.
func record(t testing.TB, handle func(caddy.Event)) {
	set := func(f func(caddy.Event)) {
		recorded.Lock()
		defer recorded.Unlock()
		recorded.handle = f
	}
	set(handle)
	t.Cleanup(func() { set(func(caddy.Event) {}) })
}

const recordEvents = `
	events {
		on dyndns.updated dyndns_test
		on dyndns.deleted dyndns_test
		on dyndns.refused dyndns_test
	}`

func plainSite(body string) string {
	return "http://127.0.0.1:{$HTTP_PORT} {\nlog\ndyndns {\nsecret 12345678\n" + body + "}\n}\n"
}

// eventText is an event with its data in the order of their names.
func eventText(e caddy.Event) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s", e.Name(), e.Origin().CaddyModule().ID)
	for _, key := range slices.Sorted(maps.Keys(e.Data)) {
		fmt.Fprintf(&b, " %s=%v", key, e.Data[key])
	}
	return b.String()
}

func TestEvents(t *testing.T) {
	events := make(chan string, 100)
	record(t, func(e caddy.Event) { events <- eventText(e) })
	ns := caddytest.Nameserver(t, "dyn.example.com.")
	s := caddytest.Serve(t, recordEvents, plainSite(caddytest.ZoneBlock("dyn.example.com", ns.Addr())))
	const common = " http.handlers.dyndns client=secret client_ip=127.0.0.1 dialect=native host=home.dyn.example.com."
	rows := []struct {
		name, path string
		want       []string
	}{
		{"two records", "/update-by-path/12345678/home.dyn.example.com/192.0.2.1/2001:db8::1", []string{
			"dyndns.updated" + common + " new=192.0.2.1 old= ttl=300 type=A zone=dyn.example.com.",
			"dyndns.updated" + common + " new=2001:db8::1 old= ttl=300 type=AAAA zone=dyn.example.com.",
		}},
		{"no change", "/update-by-path/12345678/home.dyn.example.com/192.0.2.1", nil},
		{"one of two", "/update-by-path/12345678/home.dyn.example.com/192.0.2.2", []string{
			"dyndns.updated" + common + " new=192.0.2.2 old=192.0.2.1 ttl=300 type=A zone=dyn.example.com.",
		}},
		{"deletion", "/delete-by-path/12345678/home.dyn.example.com", []string{
			"dyndns.deleted" + common + " new= old=192.0.2.2 ttl=0 type=A zone=dyn.example.com.",
			"dyndns.deleted" + common + " new= old=2001:db8::1 ttl=0 type=AAAA zone=dyn.example.com.",
		}},
		{"wrong secret", "/update-by-path/87654321/home.dyn.example.com/192.0.2.2", []string{
			"dyndns.refused http.handlers.dyndns client= client_ip=127.0.0.1 dialect=native host= message=wrong secret or token reason=bad_credential zone=",
		}},
		{"no zone", "/update-by-path/12345678/home.example.org/192.0.2.2", []string{
			"dyndns.refused http.handlers.dyndns client=secret client_ip=127.0.0.1 dialect=native host=home.example.org." +
				" message=home.example.org. is in no zone that this server changes reason=no_zone zone=",
		}},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			s.Get(s.HTTP + row.path)
			for _, want := range row.want {
				if got := caddytest.Receive(t, events, "event"); got != want {
					t.Errorf("got  %s\nwant %s", got, want)
				}
			}
		})
	}
	if len(events) > 0 {
		t.Errorf("an event too many: %s", <-events)
	}
}

// A subscriber that hangs delays no reply; what the queue cannot hold is counted.
func TestEventsSlowSubscriber(t *testing.T) {
	const queued = 1024 // as the README has it
	release := make(chan struct{})
	called := make(chan struct{}, 2*queued)
	record(t, func(caddy.Event) {
		called <- struct{}{}
		<-release
	})
	ns := caddytest.Nameserver(t, "dyn.example.com.")
	s := caddytest.Serve(t, recordEvents, plainSite("throttle off\n"+caddytest.ZoneBlock("dyn.example.com", ns.Addr())))
	refuse := func() {
		if got := s.Get(s.HTTP + "/check/87654321"); got.Status != 403 {
			t.Fatalf("status %d: %s", got.Status, got.Body)
		}
	}
	// One event is with the subscriber, the queue is full, and three are too many.
	refuse()
	caddytest.Receive(t, called, "event")
	for range queued + 3 {
		refuse()
	}
	close(release)
	for range queued {
		caddytest.Receive(t, called, "event")
	}
	want := `"count":3`
	await.True(t, "the warning", func() bool { return strings.Contains(s.Log(), want) })
	if len(called) > 0 {
		t.Errorf("%d events too many", len(called))
	}
}

// Events of requests that end after their configuration still arrive.
func TestEventsAfterReload(t *testing.T) {
	events := make(chan string, 10)
	record(t, func(e caddy.Event) { events <- eventText(e) })
	ns := caddytest.Nameserver(t, "dyn.example.com.")
	s := caddytest.Serve(t, recordEvents, plainSite(caddytest.ZoneBlock("dyn.example.com", ns.Addr())))
	slow, held, release := caddytest.HoldUpdates(t, ns.Addr())
	if err := s.Load(plainSite(caddytest.ZoneBlock("dyn.example.com", slow))); err != nil {
		t.Fatal(err)
	}
	replies := make(chan caddytest.Reply, 1)
	go func() {
		got, err := s.Do("GET", s.HTTP+"/update-by-path/12345678/home.dyn.example.com/192.0.2.1", "")
		if err != nil {
			t.Error(err)
		}
		replies <- got
	}()
	caddytest.Receive(t, held, "update")
	if err := s.Load(plainSite(caddytest.ZoneBlock("dyn.example.com", ns.Addr()))); err != nil {
		t.Fatal(err)
	}
	release()
	if got := caddytest.Receive(t, replies, "reply"); got.Status != 200 || !strings.HasPrefix(got.Body, "UPDATED") {
		t.Errorf("%d %s", got.Status, got.Body)
	}
	if got := caddytest.Receive(t, events, "event"); !strings.HasPrefix(got, "dyndns.updated") {
		t.Error(got)
	}
}
