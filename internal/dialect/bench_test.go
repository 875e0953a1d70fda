package dialect

import (
	"testing"

	"github.com/caddy-dyndns/dyndns/internal/service"
)

// Both take an unchanged update from the request to the bytes of the reply.

func BenchmarkNative(b *testing.B) {
	benchmark(b, "/update-by-query?secret=0123456789abcdef&fqdn=home.dyn.example.com&ipv4=192.0.2.1",
		host("home.dyn.example.com.", record(a, "192.0.2.1", "192.0.2.1"), record(aaaa, "", "")))
}

func BenchmarkDyndns2(b *testing.B) {
	benchmark(b, "/nic/update?hostname=home.dyn.example.com&myip=192.0.2.1", host("home.dyn.example.com.", record(a, "192.0.2.1", "192.0.2.1")))
}

func benchmark(b *testing.B, uri string, outcome service.HostOutcome) {
	r := read(b, "GET "+uri+" HTTP/1.1\nHost: x\nAccept: */*\nAuthorization: Basic cm91dGVyOjAxMjM0NTY3ODlhYmNkZWY=\n\n")
	out := service.Outcome{Hosts: []service.HostOutcome{outcome}}
	b.ReportAllocs()
	for b.Loop() {
		call := match(r, Options{})
		if err := call.read(); err != nil || CrossSite(r, false) || len(call.req.Credential.Secrets) == 0 {
			b.Fatal("refused")
		}
		if len(call.reply(out).Body) == 0 {
			b.Fatal("no reply")
		}
	}
}
