//go:build integration && linux

package clients

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

// scenarios are what a client meets, in this order.
var scenarios = []struct {
	name     string
	host     string
	password string
	down     bool // the nameserver
}{
	{name: "good", host: host, password: token},
	{name: "nochg", host: host, password: token},
	{name: "badauth", host: host, password: "wrong_0123456789"},
	{name: "nohost", host: "other." + zone, password: token},
	{name: "nameserver down", host: host, password: token, down: true},
}

// matrix holds the clients and what each concludes in the scenarios.
var matrix = []client{
	{
		name: "ddclient", version: []string{"ddclient", "-help"}, http: true, https: true, run: runDdclient,
		outcomes: []outcome{
			{0, "SUCCESS:  updating home.dyn.example.com: good: IP address set to 192.0.2.7"},
			{0, "WARNING:  updating home.dyn.example.com: nochg: No update required"},
			{1, "FAILED:   updating home.dyn.example.com: authorization failed (HTTP/1.1 401 Unauthorized"},
			{1, "FAILED:   updating other.dyn.example.com: nohost: The hostname specified does not exist in the database"},
			{0, "status=noconnect"},
		},
	},
	{
		name: "inadyn", version: []string{"inadyn", "--version"}, http: true, https: true, run: runInadyn,
		outcomes: []outcome{
			{0, "Successful alias table update for home.dyn.example.com => new IP# 192.0.2.7"},
			{0, "Successful alias table update for home.dyn.example.com => new IP# 192.0.2.7"},
			{50, "Error code 50: Authentication failure"},
			{48, "Error code 48: DDNS server response not OK"},
			{-1, "Will retry again in 600 sec"},
		},
	},
	{
		name: "GNU wget", version: []string{"wget", "--version"}, http: true, https: true, run: runWget,
		outcomes: []outcome{
			{0, "good 192.0.2.7"},
			{0, "nochg 192.0.2.7"},
			{6, "Username/Password Authentication Failed."},
			{0, "nohost"},
			{8, "ERROR 503: Service Unavailable."},
		},
	},
	{
		name: "busybox wget", version: []string{"busybox"}, http: true, run: runBusybox,
		outcomes: []outcome{
			{0, "good 192.0.2.7"},
			{0, "nochg 192.0.2.7"},
			{1, "server returned error: HTTP/1.1 401 Unauthorized"},
			{0, "nohost"},
			{1, "server returned error: HTTP/1.1 503 Service Unavailable"},
		},
	},
	{
		name: "ddupdate (no-ip.com)", version: []string{"ddupdate", "-V"}, http: true, run: runDdupdateNoIP,
		outcomes: []outcome{
			{0, "Got response (200) : good 192.0.2.7"},
			{0, "Got response (200) : nochg 192.0.2.7"},
			{4, "HTTP Error 401: Unauthorized"},
			{0, "Got response (200) : nohost"},
			{4, "HTTP Error 503: Service Unavailable"},
		},
	},
	// No ALPN, as routers that speak HTTP/1.0 have none: Go knows no "http/1.0" there.
	{name: "curl --http1.0", version: curlVersion, http: true, https: true, run: runCurl("--http1.0", "--no-alpn"), outcomes: curlOutcomes},
	{name: "curl --http1.1", version: curlVersion, http: true, https: true, run: runCurl("--http1.1"), outcomes: curlOutcomes},
	{name: "curl --http2", version: curlVersion, https: true, run: runCurl("--http2"), outcomes: curlOutcomes},
}

var (
	curlVersion  = []string{"curl", "--version"}
	curlOutcomes = []outcome{
		{0, "good 192.0.2.7"},
		{0, "nochg 192.0.2.7"},
		{22, "The requested URL returned error: 401"},
		{0, "nohost"},
		{22, "The requested URL returned error: 503"},
	}
)

// Every client meets every scenario over HTTP and HTTPS, and the page about it
// says so.
func TestClients(t *testing.T) {
	seen := map[string][][]exchange{} // per client, a row for each scenario
	t.Run("http", func(t *testing.T) { testClients(t, false, seen) })
	t.Run("https", func(t *testing.T) { testClients(t, true, seen) })
	if !t.Failed() {
		checkPage(t, table(t, seen))
	}
}

func testClients(t *testing.T, https bool, seen map[string][][]exchange) {
	s := start(t, https)
	for _, c := range matrix {
		if https && !c.https || !https && !c.http {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			s.clear()
			for i, scenario := range scenarios {
				t.Run(scenario.name, func(t *testing.T) {
					a := ask{url: s.URL, password: scenario.password, host: scenario.host, address: "192.0.2.7"}
					if scenario.down {
						// What must not come through is another address.
						a.address = "192.0.2.8"
						s.link.Down()
						defer s.link.Up()
					}
					var exchanges []exchange
					if https {
						a.url, a.ca = numeric(s.URL), s.RootCA()
						got := c.run(t, a)
						c.outcomes[i].check(t, got)
						exchanges = printed(got)
					} else {
						r := record(t, s.URL)
						a.url = r.url()
						c.outcomes[i].check(t, c.run(t, a))
						exchanges = r.exchanges(t)
					}
					if !https || !c.http {
						seen[c.name] = append(seen[c.name], exchanges)
					}
					if got := s.records(); got != host+". A 192.0.2.7" {
						t.Errorf("DNS has %q", got)
					}
				})
			}
		})
	}
}

// numeric is a URL for ddclient, which takes no host name without a dot.
func numeric(url string) string { return strings.Replace(url, "localhost", "127.0.0.1", 1) }

var (
	printedRequest = regexp.MustCompile(`(?m)^> (GET .*?)\r?$`)
	printedStatus  = regexp.MustCompile(`(?m)^< HTTP/\S+ (\d+)`)
	printedBody    = regexp.MustCompile(`(?m)^(good|nochg|badauth|nohost|911).*$`)
)

// printed is what curl shows of its request, where no recorder can look in. With
// -f it does not show the body of an error.
func printed(r result) []exchange {
	request, status := printedRequest.FindStringSubmatch(r.output), printedStatus.FindStringSubmatch(r.output)
	if request == nil || status == nil {
		return nil
	}
	return []exchange{{request[1], strings.TrimSpace(status[1] + " " + printedBody.FindString(r.output))}}
}

// With an authority that it does not know, a client sends no password.
func TestUntrustedAuthority(t *testing.T) {
	s := start(t, true)
	outcomes := map[string]outcome{
		"ddclient":       {1, "certificate verify failed"},
		"inadyn":         {0, "Error in the certificate."},
		"GNU wget":       {5, "The certificate of '127.0.0.1' is not trusted."},
		"curl --http1.1": {60, "unable to get local issuer certificate"},
	}
	for _, c := range slices.DeleteFunc(slices.Clone(matrix), func(c client) bool { return outcomes[c.name] == outcome{} }) {
		t.Run(c.name, func(t *testing.T) {
			a := ask{url: numeric(s.URL), ca: "/etc/ssl/certs/ca-certificates.crt", password: token, host: host, address: "192.0.2.7"}
			outcomes[c.name].check(t, c.run(t, a))
		})
	}
	if got := s.records(); got != "" {
		t.Errorf("DNS has %q", got)
	}
}
