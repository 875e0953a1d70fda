package dnstest_test

import (
	"encoding/base64"
	"fmt"
	"time"

	"github.com/miekg/dns"

	"github.com/caddy-dyndns/dyndns/dnsupdate/dnstest"
)

func Example() {
	key := dnstest.Key{Name: "router", Algorithm: "hmac-sha256", Secret: []byte("secret")}
	server := dnstest.NewServer(dnstest.Zone{
		Name:    "dyn.example.com",
		Keys:    []dnstest.Key{key},
		Records: []string{"home 300 A 192.0.2.1"},
	})
	defer server.Close()

	// The client under test sends a DNS UPDATE.
	update := new(dns.Msg).SetUpdate("dyn.example.com.")
	rr, err := dns.NewRR("home.dyn.example.com. 300 A 192.0.2.2")
	if err != nil {
		panic(err)
	}
	update.Insert([]dns.RR{rr})
	update.SetTsig("router.", dns.HmacSHA256, 300, time.Now().Unix())
	client := &dns.Client{TsigSecret: map[string]string{"router.": base64.StdEncoding.EncodeToString(key.Secret)}}
	reply, _, err := client.Exchange(update, server.Addr())
	if err != nil {
		panic(err)
	}
	fmt.Println(dns.RcodeToString[reply.Rcode])

	zone := server.Zone("dyn.example.com")
	fmt.Println(zone.Lookup("home.dyn.example.com", dns.TypeA), "serial", zone.Serial())
	// Output:
	// NOERROR
	// [192.0.2.1 192.0.2.2] serial 2
}

func ExampleProxy() {
	server := dnstest.NewServer(dnstest.Zone{Name: "dyn.example.com"})
	defer server.Close()
	proxy := dnstest.NewProxy(server.Addr())
	defer proxy.Close()

	// The first message gets SERVFAIL, all others pass.
	proxy.SetFault(dnstest.Sequence(dnstest.RCode(dns.RcodeServerFailure)))
	for range 2 {
		reply, err := dns.Exchange(new(dns.Msg).SetQuestion("dyn.example.com.", dns.TypeNS), proxy.Addr())
		if err != nil {
			panic(err)
		}
		fmt.Println(dns.RcodeToString[reply.Rcode], len(reply.Answer))
	}
	// Output:
	// SERVFAIL 0
	// NOERROR 1
}
