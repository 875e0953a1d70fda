package server

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/caddy-dyndns/dyndns/internal/await"
	"github.com/caddy-dyndns/dyndns/test/caddytest"
	"github.com/caddy-dyndns/dyndns/zone"
)

// Ten reloads under load, which change tokens, zones and nameservers, lose no
// request; each is answered by one configuration or the other.
//
// The socket is one that Caddy is given, as by systemd. With one of its own for
// each configuration, Linux resets what waits at the old one to be accepted
// (unless net.ipv4.tcp_migrate_req is set), before any handler is asked.
func TestReloadUnderLoad(t *testing.T) {
	addr, file := caddytest.HandedSocket(t)
	primary := caddytest.Nameserver(t, "dyn.example.com.", "even.example.com.", "odd.example.com.")
	proxy, _, release := caddytest.HoldUpdates(t, primary.Addr())
	release() // a second way to the same primary, so that the values stay true
	config := func(generation int) string {
		zone, nameserver := "even.example.com", primary.Addr()
		if generation%2 == 1 {
			zone, nameserver = "odd.example.com", proxy
		}
		return fmt.Sprintf("http:// {\nbind fd/%d\n", file.Fd()) + "dyndns {\nthrottle off\nsecret 12345678\n" +
			caddytest.ZoneBlock("dyn.example.com", nameserver) + caddytest.ZoneBlock(zone, nameserver) +
			fmt.Sprintf("client changing {\ntoken generation-%04d-token\nhosts *\n}\n}\n}\n", generation%2)
	}
	s := caddytest.Serve(t, "", config(0))
	s.HTTP = "http://" + addr
	var (
		stop    = make(chan struct{})
		workers sync.WaitGroup
		served  [2]atomic.Int64
	)
	for worker := range 8 {
		workers.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				host := fmt.Sprintf("h%d.dyn.example.com", worker)
				got, err := getAgain(s, fmt.Sprintf("%s/update-by-path/12345678/%s/192.0.2.%d", s.HTTP, host, i%250+1))
				if err != nil || got.Status != 200 || !strings.HasPrefix(got.Body, "UPDATED: "+host+". A ") {
					t.Errorf("an update was lost: %d %q %v", got.Status, got.Body, err)
					return
				}
				got, err = getAgain(s, fmt.Sprintf("%s/update-by-path/generation-000%d-token/%s/192.0.2.%d", s.HTTP, i%2, host, i%250+1))
				if err != nil || got.Status != 200 && got.Status != 403 {
					t.Errorf("a request with a changing token was lost: %d %q %v", got.Status, got.Body, err)
					return
				}
				if got.Status == 200 {
					served[i%2].Add(1)
				}
			}
		})
	}
	for generation := range reloads {
		// Each configuration is used before the next comes.
		before := served[generation%2].Load()
		await.True(t, "somebody to use the configuration", func() bool {
			return served[generation%2].Load() >= before+10 || t.Failed()
		})
		if err := s.Load(config(generation + 1)); err != nil {
			t.Error(err)
		}
	}
	close(stop)
	workers.Wait()
}

// reloads is how often TestReloadUnderLoad reloads.
const reloads = 10

// getAgain asks again if the connection broke before any reply, at most once for
// each reload: a server that shuts down closes the connections whose request it
// has not read, new ones too (RFC 9112 section 9.3.1). Had the handler got the
// first one, an update would be UNCHANGED now.
func getAgain(s *caddytest.Server, url string) (got caddytest.Reply, err error) {
	for range 1 + reloads {
		if got, err = s.Do("GET", url, ""); err == nil {
			break
		}
	}
	return got, err
}

// "caddy stop" waits for the requests in flight.
func TestStopFinishesRequests(t *testing.T) {
	ns := caddytest.Nameserver(t, "dyn.example.com.")
	slow, held, release := caddytest.HoldUpdates(t, ns.Addr())
	s := caddytest.New(t, "admin 127.0.0.1:{$ADMIN_PORT}\ngrace_period 30s")
	s.OpenSockets()
	config, err := s.Adapt(plainSite(caddytest.ZoneBlock("dyn.example.com", slow)))
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(s.Dir, "caddy.json")
	if err := os.WriteFile(file, config, 0o600); err != nil {
		t.Fatal(err)
	}
	server := caddytest.Command("run", "--config", file)
	server.Stderr = t.Output()
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Process.Kill() })
	await.Done(t, "Caddy", func() error {
		_, err := s.Do("GET", s.HTTP+"/", "")
		return err
	})
	replies := make(chan caddytest.Reply, 1)
	go func() {
		got, err := s.Do("GET", s.HTTP+"/update-by-path/12345678/home.dyn.example.com/192.0.2.1", "")
		if err != nil {
			t.Error(err)
		}
		replies <- got
	}()
	caddytest.Receive(t, held, "update")
	stopped := make(chan error, 1)
	go func() {
		out, err := caddytest.Command("stop", "--address", "127.0.0.1:"+os.Getenv("ADMIN_PORT")).CombinedOutput()
		if err != nil {
			err = fmt.Errorf("%w: %s", err, out)
		}
		stopped <- err
	}()
	// The stop has begun when nobody listens any more.
	await.True(t, "the stop to begin", func() bool {
		_, err := s.Do("GET", s.HTTP+"/", "")
		return err != nil
	})
	release()
	if got := caddytest.Receive(t, replies, "reply"); got.Status != 200 || !strings.HasPrefix(got.Body, "UPDATED") {
		t.Errorf("%d %s", got.Status, got.Body)
	}
	if err := caddytest.Receive(t, stopped, "end of caddy stop"); err != nil {
		t.Errorf("caddy stop: %v", err)
	}
	if err := server.Wait(); err != nil {
		t.Errorf("caddy run: %v", err)
	}
	if got := ns.Zone("dyn.example.com.").Lookup("home.dyn.example.com.", uint16(zone.TypeA)); len(got) != 1 {
		t.Errorf("records %v", got)
	}
}
