//go:build integration && linux

package clients

import (
	"crypto/sha256"
	"fmt"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/caddy-dyndns/dyndns/dnsupdate/dnstest"
	"github.com/caddy-dyndns/dyndns/test/site"
)

// BenchmarkManyClients measures what 100,000 clients take: "load" brings their
// Caddyfile into a running Caddy, which is Caddy's work in the main, and counts the
// processor's time and the memory that stays; "request" is an unchanged update,
// with one client and with all.
func BenchmarkManyClients(b *testing.B) {
	const many = 100_000
	nameserver := dnstest.NewServer(dnstest.Zone{Name: zone, Keys: []dnstest.Key{{Name: zone, Algorithm: "hmac-sha512", Secret: []byte("0123456789abcdef")}}})
	b.Cleanup(nameserver.Close)
	s := site.Run(b, manyClients(nameserver.Addr(), 1))
	request := func(client int) func(*testing.B) {
		return func(b *testing.B) {
			path := fmt.Sprintf("/nic/update?hostname=h%d.%s&myip=192.0.2.1", client, zone)
			for b.Loop() {
				r, err := s.Get(b.Context(), path, "Authorization: Bearer "+manyToken(client))
				if err != nil || !strings.HasSuffix(r.Body, " 192.0.2.1") {
					b.Fatalf("%v %+v", err, r)
				}
			}
		}
	}
	b.Run("request/1", request(0))
	config := manyClients(nameserver.Addr(), many)
	b.Run("load/100000", func(b *testing.B) {
		memory, processor := heapInUse(), processorTime(b)
		for b.Loop() {
			if err := s.Reload(config); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric((processorTime(b)-processor).Seconds()/float64(b.N), "cpu-s/op")
		b.ReportMetric((heapInUse()-memory)/1e6, "MB")
	})
	b.Run("request/100000", request(many-1))
}

// manyClients is a site whose clients have a token, a host and all names below it.
func manyClients(nameserver string, n int) site.Config {
	var b strings.Builder
	fmt.Fprintf(&b, "dyndns {\nnameserver %s\nzone %s MDEyMzQ1Njc4OWFiY2RlZg==\n", nameserver, zone)
	for i := range n {
		fmt.Fprintf(&b, "client router%d {\ntoken sha256:%x\nhosts h%[1]d.%[3]s *.h%[1]d.%[3]s\n}\n", i, sha256.Sum256([]byte(manyToken(i))), zone)
	}
	b.WriteString("}\n")
	return site.Config{Body: b.String()}
}

func manyToken(i int) string { return fmt.Sprintf("%s_%d", token, i) }

func heapInUse() float64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}

// processorTime is what this process has used: other work on the machine does not
// count.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
