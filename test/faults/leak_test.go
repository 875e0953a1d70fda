//go:build integration && linux

package faults

import (
	"bytes"
	"context"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-dyndns/dyndns/dnsupdate/dnstest"
	"github.com/caddy-dyndns/dyndns/internal/await"
	"github.com/caddy-dyndns/dyndns/test/nameserver"
	"github.com/caddy-dyndns/dyndns/test/site"
)

// sockets counts those that the process has open.
func sockets(t *testing.T) int {
	t.Helper()
	links, err := filepath.Glob("/proc/self/fd/*")
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	for _, link := range links {
		// One that was closed meanwhile is none.
		if target, err := os.Readlink(link); err == nil && strings.HasPrefix(target, "socket:") {
			count++
		}
	}
	return count
}

// engineAtWork is the stacks of the goroutines that run the update client.
func engineAtWork(t *testing.T) string {
	t.Helper()
	var all bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&all, 2); err != nil {
		t.Fatal(err)
	}
	var found []string
	for stack := range strings.SplitSeq(all.String(), "\n\n") {
		if strings.Contains(stack, "/dyndns/dnsupdate.") {
			found = append(found, stack)
		}
	}
	return strings.Join(found, "\n\n")
}

// Ten thousand requests whose clients hang up, with reloads among them, leave
// nothing behind: neither goroutines nor sockets.
func TestCancelled(t *testing.T) {
	const (
		name     = "dyn.example.com"
		requests = 10_000
		clients  = 50
	)
	key := nameserver.NewKey("ddns-key")
	server := nameserver.Run(t, nameserver.BIND, nameserver.Config{Zones: []nameserver.Zone{{Name: name, Key: key}}})
	config := func(proxy *dnstest.Proxy) site.Config {
		return site.Config{Body: directive(5*time.Second, configuredZone{name, key, []string{proxy.Addr()}})}
	}
	stop := func(s *service, proxy *dnstest.Proxy) {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
		await.True(t, "no connection to the nameserver", func() bool { open, _ := proxy.Connections(); return open == 0 })
		proxy.Close()
	}
	works := func(s *service, host string) {
		t.Helper()
		if r := s.update(t.Context(), host+"."+name, 1); r.Status != http.StatusOK {
			t.Errorf("%d %s %v", r.Status, r.Body, r.err)
		}
	}

	// What Caddy keeps for the life of the process is there after a first run.
	proxy := dnstest.NewProxy(server.Addr())
	s := &service{site.Run(t, config(proxy)), 5 * time.Second}
	works(s, "first")
	stop(s, proxy)
	var goroutines, open, steady int
	await.True(t, "goroutines and sockets to settle", func() bool {
		g, o := runtime.NumGoroutine(), sockets(t)
		if steady++; g != goroutines || o != open {
			goroutines, open, steady = g, o, 0
		}
		return steady == 50
	})

	proxy = dnstest.NewProxy(server.Addr())
	proxy.SetFault(dnstest.Always(dnstest.DelayReply(5 * time.Millisecond)))
	if err := s.Reload(config(proxy)); err != nil {
		t.Fatal(err)
	}
	var next, answered, cut atomic.Int32
	var wg sync.WaitGroup
	for i := range clients {
		wg.Go(func() {
			random := rand.New(rand.NewPCG(uint64(i), 1))
			for {
				n := int(next.Add(1))
				if n > requests {
					return
				}
				if n%(requests/3) == 0 {
					if err := s.Reload(config(proxy)); err != nil {
						t.Error(err)
					}
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond<<random.IntN(9))
				if r := s.update(ctx, ledgers(name, clients)[i].host, n); r.err == nil {
					answered.Add(1)
				} else {
					cut.Add(1)
				}
				cancel()
			}
		})
	}
	wg.Wait()
	if answered.Load() == 0 || cut.Load() < requests/4 {
		t.Errorf("%d answered, %d cancelled", answered.Load(), cut.Load())
	}
	works(s, "afterwards")
	await.True(t, "the update client rests", func() bool { return engineAtWork(t) == "" })
	await.True(t, "idle connections closed", func() bool { open, _ := proxy.Connections(); return open == 0 })

	works(s, "before-reload")
	if err := s.Reload(site.Config{Body: "respond ok"}); err != nil {
		t.Fatal(err)
	}
	await.True(t, "connections closed by the reload", func() bool { open, _ := proxy.Connections(); return open == 0 })
	if err := s.Reload(config(proxy)); err != nil {
		t.Fatal(err)
	}
	works(s, "after-reload")
	stop(s, proxy)
	await.True(t, "as many goroutines as before", func() bool { return runtime.NumGoroutine() <= goroutines })
	await.True(t, "as many sockets as before", func() bool { return sockets(t) <= open })
	if left := engineAtWork(t); left != "" {
		t.Error(left)
	}
	t.Logf("%d answered, %d cancelled; goroutines %d -> %d, sockets %d -> %d",
		answered.Load(), cut.Load(), goroutines, runtime.NumGoroutine(), open, sockets(t))
	if t.Failed() {
		if err := pprof.Lookup("goroutine").WriteTo(os.Stderr, 1); err != nil {
			t.Error(err)
		}
	}
}
