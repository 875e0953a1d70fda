//go:build integration && linux

package clients

import (
	"fmt"
	"strings"
	"testing"
)

// What ddclient and inadyn can do beyond one address of one name.
func TestVariants(t *testing.T) {
	s := start(t, true)
	address := strings.TrimPrefix(numeric(s.URL), "https://")
	dd := func(lines ...string) func(*testing.T) result {
		return func(t *testing.T) result {
			return ddclient(t, append([]string{"syslog=no", "ssl=yes", "ssl_ca_file=" + s.RootCA(), "server=" + address, "login=home-router"}, lines...)...)
		}
	}
	password := "password='" + token + "'"
	rows := []struct {
		name    string
		run     func(*testing.T) result
		exit    int
		texts   []string
		records string
	}{
		{
			"ddclient, three hosts in one line",
			dd("use=cmd, cmd='echo 192.0.2.7'", "protocol=dyndns2", password, "home.dyn.example.com,x.home.dyn.example.com,other.dyn.example.com"),
			1, []string{
				"SUCCESS:  updating home.dyn.example.com: good: IP address set to 192.0.2.7",
				"SUCCESS:  updating x.home.dyn.example.com: good: IP address set to 192.0.2.7",
				"FAILED:   updating other.dyn.example.com: nohost: The hostname specified does not exist in the database",
			},
			"home.dyn.example.com. A 192.0.2.7; x.home.dyn.example.com. A 192.0.2.7",
		},
		{
			"ddclient, IPv6",
			dd("use=cmd, cmd='echo 2001:db8::7'", "protocol=dyndns2", password, host),
			0, []string{"SUCCESS:  updating home.dyn.example.com: good: IP address set to 2001:db8::7"},
			"home.dyn.example.com. AAAA 2001:db8::7",
		},
		{
			"ddclient, both families by an argument in the name",
			dd("use=cmd, cmd='echo 192.0.2.7'", "protocol=dyndns2", password, host+"&myipv6=2001:db8::7"),
			0, []string{"SUCCESS:  updating home.dyn.example.com&myipv6=2001:db8::7: good: IP address set to 192.0.2.7"},
			"home.dyn.example.com. A 192.0.2.7; home.dyn.example.com. AAAA 2001:db8::7",
		},
		{
			// Version 3.10 then sends an empty myip, so the connection's address counts.
			"ddclient, nothing but usev6",
			dd("usev6=cmd, cmdv6='echo 2001:db8::7'", "protocol=dyndns2", password, host),
			1, []string{"FAILED:   updating home.dyn.example.com: dnserr: System error", "status=dnserr"},
			"",
		},
		{
			"ddclient, No-IP",
			dd("use=cmd, cmd='echo 192.0.2.7'", "protocol=noip", password, host),
			0, []string{"SUCCESS:  updating home.dyn.example.com: good: IP address set to 192.0.2.7"},
			"home.dyn.example.com. A 192.0.2.7",
		},
		{
			"ddclient, No-IP, no such host",
			dd("use=cmd, cmd='echo 192.0.2.7'", "protocol=noip", password, "other.dyn.example.com"),
			1, []string{"FAILED:   updating other.dyn.example.com: nohost: The hostname specified does not exist in the database"},
			"",
		},
		{
			"ddclient, DuckDNS",
			dd("use=cmd, cmd='echo 192.0.2.7'", "protocol=duckdns", password, host),
			0, []string{"SUCCESS:  updating home.dyn.example.com: good: IP address set to 192.0.2.7"},
			"home.dyn.example.com. A 192.0.2.7",
		},
		{
			"ddclient, DuckDNS, the first label alone",
			dd("use=cmd, cmd='echo 192.0.2.7'", "protocol=duckdns", password, "home"),
			0, []string{"SUCCESS:  updating home: good: IP address set to 192.0.2.7"},
			"home.dyn.example.com. A 192.0.2.7",
		},
		{
			"ddclient, DuckDNS, wrong token",
			dd("use=cmd, cmd='echo 192.0.2.7'", "protocol=duckdns", "password=wrong_0123456789", host),
			1, []string{"FAILED:   updating home.dyn.example.com: Server said: 'KO'"},
			"",
		},
		{
			"inadyn, a block per family",
			func(t *testing.T) result {
				lines := []string{"ca-trust-file = " + s.RootCA(), "allow-ipv6 = true"}
				for i, ip := range []string{"192.0.2.7", "2001:db8::7"} {
					lines = append(lines, fmt.Sprintf("custom dyn:%d {", i+1), "username = home-router", "password = "+token,
						`checkip-command = "/bin/echo `+ip+`"`, "ddns-server = "+address,
						`ddns-path = "/nic/update?hostname=%h&myip=%i"`, "hostname = "+host, "}")
				}
				return inadyn(t, lines...)
			},
			0, []string{
				"Successful alias table update for home.dyn.example.com => new IP# 192.0.2.7",
				"Successful alias table update for home.dyn.example.com => new IP# 2001:db8::7",
			},
			"home.dyn.example.com. A 192.0.2.7; home.dyn.example.com. AAAA 2001:db8::7",
		},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			s.clear()
			got := row.run(t)
			for _, text := range row.texts {
				outcome{row.exit, text}.check(t, got)
			}
			if got := s.records(); got != row.records {
				t.Errorf("DNS has %q, want %q", got, row.records)
			}
		})
	}
}

// A client that gives no address comes from the loopback here, which nothing
// publishes, and is told so.
func TestNoAddress(t *testing.T) {
	s := start(t, false)
	for _, row := range []struct {
		name, path string
		want       outcome
	}{
		{"dyndns2, empty", "/nic/update?hostname=" + host + "&myip=", outcome{0, "dnserr\n200"}},
		{"dyndns2, none", "/nic/update?hostname=" + host, outcome{0, "dnserr\n200"}},
		{"DuckDNS", "/update?domains=home&token=" + token + "&ip=", outcome{0, "KO\n200"}},
		{"native", "/update-by-path/" + token + "/" + host, outcome{0, "IP_ADDRESS_ERROR: your address 127.0.0.1 is a loopback address; give one\n\n400"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			row.want.check(t, run(t, "", "curl", "-sS", "-w", "\n%{http_code}", "-u", "home-router:"+token, s.URL+row.path))
		})
	}
	if got := s.records(); got != "" {
		t.Errorf("DNS has %q", got)
	}
}
