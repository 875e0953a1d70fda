//go:build integration && linux

package instances

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// BenchmarkHosts100000 submits for as many hosts and measures pages and memory of
// the process, before and after a restart:
//
//	go test -v -tags integration -run '^$' -bench 100000 ./test/instances
func BenchmarkHosts100000(b *testing.B) {
	const hosts, perRequest, workers = 100_000, 20, 16
	c := newCluster(b)
	http.DefaultTransport.(*http.Transport).MaxIdleConnsPerHost = workers
	p := c.start("data")
	empty := p.resident()
	requests := make(chan string)
	var group sync.WaitGroup
	for range workers {
		group.Go(func() {
			for path := range requests {
				if _, err := p.get(path); err != nil {
					b.Error(err)
				}
			}
		})
	}
	start := time.Now()
	for i := 0; i < hosts; i += perRequest {
		names := make([]string, perRequest)
		for j := range names {
			names[j] = fmt.Sprintf("host-%06d.customers.%s", i+j, zone)
		}
		requests <- fmt.Sprintf("/nic/update?myip=192.0.2.%d,2001:db8:%x::1&hostname=%s", 1+i%250, i/perRequest, strings.Join(names, ","))
	}
	close(requests)
	group.Wait()
	b.Logf("%d hosts submitted in %v; resident memory %d MiB before, %d MiB after", hosts, time.Since(start).Round(time.Second), empty, p.resident())

	pages := func(when string) {
		for _, page := range []struct{ name, path string }{
			{"first page", "/statistics/updates-by-fqdn"},
			{"last page", "/statistics/updates-by-fqdn?page=2000"},
			{"one host", "/statistics/updates-by-fqdn?fqdn=host-050000.customers." + zone},
			{"latest", "/statistics/latest-submissions"},
		} {
			b.Run(page.name+" "+when, func(b *testing.B) {
				for b.Loop() {
					if _, err := p.get(page.path); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
	pages("in memory")
	b.Logf("resident memory %d MiB after the pages", p.resident())
	start = time.Now()
	p.stop()
	b.Logf("stopped in %v", time.Since(start).Round(time.Millisecond))
	objects, err := filepath.Glob(filepath.Join(c.dir, "storage", "dyndns", "history", "*"))
	if err != nil || len(objects) != 1 {
		b.Fatalf("objects %q, %v", objects, err)
	}
	info, err := os.Stat(objects[0])
	if err != nil {
		b.Fatal(err)
	}
	b.Logf("object of %d MiB", info.Size()>>20)

	p = c.start("other")
	start = time.Now()
	if _, err := p.get("/statistics/updates-by-fqdn"); err != nil {
		b.Fatal(err)
	}
	b.Logf("first page of another instance in %v; resident memory %d MiB", time.Since(start).Round(time.Millisecond), p.resident())
	pages("of another instance")
}

// resident is the memory of the process in MiB.
func (p *process) resident() (mib int) {
	p.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		p.Fatal(err)
	}
	_, rss, _ := strings.Cut(string(status), "VmRSS:")
	var kib int
	if _, err := fmt.Sscan(rss, &kib); err != nil {
		p.Fatal(err)
	}
	return kib >> 10
}
