package provider

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/libdns/libdns"
	"go.uber.org/zap"

	"github.com/caddy-dyndns/dyndns/internal/records"
)

// fake is a backend that fails with each of its errors first.
type fake struct {
	errs     []error
	requests []records.Request
	names    [][]string
	results  []records.Result
}

func (f *fake) next() error {
	if len(f.errs) == 0 {
		return nil
	}
	err := f.errs[0]
	f.errs = f.errs[1:]
	return err
}

func (f *fake) list(_ context.Context, names []string) ([]records.Result, error) {
	f.names = append(f.names, names)
	return f.results, f.next()
}

func (f *fake) change(_ context.Context, r records.Request) ([]records.Result, error) {
	f.requests = append(f.requests, r)
	return f.results, f.next()
}

func newProvider(b backend, managed ...string) *Provider {
	return &Provider{backend: b, logger: zap.NewNop(), changed: make(map[string]bool), managed: func() []string { return slices.Clone(managed) }}
}

// A dynamic address is reported once, so that an outage must not lose it; what a client
// repeats by itself is given up earlier, and what will not pass at once.
func TestPersistence(t *testing.T) {
	outage := func(n int) []error {
		return slices.Repeat([]error{failure{error: errors.New("no answer")}}, n)
	}
	address := []libdns.Record{libdns.Address{Name: "home", IP: netip.MustParseAddr("192.0.2.1")}}
	set := func(p *Provider) error { _, err := p.SetRecords(context.Background(), "dyn.test", address); return err }
	get := func(p *Provider) error { _, err := p.GetRecords(context.Background(), "dyn.test"); return err }
	tests := []struct {
		name string
		errs []error
		call func(*Provider) error
		// tries is how often the backend is asked, within the time.
		tries       int
		least, most time.Duration
		fails       bool
	}{
		{name: "no outage", call: set, tries: 1},
		{name: "three failures", errs: outage(3), call: set, tries: 4, least: 3 * time.Second, most: 7 * time.Second},
		{name: "as long as the other side says", errs: []error{failure{errors.New("busy"), 17 * time.Second}}, call: set, tries: 2, least: 17 * time.Second, most: 17 * time.Second},
		{name: "an outage of minutes", errs: outage(15), call: set, tries: 16, least: 165 * time.Second, most: 8 * time.Minute},
		{name: "an outage without end", errs: outage(1000), call: set, tries: 24, least: 9 * time.Minute, most: 10 * time.Minute, fails: true},
		{name: "a read is given up earlier", errs: outage(1000), call: get, tries: 8, least: time.Minute, most: 2 * time.Minute, fails: true},
		{name: "a refusal stays one", errs: []error{errors.New("you may not")}, call: set, tries: 1, fails: true},
		{name: "the caller's own deadline", errs: outage(1000), call: func(p *Provider) error {
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
			defer cancel()
			_, err := p.SetRecords(ctx, "dyn.test", address)
			return err
		}, tries: 4, least: 3 * time.Second, most: 10 * time.Second, fails: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := &fake{errs: tt.errs}
				start := time.Now()
				err := tt.call(newProvider(b))
				if took := time.Since(start); took < tt.least || took > tt.most {
					t.Errorf("it took %v", took)
				}
				// Half of each pause is drawn.
				if tries := len(b.requests) + len(b.names); tries < tt.tries*3/4 || tries > tt.tries*3/2 {
					t.Errorf("%d tries", tries)
				}
				if (err != nil) != tt.fails {
					t.Error(err)
				}
			})
		})
	}
}

// The calls of Caddy's parts, as they were recorded.
func TestCalls(t *testing.T) {
	const value = "vfScPDiCEC_AF_-2YRCMY6g20GWIikCTmUOYzFXC6i8"
	tests := []struct {
		name, zone string
		call       func(p *Provider, zone string) ([]libdns.Record, error)
		request    string
		results    []records.Result
		want       []libdns.Record
	}{
		{
			name: "certmagic presents", zone: "dyn.test.",
			call: func(p *Provider, zone string) ([]libdns.Record, error) {
				return p.AppendRecords(t.Context(), zone, []libdns.Record{libdns.RR{Type: "TXT", Name: "_acme-challenge.home", Data: value}})
			},
			request: `{"add":[{"name":"_acme-challenge.home.dyn.test.","type":"TXT","data":"` + value + `"}]}`,
			want:    []libdns.Record{libdns.TXT{Name: "_acme-challenge.home", Text: value}},
		},
		{
			name: "certmagic cleans up", zone: "dyn.test.",
			call: func(p *Provider, zone string) ([]libdns.Record, error) {
				return p.DeleteRecords(t.Context(), zone, []libdns.Record{libdns.TXT{Name: "_acme-challenge.home", Text: value}})
			},
			request: `{"delete":[{"name":"_acme-challenge.home.dyn.test.","type":"TXT","data":"` + value + `"}]}`,
			results: []records.Result{{Name: "_acme-challenge.home.dyn.test.", Type: "TXT", Old: []string{"other", value}, New: []string{"other"}, TTL: 60}},
			want:    []libdns.Record{libdns.TXT{Name: "_acme-challenge.home", TTL: time.Minute, Text: value}},
		},
		{
			name: "caddy-dynamicdns, with the zone and names as they were typed", zone: "Dyn.test",
			call: func(p *Provider, zone string) ([]libdns.Record, error) {
				return p.SetRecords(t.Context(), zone, []libdns.Record{
					libdns.Address{Name: "Home", IP: netip.MustParseAddr("192.0.2.1")},
					libdns.Address{Name: "@", IP: netip.MustParseAddr("192.0.2.1")},
					libdns.Address{Name: "Home", IP: netip.MustParseAddr("2001:db8::1")},
				})
			},
			request: `{"set":[{"name":"Home.Dyn.test.","type":"A","data":"192.0.2.1"},{"name":"Dyn.test.","type":"A","data":"192.0.2.1"},{"name":"Home.Dyn.test.","type":"AAAA","data":"2001:db8::1"}]}`,
			want: []libdns.Record{
				libdns.Address{Name: "Home", IP: netip.MustParseAddr("192.0.2.1")}, libdns.Address{Name: "@", IP: netip.MustParseAddr("192.0.2.1")},
				libdns.Address{Name: "Home", IP: netip.MustParseAddr("2001:db8::1")},
			},
		},
		{
			name: "Encrypted ClientHello", zone: "dyn.test.",
			call: func(p *Provider, zone string) ([]libdns.Record, error) {
				return p.SetRecords(t.Context(), zone, []libdns.Record{
					libdns.ServiceBinding{Scheme: "https", Name: "home", TTL: 5 * time.Minute, Priority: 2, Target: ".", Params: libdns.SvcParams{"ech": {"AEf+"}}},
				})
			},
			request: `{"set":[{"name":"home.dyn.test.","type":"HTTPS","ttl":300,"data":"2 . ech=AEf+"}]}`,
			want:    []libdns.Record{libdns.ServiceBinding{Scheme: "https", Name: "home", TTL: 5 * time.Minute, Priority: 2, Target: ".", Params: libdns.SvcParams{"ech": {"AEf+"}}}},
		},
		{
			name: "all of a type", zone: "dyn.test.",
			call: func(p *Provider, zone string) ([]libdns.Record, error) {
				return p.DeleteRecords(t.Context(), zone, []libdns.Record{libdns.RR{Name: "home", Type: "A"}})
			},
			request: `{"delete":[{"name":"home.dyn.test.","type":"A"}]}`,
			results: []records.Result{{Name: "home.dyn.test.", Type: "A", Old: []string{"192.0.2.1", "192.0.2.2"}, TTL: 0}},
			want:    []libdns.Record{libdns.Address{Name: "home", IP: netip.MustParseAddr("192.0.2.1")}, libdns.Address{Name: "home", IP: netip.MustParseAddr("192.0.2.2")}},
		},
		{name: "nothing", zone: "dyn.test.", call: func(p *Provider, zone string) ([]libdns.Record, error) { return p.SetRecords(t.Context(), zone, nil) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := &fake{results: tt.results}
			got, err := tt.call(newProvider(b), tt.zone)
			if err != nil {
				t.Fatal(err)
			}
			var request []byte
			if len(b.requests) > 0 {
				request, _ = json.Marshal(b.requests[0])
			}
			if string(request) != tt.request {
				t.Errorf("asked %s", request)
			}
			if fmt.Sprintf("%#v", got) != fmt.Sprintf("%#v", tt.want) {
				t.Errorf("got  %#v\nwant %#v", got, tt.want)
			}
		})
	}
}

// Every record of a name without a type would be more than anybody wants to lose.
func TestTypes(t *testing.T) {
	for _, kind := range []string{"", "CNAME", "ANY"} {
		b := &fake{}
		if _, err := newProvider(b).DeleteRecords(t.Context(), "dyn.test.", []libdns.Record{libdns.RR{Name: "home", Type: kind}}); err == nil || b.requests != nil {
			t.Errorf("%q: %v, %d requests", kind, err, len(b.requests))
		}
	}
}

// What is looked for are the sites of this Caddy and the names that were changed, as far
// as they lie in the zone, in requests that are not too long, and the names of the token.
func TestGetRecords(t *testing.T) {
	managed := []string{"home.dyn.test.", "dyn.test.", "notdyn.test.", "home.dyn.test."}
	for i := range 60 {
		managed = append(managed, fmt.Sprintf("n%02d.dyn.test.", i))
	}
	b := &fake{results: []records.Result{
		{Name: "home.dyn.test.", Type: "HTTPS", New: []string{`1 . alpn="h2"`}, TTL: 300}, {Name: "dyn.test.", Type: "AAAA", New: []string{"2001:db8::1"}, TTL: 60}, {Name: "x.dyn.test.", Type: "A"},
	}}
	p := newProvider(b, managed...)
	p.changed["set.dyn.test."], p.changed["set.other.test."] = true, true
	got, err := p.GetRecords(t.Context(), "dyn.test")
	if err != nil {
		t.Fatal(err)
	}
	if len(b.names) != 3 || len(b.names[0]) != 50 || len(b.names[1]) != 13 || b.names[0][0] != "dyn.test." || b.names[1][12] != "set.dyn.test." || b.names[2] != nil {
		t.Errorf("asked for %q", b.names)
	}
	want := []libdns.Record{
		libdns.ServiceBinding{Scheme: "https", Name: "home", TTL: 5 * time.Minute, Priority: 1, Target: ".", Params: libdns.SvcParams{"alpn": {"h2"}}},
		libdns.Address{Name: "@", TTL: time.Minute, IP: netip.MustParseAddr("2001:db8::1")},
	}
	if fmt.Sprintf("%#v", got) != fmt.Sprintf("%#v", want) {
		t.Errorf("got %#v", got)
	}
}

// What another Caddy, or something else in its place, may answer.
func TestRemote(t *testing.T) {
	tests := []struct {
		name   string
		status int
		header string // Retry-After
		body   string
		want   string
		after  time.Duration // -1: no other try
	}{
		{"records", 200, "", `{"records":[{"name":"a.","type":"A","old":[],"new":["192.0.2.1"],"ttl":60,"changed":true,"proven":true}]}`, "a. A [192.0.2.1]", 0},
		{"no records", 200, "", `{"records":[]}`, "", 0},
		{"a refusal", 403, "", `{"error":{"word":"PARAMETER_ERROR","message":"you may not change a."}}`, "error you may not change a.", -1},
		{"busy", 503, "7", `{"error":{"word":"DNS_SERVER_ERROR","message":"wait"}}`, "error wait", 7 * time.Second},
		{"throttled", 429, "", `{"error":{"word":"PARAMETER_ERROR","message":"too many"}}`, "error too many", 0},
		{"no answer in time", 504, "", `{"error":{"word":"DNS_SERVER_ERROR","message":"late"}}`, "error late", 0},
		{"a proxy's error", 502, "soon", "<html>", "error at status 502", 0},
		{"another site", 200, "", "<html>", "error at status 200", -1},
		{"no path of a handler", 404, "", "", "error at status 404", -1},
		{"a redirect", 301, "", "", "error at status 301", -1},
		{"an object of something else", 200, "", "{}", "error at status 200", -1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var asked string
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				asked = fmt.Sprintf("%s %s %s %s", r.Method, r.URL, r.Header.Get("Authorization"), body)
				if tt.header != "" {
					w.Header().Set("Retry-After", tt.header)
				}
				w.Header().Set("Location", "/elsewhere")
				w.WriteHeader(tt.status)
				_, _ = io.WriteString(w, tt.body)
			}))
			t.Cleanup(server.Close)
			b, err := newRemote(server.URL+"/base/", "token", nil)
			if err != nil {
				t.Fatal(err)
			}
			results, err := b.change(t.Context(), records.Request{Delete: []records.Record{{Name: "a.", Type: "A"}}})
			if want := `POST /base/records Bearer token {"delete":[{"name":"a.","type":"A"}]}`; asked != want {
				t.Errorf("asked %s", asked)
			}
			got := ""
			for _, r := range results {
				got += fmt.Sprintf("%s %s %v", r.Name, r.Type, r.New)
			}
			var again failure
			switch retry := errors.As(err, &again); {
			case err == nil && got != tt.want, err != nil && !strings.HasPrefix(tt.want, "error "):
				t.Errorf("got %q, %v", got, err)
			case err != nil && strings.HasPrefix(tt.want, "error at ") && !strings.Contains(err.Error(), strings.TrimPrefix(tt.want, "error at ")),
				err != nil && !strings.HasPrefix(tt.want, "error at ") && "error "+err.Error() != tt.want:
				t.Errorf("got %v", err)
			case err != nil && retry != (tt.after >= 0), retry && again.after != tt.after:
				t.Errorf("another try: %t after %v", retry, again.after)
			}
			if _, err := b.list(t.Context(), []string{"a.", "b."}); err == nil && asked != "GET /base/records?name=a.&name=b. Bearer token " {
				t.Errorf("asked %s", asked)
			}
		})
	}
}

func TestUnmarshalCaddyfile(t *testing.T) {
	tests := []struct{ name, input, want string }{
		{"in this process", "dyndns", `{}`},
		{"another Caddy", "dyndns https://ddns.example.com {\ntoken {env.TOKEN}\n}", `{"url":"https://ddns.example.com","token":"{env.TOKEN}"}`},
		{"its authority", "dyndns https://ddns.example.com {\ntoken t\ntls_trust_pool file /ca.pem\n}", `{"url":"https://ddns.example.com","token":"t","ca":{"pem_files":["/ca.pem"],"provider":"file"}}`},
		{"two URLs", "dyndns https://a https://b", "error: dyndns: wrong number of arguments"},
		{"a word twice", "dyndns https://a {\ntoken a\ntoken b\n}", "error: dyndns: token: stands here twice"},
		{"an unknown word", "dyndns https://a {\nsecret0123456789=x\n}", "error: dyndns: unrecognized subdirective"},
		{"no token", "dyndns https://a {\ntoken\n}", "error: token: wrong number of arguments"},
		{"no pool", "dyndns https://a {\ntls_trust_pool\n}", "error: tls_trust_pool: wrong number of arguments"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := new(Provider)
			err := p.UnmarshalCaddyfile(caddyfile.NewTestDispenser(tt.input))
			var got string
			if err != nil {
				got = "error: " + err.Error()
				got, _, _ = strings.Cut(got, ", at ")
			} else {
				text, _ := json.Marshal(p)
				got = string(text)
			}
			if got != tt.want {
				t.Errorf("got %s", got)
			}
		})
	}
}

func TestURL(t *testing.T) {
	for url, ok := range map[string]bool{
		"https://ddns.example.com": true, "https://ddns.example.com:8443/ddns": true, "http://localhost:8080": true, "http://127.0.0.1": true, "http://[::1]:1": true,
		"http://ddns.example.com": false, "http://ddns.localhost": false, "ddns.example.com": false, "https://u:p@ddns.example.com": false, "https://ddns.example.com/?x": false, "ftp://localhost": false, "": false,
	} {
		if _, err := newRemote(url, "token", nil); (err == nil) != ok {
			t.Errorf("%q: %v", url, err)
		}
	}
}

func TestProvision(t *testing.T) {
	t.Setenv("DYNDNS_TEST_EMPTY", "")
	tests := []struct {
		name string
		p    Provider
		want string
	}{
		{"in this process", Provider{}, "<nil>"},
		{"another Caddy", Provider{URL: "https://ddns.example.com", Token: "t"}, "<nil>"},
		{"no token", Provider{URL: "https://ddns.example.com"}, "token: none is given"},
		{"a token for this process", Provider{Token: "t"}, "a token, and whom to trust, are of use with a url alone"},
		{"an empty variable", Provider{URL: "https://ddns.example.com", Token: "{env.DYNDNS_TEST_EMPTY}"}, "token: evaluated placeholder {env.DYNDNS_TEST_EMPTY} is empty"},
		{"no https", Provider{URL: "http://ddns.example.com", Token: "t"}, "url: the token needs https"},
	}
	for i := range tests {
		tt := &tests[i]
		t.Run(tt.name, func(t *testing.T) {
			ctx, cancel := caddy.NewContext(caddy.Context{Context: t.Context()})
			defer cancel()
			if err := tt.p.Provision(ctx); fmt.Sprint(err) != tt.want {
				t.Error(err)
			}
		})
	}
}
