//go:build integration && linux

package clients

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	source "github.com/caddy-dyndns/dyndns/clients"
	"github.com/caddy-dyndns/dyndns/dnsupdate/dnstest"
	"github.com/caddy-dyndns/dyndns/test/site"
)

// While the database of customers is down, no client takes its token for wrong: inadyn
// would end. Who was there before notices nothing, and afterwards the others go on.
func TestSourceOutage(t *testing.T) {
	key := dnstest.Key{Name: zone, Algorithm: "hmac-sha512", Secret: make([]byte, 64)}
	dns := dnstest.NewServer(dnstest.Zone{Name: zone, Keys: []dnstest.Key{key}})
	t.Cleanup(dns.Close)
	var down atomic.Bool
	portal := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if down.Load() {
			http.Error(w, "out of order", http.StatusInternalServerError)
			return
		}
		fmt.Fprintf(w, `{"name":"customer","hosts":[%q],"tokens":[%q]}`, host, source.DigestOf(token))
	}))
	t.Cleanup(portal.Close)
	for _, c := range matrix {
		if !c.http {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			dns.Zone(zone).Edit(host + ". A") // of the client before
			// A site of its own for each: the memory of clients begins empty.
			s := site.Run(t, site.Config{Body: fmt.Sprintf("dyndns {\nnameserver %s\nzone %s %s\nclients http %s/%s {\ncache 1ms\n}\n}",
				dns.Addr(), zone, base64.StdEncoding.EncodeToString(key.Secret), portal.URL, t.Name())})
			for _, step := range []struct {
				name    string
				down    bool
				outcome int // of the matrix
			}{
				{"down", true, 4},
				{"up", false, 0},
				{"down again", true, 1},
				{"up again", false, 1},
			} {
				down.Store(step.down)
				t.Run(step.name, func(t *testing.T) {
					c.outcomes[step.outcome].check(t, c.run(t, ask{url: s.URL, password: token, host: host, address: "192.0.2.7"}))
				})
			}
		})
	}
}
