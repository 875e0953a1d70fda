package dialect

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/caddy-dyndns/dyndns/internal/service"
	"github.com/caddy-dyndns/dyndns/zone"
)

func TestNativeSubmission(t *testing.T) {
	const q = "/update-by-query?secret=secret123&fqdn=h.example.com"
	tests := []struct{ name, uri, want string }{
		{"path, no address", "/update-by-path/s/h.example.com", "h.example.com A:detect/keep AAAA:detect/keep"},
		{"path, IPv4", "/update-by-path/s/h.example.com/192.0.2.1", "h.example.com A:set 192.0.2.1 AAAA:keep"},
		{"path, IPv6 first", "/update-by-path/s/h.example.com/2001:DB8::1/192.0.2.1", "h.example.com A:set 192.0.2.1 AAAA:set 2001:db8::1"},
		{"path, empty IPv4", "/update-by-path/s/h.example.com//2001:db8::1", "h.example.com A:keep AAAA:set 2001:db8::1"},
		{"path, escaped prefix", "/update-by-path/s/h.example.com/192.0.2.1/2001:db8:1::%2F56", "h.example.com A:set 192.0.2.1 AAAA:keep/move 2001:db8:1::/56; prefix 2001:db8:1::/56"},
		{"path, too long", "/update-by-path/s/h.example.com/192.0.2.1/2001:db8::1/x", "error bad_parameter: the path has too many segments"},
		{"path, no name", "/update-by-path/s", `error bad_parameter: The argument "fqdn" is missing`},
		{"path with an argument", "/update-by-path/s/h.example.com?ttl=60", `error bad_parameter: Unknown query string argument: "ttl"`},
		{"path, secret in a header", "/update-by-path//h.example.com/192.0.2.1", "h.example.com A:set 192.0.2.1 AAAA:keep"},
		{"path below slashes", `/\/update-by-path/s/h.example.com/192.0.2.1`, "h.example.com A:set 192.0.2.1 AAAA:keep"},
		{"delete", "/delete-by-path/s/h.example.com", "h.example.com A:delete AAAA:delete"},
		{"delete, secret in a header", "/delete-by-path//h.example.com", "h.example.com A:delete AAAA:delete"},
		{"delete with an address", "/delete-by-path/s/h.example.com/192.0.2.1", "error bad_parameter: the path has too many segments"},
		{"delete nothing", "/delete-by-path/s/", `error bad_parameter: The argument "fqdn" is missing`},
		{"check", "/check/s", "check"},
		{"check too long", "/check/s/t", "error bad_parameter: the path has too many segments"},

		{"no address", q, "h.example.com A:detect/keep AAAA:detect/keep"},
		{"ip_1 and ip_2", q + "&ip_1=2001:db8::1&ip_2=192.0.2.1", "h.example.com A:set 192.0.2.1 AAAA:set 2001:db8::1"},
		{"ipv4 and ipv6", q + "&ipv4=192.0.2.1&ipv6=2001:db8::1", "h.example.com A:set 192.0.2.1 AAAA:set 2001:db8::1"},
		{"IPv4-mapped", q + "&ip_1=::ffff:192.0.2.1", "h.example.com A:set 192.0.2.1 AAAA:keep"},
		{"empty is absent", q + "&ipv4=&ipv6=2001:db8::1&ttl=", "h.example.com A:keep AAAA:set 2001:db8::1"},
		{"all empty", q + "&ipv4=&ipv6=", "h.example.com A:detect/keep AAAA:detect/keep"},
		{"none", q + "&ipv4=none", "h.example.com A:delete AAAA:keep"},
		{"none and an address", q + "&ipv4=none&ipv6=2001:db8::1", "h.example.com A:delete AAAA:set 2001:db8::1"},
		{"none in ip_1", q + "&ip_1=none", "error bad_address: none is not an IP address"},
		{"none beside an address of the family", q + "&ip_1=192.0.2.1&ipv4=none", "error bad_address: none is a second value for its address family"},
		{"one family twice", q + "&ip_1=192.0.2.1&ip_2=192.0.2.2", "error bad_address: 192.0.2.2 is a second value for its address family"},
		{"IPv6 in ipv4", q + "&ipv4=2001:db8::1", "error bad_address: 2001:db8::1 is not an IPv4 address"},
		{"IPv4 in ipv6", q + "&ipv6=192.0.2.1", "error bad_address: 192.0.2.1 is not an IPv6 address"},
		{"no address at all", q + "&ip_1=<script>x", "error bad_address: REDACTED is not an IP address"},
		{"loopback", q + "&ip_1=127.0.0.1", "error bad_address: 127.0.0.1 is a loopback address"},
		{"unspecified", q + "&ipv6=::", "error bad_address: :: is the unspecified address"},
		{"good beside bad", q + "&ipv4=192.0.2.1&ipv6=fe80::1", "error bad_address: fe80::1 is a link-local address"},

		{"zone and record", "/update-by-query?zone_name=example.com&record_name=h&ipv4=192.0.2.1", "h.example.com@example.com A:set 192.0.2.1 AAAA:keep"},
		{"zone apex", "/update-by-query?zone_name=example.com&record_name=@", "example.com@example.com A:detect/keep AAAA:detect/keep"},
		{"zone without record", "/update-by-query?zone_name=example.com", `error bad_parameter: The argument "record_name" is missing; @ is the zone itself`},
		{"record without zone", "/update-by-query?record_name=h", `error bad_parameter: The argument "zone_name" is missing`},
		{"all three", q + "&zone_name=example.com&record_name=h", "h.example.com@example.com A:detect/keep AAAA:detect/keep"},
		{"all three, spelled otherwise", q + "&zone_name=EXAMPLE.com.&record_name=H", "H.EXAMPLE.com@EXAMPLE.com. A:detect/keep AAAA:detect/keep"},
		{"all three, two names", q + "&zone_name=example.com&record_name=i", "error bad_parameter: fqdn, and zone_name with record_name, are two names"},
		{"fqdn with its zone", q + "&zone_name=example.com", "h.example.com@example.com A:detect/keep AAAA:detect/keep"},
		{"fqdn with a record alone", q + "&record_name=h", `error bad_parameter: The argument "zone_name" is missing`},
		{"absolute record", "/update-by-query?zone_name=example.com&record_name=h.Example.com.", "h.Example.com@example.com A:detect/keep AAAA:detect/keep"},
		{"record with a final dot", "/update-by-query?zone_name=example.com&record_name=h.", "h.example.com@example.com A:detect/keep AAAA:detect/keep"},
		{"record that ends like the zone", "/update-by-query?zone_name=example.com&record_name=myexample.com", "myexample.com.example.com@example.com A:detect/keep AAAA:detect/keep"},
		{"record that is the zone", "/update-by-query?zone_name=example.com&record_name=example.com", "example.com@example.com A:detect/keep AAAA:detect/keep"},
		{"no name", "/update-by-query?ipv4=192.0.2.1", `error bad_parameter: The argument "fqdn" is missing`},
		{"empty fqdn beside zone and record", "/update-by-query?fqdn=&zone_name=example.com&record_name=h", "h.example.com@example.com A:detect/keep AAAA:detect/keep"},

		{"ttl", q + "&ipv4=192.0.2.1&ttl=2147483647", "h.example.com A:set 192.0.2.1 AAAA:keep; ttl 2147483647"},
		{"ttl zero", q + "&ttl=0", "h.example.com A:detect/keep AAAA:detect/keep; ttl 0"},
		{"ttl too large", q + "&ttl=2147483648", "error bad_parameter: ttl REDACTED is not a whole number from 0 to 2147483647"},
		{"ttl negative", q + "&ttl=-1", "error bad_parameter: ttl -1 is not a whole number from 0 to 2147483647"},
		{"ttl with a fraction", q + "&ttl=1.5", "error bad_parameter: ttl 1.5 is not a whole number from 0 to 2147483647"},
		{"ttl with a sign", q + "&ttl=%2B5", "error bad_parameter: ttl ?5 is not a whole number from 0 to 2147483647"},

		{"unknown argument", q + "&foo=1", `error bad_parameter: Unknown query string argument: "foo"`},
		{"unknown argument is echoed safely", q + "&%22%0d%0a=1", `error bad_parameter: Unknown query string argument: "???"`},
		{"argument of another case", q + "&IPV4=192.0.2.1", `error bad_parameter: Unknown query string argument: "IPV4"`},
		{"repeated argument", q + "&ipv4=192.0.2.1&ipv4=192.0.2.1", `error bad_parameter: The argument "ipv4" is given twice`},
		{"repeated empty argument", q + "&ipv4=&ipv4=192.0.2.1", `error bad_parameter: The argument "ipv4" is given twice`},
		{"NUL and invalid UTF-8", q + "&ip_1=%00%ff", "error bad_address: ?? is not an IP address"},

		{"prefix alone", q + "&ip6lanprefix=2001:db8:1::/56", "h.example.com A:keep AAAA:keep; prefix 2001:db8:1::/56"},
		{"prefix in a family's argument", q + "&ipv6=2001:db8:1::/64", "h.example.com A:keep AAAA:keep/move 2001:db8:1::/64; prefix 2001:db8:1::/64"},
		{"prefix with host bits", q + "&ipv6=2001:db8:1::5/64", "h.example.com A:keep AAAA:set 2001:db8:1::5; prefix 2001:db8:1::/64"},
		{"prefix beside the host's address", q + "&ip_1=2001:db8::1&ip6lanprefix=2001:db8:1::/56", "h.example.com A:keep AAAA:set 2001:db8::1; prefix 2001:db8:1::/56"},
		{"prefix given twice alike", q + "&ip_1=2001:db8:1::/56&ipv6prefix=2001:db8:1::/56", "h.example.com A:keep AAAA:keep/move 2001:db8:1::/56; prefix 2001:db8:1::/56"},
		{"two prefixes", q + "&ip6lanprefix=2001:db8:1::/56&ipv6prefix=2001:db8:2::/56", "error bad_address: 2001:db8:2::/56 is another prefix than 2001:db8:1::/56"},
		{"prefix too short", q + "&ip6lanprefix=2001:db8::/32", "error bad_address: 2001:db8::/32 is not a prefix of /48 to /64"},
		{"prefix of IPv4", q + "&ipv4=192.0.2.0/24", "error bad_address: 192.0.2.0/24 is an IPv4 network; only an IPv6 prefix can be used"},
		{"IPv4 with its network's length", q + "&ipv4=192.0.2.1/24", "h.example.com A:set 192.0.2.1 AAAA:keep"},

		{"value per host", q + "&ipv4=192.0.2.1&myipv6:n.example.com,c.example.com=2001:db8::2", "h.example.com A:set 192.0.2.1 AAAA:keep; n.example.com AAAA:set 2001:db8::2; c.example.com AAAA:set 2001:db8::2"},
		{"value per host for the host itself", q + "&ipv6=2001:db8::1&myipv6:H.example.com.=2001:db8::2", "h.example.com A:keep AAAA:set 2001:db8::2"},
		{"value per host in the other form of an IDN", "/update-by-query?secret=s&fqdn=xn--mller-kva.example.com&ipv4=192.0.2.1&myipv6:M%C3%BCller.example.com=2001:db8::2", "xn--mller-kva.example.com A:set 192.0.2.1 AAAA:set 2001:db8::2"},
		{"value per host alone", q + "&myipv6:n.example.com=2001:db8::2", "h.example.com A:keep AAAA:keep; n.example.com AAAA:set 2001:db8::2"},
		{"prefix per host", q + "&ipv4=192.0.2.1&myipv6:n.example.com=2001:db8:1::/64", "h.example.com A:set 192.0.2.1 AAAA:keep; n.example.com AAAA:set/move 2001:db8:1::/64; prefix 2001:db8:1::/64"},
		{"empty value per host", q + "&ipv4=192.0.2.1&myipv6:n.example.com=", "h.example.com A:set 192.0.2.1 AAAA:keep"},
		{"IPv4 per host", q + "&myipv6:n.example.com=192.0.2.1", "error bad_address: 192.0.2.1 is not an IPv6 address"},
		{"empty names per host", q + "&ipv4=192.0.2.1&myipv6:,+n.example.com,+,=2001:db8::2", "h.example.com A:set 192.0.2.1 AAAA:keep; n.example.com AAAA:set 2001:db8::2"},
		{"only empty names per host", q + "&ipv4=192.0.2.1&myipv6:,=2001:db8::2", "h.example.com A:set 192.0.2.1 AAAA:keep"},
		{"no name twice per host", q + "&ipv4=192.0.2.1&myipv6:_,_=2001:db8::2", "h.example.com A:set 192.0.2.1 AAAA:keep; _ AAAA:set 2001:db8::2"},
		{"20 names per host and another", q + "&myipv6:" + strings.Repeat("n,", 20) + "=2001:db8::2&myipv6:o=2001:db8::3", "error too_many_hosts: a request may name 20 hosts"},
		{"19 names per host beside the host", q + "&myipv6:" + names(19) + "=2001:db8::2", "h.example.com A:keep AAAA:keep; " + strings.ReplaceAll(names(19), ",", " AAAA:set 2001:db8::2; ") + " AAAA:set 2001:db8::2"},
		{"20 names per host beside the host", q + "&myipv6:" + names(20) + "=2001:db8::2", "error too_many_hosts: a request may name 20 hosts"},
		{"20 names per host with the host among them", q + "&myipv6:" + names(19) + ",H.example.com=2001:db8::2", "h.example.com A:keep AAAA:set 2001:db8::2; " + strings.ReplaceAll(names(19), ",", " AAAA:set 2001:db8::2; ") + " AAAA:set 2001:db8::2"},
		{"21 names for a prefix", q + "&myipv6:" + names(21) + "=2001:db8:1::/64", "error too_many_hosts: a request may name 20 hosts"},
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

// names returns n names, separated by commas.
func names(n int) string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf("n%d.example.com", i)
	}
	return strings.Join(all, ",")
}

func TestMissingFamilyDelete(t *testing.T) {
	const q = "/update-by-query?secret=s&fqdn=h.example.com"
	tests := []struct{ name, uri, want string }{
		{"IPv4 alone", q + "&ipv4=192.0.2.1", "h.example.com A:set 192.0.2.1 AAAA:delete"},
		{"IPv6 alone", q + "&ipv6=2001:db8::1", "h.example.com A:delete AAAA:set 2001:db8::1"},
		{"no address", q, "h.example.com A:detect/delete AAAA:detect/delete"},
		{"prefix alone deletes nothing", q + "&ip6lanprefix=2001:db8:1::/64", "h.example.com A:keep AAAA:keep; prefix 2001:db8:1::/64"},
		{"prefix is a mention of IPv6", q + "&ipv4=192.0.2.1&ip6lanprefix=2001:db8:1::/64", "h.example.com A:set 192.0.2.1 AAAA:keep; prefix 2001:db8:1::/64"},
		{"dyndns2 is not concerned", "/nic/update?hostname=h.example.com&myip=192.0.2.1", "h.example.com A:set 192.0.2.1"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, _, sub, err := ask(t, get(t, test.uri), Options{MissingFamilyDelete: true})
			if got := answer(sub, err); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

func TestNativeReply(t *testing.T) {
	ttlOnly := record(a, "192.0.2.1", "192.0.2.1")
	ttlOnly.Changed = true
	part := host("h.", record(a, "", "192.0.2.1"))
	part.Err = &service.Error{Reason: zone.Refused, Message: "no"}
	tests := []struct {
		name       string
		out        service.Outcome
		status     int
		text, json string
	}{
		{"updated and absent", service.Outcome{Hosts: []service.HostOutcome{host("home.dyn.example.com.", record(a, "192.0.2.1", "192.0.2.2"), record(aaaa, "", ""))}}, 200,
			"UPDATED: home.dyn.example.com. A 192.0.2.1 -> 192.0.2.2\nUNCHANGED: home.dyn.example.com. AAAA None\n",
			`{"records":[{"name":"home.dyn.example.com.","type":"A","old":["192.0.2.1"],"new":["192.0.2.2"],"ttl":300,"changed":true,"proven":false},{"name":"home.dyn.example.com.","type":"AAAA","old":[],"new":[],"ttl":300,"changed":false,"proven":false}]}` + "\n"},
		{"several old values", service.Outcome{Hosts: []service.HostOutcome{host("h.", record(a, "192.0.2.1,192.0.2.3", "192.0.2.2"))}}, 200,
			"UPDATED: h. A 192.0.2.1,192.0.2.3 -> 192.0.2.2\n",
			`{"records":[{"name":"h.","type":"A","old":["192.0.2.1","192.0.2.3"],"new":["192.0.2.2"],"ttl":300,"changed":true,"proven":false}]}` + "\n"},
		{"ttl alone", service.Outcome{Hosts: []service.HostOutcome{host("h.", ttlOnly)}}, 200,
			"UPDATED: h. A 192.0.2.1 -> 192.0.2.1\n",
			`{"records":[{"name":"h.","type":"A","old":["192.0.2.1"],"new":["192.0.2.1"],"ttl":300,"changed":true,"proven":false}]}` + "\n"},
		{"deleted", service.Outcome{Hosts: []service.HostOutcome{host("h.", record(a, "192.0.2.2", ""), record(aaaa, "", ""))}}, 200,
			"UPDATED: h. A 192.0.2.2 -> None\nUNCHANGED: h. AAAA None\n",
			`{"records":[{"name":"h.","type":"A","old":["192.0.2.2"],"new":[],"ttl":300,"changed":true,"proven":false},{"name":"h.","type":"AAAA","old":[],"new":[],"ttl":300,"changed":false,"proven":false}]}` + "\n"},
		{"one host refused", service.Outcome{Hosts: []service.HostOutcome{failed("h.", service.NoZone, "h. is in no zone that this server changes")}}, 404,
			"DNS_NAME_ERROR: h. is in no zone that this server changes\n",
			`{"error":{"word":"DNS_NAME_ERROR","message":"h. is in no zone that this server changes"}}` + "\n"},
		{"both truths", service.Outcome{
			Hosts: []service.HostOutcome{host("h.", record(a, "192.0.2.1", "192.0.2.1"))},
			LAN:   []service.HostOutcome{host("n.", record(aaaa, "", "2001:db8::1")), failed("c.", service.BadAddress, "too long"), failed("d.", zone.Timeout, "no answer")},
		}, 504,
			"UNCHANGED: h. A 192.0.2.1\nUPDATED: n. AAAA None -> 2001:db8::1\nIP_ADDRESS_ERROR: c.: too long\nDNS_SERVER_ERROR: d.: no answer\n",
			`{"records":[{"name":"h.","type":"A","old":["192.0.2.1"],"new":["192.0.2.1"],"ttl":300,"changed":false,"proven":false},{"name":"n.","type":"AAAA","old":[],"new":["2001:db8::1"],"ttl":300,"changed":true,"proven":false}],"error":{"word":"DNS_SERVER_ERROR","message":"c.: too long; d.: no answer"}}` + "\n"},
		{"part of a host", service.Outcome{Hosts: []service.HostOutcome{part}}, 502,
			"UPDATED: h. A None -> 192.0.2.1\nDNS_SERVER_ERROR: no\n",
			`{"records":[{"name":"h.","type":"A","old":[],"new":["192.0.2.1"],"ttl":300,"changed":true,"proven":false}],"error":{"word":"DNS_SERVER_ERROR","message":"no"}}` + "\n"},
		{"a message stays one line", refused(zone.Refused, "no\r\nUPDATED: x"), 502,
			"DNS_SERVER_ERROR: no  UPDATED: x\n",
			`{"error":{"word":"DNS_SERVER_ERROR","message":"no\r\nUPDATED: x"}}` + "\n"},
		{"check with a warning", service.Outcome{Checks: []service.ZoneCheck{
			{Zone: "a.example.", Steps: []zone.CheckStep{
				{Name: "reachable", Server: "192.0.2.53:53", Took: time.Millisecond, Err: errors.New("refused"), Warning: true},
				{Name: "write", Took: time.Millisecond, Detail: "x TXT"},
			}},
		}}, 200,
			"WARNING: a.example. reachable 192.0.2.53:53 1.0 ms: refused\nINFO: a.example. write 1.0 ms x TXT\n",
			`{"checks":[{"zone":"a.example.","steps":[{"name":"reachable","server":"192.0.2.53:53","milliseconds":1,"warning":"refused"},{"name":"write","milliseconds":1,"detail":"x TXT"}]}]}` + "\n"},
		{"check", service.Outcome{Checks: []service.ZoneCheck{
			{Zone: "a.example.", Steps: []zone.CheckStep{{Name: "reachable", Server: "192.0.2.53:53", Took: 1240 * time.Microsecond, Detail: "BIND"}}},
			{Zone: "b.example.", Steps: []zone.CheckStep{{Name: "write", Took: 2 * time.Second, Err: errors.New("refused")}, {Name: "remove", Err: errors.New("refused too")}}},
		}}, 502,
			"INFO: a.example. reachable 192.0.2.53:53 1.2 ms BIND\nCHECK_ERROR: b.example. write 2000.0 ms: refused\nCHECK_ERROR: b.example. remove 0.0 ms: refused too\n",
			`{"checks":[{"zone":"a.example.","steps":[{"name":"reachable","server":"192.0.2.53:53","milliseconds":1.24,"detail":"BIND"}]},{"zone":"b.example.","steps":[{"name":"write","milliseconds":2000,"error":"refused"},{"name":"remove","milliseconds":0,"error":"refused too"}]}],"error":{"word":"CHECK_ERROR","message":"b.example. write: refused; b.example. remove: refused too"}}` + "\n"},
	}
	for _, test := range tests {
		for _, format := range []struct{ accept, contentType, want string }{
			{"*/*", "text/plain; charset=utf-8", test.text},
			{"text/html, Application/JSON;q=0.9", "application/json", test.json},
			{"application/json;q=0", "text/plain; charset=utf-8", test.text},
		} {
			t.Run(test.name+" as "+format.accept, func(t *testing.T) {
				call := match(read(t, "GET /update-by-query HTTP/1.1\nHost: x\nAccept: "+format.accept+"\n\n"), Options{})
				reply := call.reply(test.out)
				got := fmt.Sprint(reply.Status, " ", reply.ContentType, "\n", string(reply.Body))
				if want := fmt.Sprint(test.status, " ", format.contentType, "\n", format.want); got != want {
					t.Errorf("got  %s\nwant %s", got, want)
				}
			})
		}
	}
}
