//go:build integration && linux

package server

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddy-dyndns/dyndns/internal/await"
	"github.com/caddy-dyndns/dyndns/internal/loopback"
	"github.com/caddy-dyndns/dyndns/test/caddytest"
	"github.com/caddy-dyndns/dyndns/test/nameserver"
)

// zoneWithSecondaries is a zone on BIND with two secondaries on Knot, and a service with
// a client for each of a number of hosts.
type zoneWithSecondaries struct {
	*caddytest.Server
	primary     *nameserver.Server
	secondaries [2]*nameserver.Server
}

func runSecondaries(t testing.TB, hosts int, words string) *zoneWithSecondaries {
	t.Helper()
	const zoneName = "dyn.example.com"
	key := nameserver.NewKey("ddns-key")
	z := new(zoneWithSecondaries)
	var ports [len(z.secondaries)]*loopback.Port
	var notify []string
	for i := range ports {
		var err error
		if ports[i], err = loopback.Reserve(); err != nil {
			t.Fatal(err)
		}
		notify = append(notify, ports[i].Addr())
	}
	z.primary = nameserver.Run(t, nameserver.BIND, nameserver.Config{Zones: []nameserver.Zone{{Name: zoneName, Key: key, Notify: notify}}})
	for i, port := range ports {
		z.secondaries[i] = nameserver.Run(t, nameserver.Knot, nameserver.Config{Zones: []nameserver.Zone{{Name: zoneName, Primary: z.primary.Addr()}}, Port: port})
	}
	var clients strings.Builder
	for i := range hosts {
		fmt.Fprintf(&clients, "client c%d {\ntoken %s\nhosts h%d.%s\n}\n", i, secondariesToken(i), i, zoneName)
	}
	z.Server = caddytest.Serve(t, "", fmt.Sprintf("http://localhost:{$HTTP_PORT} {\ndyndns {\ndomain localhost\nzone %s {\ntsig_key %s %s %s\nnameserver %s %s\n%s\n}\n%s}\nrespond 404\n}\n",
		zoneName, key.Name, key.Algorithm, key.Secret, z.primary.Addr(), strings.Join(notify, " "), words, clients.String()))
	z.HTTP = strings.Replace(z.HTTP, "127.0.0.1", "localhost", 1)
	return z
}

func secondariesToken(i int) string { return fmt.Sprintf("token-of-client-%06d", i) }

// digestOf is the value of some challenge.
func digestOf(text string) string {
	digest := sha256.Sum256([]byte(text))
	return base64.RawURLEncoding.EncodeToString(digest[:])
}

// ask is a request of the protocol httpreq about one value of a host.
func (z *zoneWithSecondaries) ask(half string, host int, value string) (caddytest.Reply, error) {
	body := fmt.Sprintf(`{"fqdn":"_acme-challenge.h%d.dyn.example.com.","value":"%s"}`, host, value)
	return z.Do(http.MethodPost, z.HTTP+"/"+half, body, caddytest.BasicAuth("x", secondariesToken(host)))
}

// serve lists what each nameserver has at the challenge of a host.
func (z *zoneWithSecondaries) serve(t testing.TB, host int) (values [3]string) {
	t.Helper()
	for i, ns := range []*nameserver.Server{z.primary, z.secondaries[0], z.secondaries[1]} {
		values[i] = strings.Trim(ns.MustLookup(t, fmt.Sprintf("_acme-challenge.h%d.dyn.example.com", host), "TXT"), `"`)
	}
	return values
}

// When the reply to a new challenge comes, all nameservers serve it, however many come at once.
func TestPresentWaits(t *testing.T) {
	const hosts = 40
	z := runSecondaries(t, hosts, "")
	var all sync.WaitGroup
	for i := range hosts {
		all.Go(func() {
			value := digestOf(fmt.Sprint(i))
			got, err := z.ask("present", i, value)
			if err != nil || got.Status != 200 {
				t.Errorf("%d %s, %v", got.Status, got.Body, err)
			} else if served := z.serve(t, i); served != [3]string{value, value, value} {
				t.Errorf("host %d: the nameservers have %q", i, served)
			}
		})
	}
	all.Wait()
	// All clean up at once, and each presents another meanwhile.
	for i := range hosts {
		all.Go(func() {
			if got, err := z.ask("cleanup", i, digestOf(fmt.Sprint(i))); err != nil || got.Status != 200 {
				t.Errorf("%d %s, %v", got.Status, got.Body, err)
			}
		})
		all.Go(func() {
			if got, err := z.ask("present", i, digestOf("second"+fmt.Sprint(i))); err != nil || got.Status != 200 {
				t.Errorf("%d %s, %v", got.Status, got.Body, err)
			}
		})
	}
	all.Wait()
	for i := range hosts {
		if got, want := z.serve(t, i)[0], digestOf("second"+fmt.Sprint(i)); got != want {
			t.Errorf("host %d has %s", i, got)
		}
	}
}

// A nameserver that never follows costs one wait, and is named.
func TestLaggingSecondary(t *testing.T) {
	z := runSecondaries(t, 1, "wait 2s")
	z.secondaries[1].Stop()
	defer z.secondaries[1].Continue()
	present := func(value string) (lagging []string, took time.Duration) {
		t.Helper()
		start := time.Now()
		body := fmt.Sprintf(`{"add":[{"name":"_acme-challenge.h0.dyn.example.com","type":"TXT","data":"%s"}]}`, value)
		got, err := z.Do(http.MethodPost, z.HTTP+"/records", body, caddytest.BasicAuth("x", secondariesToken(0)))
		if err != nil || got.Status != 200 {
			t.Fatalf("%d %s, %v", got.Status, got.Body, err)
		}
		var reply struct{ Lagging []string }
		if err := json.Unmarshal([]byte(got.Body), &reply); err != nil {
			t.Fatal(err)
		}
		return reply.Lagging, time.Since(start)
	}
	// The other one may be slow where the machine is.
	lagging, took := present(digestOf("1"))
	if took < 2*time.Second || !slices.Contains(lagging, z.secondaries[1].Addr()) {
		t.Errorf("after %v these lag behind: %q", took, lagging)
	}
	if log := z.Log(); !strings.Contains(log, "nameservers do not serve a new challenge") || !strings.Contains(log, z.secondaries[1].Addr()) {
		t.Error("the log does not name it")
	}
	if lagging, _ := present(digestOf("2")); slices.Contains(lagging, z.secondaries[1].Addr()) {
		t.Errorf("these lag behind the next time: %q", lagging)
	}
}

// The primary dies between a challenge and its clean-up, which tells so and succeeds when
// it is asked again.
func TestPrimaryDiesBeforeCleanup(t *testing.T) {
	z := runSecondaries(t, 1, "")
	value := digestOf("1")
	if got, err := z.ask("present", 0, value); err != nil || got.Status != 200 {
		t.Fatalf("%d %s, %v", got.Status, got.Body, err)
	}
	z.primary.Kill()
	if got, err := z.ask("cleanup", 0, value); err != nil || got.Status < 500 {
		t.Errorf("%d %s, %v", got.Status, got.Body, err)
	}
	z.primary.MustRestart(t)
	await.Done(t, "the clean-up", func() error {
		got, err := z.ask("cleanup", 0, value)
		if err == nil && got.Status != 200 {
			err = fmt.Errorf("%d %s", got.Status, got.Body)
		}
		return err
	})
	await.True(t, "all nameservers to follow", func() bool { return z.serve(t, 0) == [3]string{} })
}

// BenchmarkPresent measures challenges from the request to the reply, when all three
// nameservers serve them: one at a time and a thousand at once.
func BenchmarkPresent(b *testing.B) {
	for _, at := range []int{1, 1000} {
		b.Run(fmt.Sprintf("%d at once", at), func(b *testing.B) {
			z := runSecondaries(b, at, "")
			// Its connections are made before.
			n := 0
			for b.Loop() {
				n++
				var all sync.WaitGroup
				for i := range at {
					all.Go(func() {
						value := digestOf(fmt.Sprint(n, i))
						if got, err := z.ask("present", i, value); err != nil || got.Status != 200 {
							b.Errorf("%d %s, %v", got.Status, got.Body, err)
						}
						if got, err := z.ask("cleanup", i, value); err != nil || got.Status != 200 {
							b.Errorf("%d %s, %v", got.Status, got.Body, err)
						}
					})
				}
				all.Wait()
			}
		})
	}
}
