package dnsupdate_test

import (
	"encoding/base64"
	"testing"

	"github.com/caddy-dyndns/dyndns/dnsupdate"
	"github.com/caddy-dyndns/dyndns/dnsupdate/dnstest"
	"github.com/caddy-dyndns/dyndns/zone"
	"github.com/caddy-dyndns/dyndns/zone/zonetest"
)

func TestContract(t *testing.T) {
	key, err := dnsupdate.NewKey("ddns-key", "hmac-sha256", base64.StdEncoding.EncodeToString([]byte("a secret of the tests")))
	if err != nil {
		t.Fatal(err)
	}
	server := dnstest.NewServer(dnstest.Zone{
		Name: "dyn.example.com", Keys: []dnstest.Key{{Name: key.Name, Algorithm: key.Algorithm, Secret: key.Secret}},
	})
	defer server.Close()
	client := dnsupdate.NewClient(dnsupdate.Options{})
	defer client.Close()
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
}
