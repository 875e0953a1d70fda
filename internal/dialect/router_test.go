package dialect

import (
	"fmt"
	"testing"

	"github.com/caddy-dyndns/dyndns/internal/service"
	"github.com/caddy-dyndns/dyndns/zone"
)

// TestRouters takes requests as routers and scripts send them through the
// dialects: what is understood, and the bytes that come back. The credentials
// are router:0123456789abcdef as Basic, or the token itself.
func TestRouters(t *testing.T) {
	const (
		name  = "home.dyn.example.com."
		basic = "Authorization: Basic cm91dGVyOjAxMjM0NTY3ODlhYmNkZWY=\n"
		token = "0123456789abcdef"
	)
	updated := []service.HostOutcome{host(name, record(a, "192.0.2.1", "192.0.2.2"))}
	both := []service.HostOutcome{host(name, record(a, "192.0.2.1", "192.0.2.2"), record(aaaa, "", "2001:db8::2"))}
	tests := []struct {
		name, raw  string
		submission string
		hosts, lan []service.HostOutcome
		reply      string
	}{
		{
			name:       "FRITZ!Box, native URL with the password in the path",
			raw:        "GET /update-by-path/" + token + "/home.dyn.example.com/192.0.2.2/2001:db8::2 HTTP/1.1\nHost: dyndns.example.com\nUser-Agent: Fritz!Box DDNS/1.0.1\n\n",
			submission: "home.dyn.example.com A:set 192.0.2.2 AAAA:set 2001:db8::2",
			hosts:      both,
			reply:      "200 UPDATED: home.dyn.example.com. A 192.0.2.1 -> 192.0.2.2\nUPDATED: home.dyn.example.com. AAAA None -> 2001:db8::2\n",
		},
		{
			name:       "FRITZ!Box, native URL, no IPv4",
			raw:        "GET /update-by-path/" + token + "/home.dyn.example.com//2001:db8::2 HTTP/1.1\nHost: dyndns.example.com\nUser-Agent: Fritz!Box DDNS/1.0.1\n\n",
			submission: "home.dyn.example.com A:keep AAAA:set 2001:db8::2",
			hosts:      both,
			reply:      "200 UPDATED: home.dyn.example.com. A 192.0.2.1 -> 192.0.2.2\nUPDATED: home.dyn.example.com. AAAA None -> 2001:db8::2\n",
		},
		{
			name:       "FRITZ!Box, dyndns2 URL, Basic, with the prefix",
			raw:        "GET /nic/update?hostname=home.dyn.example.com&myip=192.0.2.2,2001:db8::2&ip6lanprefix=2001:db8:0:ff00::/56 HTTP/1.1\nHost: dyndns.example.com\n" + basic + "User-Agent: Fritz!Box DDNS/1.0.1\n\n",
			submission: "home.dyn.example.com A:set 192.0.2.2 AAAA:set 2001:db8::2; prefix 2001:db8:0:ff00::/56",
			hosts:      both,
			lan:        []service.HostOutcome{host("nas.dyn.example.com.", record(aaaa, "", "2001:db8:0:ff01::1"))},
			reply:      "200 good 192.0.2.2,2001:db8::2",
		},
		{
			name:       "FRITZ!Box, dyndns2 URL, no IPv6, no prefix, credentials unescaped in the URL",
			raw:        "GET /nic/update?hostname=home.dyn.example.com&myip=192.0.2.2,&ip6lanprefix=&username=a%user&password=" + token + " HTTP/1.1\nHost: dyndns.example.com\n\n",
			submission: "home.dyn.example.com A:set 192.0.2.2",
			hosts:      updated,
			reply:      "200 good 192.0.2.2",
		},
		{
			name:       "FRITZ!Box, deSEC URL",
			raw:        "GET /?hostname=home.dyn.example.com&myipv4=192.0.2.2&myipv6=2001:db8::2&myipv6:nas.dyn.example.com=2001:db8:1::/56 HTTP/1.1\nHost: dyndns.example.com\n" + basic + "\n",
			submission: "home.dyn.example.com A:set 192.0.2.2 AAAA:set 2001:db8::2; nas.dyn.example.com AAAA:set/move 2001:db8:1::/56; prefix 2001:db8:1::/56",
			hosts:      append(both[:1:1], host("nas.dyn.example.com.", record(aaaa, "2001:db8::a", "2001:db8:1::a"))),
			reply:      "200 good 192.0.2.2,2001:db8::2\ngood 2001:db8:1::a",
		},
		{
			name:       "Speedport Smart 4",
			raw:        "GET /nic/update?hostname=home.dyn.example.com&myip=2001:db8::2,192.0.2.2 HTTP/1.0\nHost: dyndns.example.com\n" + basic + "User-Agent: Deutsche Telekom - Speedport Smart 4 Typ B - 010139\n\n",
			submission: "home.dyn.example.com A:set 192.0.2.2 AAAA:set 2001:db8::2",
			hosts:      both,
			reply:      "200 good 192.0.2.2,2001:db8::2",
		},
		{
			name:       "UniFi, doubled slash",
			raw:        "GET //nic/update?hostname=home.dyn.example.com&myip=192.0.2.2 HTTP/1.0\nHost: dyndns.example.com\n" + basic + "User-Agent: inadyn/2.9.1 https://github.com/troglobit/inadyn/issues\n\n",
			submission: "home.dyn.example.com A:set 192.0.2.2",
			hosts:      updated,
			reply:      "200 good 192.0.2.2",
		},
		{
			name:       "UniFi, backslash",
			raw:        `GET /\/nic/update?hostname=home.dyn.example.com&myip=192.0.2.2 HTTP/1.0` + "\nHost: dyndns.example.com\n" + basic + "\n",
			submission: "home.dyn.example.com A:set 192.0.2.2",
			hosts:      updated,
			reply:      "200 good 192.0.2.2",
		},
		{
			name:       "inadyn custom, IPv6 escaped",
			raw:        "GET /nic/update?hostname=home.dyn.example.com&myip=2001%3adb8%3a%3a2 HTTP/1.0\nHost: dyndns.example.com\n" + basic + "\n",
			submission: "home.dyn.example.com AAAA:set 2001:db8::2",
			hosts:      []service.HostOutcome{host(name, record(aaaa, "2001:db8::2", "2001:db8::2"))},
			reply:      "200 nochg 2001:db8::2",
		},
		{
			name:       "Synology DSM",
			raw:        "GET /nic/update?hostname=home.dyn.example.com&myip=192.0.2.2&system=dyndns&wildcard=NOCHG&mx=NOCHG&backmx=NOCHG HTTP/1.1\nHost: dyndns.example.com\n" + basic + "\n",
			submission: "home.dyn.example.com A:set 192.0.2.2",
			hosts:      []service.HostOutcome{failed("home.dyn.example.com.", service.NotGranted, "m")},
			reply:      "200 nohost",
		},
		{
			name:       "QNAP",
			raw:        "GET /nic/update?user=router&pass=" + token + "&hostname=home.dyn.example.com&myip=192.0.2.2 HTTP/1.1\nHost: dyndns.example.com\n\n",
			submission: "home.dyn.example.com A:set 192.0.2.2",
			hosts:      updated,
			reply:      "200 good 192.0.2.2",
		},
		{
			name:       "OPNsense native",
			raw:        "GET /nic/update?hostname=home.dyn.example.com&myip=192.0.2.2&system=dyndns&wildcard=NOCHG HTTP/1.1\nHost: dyndns.example.com\nUser-Agent: OPNsense-dyndns\nAccept: */*\n" + basic + "\n",
			submission: "home.dyn.example.com A:set 192.0.2.2",
			hosts:      updated,
			reply:      "200 good 192.0.2.2",
		},
		{
			name:       "OPNsense custom, POST with an empty body",
			raw:        "POST /nic/update?hostname=home.dyn.example.com&myip=192.0.2.2 HTTP/1.1\nHost: dyndns.example.com\nUser-Agent: OPNsense-dyndns\nContent-Length: 0\n" + basic + "\n",
			submission: "home.dyn.example.com A:set 192.0.2.2",
			hosts:      updated,
			reply:      "200 good 192.0.2.2",
		},
		{
			name:       "pfSense dyndns",
			raw:        "GET /nic/update?system=dyndns&hostname=home.dyn.example.com&myip=192.0.2.2&wildcard=&mx=&backmx=NO HTTP/1.1\nHost: dyndns.example.com\n" + basic + "\n",
			submission: "home.dyn.example.com A:set 192.0.2.2",
			hosts:      []service.HostOutcome{host(name, record(a, "192.0.2.2", "192.0.2.2"))},
			reply:      "200 nochg 192.0.2.2",
		},
		{
			name:       "pfSense No-IP for IPv6",
			raw:        "GET /nic/update?hostname=home.dyn.example.com&myipv6=2001:db8::2 HTTP/1.1\nHost: dyndns.example.com\n" + basic + "\n",
			submission: "home.dyn.example.com AAAA:set 2001:db8::2",
			hosts:      []service.HostOutcome{host(name, record(aaaa, "", "2001:db8::2"))},
			reply:      "200 good 2001:db8::2",
		},
		{
			name:       "pfSense with a form",
			raw:        "POST /nic/update HTTP/1.1\nHost: dyndns.example.com\nContent-Type: application/x-www-form-urlencoded\nContent-Length: 50\n" + basic + "\nhostname=home.dyn.example.com&myip=192.0.2.2&x=yes",
			submission: "home.dyn.example.com A:set 192.0.2.2",
			hosts:      updated,
			reply:      "200 good 192.0.2.2",
		},
		{
			name:       "DrayTek",
			raw:        "GET /nic/update?myip=192.0.2.2&hostname=home.dyn.example.com HTTP/1.1\nHost: dyndns.example.com\n" + basic + "\n",
			submission: "home.dyn.example.com A:set 192.0.2.2",
			hosts:      updated,
			reply:      "200 good 192.0.2.2",
		},
		{
			name:       "MikroTik, script that leaves the length at the address",
			raw:        "GET /nic/update?hostname=home.dyn.example.com&myip=192.0.2.2/24 HTTP/1.1\nHost: dyndns.example.com\n" + basic + "User-Agent: Mikrotik/7.x Fetch\n\n",
			submission: "home.dyn.example.com A:set 192.0.2.2",
			hosts:      updated,
			reply:      "200 good 192.0.2.2",
		},
		{
			name:       "OpenWrt, after the challenge",
			raw:        "GET /nic/update?hostname=HOME.dyn.example.com.&myip=192.0.2.2 HTTP/1.1\nHost: dyndns.example.com\n" + basic + "User-Agent: uclient-fetch\n\n",
			submission: "HOME.dyn.example.com. A:set 192.0.2.2",
			hosts:      updated,
			reply:      "200 good 192.0.2.2",
		},
		{
			name:       "OpenWrt, dyn.com's own path",
			raw:        "GET /v3/update?hostname=home.dyn.example.com&myip=192.0.2.2 HTTP/1.1\nHost: dyndns.example.com\n" + basic + "User-Agent: Wget/1.21.3\n\n",
			submission: "home.dyn.example.com A:set 192.0.2.2",
			hosts:      updated,
			reply:      "200 good 192.0.2.2",
		},
		{
			name:       "IPFire",
			raw:        "GET /nic/update?hostname=home.dyn.example.com&myip=192.0.2.2 HTTP/1.1\nHost: dyndns.example.com\nUser-Agent: IPFireDDNSUpdater/014\n" + basic + "\n",
			submission: "home.dyn.example.com A:set 192.0.2.2",
			hosts:      []service.HostOutcome{failed(name, zone.Unreachable, "m")},
			reply:      "503 911",
		},
		{
			name:       "ddclient 3.10, two hosts",
			raw:        "GET /nic/update?system=dyndns&hostname=home.dyn.example.com,b.example.com&myip=192.0.2.2 HTTP/1.0\nHost: dyndns.example.com\n" + basic + "User-Agent: ddclient/3.10.0\nConnection: close\n\n",
			submission: "home.dyn.example.com A:set 192.0.2.2; b.example.com A:set 192.0.2.2",
			hosts:      []service.HostOutcome{updated[0], failed("b.example.com.", service.NoZone, "m")},
			reply:      "200 good 192.0.2.2\nnohost",
		},
		{
			name:       "ddclient 3.10 with IPv6 alone sends no address",
			raw:        "GET /nic/update?system=dyndns&hostname=home.dyn.example.com&myip= HTTP/1.0\nHost: dyndns.example.com\n" + basic + "\n",
			submission: "home.dyn.example.com A:detect AAAA:detect",
			hosts:      []service.HostOutcome{host(name, record(aaaa, "", "2001:db8::2"))},
			reply:      "200 good 2001:db8::2",
		},
		{
			name:       "ddclient, DuckDNS",
			raw:        "GET /update?domains=home&token=" + token + "&ip=192.0.2.2 HTTP/1.1\nHost: dyndns.example.com\n\n",
			submission: "home A:set 192.0.2.2; short",
			hosts:      updated,
			reply:      "200 OK",
		},
		{
			name:       "dyndns-update-script.sh of the Python dyndns' author",
			raw:        "GET /update-by-query?zone_name=dyn.example.com&secret=" + token + "&record_name=home&ipv4=192.0.2.2&ipv6=2001:db8::2&ttl=300 HTTP/1.1\nHost: dyndns.example.com\nUser-Agent: curl/7.88.1\nAccept: */*\n\n",
			submission: "home.dyn.example.com@dyn.example.com A:set 192.0.2.2 AAAA:set 2001:db8::2; ttl 300",
			hosts:      both,
			reply:      "200 UPDATED: home.dyn.example.com. A 192.0.2.1 -> 192.0.2.2\nUPDATED: home.dyn.example.com. AAAA None -> 2001:db8::2\n",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			call, credential, sub, err := ask(t, read(t, test.raw), Options{Domains: []string{"dyndns.example.com"}})
			if got := answer(sub, err); got != test.submission {
				t.Errorf("submission\ngot  %s\nwant %s", got, test.submission)
			}
			if got := fmt.Sprint(credential.Secrets); got != "["+token+"]" || credential.Malformed {
				t.Errorf("secrets %s", got)
			}
			reply := call.reply(service.Outcome{Hosts: test.hosts, LAN: test.lan})
			if got := fmt.Sprint(reply.Status, " ", string(reply.Body)); got != test.reply {
				t.Errorf("reply\ngot  %q\nwant %q", got, test.reply)
			}
		})
	}
}

// TestChallenge is the first of the two requests of wget, and so of OpenWrt.
func TestChallenge(t *testing.T) {
	call, credential, _, _ := ask(t, get(t, "/nic/update?hostname=home.dyn.example.com&myip=192.0.2.2"), Options{})
	if len(credential.Secrets) > 0 || credential.Malformed {
		t.Fatalf("credential %+v", credential)
	}
	reply := call.reply(refused(service.NoCredential, "no credential"))
	if reply.Status != 401 || string(reply.Body) != "badauth" || reply.Header.Get("WWW-Authenticate") != `Basic realm="dyndns"` {
		t.Errorf("reply %+v", reply)
	}
}
