//go:build integration && linux

package clients

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyserver/certmagic"

	source "github.com/caddy-dyndns/dyndns/clients"
	"github.com/caddy-dyndns/dyndns/clients/storage"
	"github.com/caddy-dyndns/dyndns/dnsupdate/dnstest"
	"github.com/caddy-dyndns/dyndns/test/site"
)

// BenchmarkChurn updates names of 100,000 customers in storage by 128 connections, by turns
// without other work and while each second a customer is added, rotated and removed. It
// reports the 99th percentiles of both, and what failed.
func BenchmarkChurn(b *testing.B) {
	const (
		many        = 100_000
		connections = 128
		turn        = 10 * time.Second
	)
	key := dnstest.Key{Name: zone, Algorithm: "hmac-sha512", Secret: make([]byte, 64)}
	dns := dnstest.NewServer(dnstest.Zone{Name: zone, Keys: []dnstest.Key{key}})
	b.Cleanup(dns.Close)
	s := site.Run(b, site.Config{
		Global: "admin kept/127.0.0.1:{$ADMIN_PORT}",
		Body: fmt.Sprintf("dyndns {\nnameserver %s\nzone %s %s\nclients storage\nthrottle off\n}",
			dns.Addr(), zone, base64.StdEncoding.EncodeToString(key.Secret)),
	})
	store := &storage.Store{Storage: &certmagic.FileStorage{Path: filepath.Join(s.Dir, "storage")}, Namespace: storage.DefaultNamespace, Forget: func(...source.Digest) {}}
	var filling sync.WaitGroup
	for worker := range 16 {
		filling.Go(func() {
			for i := worker; i < many; i += 16 {
				record := &source.Record{Name: fmt.Sprint("c", i), Hosts: []string{fmt.Sprintf("h%d.%s", i, zone)}, Tokens: []source.Token{{Digest: source.DigestOf(manyToken(i))}}}
				if _, _, err := store.Put(context.Background(), record, storage.Condition{}, true); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	filling.Wait()
	s.Client.Transport.(*http.Transport).MaxIdleConnsPerHost = connections

	var failed atomic.Int64
	// load returns the 99th percentile of a turn.
	load := func() time.Duration {
		var mu sync.Mutex
		var all []time.Duration
		var running sync.WaitGroup
		for range connections {
			running.Go(func() {
				var own []time.Duration
				for end := time.Now().Add(turn); time.Now().Before(end); {
					i := rand.IntN(many)
					begin := time.Now()
					r, err := s.Get(context.Background(), fmt.Sprintf("/nic/update?hostname=h%d.%s&myip=192.0.2.%d", i, zone, 1+rand.IntN(2)), "Authorization: Bearer "+manyToken(i))
					own = append(own, time.Since(begin))
					if err != nil || !strings.Contains(r.Body, " 192.0.2.") {
						failed.Add(1)
					}
				}
				mu.Lock()
				defer mu.Unlock()
				all = append(all, own...)
			})
		}
		running.Wait()
		slices.Sort(all)
		return all[len(all)*99/100]
	}
	// churn changes customers until the context ends.
	churn := func(ctx context.Context) {
		ask := func(method, path, body string) {
			r, err := http.NewRequest(method, s.Admin+"/dyndns/clients"+path, strings.NewReader(body))
			if err != nil {
				b.Error(err)
				return
			}
			res, err := http.DefaultClient.Do(r)
			if err != nil {
				b.Error(err)
				return
			}
			defer res.Body.Close()
			text, err := io.ReadAll(res.Body)
			if err != nil || res.StatusCode >= 300 {
				b.Errorf("%s %s: %d %s %v", method, path, res.StatusCode, text, err)
			}
		}
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for ctx.Err() == nil {
			ask(http.MethodPut, "/extra", `{"hosts":["extra.`+zone+`"]}`)
			ask(http.MethodPost, "/extra/tokens", `{"others_expire_in":"0s"}`)
			ask(http.MethodDelete, "/extra", "")
			<-tick.C
		}
	}
	load() // to fill the memory of the nameserver and of the handler
	var quiet, busy []time.Duration
	for b.Loop() {
		for range 3 {
			quiet = append(quiet, load())
			ctx, stop := context.WithCancel(b.Context())
			var churning sync.WaitGroup
			churning.Go(func() { churn(ctx) })
			busy = append(busy, load())
			stop()
			churning.Wait()
		}
	}
	median := func(all []time.Duration) float64 { slices.Sort(all); return float64(all[len(all)/2].Microseconds()) }
	b.ReportMetric(median(quiet), "µs-p99-quiet")
	b.ReportMetric(median(busy), "µs-p99-churn")
	b.ReportMetric(float64(failed.Load()), "failed")
}
