//go:build integration && linux

package operating

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/caddy-dyndns/dyndns/clients"
	"github.com/caddy-dyndns/dyndns/internal/await"
	"github.com/caddy-dyndns/dyndns/test/markdown"
)

// Behind the balancer of the page no request fails while one of two instances is killed, nor
// while both are restarted one after the other, and what was acknowledged stands in the zone.
func TestTwoInstances(t *testing.T) {
	t.Parallel()
	const workers = 4
	ns, key := primary(t, "dyn.example.com")
	var balancerFile, instanceFile string
	for _, text := range markdown.Code(t, "../..", page, "caddyfile") {
		switch {
		case strings.Contains(text, "\treverse_proxy "):
			balancerFile = text
		case strings.Contains(text, "\tstorage file_system /srv/dyndns"):
			instanceFile = text
		}
	}
	storage := t.TempDir()
	instanceFile = strings.NewReplacer("/srv/dyndns", storage, "static 192.0.2.10", "static 127.0.0.1", "nameserver 192.0.2.53", "nameserver "+ns.Addr()).Replace(instanceFile)
	instances := map[string]*host{"192.0.2.11": nil, "192.0.2.12": nil}
	for address := range instances {
		h := newHost(t, "", instanceFile)
		h.write("etc/caddy/dyn.example.com.key", keyFile("dyn.example.com", key.Secret))
		if err := h.start(); err != nil {
			t.Fatal(err)
		}
		instances[address] = h
		balancerFile = strings.Replace(balancerFile, address+":8080", h.http.Addr(), 1)
	}
	first := instances["192.0.2.11"]
	balancer := newHost(t, "", balancerFile)
	if err := balancer.start(); err != nil {
		t.Fatal(err)
	}

	var running sync.WaitGroup
	done := make(chan struct{})
	var answered atomic.Int64
	token := func(i int) string { return fmt.Sprintf("token-of-customer-%06d", i) }
	var customers strings.Builder
	for i := range workers {
		fmt.Fprintf(&customers, `{"name":"c%d","hosts":["c%[1]d.dyn.example.com"],"tokens":[%q]}`+"\n", i, clients.DigestOf(token(i)))
	}
	first.write("customers.jsonl", customers.String())
	first.shell("caddy dyndns-client import customers.jsonl", nil)
	for i := range workers {
		name := fmt.Sprintf("c%d.dyn.example.com", i)
		running.Go(func() {
			for n := 1; ; n++ {
				address := fmt.Sprintf("192.0.2.%d", 1+n%200)
				got, err := balancer.get("/nic/update?hostname="+name+"&myip="+address, token(i))
				if err != nil || got != "good "+address && got != "nochg "+address {
					t.Errorf("%s: %q %v", name, got, err)
				}
				if values := ns.Zone("dyn.example.com.").Lookup(name+".", dns.TypeA); !slices.Equal(values, []string{address}) {
					t.Errorf("%s is %v after %s", name, values, got)
				}
				answered.Add(1)
				select {
				case <-done:
					return
				case <-time.After(5 * time.Millisecond):
				}
			}
		})
	}
	some := func() {
		t.Helper()
		until := answered.Load() + 20*workers
		await.True(t, "some more replies", func() bool { return answered.Load() >= until })
	}
	some()
	first.kill()
	some()
	if err := first.start(); err != nil {
		t.Error(err)
	}
	balancer.shell(step(t, 4), instances)
	some()
	close(done)
	running.Wait()
}
