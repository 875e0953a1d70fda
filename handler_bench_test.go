package dyndns

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/caddy-dyndns/dyndns/dnsupdate/dnstest"
	"github.com/caddy-dyndns/dyndns/internal/seed"
)

const asNameserver = "DYNDNS_TEST_AS_NAMESERVER"

var benchKey = dnstest.Key{Name: "dyn.example.com.", Algorithm: "hmac-sha512", Secret: []byte(strings.Repeat("k", 64))}

// serveNameserver is this program as a nameserver: in a process of its own its
// allocations are not counted as the handler's.
func serveNameserver() {
	s := dnstest.NewServer(dnstest.Zone{Name: "dyn.example.com.", Keys: []dnstest.Key{benchKey}})
	fmt.Println(s.Addr())
	// The parent's end closes standard input.
	_, _ = bufio.NewReader(os.Stdin).ReadByte()
}

func benchNameserver(b *testing.B) string {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), asNameserver+"=1")
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		in.Close()
		if err := cmd.Wait(); err != nil {
			b.Error(err)
		}
	})
	addr, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	return strings.TrimSpace(addr)
}

// BenchmarkUnchanged is the most frequent request, from the handler to its reply.
func BenchmarkUnchanged(b *testing.B) {
	h := &Handler{
		Secret: "benchmarksecret", Nameservers: []string{benchNameserver(b)},
		Zones: []Zone{zoneOf(seed.Zone{Name: "dyn.example.com", TSIGKey: base64.StdEncoding.EncodeToString(benchKey.Secret)})},
	}
	whole, err := caddy.ProvisionContext(&caddy.Config{})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := caddy.NewContext(whole)
	defer cancel()
	if err := h.Provision(ctx); err != nil {
		b.Fatal(err)
	}
	h.logger = zap.NewNop() // as at the level INFO, at which an unchanged request has no entry
	defer func() {
		if err := h.Cleanup(); err != nil {
			b.Error(err)
		}
	}()
	for _, bench := range []struct{ name, target, auth string }{
		{"native", "/update-by-path/benchmarksecret/h.dyn.example.com/192.0.2.1", ""},
		{"dyndns2", "/nic/update?hostname=h.dyn.example.com&myip=192.0.2.1", "Basic " + base64.StdEncoding.EncodeToString([]byte("u:benchmarksecret"))},
	} {
		for _, parallel := range []int{0, 16} {
			b.Run(fmt.Sprintf("%s/parallel=%d", bench.name, parallel), func(b *testing.B) {
				// What Caddy makes of a request is made once, outside the measurement.
				prepared := func() *http.Request {
					r := httptest.NewRequest(http.MethodGet, bench.target, nil)
					if bench.auth != "" {
						r.Header.Set("Authorization", bench.auth)
					}
					r = caddyhttp.PrepareRequest(r, caddy.NewReplacer(), nil, nil)
					caddyhttp.SetVar(r.Context(), caddyhttp.ClientIPVarKey, "192.0.2.1")
					return r
				}
				serve := func(w *discard, r *http.Request) {
					if err := h.ServeHTTP(w, r, nil); err != nil || w.status != http.StatusOK {
						b.Errorf("status %d, %v", w.status, err)
					}
				}
				serve(newDiscard(), prepared())
				b.ReportAllocs()
				b.ResetTimer()
				if parallel == 0 {
					w, r := newDiscard(), prepared()
					for range b.N {
						serve(w, r)
					}
					return
				}
				b.SetParallelism(parallel)
				b.RunParallel(func(pb *testing.PB) {
					w, r := newDiscard(), prepared()
					for pb.Next() {
						serve(w, r)
					}
				})
			})
		}
	}
}

// discard is a response writer that keeps the status alone.
type discard struct {
	header http.Header
	status int
}

func newDiscard() *discard { return &discard{header: make(http.Header)} }

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(p []byte) (int, error) { return len(p), nil }
func (d *discard) WriteHeader(status int)      { d.status = status }
