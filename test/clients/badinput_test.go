//go:build integration && linux

package clients

import (
	"encoding/base64"
	"strings"
	"testing"
)

// What is wrong with a request gets the right word, changes nothing, and leaves
// none of its secrets in the log.
func TestBadInput(t *testing.T) {
	const (
		head   = " HTTP/1.1\nHost: dyndns.example.com\n"
		update = "GET /nic/update?hostname=home.dyn.example.com&myip=192.0.2.2"
		good   = "GET /nic/update?hostname=home.dyn.example.com"
	)
	encoded := func(credentials string) string {
		return base64.StdEncoding.EncodeToString([]byte(credentials))
	}
	// form posts 64 KiB, which is all that a body may have.
	form := func(name string) string {
		body := "myip=192.0.2.2&hostname=" + strings.Repeat(name, 64<<10)
		return "POST /nic/update" + head + "Content-Type: application/x-www-form-urlencoded\nContent-Length: 65536\nBASIC\n\n" + body[:64<<10]
	}
	rows := []struct {
		name    string
		request string
		status  int
		body    string
	}{
		{"commas for hosts", "GET /nic/update?hostname=,,,&myip=192.0.2.2" + head + "BASIC\n\n", 200, "notfqdn"},
		{"no hosts", "GET /nic/update?myip=192.0.2.2" + head + "BASIC\n\n", 200, "notfqdn"},
		{"21 hosts", "GET /nic/update?hostname=" + strings.TrimSuffix(strings.Repeat("home.dyn.example.com,", 21), ",") + "&myip=192.0.2.2" + head + "BASIC\n\n", 200, "numhost"},
		{"8 KiB of name", "GET /nic/update?hostname=" + strings.Repeat("x", 8<<10) + ".dyn.example.com&myip=192.0.2.2" + head + "BASIC\n\n", 200, "notfqdn"},
		{"64 KiB of name", form("x"), 200, "notfqdn"},
		{"64 KiB of commas", form(","), 200, "notfqdn"},
		{"64 KiB of dots", form("."), 200, "notfqdn"},
		{"64 KiB of names", form("home.dyn.example.com,"), 200, "numhost"},
		{"64 KiB of arguments", form("&hostname=home.dyn.example.com"), 400, "badagent"},
		{"64 KiB and one octet", strings.Replace(form("x"), "65536", "65537", 1) + "x", 400, "badagent"},
		{"names that are none", "GET /nic/update?hostname=a..b,192.0.2.1,-x.dyn.example.com,home&myip=192.0.2.2" + head + "BASIC\n\n", 200, "notfqdn\nnotfqdn\nnotfqdn\nnohost"},
		{"NUL and newlines in a name", "GET /nic/update?hostname=home%00.dyn.example.com,ho%0ame.dyn.example.com,%ff.dyn.example.com&myip=192.0.2.2" + head + "BASIC\n\n", 200, "notfqdn\nnotfqdn\nnotfqdn"},
		{"the apex", "GET /nic/update?hostname=dyn.example.net&myip=192.0.2.2" + head + "BASIC\n\n", 200, "nohost"},
		{"the nameserver's name", "GET /nic/update?hostname=ns.dyn.example.net&myip=192.0.2.2" + head + "BASIC\n\n", 200, "nohost"},
		{"the literal wildcard", "GET /nic/update?hostname=*.dyn.example.net&myip=192.0.2.2" + head + "BASIC\n\n", 200, "nohost"},
		{"another client's name", "GET /nic/update?hostname=office.dyn.example.com&myip=192.0.2.2" + head + "BASIC\n\n", 200, "nohost"},
		{"a name that ends like the zone", "GET /nic/update?hostname=home.notdyn.example.com&myip=192.0.2.2" + head + "BASIC\n\n", 200, "nohost"},

		{"a bad address beside a good one", good + "&myip=192.0.2.2,192.0.2.256" + head + "BASIC\n\n", 200, "dnserr"},
		{"a bad address in another argument", good + "&myip=192.0.2.2&myipv6=2001:db8::g" + head + "BASIC\n\n", 200, "dnserr"},
		{"a bad address for two hosts", "GET /nic/update?hostname=home.dyn.example.com,x.home.dyn.example.com&myip=loopback" + head + "BASIC\n\n", 200, "dnserr\ndnserr"},
		{"loopback", good + "&myip=127.0.0.1" + head + "BASIC\n\n", 200, "dnserr"},
		{"link-local with a zone", good + "&myip=fe80::1%25eth0" + head + "BASIC\n\n", 200, "dnserr"},
		{"multicast", good + "&myip=ff02::1" + head + "BASIC\n\n", 200, "dnserr"},
		{"broadcast", good + "&myip=255.255.255.255" + head + "BASIC\n\n", 200, "dnserr"},
		{"a prefix that is too short", good + "&myip=192.0.2.1&ip6lanprefix=2001:db8::/32" + head + "BASIC\n\n", 200, "dnserr"},
		{"two prefixes", good + "&myip=192.0.2.1&ip6lanprefix=2001:db8:1::/64&ipv6prefix=2001:db8:2::/64" + head + "BASIC\n\n", 200, "dnserr"},
		{"offline", update + "&offline=YES" + head + "BASIC\n\n", 200, "!donator"},
		{"200 arguments and more", update + strings.Repeat("&x=1", 200) + head + "BASIC\n\n", 400, "badagent"},

		{"no credentials", update + head + "\n", 401, "badauth"},
		{"an empty password", update + head + "Authorization: Basic " + encoded("home-router:") + "\n\n", 401, "badauth"},
		{"the token as the user", update + head + "Authorization: Basic " + encoded(token+":") + "\n\n", 401, "badauth"},
		{"no colon", update + head + "Authorization: Basic " + encoded(token) + "\n\n", 401, "badauth"},
		{"no base64", update + head + "Authorization: Basic " + token + "!\n\n", 401, "badauth"},
		{"a NUL in the password", update + head + "Authorization: Basic " + encoded("home-router:"+token+"\x00") + "\n\n", 401, "badauth"},
		{"a NUL before the password", update + head + "Authorization: Basic " + encoded("home-router\x00:\x00"+token) + "\n\n", 401, "badauth"},
		{"no UTF-8 in the password", update + head + "Authorization: Basic " + encoded("home-router:"+token+"\xff\xfe") + "\n\n", 401, "badauth"},
		{"a scheme that is unknown", update + head + "Authorization: Digest " + token + "\n\n", 401, "badauth"},
		{"a wrong token as Bearer", update + head + "Authorization: Bearer wrong_" + token + "\n\n", 401, "badauth"},
		{"URL and header disagree", update + "&password=wrong_" + token + head + "BASIC\n\n", 401, "badauth"},
		{"two arguments disagree", update + "&password=TOKEN&token=wrong_" + token + head + "\n", 401, "badauth"},
		{"the tokens of two clients", update + "&password=" + officeToken + head + "BASIC\n\n", 401, "badauth"},
		{"two headers disagree", update + head + "BASIC\nAuthorization: Bearer " + officeToken + "\n\n", 401, "badauth"},
		{"the token in another case", update + "&password=" + strings.ToUpper(token) + head + "\n", 401, "badauth"},

		{"a browser on another site", update + head + "BASIC\nSec-Fetch-Site: cross-site\n\n", 403, "badagent"},
		{"another media type", "POST /nic/update" + head + "Content-Type: application/json\nContent-Length: 2\nBASIC\n\n{}", 415, "badagent"},

		{"native, a wrong secret in the path", "GET /update-by-path/wrong_" + token + "/home.dyn.example.com/192.0.2.2" + head + "\n", 403, "PARAMETER_ERROR: wrong secret or token\n"},
		{"native, no UTF-8 in the path", "GET /update-by-path/" + token + "%ff/home.dyn.example.com/192.0.2.2" + head + "\n", 403, "PARAMETER_ERROR: wrong secret or token\n"},
		{"DuckDNS, a wrong token", "GET /update?domains=home&ip=192.0.2.2&token=wrong_" + token + head + "\n", 200, "KO"},
		{"DuckDNS, a bad address", "GET /update?domains=home&ip=192.0.2.2&ipv6=192.0.2.3&token=TOKEN" + head + "\n", 200, "KO"},
	}
	s := start(t, false)
	const before = "home.dyn.example.com. A 192.0.2.1"
	s.hold("home 300 A 192.0.2.1")
	serials := [2]uint32{s.dns.Zone(zone).Serial(), s.dns.Zone(otherZone).Serial()}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			if got, want := s.send(t, crlf(row.request, token)), reply("HTTP/1.1", row.status, row.body); got != want {
				t.Errorf("reply\ngot  %q\nwant %q", got, want)
			}
			if got := s.records(); got != before {
				t.Errorf("DNS has %q", got)
			}
		})
	}
	t.Run("64 KiB of name in the URL, of which Caddy takes 16", func(t *testing.T) {
		request := crlf("GET /nic/update?token=TOKEN&myip=192.0.2.2&hostname="+strings.Repeat("x", 64<<10)+head+"\n", token)
		if got := s.send(t, request); !strings.HasPrefix(got, "HTTP/1.1 431 ") {
			t.Errorf("reply %q", got)
		}
	})
	if now := [2]uint32{s.dns.Zone(zone).Serial(), s.dns.Zone(otherZone).Serial()}; now != serials {
		t.Errorf("the serials went from %v to %v", serials, now)
	}
	log := s.Log()
	if n := strings.Count(log, `"answered request"`); n != len(rows) {
		t.Errorf("the log has %d entries for %d requests", n, len(rows))
	}
	for _, secret := range []string{
		token, officeToken, strings.ToUpper(token), strings.TrimPrefix(basic(token), "Authorization: Basic "), encoded(token + ":"),
	} {
		if strings.Contains(log, secret) {
			t.Errorf("the log tells %q", secret)
		}
	}
	if t.Failed() {
		t.Logf("the log begins with:\n%s", log[:min(len(log), 4000)])
	}
}
