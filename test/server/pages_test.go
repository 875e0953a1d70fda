package server

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/caddy-dyndns/dyndns/internal/pages"
	"github.com/caddy-dyndns/dyndns/test/caddytest"
)

const (
	pagesHost   = "dyndns.example.com"
	homeToken   = "home-token_0123456789"
	officeToken = "office-token_0123456789"
)

// pageWords configure the pages and two clients with hosts of their own.
func pageWords(nameserver string) string {
	return `
	secret 12345678
	domain DynDNS.example.com
	private_clients
	` + caddytest.ZoneBlock("dyn.example.com", nameserver) + `
	client home-router {
		token ` + homeToken + `
		hosts home.dyn.example.com *.home.dyn.example.com
		lan nas.dyn.example.com ::211:32ff:fe12:3456
	}
	client office-router {
		token ` + officeToken + `
		hosts office.dyn.example.com
	}
	`
}

// servePages starts Caddy with the pages at the root and below /dns.
func servePages(t *testing.T, words ...string) *caddytest.Server {
	t.Helper()
	t.Setenv("XDG_DATA_HOME", t.TempDir()) // Caddy keeps its name there
	block := "dyndns {\n" + pageWords(caddytest.Nameserver(t, "dyn.example.com.").Addr()) + strings.Join(words, "\n") + "\n}\n"
	return caddytest.Serve(t, strictProxies, `
http://:{$HTTP_PORT} {
	log
	`+block+`
	handle_path /dns/* {
		`+block+`
	}
	respond "passed on"
}`)
}

// ask sends a request for a path to a host, whatever name its address has.
func ask(s *caddytest.Server, method, host, path string, headers ...string) caddytest.Reply {
	s.T.Helper()
	r, err := http.NewRequestWithContext(context.Background(), method, s.HTTP+path, nil)
	if err != nil {
		s.T.Fatal(err)
	}
	r.Host = host
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Add(name, value)
	}
	res, err := s.Client.Do(r)
	if err != nil {
		s.T.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		s.T.Fatal(err)
	}
	return caddytest.Reply{Status: res.StatusCode, Header: res.Header, Body: string(body)}
}

// page reads a page as JSON with a password.
func readPage(s *caddytest.Server, path, password string, into any) {
	s.T.Helper()
	got := ask(s, http.MethodGet, pagesHost, path, "Accept: application/json", caddytest.BasicAuth("any", password))
	if got.Status != http.StatusOK {
		s.T.Fatalf("%s: %d %s", path, got.Status, got.Body)
	}
	if err := json.Unmarshal([]byte(got.Body), into); err != nil {
		s.T.Fatalf("%s: %v in %s", path, err, got.Body)
	}
}

// submit changes a name or fails the test.
func submit(s *caddytest.Server, password, query string, headers ...string) {
	s.T.Helper()
	got := ask(s, http.MethodGet, pagesHost, "/nic/update?"+query, append(headers, caddytest.BasicAuth("any", password))...)
	if !strings.HasPrefix(got.Body, "good") && !strings.HasPrefix(got.Body, "nochg") {
		s.T.Fatalf("%s: %d %s", query, got.Status, got.Body)
	}
}

// The content types of the three formats.
const (
	asText = "text/plain; charset=utf-8"
	asHTML = "text/html; charset=utf-8"
	asJSON = "application/json"
)

func TestPagePaths(t *testing.T) {
	s := servePages(t)
	auth := caddytest.BasicAuth("any", homeToken)
	const browser = "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
	const passed = "passed on"
	rows := []struct {
		name, method, host, path string
		headers                  []string
		status                   int
		contentType              string
		want                     string
	}{
		{"usage", "GET", pagesHost, "/", nil, 200, asText, "Dynamic DNS on dyndns.example.com"},
		{"usage for a browser", "GET", pagesHost, "/", []string{browser}, 200, asHTML, "<!doctype html>"},
		{"usage as JSON", "GET", pagesHost, "/", []string{"Accept: application/json"}, 200, asJSON, `{"address":"127.0.0.1"`},
		{"usage with a name", "GET", pagesHost, "/?host=Home.Example.Org", nil, 200, asText, "hostname=home.example.org"},
		{"usage with a bad name", "GET", pagesHost, "/?host=a..b", nil, 200, asText, "Host name: "},
		{"any case", "GET", "DYNDNS.Example.COM", "/", nil, 200, asText, "Dynamic DNS on"},
		{"with a port", "GET", pagesHost + ":8443", "/", nil, 200, asText, "http://dyndns.example.com:8443/nic/update"},
		{"behind a proxy with TLS", "GET", pagesHost, "/", []string{"X-Forwarded-Proto: https"}, 200, asText, "https://dyndns.example.com/nic/update"},
		{"a form behind a proxy with TLS", "POST", pagesHost, "/statistics/updates-by-fqdn?rotate", []string{auth, "X-Forwarded-Proto: https", "Origin: https://" + pagesHost}, 403, asText, "Only the token of an owner"},
		{"a form of another site behind a proxy with TLS", "POST", pagesHost, "/statistics/updates-by-fqdn?rotate", []string{auth, "X-Forwarded-Proto: https", "Origin: http://" + pagesHost}, 403, asText, "Another site"},
		{"HEAD", "HEAD", pagesHost, "/", nil, 200, asText, ""},
		{"POST", "POST", pagesHost, "/", nil, 405, asText, "can only be read"},
		{"POST of a statistics page", "POST", pagesHost, "/statistics/updates-by-fqdn", []string{auth}, 405, asText, "can only be read"},
		{"leading slashes", "GET", pagesHost, "///ip", nil, 200, asText, "127.0.0.1\n"},

		{"below a prefix", "GET", pagesHost, "/dns/", []string{browser}, 200, asHTML, `href="/dns/statistics/updates-by-fqdn"`},
		{"settings below a prefix", "GET", pagesHost, "/dns/", nil, 200, asText, "http://dyndns.example.com/dns/nic/update"},
		{"address below a prefix", "GET", pagesHost, "/dns/ip", nil, 200, asText, "127.0.0.1\n"},
		{"statistics below a prefix", "GET", pagesHost, "/dns/statistics/updates-by-fqdn", []string{auth}, 200, asText, "HOST"},

		{"address", "GET", pagesHost, "/ip", nil, 200, asText, "127.0.0.1\n"},
		{"address behind a proxy", "GET", pagesHost, "/ip", []string{"X-Forwarded-For: 203.0.113.7"}, 200, asText, "203.0.113.7\n"},
		{"IPv6 address behind a proxy", "GET", pagesHost, "/ip", []string{"X-Forwarded-For: 2001:DB8::7"}, 200, asText, "2001:db8::7\n"},
		{"address for a browser", "GET", pagesHost, "/ip", []string{browser}, 200, asText, "127.0.0.1\n"},

		{"hosts", "GET", pagesHost, "/statistics/updates-by-fqdn", []string{auth}, 200, asText, "HOST"},
		{"hosts for a browser", "GET", pagesHost, "/statistics/updates-by-fqdn", []string{auth, browser}, 200, asHTML, "home-router"},
		{"hosts as JSON", "GET", pagesHost, "/statistics/updates-by-fqdn", []string{auth, "Accept: application/json"}, 200, asJSON, `{"hosts":[{"name":"home.dyn.example.com.","current":[],"submissions":0,`},
		{"hosts of a bearer", "GET", pagesHost, "/statistics/updates-by-fqdn", []string{"Authorization: Bearer " + homeToken}, 200, asText, "HOST"},
		{"latest", "GET", pagesHost, "/statistics/latest-submissions", []string{auth}, 200, asText, "TIME (UTC)"},
		{"latest as JSON", "GET", pagesHost, "/statistics/latest-submissions", []string{auth, "Accept: application/json"}, 200, asJSON, `{"submissions":[],`},
		{"a page that is none", "GET", pagesHost, "/statistics/updates-by-fqdn?page=99999999999999999999", []string{auth}, 200, asText, "HOST"},
		{"no password", "GET", pagesHost, "/statistics/updates-by-fqdn", nil, 401, asText, "need the secret"},
		{"no password, as JSON", "GET", pagesHost, "/statistics/latest-submissions", []string{"Accept: application/json"}, 401, asJSON, `{"error":{"message":`},
		{"a wrong password", "GET", pagesHost, "/statistics/updates-by-fqdn", []string{caddytest.BasicAuth("any", "wrong")}, 401, asText, "need the secret"},
		{"a password in the URL", "GET", pagesHost, "/statistics/updates-by-fqdn?token=" + homeToken + "&secret=12345678", nil, 401, asText, "need the secret"},

		{"usage of another host", "GET", "www.example.com", "/", nil, 200, asText, passed},
		{"address of another host", "GET", "www.example.com", "/ip", nil, 200, asText, passed},
		{"statistics of another host", "GET", "www.example.com", "/statistics/updates-by-fqdn", []string{auth}, 200, asText, passed},
		{"a host below the domain", "GET", "a." + pagesHost, "/", nil, 200, asText, passed},
		{"POST of another host", "POST", "www.example.com", "/", nil, 200, asText, passed},
		{"another path", "GET", pagesHost, "/statistics", nil, 200, asText, passed},
		{"another page", "GET", pagesHost, "/index.html", nil, 200, asText, passed},
		{"a slash at the end", "GET", pagesHost, "/ip/", nil, 200, asText, passed},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			got := ask(s, row.method, row.host, row.path, row.headers...)
			if got.Status != row.status || got.Header.Get("Content-Type") != row.contentType || !strings.Contains(got.Body, row.want) {
				t.Errorf("got %d %s %s", got.Status, got.Header.Get("Content-Type"), got.Body)
			}
			if row.want == passed {
				return
			}
			for name, want := range map[string]string{
				"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff",
				"Vary": "Accept, Authorization", "Cross-Origin-Resource-Policy": "same-origin",
			} {
				if value := got.Header.Get(name); value != want {
					t.Errorf("%s: %q, want %q", name, value, want)
				}
			}
			policy := ""
			if row.contentType == asHTML {
				policy = pages.ContentSecurityPolicy
			}
			if got.Header.Get("Content-Security-Policy") != policy {
				t.Errorf("policy %q", got.Header.Get("Content-Security-Policy"))
			}
			challenge, allow := "", ""
			if row.status == http.StatusUnauthorized {
				challenge = `Basic realm="dyndns"`
			}
			if row.status == http.StatusMethodNotAllowed {
				allow = "GET, HEAD"
			}
			if got.Header.Get("WWW-Authenticate") != challenge || got.Header.Get("Allow") != allow {
				t.Errorf("challenge %q, allow %q", got.Header.Get("WWW-Authenticate"), got.Header.Get("Allow"))
			}
			if got.Header.Get("Content-Length") == "" {
				t.Error("no Content-Length")
			}
		})
	}
	log := s.Log()
	for _, secret := range []string{homeToken, "12345678"} {
		if strings.Contains(log, secret) {
			t.Errorf("the log holds %s", secret)
		}
	}
}

// shownHosts are the names on a client's first page.
func shownHosts(s *caddytest.Server, password string) []string {
	s.T.Helper()
	var page struct {
		Hosts []struct{ Name string }
		Total int
	}
	readPage(s, pages.PathHosts, password, &page)
	names := []string{}
	for _, h := range page.Hosts {
		names = append(names, strings.TrimSuffix(h.Name, ".dyn.example.com."))
	}
	if page.Total != len(names) {
		s.T.Errorf("%d in total, %d on the page", page.Total, len(names))
	}
	return names
}

func TestStatisticsShowOnlyOwnHosts(t *testing.T) {
	s := servePages(t)
	submit(s, homeToken, "hostname=home.dyn.example.com,cam.home.dyn.example.com&myip=192.0.2.1&ip6lanprefix=2001:db8:1::/64")
	submit(s, officeToken, "hostname=office.dyn.example.com&myip=192.0.2.2")
	submit(s, "12345678", "hostname=other.dyn.example.com&myip=192.0.2.3")
	rows := []struct {
		name, password string
		want           []string
	}{
		{"by pattern and behind the router", homeToken, []string{"cam.home", "home", "nas"}},
		{"one host", officeToken, []string{"office"}},
		{"everything", "12345678", []string{"cam.home", "home", "nas", "office", "other"}},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			if got := shownHosts(s, row.password); !slices.Equal(got, row.want) {
				t.Errorf("hosts %q", got)
			}
			var latest struct{ Submissions []struct{ Name string } }
			readPage(s, pages.PathLatest, row.password, &latest)
			var got []string
			for _, sub := range latest.Submissions {
				got = append(got, strings.TrimSuffix(sub.Name, ".dyn.example.com."))
			}
			slices.Sort(got)
			if !slices.Equal(got, row.want) {
				t.Errorf("latest %q", got)
			}
			for _, label := range []string{"cam.home", "home", "nas", "office", "other", "never"} {
				page := ask(s, http.MethodGet, pagesHost, pages.PathHosts+"?fqdn="+label+".DYN.example.com", caddytest.BasicAuth("any", row.password))
				want := http.StatusNotFound
				// A name that is granted has a page before its first update.
				if slices.Contains(row.want, label) || label == "never" && row.name == "everything" {
					want = http.StatusOK
				}
				if page.Status != want {
					t.Errorf("%s: %d %s", label, page.Status, page.Body)
				}
			}
		})
	}
	t.Run("another's name and no name look the same", func(t *testing.T) {
		auth := caddytest.BasicAuth("any", officeToken)
		other := ask(s, http.MethodGet, pagesHost, pages.PathHosts+"?fqdn=home.dyn.example.com", auth)
		none := ask(s, http.MethodGet, pagesHost, pages.PathHosts+"?fqdn=none.dyn.example.com", auth)
		if other.Body != none.Body {
			t.Errorf("%q and %q", other.Body, none.Body)
		}
	})
}

// The page about the settings asks for no password unless the visitor wants to sign in. To one
// who has, it offers their names; a wrong one counts, so that nobody guesses here.
func TestSignIn(t *testing.T) {
	s := servePages(t, "throttle 2 1h")
	submit(s, homeToken, "hostname=cam.home.dyn.example.com,home.dyn.example.com&myip=192.0.2.1&ip6lanprefix=2001:db8:1::/64")
	submit(s, officeToken, "hostname=office.dyn.example.com&myip=192.0.2.1")
	rows := []struct {
		name, path, password, from string
		status                     int
		want                       string // client, hosts and the name in the settings
	}{
		{"nobody", "/", "", "", 200, " [] home.example.com"},
		{"nobody signs in", "/?sign-in", "", "", 401, ""},
		{"a token", "/?sign-in", homeToken, "", 200, "home-router [home.dyn.example.com cam.home.dyn.example.com] home.dyn.example.com"},
		{"a name is typed", "/?host=cam.home.dyn.example.com", homeToken, "", 200, "home-router [home.dyn.example.com cam.home.dyn.example.com] cam.home.dyn.example.com"},
		{"another token, below a prefix", "/dns/", officeToken, "", 200, "office-router [office.dyn.example.com] office.dyn.example.com"},
		{"the secret", "/", "12345678", "", 200, "secret [cam.home.dyn.example.com home.dyn.example.com nas.dyn.example.com office.dyn.example.com] cam.home.dyn.example.com"},
		{"a wrong one", "/", "wrong-token_0123456789", "203.0.113.1", 200, " [] home.example.com"},
		{"a wrong one signs in", "/?sign-in", "wrong-token_0123456789", "203.0.113.1", 401, ""},
		{"the right one after too many", "/", homeToken, "203.0.113.1", 200, " [] home.example.com"},
		{"the same from elsewhere", "/", homeToken, "203.0.113.2", 200, "home-router [home.dyn.example.com cam.home.dyn.example.com] home.dyn.example.com"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			headers := []string{"Accept: application/json"}
			if row.from != "" {
				headers = append(headers, "X-Forwarded-For: "+row.from)
			}
			if row.password != "" {
				headers = append(headers, caddytest.BasicAuth("any", row.password))
			}
			reply := ask(s, http.MethodGet, pagesHost, row.path, headers...)
			var page struct {
				Client, Host string
				Hosts        []string
			}
			if err := json.Unmarshal([]byte(reply.Body), &page); err != nil {
				t.Fatal(err)
			}
			got := ""
			if reply.Status == 200 {
				got = fmt.Sprintf("%s %v %s", page.Client, page.Hosts, page.Host)
			}
			if challenged := reply.Header.Get("WWW-Authenticate") != ""; reply.Status != row.status || got != row.want || challenged != (row.status == 401) {
				t.Errorf("got %d %q, want %d %q", reply.Status, got, row.status, row.want)
			}
		})
	}
}

func TestStatisticsThrottle(t *testing.T) {
	s := servePages(t, "throttle 2 1h")
	wrong := caddytest.BasicAuth("any", "wrong-token_0123456789")
	for i, want := range []int{401, 401, 429} {
		if got := ask(s, http.MethodGet, pagesHost, pages.PathHosts, wrong); got.Status != want {
			t.Fatalf("attempt %d: %d", i+1, got.Status)
		}
	}
	got := ask(s, http.MethodGet, pagesHost, pages.PathLatest, caddytest.BasicAuth("any", homeToken))
	if got.Status != 429 || got.Header.Get("Retry-After") == "" || got.Header.Get("WWW-Authenticate") != "" {
		t.Errorf("a right password from the same network: %d %v", got.Status, got.Header)
	}
	if got := ask(s, http.MethodGet, pagesHost, "/", wrong); got.Status != 200 {
		t.Errorf("the usage page: %d", got.Status)
	}
	elsewhere := ask(s, http.MethodGet, pagesHost, pages.PathHosts, caddytest.BasicAuth("any", homeToken), "X-Forwarded-For: 203.0.113.7")
	if elsewhere.Status != 200 {
		t.Errorf("from another network: %d", elsewhere.Status)
	}
}

// Before a password, a visitor learns nothing of the configuration.
func TestPagesTellNothing(t *testing.T) {
	s := servePages(t)
	submit(s, homeToken, "hostname=home.dyn.example.com&myip=192.0.2.99")
	for _, path := range []string{"/", "/?host=example.org", "/ip", pages.PathHosts, pages.PathHosts + "?fqdn=office.example.org", pages.PathLatest} {
		for _, format := range []string{asText, asHTML, asJSON} {
			got := ask(s, http.MethodGet, pagesHost, path, "Accept: "+format)
			for _, private := range []string{"dyn.example.com", "home-router", "office-router", "192.0.2.99", caddytest.Key.Name} {
				if strings.Contains(got.Body, private) {
					t.Errorf("%s as %s tells %q", path, format, private)
				}
			}
		}
	}
}

func TestPagesEscape(t *testing.T) {
	s := servePages(t)
	const markup = `"'><script>alert(1)</script>&lt;{{1}}`
	submit(s, homeToken, "hostname=home.dyn.example.com&myip=192.0.2.1", "User-Agent: "+markup)
	for _, path := range []string{
		"/?host=" + `%22'%3E%3Cscript%3Ealert(1)%3C/script%3E`, pages.PathHosts, pages.PathHosts + "?fqdn=home.dyn.example.com",
		pages.PathHosts + "?fqdn=%3Cscript%3E", pages.PathLatest, pages.PathLatest + "?page=%3Cscript%3E",
	} {
		got := ask(s, http.MethodGet, pagesHost, path, "Accept: text/html", caddytest.BasicAuth("any", homeToken))
		if !strings.HasPrefix(got.Body, "<!doctype html>") || strings.Count(got.Body, "<script") != 1 || strings.Contains(got.Body, `"'>`) {
			t.Errorf("%s: %d %s", path, got.Status, got.Body)
		}
	}
	host := ask(s, http.MethodGet, pagesHost, pages.PathHosts+"?fqdn=home.dyn.example.com", "Accept: text/html", caddytest.BasicAuth("any", homeToken))
	if !strings.Contains(host.Body, "&lt;script&gt;alert(1)") {
		t.Error("the user agent is not shown")
	}
	evil := ask(s, http.MethodGet, `dyndns.example.com:"><script>`, "/", "Accept: text/html")
	if strings.Contains(evil.Body, `"><script`) {
		t.Errorf("host with markup: %s", evil.Body)
	}
}

func TestHistoryOff(t *testing.T) {
	s := servePages(t, "history off")
	submit(s, homeToken, "hostname=home.dyn.example.com&myip=192.0.2.1")
	for _, path := range []string{pages.PathHosts, pages.PathLatest} {
		if got := ask(s, http.MethodGet, pagesHost, path, caddytest.BasicAuth("any", homeToken)); got.Status != http.StatusNotFound {
			t.Errorf("%s: %d %s", path, got.Status, got.Body)
		}
	}
	if got := ask(s, http.MethodGet, pagesHost, "/", "Accept: text/html"); strings.Contains(got.Body, "/statistics/") {
		t.Error("the usage page leads to the statistics")
	}
}

// Lists are paged: a page shows what it should and no more.
func TestStatisticsPages(t *testing.T) {
	s := servePages(t)
	const hosts = pages.PageSize + 20
	submit(s, homeToken, "myip=192.0.2.1&hostname=home.dyn.example.com")
	for i := 1; i < hosts; i += 3 {
		var names []string
		for j := range 3 {
			names = append(names, fmt.Sprintf("h%03d.home.dyn.example.com", i+j))
		}
		submit(s, homeToken, "myip=192.0.2.1&hostname="+strings.Join(names, ","))
	}
	for number, want := range map[int]int{1: pages.PageSize, 2: 20, 3: 0} {
		for path, list := range map[string]string{pages.PathHosts: "hosts", pages.PathLatest: "submissions"} {
			page := make(map[string]any)
			readPage(s, fmt.Sprintf("%s?page=%d", path, number), homeToken, &page)
			if got := len(page[list].([]any)); got != want || page["total"] != float64(hosts) || page["pages"] != 2.0 {
				t.Errorf("%s %d: %d lines, %v of %v", path, number, got, page["total"], page["pages"])
			}
		}
	}
}

// A customer gives a host the address of the browser, or removes it, and sees at once what
// became of that; another site's page cannot.
func TestHostForm(t *testing.T) {
	s := servePages(t)
	auth, form := caddytest.BasicAuth("x", homeToken), "Content-Type: application/x-www-form-urlencoded"
	tests := []struct {
		name, fqdn, do string
		headers        []string
		status         int
		want           string
	}{
		{"my address", "home.dyn.example.com", "address", []string{"X-Forwarded-For: 198.51.100.7", "Origin: http://" + pagesHost, "Sec-Fetch-Site: same-origin"}, 200, "A none → 198.51.100.7"},
		{"again", "home.dyn.example.com", "address", []string{"X-Forwarded-For: 198.51.100.7"}, 200, "It was so already."},
		{"what the nameserver says", "home.dyn.example.com", "address", []string{"X-Forwarded-For: 198.51.100.8"}, 200, "<div>A <code>198.51.100.8</code></div>"},
		{"another site's page", "home.dyn.example.com", "delete", []string{"Origin: https://evil.example"}, 403, "Another site"},
		{"another site's page, by its fetch", "home.dyn.example.com", "delete", []string{"Sec-Fetch-Site: cross-site"}, 403, "Another site"},
		{"another's host", "office.dyn.example.com", "delete", nil, 404, "not yours"},
		{"a loopback address", "home.dyn.example.com", "address", []string{"X-Forwarded-For: 127.0.0.9"}, 200, "your address 127.0.0.9 is a loopback address"},
		{"nothing", "home.dyn.example.com", "", nil, 200, "Nothing was asked for."},
		{"something else", "home.dyn.example.com", "x", nil, 200, "Nothing was asked for."},
		{"removed", "home.dyn.example.com", "delete", nil, 200, "A 198.51.100.8 → none"},
		{"a LAN host, which a prefix alone moves", "nas.dyn.example.com", "delete", nil, 404, "not yours"},
		{"a body without end", "home.dyn.example.com", strings.Repeat("x", 5000), nil, 200, "Nothing was asked for."},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := s.Do(http.MethodPost, s.HTTP+"/statistics/updates-by-fqdn?fqdn="+tt.fqdn, "do="+tt.do,
				append(tt.headers, "Host: "+pagesHost, auth, form, "Accept: text/html")...)
			if err != nil || got.Status != tt.status || !strings.Contains(got.Body, tt.want) {
				t.Errorf("%d %v\n%s", got.Status, err, got.Body)
			}
		})
	}
	if got := ask(s, http.MethodPost, pagesHost, "/statistics/latest-submissions", auth); got.Status != 405 {
		t.Errorf("%d", got.Status)
	}
}
