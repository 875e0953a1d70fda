package dnsupdate_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"log"
	"time"

	"github.com/caddy-dyndns/dyndns/dnsupdate"
	"github.com/caddy-dyndns/dyndns/dnsupdate/dnstest"
	"github.com/caddy-dyndns/dyndns/zone"
)

func Example() {
	key, err := dnsupdate.NewKey("ddns-key", "hmac-sha512", base64.StdEncoding.EncodeToString([]byte("a secret")))
	if err != nil {
		log.Fatal(err)
	}
	server := dnstest.NewServer(dnstest.Zone{
		Name: "dyn.example.com",
		Keys: []dnstest.Key{{Name: key.Name, Algorithm: key.Algorithm, Secret: key.Secret}},
	})
	defer server.Close()

	client := dnsupdate.NewClient(dnsupdate.Options{})
	defer client.Close()
	updater, err := client.Open(dnsupdate.ZoneConfig{Name: "dyn.example.com", Servers: []string{server.Addr()}, Key: key})
	if err != nil {
		log.Fatal(err)
	}
	defer updater.Close()

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	for _, address := range []string{"192.0.2.1", "192.0.2.2", "192.0.2.2"} {
		results := updater.Apply(ctx, []zone.Change{{
			Name:   "home.dyn.example.com",
			Type:   zone.TypeA,
			Action: zone.Set,
			Values: []string{address},
			TTL:    300,
		}})
		if err := results[0].Err; err != nil {
			log.Fatal(err)
		}
		fmt.Println(results[0].Old, "->", results[0].New, results[0].Changed)
	}
	// Output:
	// [] -> [192.0.2.1] true
	// [192.0.2.1] -> [192.0.2.2] true
	// [192.0.2.2] -> [192.0.2.2] false
}
