package history

import (
	"fmt"
	"runtime"
	"testing"
	"time"
)

// TestMemory fills every bound at once: the largest logs, of IPv6, and a user
// agent of its own for each host.
func TestMemory(t *testing.T) {
	const hosts, limit = 5_000, 200 << 20
	before := heap()
	s := New(Config{})
	for i := range hosts {
		for j := range maxChanges + 1 {
			e := entry(start.Add(time.Duration(j)*time.Second),
				set(fmt.Sprintf("host-%06d.customers.dyn.example.com.", i), "2001:db8:aaaa:bbbb:cccc:dddd:eeee:1", fmt.Sprintf("2001:db8:aaaa:bbbb:cccc:dddd:eeee:%x", j+2)))
			e.UserAgent = fmt.Sprintf("%080d", i)
			s.Record(e)
		}
	}
	clear(s.latest) // bounded by itself
	per := (heap() - before) / hosts
	t.Logf("%d bytes per host, %d MiB for %d hosts", per, per*defaultMaxHosts>>20, defaultMaxHosts)
	if per*defaultMaxHosts > limit {
		t.Errorf("%d hosts need more than %d MiB", defaultMaxHosts, limit>>20)
	}
	runtime.KeepAlive(s)
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func BenchmarkRecord(b *testing.B) {
	for _, bench := range []struct{ name, before string }{{"unchanged", "192.0.2.1"}, {"changed", "192.0.2.2"}} {
		b.Run(bench.name, func(b *testing.B) {
			s := New(Config{})
			entries := make([]Entry, 500)
			for i := range entries {
				entries[i] = entry(start, set(fmt.Sprintf("h%d.example.com.", i), bench.before, "192.0.2.1"))
			}
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for i := 0; pb.Next(); i++ {
					s.Record(entries[i%len(entries)])
				}
			})
		})
	}
}

func BenchmarkPagesOf100000(b *testing.B) {
	s := New(Config{})
	for i := range 100_000 {
		s.Record(entry(start, set(fmt.Sprintf("host-%06d.dyn.example.com.", i), "192.0.2.1", "192.0.2.2")))
	}
	b.Run("hosts", func(b *testing.B) {
		for b.Loop() {
			s.Hosts(nil, 50_000, 50)
		}
	})
	b.Run("latest", func(b *testing.B) {
		for b.Loop() {
			s.Latest(nil, 0, 50)
		}
	})
	b.Run("snapshot", func(b *testing.B) {
		for b.Loop() {
			data, err := s.encode()
			if err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(len(data))/100_000, "B/host")
		}
	})
}
