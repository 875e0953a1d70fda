package dnsupdate

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/caddy-dyndns/dyndns/dnsupdate/dnstest"
	"github.com/caddy-dyndns/dyndns/dnsupdate/internal/wire"
	"github.com/caddy-dyndns/dyndns/zone"
)

// The benchmarks of Apply run against a nameserver in the same process, whose
// time and allocations they include.

func benchWorld(b *testing.B) *Updater {
	s := dnstest.NewServer(dnstest.Zone{Name: zoneName, Keys: []dnstest.Key{serverKey(testKey)}})
	c := NewClient(Options{})
	b.Cleanup(func() { c.Close(); s.Close() })
	u, err := c.Open(ZoneConfig{Name: zoneName, Servers: []string{s.Addr()}, Key: testKey})
	if err != nil {
		b.Fatal(err)
	}
	return u
}

func BenchmarkApply(b *testing.B) {
	for _, goroutines := range []int{1, 32, 512} {
		for _, row := range []struct {
			name    string
			changed bool
		}{{"unchanged", false}, {"changed", true}} {
			b.Run(fmt.Sprintf("%s/%d", row.name, goroutines), func(b *testing.B) {
				u := benchWorld(b)
				b.SetParallelism(goroutines)
				var next atomic.Int64
				b.ReportAllocs()
				b.RunParallel(func(pb *testing.PB) {
					name := host(fmt.Sprintf("h%d", next.Add(1)))
					for i := 0; pb.Next(); i++ {
						address := "192.0.2.1"
						if row.changed && i%2 == 1 {
							address = "192.0.2.2"
						}
						if r := u.Apply(b.Context(), []zone.Change{to(name, address)}); r[0].Err != nil {
							b.Error(r[0].Err)
							return
						}
					}
				})
			})
		}
	}
}

// BenchmarkPlan is the work of the engine alone for a group of 200 names that
// hold what they should.
func BenchmarkPlan(b *testing.B) {
	u := benchWorld(b)
	var items []*item
	for i := range 200 {
		c := newCall(b.Context(), zoneName, []zone.Change{to(host(fmt.Sprintf("h%d", i)), "192.0.2.1"), to(host(fmt.Sprintf("h%d", i)), "2001:db8::1")})
		for j := range c.items {
			it := &c.items[j]
			it.belief = &belief{Set: it.wish.Values, known: true}
			items = append(items, it)
		}
	}
	var m wire.Message
	var mac []byte
	b.ReportAllocs()
	for b.Loop() {
		u.engine.plan.build(items, false)
		m.Begin(dns.OpcodeUpdate, zoneName, dns.TypeSOA)
		if !u.engine.plan.pack(&m, &u.engine.apexNS, false) {
			b.Fatal("too long")
		}
		mac = m.Finish(u.signer, wire.StampAt(time.Now()), mac)
	}
}
