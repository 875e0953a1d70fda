//go:build integration && linux

package clients

import (
	"strings"
	"testing"
)

// The requests of routers and scripts, as they stand on the wire, and the bytes
// that come back. BASIC is the header with the client's token as password, TOKEN
// the token alone. Before each, home has the address 192.0.2.1 and nas, behind
// the router, 2001:db8:0:1:211:32ff:fe12:3456.
func TestRouters(t *testing.T) {
	const (
		before = "home.dyn.example.com. A 192.0.2.1"
		nas    = "nas.home.dyn.example.com. AAAA 2001:db8:0:1:211:32ff:fe12:3456"
		// Afterwards.
		v4   = "home.dyn.example.com. A 192.0.2.2; " + nas
		both = "home.dyn.example.com. A 192.0.2.2; home.dyn.example.com. AAAA 2001:db8::2; " + nas
	)
	rows := []struct {
		name    string
		request string
		status  int
		body    string
		records string
	}{
		{
			"FRITZ!Box, URL with the password in the path",
			"GET /update-by-path/TOKEN/home.dyn.example.com/192.0.2.2/2001:db8::2 HTTP/1.1\nHost: dyndns.example.com\nUser-Agent: Fritz!Box DDNS/1.0.1\n\n",
			200, "UPDATED: home.dyn.example.com. A 192.0.2.1 -> 192.0.2.2\nUPDATED: home.dyn.example.com. AAAA None -> 2001:db8::2\n", both,
		},
		{
			"FRITZ!Box, URL with the password in the path, no IPv4",
			"GET /update-by-path/TOKEN/home.dyn.example.com//2001:db8::2 HTTP/1.1\nHost: dyndns.example.com\nUser-Agent: Fritz!Box DDNS/1.0.1\n\n",
			200, "UNCHANGED: home.dyn.example.com. A 192.0.2.1\nUPDATED: home.dyn.example.com. AAAA None -> 2001:db8::2\n",
			before + "; home.dyn.example.com. AAAA 2001:db8::2; " + nas,
		},
		{
			"FRITZ!Box, URL with arguments",
			"GET /update-by-query?secret=TOKEN&fqdn=home.dyn.example.com&ipv4=192.0.2.2&ipv6=&ipv6prefix=2001:db8:0:5::/64 HTTP/1.1\nHost: dyndns.example.com\nUser-Agent: Fritz!Box DDNS/1.0.1\n\n",
			200, "UPDATED: home.dyn.example.com. A 192.0.2.1 -> 192.0.2.2\nUNCHANGED: home.dyn.example.com. AAAA None\n" +
				"UPDATED: nas.home.dyn.example.com. AAAA 2001:db8:0:1:211:32ff:fe12:3456 -> 2001:db8:0:5:211:32ff:fe12:3456\n",
			"home.dyn.example.com. A 192.0.2.2; nas.home.dyn.example.com. AAAA 2001:db8:0:5:211:32ff:fe12:3456",
		},
		{
			"FRITZ!Box, dyndns2 URL of the README",
			"GET /nic/update?hostname=home.dyn.example.com&myip=192.0.2.2,2001:db8::2&ip6lanprefix=2001:db8:0:5::/64 HTTP/1.1\nHost: dyndns.example.com\nBASIC\nUser-Agent: Fritz!Box DDNS/1.0.1\n\n",
			200, "good 192.0.2.2,2001:db8::2",
			"home.dyn.example.com. A 192.0.2.2; home.dyn.example.com. AAAA 2001:db8::2; nas.home.dyn.example.com. AAAA 2001:db8:0:5:211:32ff:fe12:3456",
		},
		{
			"FRITZ!Box, dyndns2 URL, a delegated /56",
			"GET /nic/update?hostname=home.dyn.example.com&myip=192.0.2.1,2001:db8::2&ip6lanprefix=2001:db8:0:ff00::/56 HTTP/1.1\nHost: dyndns.example.com\nBASIC\n\n",
			200, "good 192.0.2.1,2001:db8::2",
			before + "; home.dyn.example.com. AAAA 2001:db8::2; nas.home.dyn.example.com. AAAA 2001:db8:0:ff00:211:32ff:fe12:3456",
		},
		{
			"FRITZ!Box, the second of two URLs, with the prefix alone",
			"GET /nic/update?hostname=home.dyn.example.com&ip6lanprefix=2001:db8:0:5::/64 HTTP/1.1\nHost: dyndns.example.com\nBASIC\n\n",
			200, "good 192.0.2.1", before + "; nas.home.dyn.example.com. AAAA 2001:db8:0:5:211:32ff:fe12:3456",
		},
		{
			"FRITZ!Box, no IPv6 and no prefix, the credentials unescaped in the URL",
			"GET /nic/update?hostname=home.dyn.example.com&myip=192.0.2.2,&ip6lanprefix=&username=a%user&password=TOKEN HTTP/1.1\nHost: dyndns.example.com\n\n",
			200, "good 192.0.2.2", v4,
		},
		{
			"FRITZ!Box, deSEC's URL",
			"GET /nic/update?hostname=home.dyn.example.com&myipv4=192.0.2.2&myipv6=2001:db8::2&myipv6:nas.home.dyn.example.com=2001:db8:0:5::/64 HTTP/1.1\nHost: dyndns.example.com\nBASIC\n\n",
			200, "good 192.0.2.2,2001:db8::2\ngood 2001:db8:0:5:211:32ff:fe12:3456",
			"home.dyn.example.com. A 192.0.2.2; home.dyn.example.com. AAAA 2001:db8::2; nas.home.dyn.example.com. AAAA 2001:db8:0:5:211:32ff:fe12:3456",
		},
		{
			"FRITZ!Box without a name in the URL, which is the user's",
			"GET /nic/update?myip=192.0.2.2 HTTP/1.1\nHost: dyndns.example.com\nAuthorization: Basic aG9tZS5keW4uZXhhbXBsZS5jb206aG9tZS1yb3V0ZXJfMDEyMzQ1Njc4OQ==\n\n",
			200, "good 192.0.2.2", v4,
		},
		{
			"Speedport Smart 4",
			"GET /nic/update?hostname=home.dyn.example.com&myip=2001:db8::2,192.0.2.2 HTTP/1.0\nHost: dyndns.example.com\nBASIC\nUser-Agent: Deutsche Telekom - Speedport Smart 4 Typ B - 010139\n\n",
			200, "good 192.0.2.2,2001:db8::2", both,
		},
		{
			"UniFi, doubled slash",
			"GET //nic/update?hostname=home.dyn.example.com&myip=192.0.2.2 HTTP/1.0\nHost: dyndns.example.com\nBASIC\nUser-Agent: inadyn/2.9.1 https://github.com/troglobit/inadyn/issues\n\n",
			200, "good 192.0.2.2", v4,
		},
		{
			"UniFi, backslash",
			`GET /\/nic/update?hostname=home.dyn.example.com&myip=192.0.2.2 HTTP/1.0` + "\nHost: dyndns.example.com\nBASIC\n\n",
			200, "good 192.0.2.2", v4,
		},
		{
			"inadyn custom, IPv6 escaped",
			"GET /nic/update?hostname=home.dyn.example.com&myip=2001%3adb8%3a%3a2 HTTP/1.0\nHost: dyndns.example.com\nBASIC\n\n",
			200, "good 2001:db8::2", before + "; home.dyn.example.com. AAAA 2001:db8::2; " + nas,
		},
		{
			"Synology DSM",
			"GET /nic/update?hostname=home.dyn.example.com&myip=192.0.2.2&system=dyndns&wildcard=NOCHG&mx=NOCHG&backmx=NOCHG HTTP/1.1\nHost: dyndns.example.com\nBASIC\n\n",
			200, "good 192.0.2.2", v4,
		},
		{
			"Synology DSM, a name that is not its own",
			"GET /nic/update?hostname=office.dyn.example.com&myip=192.0.2.2&system=dyndns&wildcard=NOCHG&mx=NOCHG&backmx=NOCHG HTTP/1.1\nHost: dyndns.example.com\nBASIC\n\n",
			200, "nohost", before + "; " + nas,
		},
		{
			"QNAP",
			"GET /nic/update?user=router&pass=TOKEN&hostname=home.dyn.example.com&myip=192.0.2.2 HTTP/1.1\nHost: dyndns.example.com\n\n",
			200, "good 192.0.2.2", v4,
		},
		{
			"OPNsense",
			"GET /nic/update?hostname=home.dyn.example.com&myip=192.0.2.2&system=dyndns&wildcard=NOCHG HTTP/1.1\nHost: dyndns.example.com\nUser-Agent: OPNsense-dyndns\nAccept-Encoding: gzip, deflate\nAccept: */*\nConnection: keep-alive\nBASIC\n\n",
			200, "good 192.0.2.2", v4,
		},
		{
			"OPNsense custom, POST with an empty body",
			"POST /nic/update?hostname=home.dyn.example.com&myip=192.0.2.2 HTTP/1.1\nHost: dyndns.example.com\nUser-Agent: OPNsense-dyndns\nContent-Length: 0\nBASIC\n\n",
			200, "good 192.0.2.2", v4,
		},
		{
			"pfSense, unchanged",
			"GET /nic/update?system=dyndns&hostname=home.dyn.example.com&myip=192.0.2.1&wildcard=&mx=&backmx=NO HTTP/1.1\nHost: dyndns.example.com\nBASIC\n\n",
			200, "nochg 192.0.2.1", before + "; " + nas,
		},
		{
			"pfSense, No-IP for IPv6",
			"GET /nic/update?hostname=home.dyn.example.com&myipv6=2001:db8::2 HTTP/1.1\nHost: dyndns.example.com\nBASIC\n\n",
			200, "good 2001:db8::2", before + "; home.dyn.example.com. AAAA 2001:db8::2; " + nas,
		},
		{
			"pfSense with a form",
			"POST /nic/update HTTP/1.1\nHost: dyndns.example.com\nContent-Type: application/x-www-form-urlencoded\nContent-Length: 44\nBASIC\n\nhostname=home.dyn.example.com&myip=192.0.2.2",
			200, "good 192.0.2.2", v4,
		},
		{
			"pfSense, a password that was changed",
			"GET /nic/update?hostname=home.dyn.example.com&myip=192.0.2.2 HTTP/1.1\nHost: dyndns.example.com\nAuthorization: Basic cm91dGVyOm9sZF8wMTIzNDU2Nzg5YWJj\n\n",
			401, "badauth", before + "; " + nas,
		},
		{
			"DrayTek",
			"GET /nic/update?myip=192.0.2.2&hostname=home.dyn.example.com HTTP/1.1\nHost: dyndns.example.com\nBASIC\n\n",
			200, "good 192.0.2.2", v4,
		},
		{
			"MikroTik, a script that leaves the length at the address",
			"GET /nic/update?hostname=home.dyn.example.com&myip=192.0.2.2/24 HTTP/1.1\nHost: dyndns.example.com\nBASIC\nUser-Agent: Mikrotik/7.x Fetch\n\n",
			200, "good 192.0.2.2", v4,
		},
		{
			"OpenWrt, before the challenge",
			"GET /nic/update?hostname=HOME.dyn.example.com.&myip=192.0.2.2 HTTP/1.1\nHost: dyndns.example.com\nUser-Agent: uclient-fetch\n\n",
			401, "badauth", before + "; " + nas,
		},
		{
			"OpenWrt, after the challenge",
			"GET /nic/update?hostname=HOME.dyn.example.com.&myip=192.0.2.2 HTTP/1.1\nHost: dyndns.example.com\nBASIC\nUser-Agent: uclient-fetch\n\n",
			200, "good 192.0.2.2", v4,
		},
		{
			"OpenWrt, dyn.com's own path",
			"GET /v3/update?hostname=home.dyn.example.com&myip=192.0.2.2 HTTP/1.1\nHost: dyndns.example.com\nBASIC\nUser-Agent: Wget/1.21.3\n\n",
			200, "good 192.0.2.2", v4,
		},
		{
			"IPFire, two names",
			"GET /nic/update?hostname=home.dyn.example.com,x.home.dyn.example.com&myip=192.0.2.2 HTTP/1.1\nHost: dyndns.example.com\nUser-Agent: IPFireDDNSUpdater/014\nBASIC\n\n",
			200, "good 192.0.2.2\ngood 192.0.2.2", v4 + "; x.home.dyn.example.com. A 192.0.2.2",
		},
		{
			"an address for a family that is down",
			"GET /nic/update?hostname=home.dyn.example.com&myip=0.0.0.0&myipv6=:: HTTP/1.1\nHost: dyndns.example.com\nBASIC\n\n",
			200, "nochg 192.0.2.1", before + "; " + nas,
		},
		{
			"ddclient, DuckDNS",
			"GET /update?domains=home&token=TOKEN&ip=192.0.2.2 HTTP/1.1\nHost: dyndns.example.com\n\n",
			200, "OK", v4,
		},
		{
			"acme.sh, DuckDNS",
			"GET /update?domains=home&token=TOKEN&txt=challenge_0123456789-ABCDEFGHIJKLMNOPQRSTUV HTTP/1.1\nHost: dyndns.example.com\n\n",
			200, "OK", `_acme-challenge.home.dyn.example.com. TXT "challenge_0123456789-ABCDEFGHIJKLMNOPQRSTUV"; ` + before + "; " + nas,
		},
		{
			"dyndns-update-script.sh of the Flask application's author",
			"GET /update-by-query?zone_name=dyn.example.com&secret=TOKEN&record_name=home&ipv4=192.0.2.2&ipv6=2001:db8::2&ttl=300 HTTP/1.1\nHost: dyndns.example.com\nUser-Agent: curl/7.88.1\nAccept: */*\n\n",
			200, "UPDATED: home.dyn.example.com. A 192.0.2.1 -> 192.0.2.2\nUPDATED: home.dyn.example.com. AAAA None -> 2001:db8::2\n", both,
		},
		{
			"dyndns-update-script.sh -4",
			"GET /update-by-query?zone_name=dyn.example.com&secret=TOKEN&record_name=home&ipv4=192.0.2.2 HTTP/1.1\nHost: dyndns.example.com\nUser-Agent: curl/7.88.1\nAccept: */*\n\n",
			200, "UPDATED: home.dyn.example.com. A 192.0.2.1 -> 192.0.2.2\nUNCHANGED: home.dyn.example.com. AAAA None\n", v4,
		},
	}
	s := start(t, false)
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			s.clear()
			s.hold("home 300 A 192.0.2.1", "nas.home 300 AAAA 2001:db8:0:1:211:32ff:fe12:3456")
			request := crlf(row.request, token)
			line, _, _ := strings.Cut(request, "\r\n")
			want := reply(line[len(line)-len("HTTP/1.1"):], row.status, row.body)
			if got := s.send(t, request); got != want {
				t.Errorf("reply\ngot  %q\nwant %q", got, want)
			}
			if got := s.records(); got != row.records {
				t.Errorf("DNS\ngot  %s\nwant %s", got, row.records)
			}
		})
	}
}

// The subnet of a host behind the router lies between the prefix that was
// delegated and the host's own part.
func TestSubnet(t *testing.T) {
	s := start(t, false)
	const request = "GET /nic/update?hostname=office.dyn.example.com&myip=192.0.2.2&ip6lanprefix=2001:db8:0:ff00::/%s HTTP/1.1\nHost: dyndns.example.com\nBASIC\n\n"
	for _, row := range []struct{ length, records string }{
		{"56", "nas.office.dyn.example.com. AAAA 2001:db8:0:ff02:211:32ff:fe12:3456; office.dyn.example.com. A 192.0.2.2"},
		// It would lie inside the prefix, where other networks may be: all stays.
		{"64", "nas.office.dyn.example.com. AAAA 2001:db8:0:ff02:211:32ff:fe12:3456; office.dyn.example.com. A 192.0.2.2"},
	} {
		t.Run(row.length, func(t *testing.T) {
			s.send(t, crlf(strings.Replace(request, "%s", row.length, 1), officeToken))
			if got := s.records(); got != row.records {
				t.Errorf("DNS\ngot  %s\nwant %s", got, row.records)
			}
		})
	}
}
