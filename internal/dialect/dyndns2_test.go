package dialect

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/caddy-dyndns/dyndns/internal/service"
	"github.com/caddy-dyndns/dyndns/zone"
)

func TestDyndns2Submission(t *testing.T) {
	const h = "/nic/update?hostname=h.example.com"
	list := func(n int) string { return strings.TrimSuffix(strings.Repeat("h.example.com,", n), ",") }
	tests := []struct{ name, uri, want string }{
		{"IPv4", h + "&myip=192.0.2.1", "h.example.com A:set 192.0.2.1"},
		{"IPv6 in myip", h + "&myip=2001:DB8:0::7", "h.example.com AAAA:set 2001:db8::7"},
		{"both, IPv6 first", h + "&myip=2001:db8::7,192.0.2.1", "h.example.com A:set 192.0.2.1 AAAA:set 2001:db8::7"},
		{"escaped", h + "&myip=2001%3adb8%3a%3a7", "h.example.com AAAA:set 2001:db8::7"},
		{"empty items", h + "&myip=,+2001:db8::7+,", "h.example.com AAAA:set 2001:db8::7"},
		{"brackets", h + "&myip=[2001:db8::7]", "h.example.com AAAA:set 2001:db8::7"},
		{"IPv4-mapped", h + "&myip=::ffff:192.0.2.1", "h.example.com A:set 192.0.2.1"},
		{"several of one family", h + "&myip=192.0.2.1,192.0.2.2,192.0.2.1", "h.example.com A:set 192.0.2.1,192.0.2.2"},
		{"myipv6 alone", h + "&myipv6=2001:db8::7", "h.example.com AAAA:set 2001:db8::7"},
		{"an argument for each family", h + "&myip=192.0.2.1&myipv6=2001:db8::7", "h.example.com A:set 192.0.2.1 AAAA:set 2001:db8::7"},
		{"other spellings", "/nic/update?Host=h.example.com&ip4=192.0.2.1&IP6ADDR=2001:db8::7", "h.example.com A:set 192.0.2.1 AAAA:set 2001:db8::7"},
		{"nothing", h, "h.example.com A:detect AAAA:detect"},
		{"all empty", h + "&myip=&myipv6=,", "h.example.com A:detect AAAA:detect"},

		{"preserve", h + "&myip=192.0.2.1&myipv6=preserve", "h.example.com A:set 192.0.2.1 AAAA:keep"},
		{"preserve smuggled in front", h + "&myipv6=preserve&myip=192.0.2.1", "h.example.com A:set 192.0.2.1 AAAA:keep"},
		{"preserve over a value", h + "&myip=192.0.2.1,2001:db8::7&myipv6=preserve", "h.example.com A:set 192.0.2.1 AAAA:keep"},
		{"no", h + "&myip=no&myipv6=2001:db8::7", "h.example.com A:keep AAAA:set 2001:db8::7"},
		{"no alone", h + "&myip=no", "h.example.com A:keep AAAA:keep"},
		{"keepipv4", h + "&keepipv4=1&myip=2001:db8::7", "h.example.com A:keep AAAA:set 2001:db8::7"},
		{"keepipv6 without a value", h + "&keepipv6=1", "h.example.com A:detect AAAA:keep"},
		{"keepipv6 off", h + "&keepipv6=0&myip=192.0.2.1", "h.example.com A:set 192.0.2.1"},
		{"auto", h + "&ipv4=auto&ipv6=2001:db8::7", "h.example.com A:detect/keep AAAA:set 2001:db8::7"},
		{"auto in general", h + "&myip=auto", "h.example.com A:detect/keep AAAA:detect/keep"},
		{"delete", h + "&ipv4=-&ipv6=2001:db8::7", "h.example.com A:delete AAAA:set 2001:db8::7"},
		{"delete IPv6 alone", h + "&ipv6=-", "h.example.com AAAA:delete"},
		{"0.0.0.0", h + "&myip=0.0.0.0,2001:db8::7", "h.example.com AAAA:set 2001:db8::7"},
		{"0.0.0.0 alone", h + "&myip=0.0.0.0", "h.example.com A:keep AAAA:keep"},
		{"long ::", h + "&myip=192.0.2.1&myipv6=0:0:0:0:0:0:0:0", "h.example.com A:set 192.0.2.1"},
		{"0.0.0.0 and ::", h + "&myip=0.0.0.0&myipv6=::", "h.example.com A:keep AAAA:keep"},

		{"invalid address", h + "&myip=192.0.2", "error bad_address: 192.0.2 is not an IP address"},
		{"bad beside good", h + "&myip=192.0.2.1,fe80::1", "error bad_address: fe80::1 is a link-local address"},
		{"loopback", h + "&myip=127.0.0.1", "error bad_address: 127.0.0.1 is a loopback address"},
		{"multicast", h + "&myip=ff02::1", "error bad_address: ff02::1 is a multicast address"},
		{"zone id", h + "&myip=2001:db8::1%25eth0", "error bad_address: 2001:db8::1 has a zone id, which only its host understands"},

		{"several hosts", "/nic/update?hostname=a.example.com,B.example.com.,+c.example.com,,&myip=192.0.2.1", "a.example.com A:set 192.0.2.1; B.example.com. A:set 192.0.2.1; c.example.com A:set 192.0.2.1"},
		{"hostname twice", "/nic/update?hostname=a&hostname=b&myip=192.0.2.1", "a A:set 192.0.2.1; b A:set 192.0.2.1"},
		{"20 hosts and one address", "/nic/update?hostname=" + list(20) + "&myip=x", "error bad_address: x is not an IP address"},
		{"21 hosts", "/nic/update?hostname=" + list(21), "error too_many_hosts: a request may name 20 hosts"},
		{"64 KiB of commas", "/nic/update?hostname=" + strings.Repeat("a,", 32<<10), "error too_many_hosts: a request may name 20 hosts"},
		{"no host", "/nic/update?myip=192.0.2.1", "(own) A:set 192.0.2.1"},
		{"commas for a host", "/nic/update?hostname=,,&myip=192.0.2.1", "error bad_name: no host name is given"},
		{"hostname before its aliases", "/nic/update?host=b&hostname=a&myip=192.0.2.1", "a A:set 192.0.2.1"},
		{"alias where hostname says YES", "/nic/update?hostname=YES&host_id=b&myip=192.0.2.1", "b A:set 192.0.2.1"},
		{"unknown and repeated arguments", h + "&system=dyndns&wildcard=&mx=&backmx=NO&url&mx=2&myip=192.0.2.1", "h.example.com A:set 192.0.2.1"},
		{"offline", h + "&offline=YES&myip=192.0.2.1", "error unsupported: setting a host offline is not offered"},
		{"not offline", h + "&offline=NO&myip=192.0.2.1", "h.example.com A:set 192.0.2.1"},

		{"prefix in the list", h + "&myip=192.0.2.1,2001:db8:1::/56", "h.example.com A:set 192.0.2.1 AAAA:keep/move 2001:db8:1::/56; prefix 2001:db8:1::/56"},
		{"prefix alone", h + "&myipv6=2001:db8:1::/64", "h.example.com AAAA:keep/move 2001:db8:1::/64; prefix 2001:db8:1::/64"},
		{"prefix with host bits", h + "&myip=2001:db8:1::5/64", "h.example.com AAAA:set 2001:db8:1::5; prefix 2001:db8:1::/64"},
		{"address with /128", h + "&myip=2001:db8:1::5/128", "h.example.com AAAA:set 2001:db8:1::5"},
		{"ip6lanprefix", h + "&myip=192.0.2.1&ip6lanprefix=2001:db8:1::/59", "h.example.com A:set 192.0.2.1; prefix 2001:db8:1::/59"},
		{"ip6lanprefix alone", h + "&ip6lanprefix=2001:db8:1::/59", "h.example.com A:keep AAAA:keep; prefix 2001:db8:1::/59"},
		{"empty ip6lanprefix", h + "&myip=192.0.2.1&ip6lanprefix=", "h.example.com A:set 192.0.2.1"},
		{"unspecified ip6lanprefix", h + "&myip=192.0.2.1&ip6lanprefix=::/64", "h.example.com A:set 192.0.2.1"},
		{"ip6lanprefix without a length", h + "&ip6lanprefix=2001:db8:1::", "error bad_address: 2001:db8:1:: has no prefix length"},
		{"two prefixes", h + "&myipv6=2001:db8:1::/64,2001:db8:2::/64", "error bad_address: 2001:db8:2::/64 is another prefix than 2001:db8:1::/64"},

		{"value per host", "/nic/update?hostname=a.example.com,b.example.com&myip=192.0.2.1&myipv6=2001:db8::1&myipv6:B.example.com=2001:db8::2", "a.example.com A:set 192.0.2.1 AAAA:set 2001:db8::1; b.example.com A:set 192.0.2.1 AAAA:set 2001:db8::2"},
		{"IPv4 per host", h + "&myip=192.0.2.1&myipv4:h.example.com=192.0.2.2", "h.example.com A:set 192.0.2.2"},
		{"value per host in the other form of an IDN", "/nic/update?hostname=m%C3%BCller.example.com&myip=192.0.2.1&myipv6:xn--mller-kva.example.com=2001:db8::2", "müller.example.com A:set 192.0.2.1 AAAA:set 2001:db8::2"},
		{"value for hosts named nowhere else", h + "&myip=192.0.2.1&myipv6:n.example.com,c.example.com=2001:db8::2", "h.example.com A:set 192.0.2.1; n.example.com AAAA:set 2001:db8::2; c.example.com AAAA:set 2001:db8::2"},
		{"both families for one of them", h + "&myip=192.0.2.1&myipv6:n=2001:db8::2&myipv4:n=192.0.2.3", "h.example.com A:set 192.0.2.1; n A:set 192.0.2.3 AAAA:set 2001:db8::2"},
		{"word per host", h + "&myip=2001:db8::1&myipv6:h.example.com=preserve", "h.example.com AAAA:keep"},
		{"prefix per host", h + "&myip=192.0.2.1&myipv6:n.example.com=2001:db8:1::/64", "h.example.com A:set 192.0.2.1; n.example.com AAAA:set/move 2001:db8:1::/64; prefix 2001:db8:1::/64"},
		{"empty value per host", h + "&myip=192.0.2.1&myipv6:n.example.com=", "h.example.com A:set 192.0.2.1"},
		{"value per host alone", "/nic/update?myipv6:n.example.com=2001:db8::2", "n.example.com AAAA:set 2001:db8::2"},
		{"bad value per host", h + "&myipv6:n.example.com=x", "error bad_address: x is not an IP address"},
		{"21 values per host", h + "&myipv6:" + list(21) + "=2001:db8::2", "error too_many_hosts: a request may name 20 hosts"},
		{"empty names per host", h + "&myip=192.0.2.1&myipv6:,+n.example.com,+,=2001:db8::2", "h.example.com A:set 192.0.2.1; n.example.com AAAA:set 2001:db8::2"},
		{"a value for one of 20 hosts", "/nic/update?hostname=" + names(20) + "&myip=192.0.2.1&myipv4:N19.example.com=192.0.2.2", strings.ReplaceAll(names(19), ",", " A:set 192.0.2.1; ") + " A:set 192.0.2.1; n19.example.com A:set 192.0.2.2"},
		{"20 hosts and another", "/nic/update?hostname=" + list(20) + "&myipv6:n=2001:db8::2", "error too_many_hosts: a request may name 20 hosts"},
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

func TestTooManyAddresses(t *testing.T) {
	uri := "/nic/update?hostname=h&myip="
	for i := range maxAddresses + 1 {
		uri += fmt.Sprintf("192.0.2.%d,", i+1)
	}
	_, _, sub, err := ask(t, get(t, uri), Options{})
	if err == nil || err.Reason != service.BadAddress {
		t.Errorf("got %s", answer(sub, err))
	}
}

func TestHostFromUserName(t *testing.T) {
	tests := []struct{ name, uri, authorization, want string }{
		{"name", "/nic/update?myip=192.0.2.1", "Basic aC5leGFtcGxlLmNvbTpz", "h.example.com A:set 192.0.2.1"},
		{"hostname says YES", "/nic/update?hostname=YES&myip=192.0.2.1", "Basic aC5leGFtcGxlLmNvbTpz", "h.example.com A:set 192.0.2.1"},
		{"hostname is empty", "/nic/update?hostname=&myip=192.0.2.1", "Basic aC5leGFtcGxlLmNvbTpz", "h.example.com A:set 192.0.2.1"},
		{"hostname is given", "/nic/update?hostname=a&myip=192.0.2.1", "Basic aC5leGFtcGxlLmNvbTpz", "a A:set 192.0.2.1"},
		{"an account's name", "/nic/update?myip=192.0.2.1", "Basic dXNlcjpz", "(own) A:set 192.0.2.1"},
		{"a mail address", "/nic/update?myip=192.0.2.1", "Basic YUBiLmV4YW1wbGU6cw==", "(own) A:set 192.0.2.1"},
		{"invalid UTF-8", "/nic/update?myip=192.0.2.1", "Basic /y7/OnM=", "(own) A:set 192.0.2.1"},
		{"an argument", "/nic/update?username=h.example.com&myip=192.0.2.1", "Basic dXNlcjpz", "h.example.com A:set 192.0.2.1"},
		{"an argument beside Basic", "/nic/update?username=a.example.com&myip=192.0.2.1", "Basic aC5leGFtcGxlLmNvbTpz", "h.example.com A:set 192.0.2.1"},
		{"an account as argument", "/nic/update?username=user&myip=192.0.2.1", "Basic dXNlcjpz", "(own) A:set 192.0.2.1"},
		{"not Basic", "/nic/update?myip=192.0.2.1", "Bearer aC5leGFtcGxlLmNvbTpz", "(own) A:set 192.0.2.1"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, _, sub, err := ask(t, read(t, "GET "+test.uri+" HTTP/1.1\nHost: x\nAuthorization: "+test.authorization+"\n\n"), Options{})
			if got := answer(sub, err); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

func TestDyndns2Reply(t *testing.T) {
	busy := failed("b.", zone.Busy, "m")
	busy.Err.RetryAfter = 10 * time.Second
	txt := record(zone.TypeTXT, "", "x")
	part := host("h.", record(a, "", "192.0.2.1"))
	part.Err = &service.Error{Reason: zone.Refused, Message: "no"}
	tests := []struct {
		name  string
		hosts []service.HostOutcome
		lan   []service.HostOutcome
		want  string
		retry string
	}{
		{"good", []service.HostOutcome{host("h.", record(a, "192.0.2.1", "192.0.2.2"))}, nil, "200 good 192.0.2.2", ""},
		{"good, both", []service.HostOutcome{host("h.", record(a, "192.0.2.2", "192.0.2.2"), record(aaaa, "", "2001:db8::2"))}, nil, "200 good 192.0.2.2,2001:db8::2", ""},
		{"nochg", []service.HostOutcome{host("h.", record(a, "192.0.2.2", "192.0.2.2"))}, nil, "200 nochg 192.0.2.2", ""},
		{"nochg without an address", []service.HostOutcome{host("h.", record(a, "", ""))}, nil, "200 nochg", ""},
		{"deleted", []service.HostOutcome{host("h.", record(a, "192.0.2.2", ""), record(aaaa, "2001:db8::2", "2001:db8::2"))}, nil, "200 good 2001:db8::2", ""},
		{"only addresses are told", []service.HostOutcome{host("h.", txt)}, nil, "200 good", ""},
		{"a LAN host changed", []service.HostOutcome{host("h.", record(a, "192.0.2.2", "192.0.2.2"))}, []service.HostOutcome{host("n.", record(aaaa, "", "2001:db8::2"))}, "200 good 192.0.2.2", ""},
		{"a LAN host did not change", []service.HostOutcome{host("h.", record(a, "192.0.2.2", "192.0.2.2"))}, []service.HostOutcome{host("n.", record(aaaa, "2001:db8::2", "2001:db8::2"))}, "200 nochg 192.0.2.2", ""},
		{"a LAN host could not be changed in time", []service.HostOutcome{host("h.", record(a, "192.0.2.1", "192.0.2.2"))}, []service.HostOutcome{failed("n.", zone.Timeout, "m")}, "503 911", ""},
		{"a LAN host was refused, another changed", []service.HostOutcome{host("h.", record(a, "192.0.2.2", "192.0.2.2"))},
			[]service.HostOutcome{host("m.", record(aaaa, "", "2001:db8::2")), failed("n.", zone.Refused, "m")}, "200 dnserr", ""},
		{"the prefix does not fit a LAN host", []service.HostOutcome{host("h.", record(a, "192.0.2.2", "192.0.2.2"))}, []service.HostOutcome{failed("n.", service.BadAddress, "m")}, "200 dnserr", ""},
		{"a LAN host of which this server has no zone", []service.HostOutcome{host("h.", record(a, "192.0.2.2", "192.0.2.2"))}, []service.HostOutcome{failed("n.", service.NoZone, "m")}, "200 dnserr", ""},
		{"one LAN host may be changed by another try", []service.HostOutcome{host("h.", record(a, "192.0.2.2", "192.0.2.2"))},
			[]service.HostOutcome{failed("m.", service.BadAddress, "m"), busy, failed("n.", zone.Conflict, "m")}, "503 911", "10"},
		{"a LAN host failed beside hosts of every kind", []service.HostOutcome{host("h.", record(a, "192.0.2.1", "192.0.2.2")), failed("y", service.NotGranted, "m"), failed("c", zone.Conflict, "m"), host("i.", record(a, "192.0.2.2", "192.0.2.2"))},
			[]service.HostOutcome{failed("n.", zone.Unreachable, "m")}, "503 911\nnohost\ndnserr\n911", ""},
		{"a LAN host failed of a client whose host is none", []service.HostOutcome{failed("x", service.BadName, "m")}, []service.HostOutcome{failed("n.", zone.Unreachable, "m")}, "200 notfqdn", ""},
		{"part of a host", []service.HostOutcome{part}, nil, "200 dnserr", ""},
		{"each its own line", []service.HostOutcome{
			host("h.", record(a, "192.0.2.1", "192.0.2.2")), failed("x", service.BadName, "m"), failed("y", service.NotGranted, "m"), failed("z", service.NoZone, "m"),
			failed("c", zone.Conflict, "m"), failed("d", zone.Timeout, "m"), host("i.", record(a, "192.0.2.2", "192.0.2.2")),
		}, nil, "200 good 192.0.2.2\nnotfqdn\nnohost\nnohost\ndnserr\n911\nnochg 192.0.2.2", ""},
		{"no success, no trouble", []service.HostOutcome{failed("x", service.BadName, "m"), failed("y", service.NotGranted, "m")}, nil, "200 notfqdn\nnohost", ""},
		{"no success, some trouble", []service.HostOutcome{failed("x", service.BadName, "m"), busy}, nil, "503 notfqdn\n911", "10"},
		{"trouble beside success", []service.HostOutcome{busy, host("h.", record(a, "192.0.2.2", "192.0.2.2"))}, nil, "200 911\nnochg 192.0.2.2", ""},
		{"refused", []service.HostOutcome{failed("x", zone.Refused, "m")}, nil, "200 dnserr", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			call := match(get(t, "/nic/update"), Options{})
			reply := call.reply(service.Outcome{Hosts: test.hosts, LAN: test.lan})
			if got := fmt.Sprint(reply.Status, " ", string(reply.Body)); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
			if got := reply.Header.Get("Retry-After"); got != test.retry {
				t.Errorf("Retry-After %q, want %q", got, test.retry)
			}
		})
	}
}

// TestDyndns2RefusalPerHost shows which refusals of a whole request have a line for each host.
func TestDyndns2RefusalPerHost(t *testing.T) {
	const three = "/nic/update?hostname=a.example.com,b.example.com,c.example.com&myip="
	tests := []struct{ name, uri, want string }{
		{"bad address", three + "127.0.0.1", "200 dnserr\ndnserr\ndnserr"},
		{"offline", three + "192.0.2.1&offline=yes", "200 !donator"},
		{"bad address and no host", "/nic/update?myip=x", "200 dnserr"},
		{"too many hosts", "/nic/update?hostname=" + strings.Repeat("a,", 21), "200 numhost"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			call, _, sub, err := ask(t, get(t, test.uri), Options{})
			if err == nil {
				t.Fatalf("no error: %s", describe(sub))
			}
			reply := call.reply(service.Outcome{Err: err})
			if got := fmt.Sprint(reply.Status, " ", string(reply.Body)); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
	call, _, _, _ := ask(t, get(t, three+"192.0.2.1"), Options{})
	reply := call.reply(refused(service.BadAddress, "192.168.1.1 is a private address"))
	if string(reply.Body) != "dnserr\ndnserr\ndnserr" {
		t.Errorf("a refusal by the policy: %q", reply.Body)
	}
}
