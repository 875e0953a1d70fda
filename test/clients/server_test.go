//go:build integration && linux

// Package clients runs the dynamic DNS clients that people have, and the requests
// of routers as they stand on the wire, against the whole server.
package clients

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/caddy-dyndns/dyndns/dnsupdate/dnstest"
	"github.com/caddy-dyndns/dyndns/test/site"
)

const (
	zone      = "dyn.example.com"
	otherZone = "dyn.example.net"
	host      = "home." + zone

	// The tokens of the two clients. Only their digests are configured: a log
	// that holds one has it from a request.
	token       = "home-router_0123456789"
	officeToken = "office-router_0123456789"
)

// server is Caddy with the module and its nameserver.
type server struct {
	*site.Site
	dns *dnstest.Server
	// link is between the two.
	link *dnstest.Proxy
}

// start runs the server; addresses are those of its site beside the usual ones.
func start(t *testing.T, https bool, addresses ...string) *server {
	t.Helper()
	var zones []dnstest.Zone
	var lines strings.Builder
	for _, name := range []string{zone, otherZone} {
		key := dnstest.Key{Name: name, Algorithm: "hmac-sha512", Secret: make([]byte, 64)}
		rand.Read(key.Secret)
		zones = append(zones, dnstest.Zone{Name: name, Keys: []dnstest.Key{key}})
		fmt.Fprintf(&lines, "zone %s %s\n", name, base64.StdEncoding.EncodeToString(key.Secret))
	}
	s := &server{dns: dnstest.NewServer(zones...)}
	t.Cleanup(s.dns.Close)
	s.link = dnstest.NewProxy(s.dns.Addr())
	t.Cleanup(s.link.Close)
	s.Site = site.Run(t, site.Config{HTTPS: https, Addresses: addresses, Body: fmt.Sprintf(`dyndns {
		nameserver %s
		%s
		client home-router {
			token sha256:%x
			hosts home.dyn.example.com *.home.dyn.example.com spare.dyn.example.net *.dyn.example.net
			lan nas.home.dyn.example.com ::211:32ff:fe12:3456
		}
		client office-router {
			token sha256:%x
			hosts office.dyn.example.com
			lan nas.office.dyn.example.com ::2:211:32ff:fe12:3456
		}
		throttle off
		timeout 2s
	}
	respond 404`, s.link.Addr(), &lines, sha256.Sum256([]byte(token)), sha256.Sum256([]byte(officeToken)))})
	return s
}

// hold makes a record or deletes an RRset of the zone in the operator's way.
func (s *server) hold(lines ...string) { s.dns.Zone(zone).Edit(lines...) }

// records are the A, AAAA and TXT records of both zones, such as
// "home.dyn.example.com. A 192.0.2.1", joined by "; ".
func (s *server) records() string {
	var found []string
	for _, name := range []string{zone, otherZone} {
		for _, record := range s.dns.Zone(name).Records() {
			f := strings.SplitN(record, " ", 5) // owner, TTL, class, type, data
			if slices.Contains([]string{"A", "AAAA", "TXT"}, f[3]) {
				found = append(found, f[0]+" "+f[3]+" "+f[4])
			}
		}
	}
	return strings.Join(found, "; ")
}

// clear removes what records shows.
func (s *server) clear() {
	for _, record := range strings.Split(s.records(), "; ") {
		if f := strings.Fields(record); len(f) > 0 {
			name := zone
			if strings.HasSuffix(f[0], otherZone+".") {
				name = otherZone
			}
			s.dns.Zone(name).Edit(f[0] + " " + f[1])
		}
	}
}
