//go:build integration

// Package contract runs the conformance suite of package zone against real nameservers.
package contract

import (
	"testing"

	"github.com/caddy-dyndns/dyndns/dnsupdate"
	"github.com/caddy-dyndns/dyndns/test/nameserver"
	"github.com/caddy-dyndns/dyndns/zone"
	"github.com/caddy-dyndns/dyndns/zone/zonetest"
)

func TestContract(t *testing.T) {
	for _, kind := range nameserver.Kinds {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			secret := nameserver.NewKey("ddns-key.")
			server := nameserver.Run(t, kind, nameserver.Config{Zones: []nameserver.Zone{{Name: "dyn.example.com", Key: secret}}})
			key, err := dnsupdate.NewKey(secret.Name, secret.Algorithm, secret.Secret)
			if err != nil {
				t.Fatal(err)
			}
			client := dnsupdate.NewClient(dnsupdate.Options{})
			t.Cleanup(client.Close)
			zonetest.Run(t, zonetest.Config{
				Name: "dyn.example.com.", Proven: true, View: zonetest.Nameserver{Zone: "dyn.example.com.", Addr: server.Addr()},
				Open: func(t testing.TB) zone.Zone {
					u, err := client.Open(dnsupdate.ZoneConfig{Name: "dyn.example.com", Servers: []string{server.Addr()}, Key: key})
					if err != nil {
						t.Fatal(err)
					}
					t.Cleanup(u.Close)
					return u
				},
			})
		})
	}
}
