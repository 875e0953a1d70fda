//go:build integration && linux

package clients

import (
	"bufio"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
)

// rule is what a client concludes from a reply: whether its update is done.
type rule func(status int, body string) bool

// The rules of clients that cannot be run here, from their sources.
var (
	// ok is any 2xx: ddns-go's callback, OPNsense' native code.
	ok rule = func(status int, _ string) bool { return status/100 == 2 }
	// words is a word at the beginning: IPFire (providers.py), dyndnsc, ddclient 4's first line.
	words rule = func(status int, body string) bool {
		return status == 200 && (strings.HasPrefix(body, "good") || strings.HasPrefix(body, "nochg"))
	}
	// anywhere is a word at any place: inadyn 1.96's and 2.13's dyndns plugin (strstr), godns.
	anywhere rule = func(status int, body string) bool {
		return status == 200 && (strings.Contains(body, "good") || strings.Contains(body, "nochg"))
	}
	// line is a word that begins a line of the whole reply: ez-ipupdate 3.0.11b7.
	line rule = func(status int, body string) bool {
		body = "\n" + body
		return status == 200 && (strings.Contains(body, "\ngood ") || strings.Contains(body, "\nnochg"))
	}
	// ddclient3 is the first word of the line of the host, in lower case; the exit code
	// is 0 at any other status, but the host is not taken for updated.
	ddclient3 rule = func(status int, body string) bool {
		word, _, _ := strings.Cut(strings.ToLower(body), " ")
		return status == 200 && (word == "good" || word == "nochg")
	}
	// duckdns is the whole body: ddclient 4.
	duckdns rule = func(status int, body string) bool { return status == 200 && strings.TrimSpace(body) == "OK" }
	// pfSense compares the whole body with each alternative of Result Match.
	pfSense rule = func(_ int, body string) bool {
		return body == "good 192.0.2.7" || body == "nochg 192.0.2.7" || body == "good 192.0.2.8"
	}
	// ddnsUpdater wants status 200 and its user's regular expression.
	ddnsUpdater rule = func(status int, body string) bool {
		return status == 200 && regexp.MustCompile(`^(good|nochg)`).MatchString(body)
	}
)

// What the clients send that cannot be run here: each concludes the truth, of an update,
// a repeat, a wrong token, another client's host and a nameserver that is down.
func TestRules(t *testing.T) {
	const (
		nic    = "/nic/update?hostname=HOST&myip=ADDRESS"
		native = "/update-by-query?fqdn=HOST&ip_1=ADDRESS"
		duck   = "/update?domains=HOST&token=TOKEN&ip=ADDRESS"
		end    = " HTTP/1.1\nHost: dyndns.example.com\nBASIC\n\n"
		end10  = " HTTP/1.0\nHost: dyndns.example.com\nBASIC\n"
	)
	s := start(t, false)
	for _, client := range []struct {
		name, request string
		rule          rule
		// wrong are the scenarios of which it does not conclude the truth, whatever is said.
		wrong []string
	}{
		{"ddns-go, callback", "GET " + native + end, ok, nil},
		{"ddns-go, callback to dyndns2", "GET " + nic + end, ok, []string{"nohost"}},
		{"OPNsense, native, Custom GET", "GET " + native + " HTTP/1.1\nHost: dyndns.example.com\nUser-Agent: OPNsense-dyndns\nBASIC\n\n", ok, nil},
		{"OPNsense, native, Custom POST", "POST " + native + " HTTP/1.1\nHost: dyndns.example.com\nUser-Agent: OPNsense-dyndns\nContent-Length: 0\nBASIC\n\n", ok, nil},
		{"OPNsense, native, dyndns2", "GET " + nic + "&system=dyndns&wildcard=NOCHG" + end, ok, []string{"nohost"}},
		{"ddns-updater, custom", "GET " + nic + end, ddnsUpdater, nil},
		{"pfSense, Custom", "GET " + nic + end, pfSense, nil},
		{"pfSense, DynDNS", "GET /nic/update?system=dyndns&hostname=HOST&myip=ADDRESS&wildcard=&mx=&backmx=NO" + end, anywhere, nil},
		{"IPFire", "GET " + nic + " HTTP/1.1\nHost: dyndns.example.com\nUser-Agent: IPFireUpdateAgent/022\nBASIC\n\n", words, nil},
		{"dyndnsc", "GET /nic/update?myip=ADDRESS&hostname=HOST" + end, words, nil},
		{"ez-ipupdate 3.0.11b7", "GET /nic/update?system=dyndns&hostname=HOST&myip=ADDRESS&wildcard=OFF&mx=&backmx=NO&offline=NO" + end10 + "User-Agent: ez-ipupdate-3.0.11b7\n\n", line, nil},
		{"inadyn 1.96.2, dyndns", "GET http://dyndns.example.com/nic/update?system=dyndns&hostname=HOST&myip=ADDRESS&wildcard=OFF&mx=NO&backmx=NO&offline=NO" + end10 + "User-Agent: inadyn/1.96.2\n\n", anywhere, nil},
		{"inadyn 2.13, dyndns", "GET " + nic + end10 + "User-Agent: inadyn/2.13.0\n\n", anywhere, nil},
		{"ddclient 3.8.3", "GET /nic/update?system=dyndns&hostname=HOST&myip=ADDRESS" + end10 + "User-Agent: ddclient/3.8.3\n\n", ddclient3, nil},
		{"ddclient 4.0.0", "GET " + nic + end, words, nil},
		{"ddclient 4.0.0, duckdns", "GET " + duck + " HTTP/1.1\nHost: dyndns.example.com\n\n", duckdns, nil},
		{"godns, NoIP", "GET " + nic + end, anywhere, nil},
	} {
		t.Run(client.name, func(t *testing.T) {
			s.clear()
			for _, scenario := range scenarios {
				t.Run(scenario.name, func(t *testing.T) {
					ip := "192.0.2.7"
					if scenario.down {
						ip = "192.0.2.8"
						s.link.Down()
						defer s.link.Up()
					}
					request := strings.NewReplacer("HOST", scenario.host, "ADDRESS", ip).Replace(crlf(client.request, scenario.password))
					r, err := http.ReadResponse(bufio.NewReader(strings.NewReader(s.send(t, request))), nil)
					if err != nil {
						t.Fatal(err)
					}
					defer r.Body.Close()
					body, err := io.ReadAll(r.Body)
					if err != nil {
						t.Fatal(err)
					}
					done := scenario.name == "good" || scenario.name == "nochg"
					for _, wrong := range client.wrong {
						if wrong == scenario.name {
							done = !done
						}
					}
					if got := client.rule(r.StatusCode, string(body)); got != done {
						t.Errorf("it takes %d %q for an update: %t", r.StatusCode, body, got)
					}
					if got := s.records(); got != host+". A 192.0.2.7" {
						t.Errorf("DNS has %q", got)
					}
				})
			}
		})
	}
}
