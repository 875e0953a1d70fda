package dialect

import (
	"fmt"
	"strings"
	"testing"

	"github.com/caddy-dyndns/dyndns/internal/service"
	"github.com/caddy-dyndns/dyndns/zone"
)

func TestDuckDNSSubmission(t *testing.T) {
	const d = "/update?domains=home&token=t"
	tests := []struct{ name, uri, want string }{
		{"nothing", d, "home A:detect AAAA:detect; short"},
		{"empty ip", d + "&ip=", "home A:detect AAAA:detect; short"},
		{"ip", d + "&ip=192.0.2.1", "home A:set 192.0.2.1; short"},
		{"IPv6 in ip", d + "&ip=2001:db8::1", "home AAAA:set 2001:db8::1; short"},
		{"both", d + "&ip=192.0.2.1&ipv6=2001:db8::1", "home A:set 192.0.2.1 AAAA:set 2001:db8::1; short"},
		{"ipv6 alone is not completed", d + "&ipv6=2001:db8::1", "home AAAA:set 2001:db8::1; short"},
		{"the same IPv6 twice", d + "&ip=2001:db8::1&ipv6=2001:db8::1", "home AAAA:set 2001:db8::1; short"},
		{"two IPv6", d + "&ip=2001:db8::1&ipv6=2001:db8::2", "error bad_address: 2001:db8::2 is a second IPv6 address"},
		{"IPv4 in ipv6", d + "&ipv6=192.0.2.1", "error bad_address: 192.0.2.1 is not an IPv6 address"},
		{"prefix", d + "&ipv6=2001:db8::/64", "error bad_address: 2001:db8::/64 is a prefix, not an address"},
		{"bad address", d + "&ip=x", "error bad_address: x is not an IP address"},
		{"several hosts", "/update?domains=a,+b.example.com,&token=t&ip=192.0.2.1", "a A:set 192.0.2.1; b.example.com A:set 192.0.2.1; short"},
		{"no host", "/update?token=t", "error bad_parameter: domains is missing"},
		{"21 hosts", "/update?token=t&domains=" + strings.Repeat("a,", 21), "error too_many_hosts: a request may name 20 hosts"},
		{"clear", d + "&clear=true&ip=192.0.2.1", "home A:delete AAAA:delete; short"},
		{"not clear", d + "&clear=false&ip=192.0.2.1", "home A:set 192.0.2.1; short"},
		{"txt", d + "&txt=" + strings.Repeat("x", 43), "home TXT:roll/add " + strings.Repeat("x", 43) + "; short"},
		{"txt with an address", d + "&ip=192.0.2.1&txt=" + strings.Repeat("x", 43), "home A:set 192.0.2.1 TXT:roll/add " + strings.Repeat("x", 43) + "; short"},
		{"clear txt", d + "&txt=abc&clear=true", "home TXT:roll/remove; short"},
		{"clear empty txt", d + "&txt=&clear=true", "home TXT:roll/remove; short"},
		{"empty txt", d + "&txt=", "error bad_parameter: the value is not the digest of a key authorization: 43 characters of base64url"},
		{"binary txt", d + "&txt=%00", "error bad_parameter: the value is not the digest of a key authorization: 43 characters of base64url"},
		{"long txt", d + "&txt=" + strings.Repeat("x", 256), "error bad_parameter: the value is not the digest of a key authorization: 43 characters of base64url"},
		{"unknown argument", d + "&foo=1&ip=192.0.2.1", "home A:set 192.0.2.1; short"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, _, sub, err := ask(t, get(t, test.uri), Options{})
			if got := answer(sub, err); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

// DuckDNS has no LAN hosts; if it had, OK would have to be true of them.
func TestDuckDNSReplyOfLAN(t *testing.T) {
	call := match(get(t, "/update?domains=a"), Options{})
	reply := call.reply(service.Outcome{
		Hosts: []service.HostOutcome{host("a.", record(a, "", "192.0.2.1"))},
		LAN:   []service.HostOutcome{failed("n.", zone.Timeout, "m")},
	})
	if got := fmt.Sprint(reply.Status, " ", string(reply.Body)); got != "503 KO" {
		t.Errorf("got %q", got)
	}
}

func TestDuckDNSReply(t *testing.T) {
	changed := host("a.", record(a, "", "192.0.2.1"))
	kept := host("b.", record(a, "192.0.2.1", "192.0.2.1"), record(aaaa, "2001:db8::1", "2001:db8::1"))
	part := host("a.", record(a, "", "192.0.2.1"))
	part.Err = &service.Error{Reason: zone.Refused, Message: "no"}
	tests := []struct {
		name, query string
		hosts       []service.HostOutcome
		want        string
	}{
		{"part of a host", "&verbose=true", []service.HostOutcome{part}, "503 KO"},
		{"ok", "", []service.HostOutcome{changed, kept}, "200 OK"},
		{"verbose, updated", "&verbose=true", []service.HostOutcome{changed, kept}, "200 OK\n192.0.2.1\n\nUPDATED"},
		{"verbose, unchanged", "&verbose=true", []service.HostOutcome{kept}, "200 OK\n192.0.2.1\n2001:db8::1\nNOCHANGE"},
		{"one refused", "&verbose=true", []service.HostOutcome{changed, failed("x", service.NotGranted, "m")}, "200 KO"},
		{"nameserver trouble", "", []service.HostOutcome{failed("x", zone.Unreachable, "m"), failed("y", service.NotGranted, "m")}, "503 KO"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			call := match(get(t, "/update?domains=a"+test.query), Options{})
			reply := call.reply(service.Outcome{Hosts: test.hosts})
			if got := fmt.Sprint(reply.Status, " ", string(reply.Body)); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}
