package dialect

import (
	"bufio"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/caddy-dyndns/dyndns/internal/service"
	"github.com/caddy-dyndns/dyndns/zone"
)

// read parses a raw request, whose lines may end in a bare newline.
func read(t testing.TB, raw string) *http.Request {
	t.Helper()
	head, body, _ := strings.Cut(raw, "\n\n")
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(strings.ReplaceAll(head, "\n", "\r\n") + "\r\n\r\n" + body)))
	if err != nil {
		t.Fatalf("reading %q: %v", raw, err)
	}
	return r
}

func get(t testing.TB, uri string) *http.Request {
	t.Helper()
	return read(t, "GET "+uri+" HTTP/1.1\nHost: dyndns.example.com\n\n")
}

func post(t testing.TB, uri, contentType, body string) *http.Request {
	t.Helper()
	return read(t, fmt.Sprintf("POST %s HTTP/1.1\nHost: dyndns.example.com\nContent-Type: %s\nContent-Length: %d\n\n%s", uri, contentType, len(body), body))
}

// call is a request on its way through its dialect.
type call struct {
	Dialect
	in  *Input
	req Request
}

// match finds the dialect of a request, nil if there is none.
func match(r *http.Request, o Options) *call {
	in := NewInput(r, netip.Addr{}, o)
	if d := Match(in); d != nil {
		return &call{Dialect: d, in: in}
	}
	return nil
}

func (c *call) name() string { return c.Info().Name }

// read reads the request as the handler does.
func (c *call) read() *service.Error {
	if err := c.in.ReadBody(c.Dialect); err != nil {
		return err
	}
	c.req = c.Read(c.in)
	return c.req.Err
}

func (c *call) reply(o service.Outcome) Reply { return c.Write(c.in, c.req, o) }

// ask takes a request through its dialect, up to the submission.
func ask(t testing.TB, r *http.Request, o Options) (*call, service.Credential, service.Submission, *service.Error) {
	t.Helper()
	c := match(r, o)
	if c == nil {
		t.Fatalf("%s is not matched", r.URL)
	}
	err := c.read()
	return c, c.req.Credential, c.req.Submission, err
}

// describe prints a submission in one line.
func describe(sub service.Submission) string {
	var parts []string
	for _, h := range sub.Hosts {
		text := h.Name
		if h.Own {
			text = "(own)"
		}
		if h.Zone != "" {
			text += "@" + h.Zone
		}
		for _, f := range []struct {
			name string
			wish service.Wish
		}{{"A", h.A}, {"AAAA", h.AAAA}, {"TXT", h.Challenge}} {
			values := strings.Join(f.wish.Values, ",")
			actions := []string{"", "keep", "delete", "set " + values, "add " + values, "remove " + values}
			switch action := actions[f.wish.Action]; {
			case f.wish.Move:
				text += " " + f.name + ":" + strings.TrimSuffix(action, " ") + "/move " + sub.Prefix.String()
			case f.wish.Roll:
				text += " " + f.name + ":roll/" + strings.TrimSuffix(action, " ")
			case f.wish.Detect && action != "":
				text += " " + f.name + ":detect/" + action
			case f.wish.Detect:
				text += " " + f.name + ":detect"
			case action != "":
				text += " " + f.name + ":" + action
			}
		}
		parts = append(parts, text)
	}
	if sub.Prefix.IsValid() {
		parts = append(parts, "prefix "+sub.Prefix.String())
	}
	if sub.TTL != nil {
		parts = append(parts, fmt.Sprint("ttl ", *sub.TTL))
	}
	if sub.ShortNames {
		parts = append(parts, "short")
	}
	if sub.Check {
		parts = append(parts, "check")
	}
	return strings.Join(parts, "; ")
}

// answer prints what a submission or its refusal amounts to.
func answer(sub service.Submission, err *service.Error) string {
	if err != nil {
		return fmt.Sprintf("error %s: %s", err.Reason, err.Message)
	}
	return describe(sub)
}

const (
	a    = zone.TypeA
	aaaa = zone.TypeAAAA
)

// record makes one from old and new values, separated by commas.
func record(rrtype zone.Type, before, after string) service.Record {
	split := func(s string) []string {
		if s == "" {
			return nil
		}
		return strings.Split(s, ",")
	}
	return service.Record{Type: rrtype, Old: split(before), New: split(after), TTL: 300, Changed: before != after}
}

func host(name string, records ...service.Record) service.HostOutcome {
	for i := range records {
		records[i].Name = name
	}
	return service.HostOutcome{Name: name, Zone: "dyn.example.com.", Records: records}
}

func failed(name string, reason service.Reason, message string) service.HostOutcome {
	return service.HostOutcome{Name: name, Err: &service.Error{Reason: reason, Message: message}}
}

func refused(reason service.Reason, message string) service.Outcome {
	return service.Outcome{Err: &service.Error{Reason: reason, Message: message}}
}

func TestMatch(t *testing.T) {
	tests := []struct {
		name, uri, domain, header, want string
	}{
		{name: "dyndns2", uri: "/nic/update?hostname=a", want: "dyndns2"},
		{name: "dyn.com's second path", uri: "/v2/update", want: "dyndns2"},
		{name: "dyn.com's third path", uri: "/v3/update", want: "dyndns2"},
		{name: "UniFi with two slashes", uri: "//nic/update?hostname=a", want: "dyndns2"},
		{name: "UniFi with a backslash", uri: `/\/nic/update?hostname=a`, want: "dyndns2"},
		{name: "many slashes", uri: "/////update-by-query", want: "native"},
		{name: "trailing slash", uri: "/nic/update/?hostname=a", want: "dyndns2"},
		{name: "absolute form", uri: "http://dyndns.example.com/nic/update", want: "dyndns2"},
		{name: "a path below", uri: "/nic/update/more", want: ""},
		{name: "a path before", uri: "/x/nic/update", want: ""},
		{name: "upper case", uri: "/NIC/update", want: ""},
		{name: "query", uri: "/update-by-query", want: "native"},
		{name: "query with a segment", uri: "/update-by-query/x", want: ""},
		{name: "path without anything", uri: "/update-by-path", want: "native"},
		{name: "path with the secret alone", uri: "/update-by-path/secret123", want: "native"},
		{name: "path with an escaped endpoint", uri: "/%75pdate-by-path/secret123/a.example.com", want: "native"},
		{name: "delete", uri: "/delete-by-path/secret123/a.example.com", want: "native"},
		{name: "check of another site", uri: "/check", want: ""},
		{name: "check at the domain", uri: "/check", domain: "dyndns.example.com", want: "native"},
		{name: "check at another domain", uri: "/check", domain: "other.example.com", want: ""},
		{name: "check with the secret", uri: "/check/secret123", want: "native"},
		{name: "check with an empty secret", uri: "/check//x", want: ""},
		{name: "check with an escaped slash as the secret", uri: "/check/%2Fx", want: "native"},
		{name: "check with an empty secret at the domain", uri: "/check//x", domain: "dyndns.example.com", want: "native"},
		{name: "check with the secret as argument", uri: "/check?secret=secret123", want: "native"},
		{name: "check with a header", uri: "/check", header: "Authorization: Bearer x", want: "native"},
		{name: "DuckDNS", uri: "/update?domains=a&token=b", want: "duckdns"},
		{name: "DuckDNS without a token", uri: "/update?domains=a", want: "duckdns"},
		{name: "update of another site", uri: "/update?id=5", want: ""},
		{name: "update below", uri: "/update/a?token=b", want: ""},
		{name: "update of another site with a host", uri: "/update?hostname=a&myip=192.0.2.1", want: ""},
		{name: "update with a host at the domain", uri: "/update?HostName=a&domains=b", domain: "dyndns.example.com", want: "dyndns2"},
		{name: "DuckDNS without anything at the domain", uri: "/update", domain: "dyndns.example.com", want: "duckdns"},
		{name: "DuckDNS path", uri: "/update/a/token", domain: "dyndns.example.com", want: "duckdns"},
		{name: "DuckDNS path with an address", uri: "/update/a/token/192.0.2.1", domain: "dyndns.example.com", want: "duckdns"},
		{name: "freemyip", uri: "/update?token=b&domain=a", want: "duckdns"},
		{name: "dyndns.it", uri: "/nic/dyndns?hostname=a", want: "dyndns2"},
		{name: "delete of nsupdate.info", uri: "/nic/delete?hostname=a", want: "dyndns2"},
		{name: "httpreq", uri: "/present", domain: "dyndns.example.com", want: "httpreq"},
		{name: "httpreq's clean-up", uri: "/cleanup", domain: "dyndns.example.com", want: "httpreq"},
		{name: "httpreq elsewhere", uri: "/present", want: ""},
		{name: "acme-dns", uri: "/update", header: "X-Api-Key: x", domain: "dyndns.example.com", want: "acme-dns"},
		{name: "acme-dns elsewhere", uri: "/update", header: "X-Api-Key: x", want: ""},
		{name: "root", uri: "/", want: ""},
		{name: "root with a host", uri: "/?hostname=a", want: ""},
		{name: "root at the domain", uri: "/", domain: "dyndns.example.com", want: ""},
		{name: "root at the domain with a host", uri: "/?hostname=a&myip=192.0.2.1", domain: "dyndns.example.com", want: "dyndns2"},
		{name: "root at the domain with a host_id", uri: "/?host_id=a", domain: "dyndns.example.com", want: "dyndns2"},
		{name: "root at the domain with an address alone", uri: "/?myip=192.0.2.1", domain: "dyndns.example.com", want: "dyndns2"},
		{name: "the page's own argument", uri: "/?host=a.example.com", domain: "dyndns.example.com", want: ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			raw := "GET " + test.uri + " HTTP/1.1\nHost: DynDNS.example.com:8443\n"
			if test.header != "" {
				raw += test.header + "\n"
			}
			got := ""
			var o Options
			if test.domain != "" {
				o.Domains = []string{"other.test", test.domain}
			}
			if call := match(read(t, raw+"\n"), o); call != nil {
				got = call.name()
			}
			if got != test.want {
				t.Errorf("dialect %q, want %q", got, test.want)
			}
		})
	}
}

func TestCrossSite(t *testing.T) {
	tests := []struct {
		name, header string
		tls, want    bool
	}{
		{name: "a router", header: "User-Agent: x"},
		{name: "typed in", header: "Sec-Fetch-Site: none"},
		{name: "own page", header: "Sec-Fetch-Site: same-origin"},
		{name: "sister site", header: "Sec-Fetch-Site: same-site", want: true},
		{name: "foreign page", header: "Sec-Fetch-Site: cross-site", want: true},
		{name: "unknown relation", header: "Sec-Fetch-Site: later", want: true},
		{name: "two values", header: "Sec-Fetch-Site: none\nSec-Fetch-Site: cross-site", want: true},
		{name: "own origin", header: "Origin: http://dyndns.example.com"},
		{name: "own origin over TLS", header: "Origin: https://DYNDNS.example.com", tls: true},
		{name: "own origin with the usual port", header: "Origin: https://dyndns.example.com:443", tls: true},
		{name: "other port", header: "Origin: https://dyndns.example.com:8443", tls: true, want: true},
		{name: "other scheme", header: "Origin: http://dyndns.example.com", tls: true, want: true},
		{name: "other host", header: "Origin: http://evil.example", want: true},
		{name: "longer host", header: "Origin: http://dyndns.example.com.evil.example", want: true},
		{name: "opaque origin", header: "Origin: null", want: true},
		{name: "empty origin", header: "Origin: ", want: true},
		{name: "prefetch", header: "Sec-Purpose: prefetch;prerender", want: true},
		{name: "other purpose", header: "Sec-Purpose: partitioned-popin"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := read(t, "GET /nic/update HTTP/1.1\nHost: dyndns.example.com\n"+test.header+"\n\n")
			if got := CrossSite(r, test.tls); got != test.want {
				t.Errorf("CrossSite = %t, want %t", got, test.want)
			}
		})
	}
}

// TestRefusals shows the same refusal in every dialect.
func TestRefusals(t *testing.T) {
	calls := make([]*call, 3)
	for i, uri := range []string{"/update-by-query", "/nic/update", "/update?domains=a"} {
		calls[i] = match(get(t, uri), Options{})
	}
	const challenge = `Www-Authenticate: Basic realm="dyndns"`
	tests := []struct {
		name   string
		err    service.Error
		want   [3]string // native, dyndns2, DuckDNS: status, body
		header [3]string
	}{
		{"no credential", service.Error{Reason: service.NoCredential, Message: "m"},
			[3]string{"401 PARAMETER_ERROR: m\n", "401 badauth", "401 KO"}, [3]string{challenge, challenge, challenge}},
		{"wrong password", service.Error{Reason: service.BadCredential, Message: "m"},
			[3]string{"401 PARAMETER_ERROR: m\n", "401 badauth", "401 KO"}, [3]string{challenge, challenge, challenge}},
		{"wrong token", service.Error{Reason: service.BadCredential, Message: "m", InURL: true},
			[3]string{"403 PARAMETER_ERROR: m\n", "401 badauth", "200 KO"}, [3]string{"", challenge, ""}},
		{"throttled", service.Error{Reason: service.Throttled, Message: "m", RetryAfter: 9100 * time.Millisecond},
			[3]string{"429 PARAMETER_ERROR: m\n", "503 abuse", "503 KO"}, [3]string{"Retry-After: 10", "Retry-After: 10", "Retry-After: 10"}},
		{"cross-site", service.Error{Reason: service.CrossSite, Message: "m"},
			[3]string{"403 PARAMETER_ERROR: m\n", "403 badagent", "403 KO"}, [3]string{}},
		{"method", service.Error{Reason: service.BadMethod, Message: "m"},
			[3]string{"405 PARAMETER_ERROR: m\n", "405 badagent", "405 KO"}, [3]string{"Allow: GET, POST", "Allow: GET, POST", "Allow: GET, POST"}},
		{"media type", service.Error{Reason: service.BadMediaType, Message: "m"},
			[3]string{"415 PARAMETER_ERROR: m\n", "415 badagent", "415 KO"}, [3]string{}},
		{"parameter", service.Error{Reason: service.BadParameter, Message: "m"},
			[3]string{"400 PARAMETER_ERROR: m\n", "400 badagent", "200 KO"}, [3]string{}},
		{"too many hosts", service.Error{Reason: service.TooManyHosts, Message: "m"},
			[3]string{"400 PARAMETER_ERROR: m\n", "200 numhost", "200 KO"}, [3]string{}},
		{"unsupported", service.Error{Reason: service.Unsupported, Message: "m"},
			[3]string{"400 PARAMETER_ERROR: m\n", "200 !donator", "200 KO"}, [3]string{}},
		{"name", service.Error{Reason: service.BadName, Message: "m"},
			[3]string{"400 DNS_NAME_ERROR: m\n", "200 notfqdn", "200 KO"}, [3]string{}},
		{"zone", service.Error{Reason: service.NoZone, Message: "m"},
			[3]string{"404 DNS_NAME_ERROR: m\n", "200 nohost", "200 KO"}, [3]string{}},
		{"grant", service.Error{Reason: service.NotGranted, Message: "m"},
			[3]string{"403 PARAMETER_ERROR: m\n", "200 nohost", "200 KO"}, [3]string{}},
		{"address", service.Error{Reason: service.BadAddress, Message: "m"},
			[3]string{"400 IP_ADDRESS_ERROR: m\n", "200 dnserr", "200 KO"}, [3]string{}},
		{"conflict", service.Error{Reason: zone.Conflict, Message: "m"},
			[3]string{"409 DNS_SERVER_ERROR: m\n", "200 dnserr", "503 KO"}, [3]string{}},
		{"refused", service.Error{Reason: zone.Refused, Message: "m"},
			[3]string{"502 DNS_SERVER_ERROR: m\n", "200 dnserr", "503 KO"}, [3]string{}},
		{"failed", service.Error{Reason: zone.Unreachable, Message: "m"},
			[3]string{"502 DNS_SERVER_ERROR: m\n", "503 911", "503 KO"}, [3]string{}},
		{"timeout", service.Error{Reason: zone.Timeout, Message: "m"},
			[3]string{"504 DNS_SERVER_ERROR: m\n", "503 911", "503 KO"}, [3]string{}},
		{"busy", service.Error{Reason: zone.Busy, Message: "m", RetryAfter: time.Millisecond},
			[3]string{"503 DNS_SERVER_ERROR: m\n", "503 911", "503 KO"}, [3]string{"Retry-After: 1", "Retry-After: 1", "Retry-After: 1"}},
	}
	for _, test := range tests {
		for i, call := range calls {
			t.Run(test.name+" "+call.name(), func(t *testing.T) {
				reply := call.reply(service.Outcome{Err: &test.err})
				if got := fmt.Sprint(reply.Status, " ", string(reply.Body)); got != test.want[i] {
					t.Errorf("got %q, want %q", got, test.want[i])
				}
				var header strings.Builder
				_ = reply.Header.Write(&header)
				if got := strings.TrimSpace(header.String()); got != test.header[i] {
					t.Errorf("header %q, want %q", got, test.header[i])
				}
			})
		}
	}
}
