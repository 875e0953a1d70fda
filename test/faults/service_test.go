//go:build integration && linux

// Package faults puts the whole service in front of nameservers and networks
// that fail, and holds every reply against what the zone was and became.
package faults

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddy-dyndns/dyndns/dnsupdate"
	"github.com/caddy-dyndns/dyndns/dnsupdate/dnstest"
	"github.com/caddy-dyndns/dyndns/test/caddytest"
	"github.com/caddy-dyndns/dyndns/test/nameserver"
	"github.com/caddy-dyndns/dyndns/test/site"
)

const (
	secret = "12345678secret"
	// grace is what a busy machine may add to a request's timeout.
	grace = 20 * time.Second
)

// configuredZone is a zone as the service is told about it.
type configuredZone struct {
	name    string
	key     nameserver.Key
	servers []string
}

// service is a Caddy that updates zones.
type service struct {
	*site.Site
	timeout time.Duration
}

// serve starts a Caddy for a test. Zones that fail do not get in each other's
// way, so that one Caddy serves for all rows of a test at once.
func serve(t *testing.T, timeout time.Duration, zones ...configuredZone) *service {
	t.Helper()
	c := site.Run(t, site.Config{Body: directive(timeout, zones...)})
	c.Client.Transport.(*http.Transport).MaxIdleConnsPerHost = 1000
	return &service{c, timeout}
}

func directive(timeout time.Duration, zones ...configuredZone) string {
	text := fmt.Sprintf("dyndns {\nsecret %s\ntimeout %s\n", secret, timeout)
	for _, z := range zones {
		text += fmt.Sprintf("zone %s {\ntsig_key %s %s %s\nnameserver %s\n}\n",
			z.name, z.key.Name, z.key.Algorithm, z.key.Secret, strings.Join(z.servers, " "))
	}
	return text + "}"
}

// reply is what a client got, after how long.
type reply struct {
	caddytest.Reply
	err  error
	took time.Duration
}

// update gives a host the addresses of state n.
func (s *service) update(ctx context.Context, host string, n int) reply {
	started := time.Now()
	r, err := s.Get(ctx, fmt.Sprintf("/update-by-query?secret=%s&fqdn=%s&ipv4=%s&ipv6=%s", secret, host, ipv4(n), ipv6(n)))
	return reply{r, err, time.Since(started)}
}

// behind starts a proxy in front of a nameserver for a test.
func behind(t *testing.T, s *nameserver.Server) *dnstest.Proxy {
	t.Helper()
	p := dnstest.NewProxy(s.Addr())
	t.Cleanup(p.Close)
	return p
}

// open gives an updater without Caddy, for tests that look into the engine.
func (z configuredZone) open(t *testing.T, hooks dnsupdate.Hooks) *dnsupdate.Updater {
	t.Helper()
	key, err := dnsupdate.NewKey(z.key.Name, z.key.Algorithm, z.key.Secret)
	if err != nil {
		t.Fatal(err)
	}
	client := dnsupdate.NewClient(dnsupdate.Options{Hooks: hooks})
	t.Cleanup(client.Close)
	u, err := client.Open(dnsupdate.ZoneConfig{Name: z.name, Servers: z.servers, Key: key})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(u.Close)
	return u
}

// signedWith turns a key into one that a proxy signs with.
func signedWith(t *testing.T, k nameserver.Key) dnstest.Key {
	t.Helper()
	raw, err := base64.StdEncoding.DecodeString(k.Secret)
	if err != nil {
		t.Fatal(err)
	}
	return dnstest.Key{Name: k.Name, Algorithm: k.Algorithm, Secret: raw}
}

// atOnce runs subtests that mostly wait all at the same time, which t.Parallel
// would not do on a machine with few cores.
func atOnce(t *testing.T, rows int, name func(i int) string, test func(t *testing.T, i int)) {
	var wg sync.WaitGroup
	for i := range rows {
		wg.Go(func() { t.Run(name(i), func(t *testing.T) { test(t, i) }) })
	}
	wg.Wait()
}
