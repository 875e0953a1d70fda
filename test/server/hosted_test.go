package server

import (
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"weak"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/libdns/libdns"
	"github.com/miekg/dns"

	"github.com/caddy-dyndns/dyndns"
	"github.com/caddy-dyndns/dyndns/hosted/hostedtest"
	"github.com/caddy-dyndns/dyndns/internal/await"
	"github.com/caddy-dyndns/dyndns/internal/shared"
	"github.com/caddy-dyndns/dyndns/test/caddytest"
	"github.com/caddy-dyndns/dyndns/zone"
)

func init() {
	caddy.RegisterModule(new(hosterModule))
}

// hosterModule is the module of a DNS hoster as Caddy's tls directive takes it.
type hosterModule struct {
	APIToken string `json:"api_token,omitempty"`

	*hostedtest.Provider `json:"-"`
	ended                atomic.Bool
}

// hoster is what the modules of all configurations ask.
var hoster *hostedtest.Provider

// lastHoster is the module that was loaded last.
var lastHoster weak.Pointer[hosterModule]

// hosterSays is the error of the hoster's next calls; nil if there is none.
var hosterSays atomic.Pointer[string]

func (*hosterModule) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "dns.providers.hoster", New: func() caddy.Module { return new(hosterModule) }}
}

func (m *hosterModule) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next()
	if d.NextArg() {
		m.APIToken = d.Val()
	}
	if d.NextArg() {
		return d.ArgErr()
	}
	return nil
}

func (m *hosterModule) Provision(caddy.Context) error {
	m.APIToken = caddy.NewReplacer().ReplaceAll(m.APIToken, "")
	m.Provider = hoster
	lastHoster = weak.Make(m)
	return nil
}

func (m *hosterModule) Cleanup() error {
	m.ended.Store(true)
	return nil
}

func (m *hosterModule) GetRecords(ctx context.Context, zone string) ([]libdns.Record, error) {
	if m.ended.Load() {
		return nil, errors.New("the module has ended")
	}
	if text := hosterSays.Load(); text != nil {
		return nil, errors.New(*text + m.APIToken)
	}
	return m.Provider.GetRecords(ctx, zone)
}

func (m *hosterModule) SetRecords(ctx context.Context, zone string, records []libdns.Record) ([]libdns.Record, error) {
	if m.ended.Load() {
		return nil, errors.New("the module has ended")
	}
	return m.Provider.SetRecords(ctx, zone, records)
}

const hosterZone = "zone dyn.test {\ndns hoster {$HOSTER_TOKEN}\n}\n"

// serveHoster starts a server whose zone is at a hoster.
func serveHoster(t *testing.T, token string) *caddytest.Server {
	t.Setenv("HOSTER_TOKEN", token)
	t.Setenv("HOSTER_KEY", caddytest.CanaryToken)
	hoster = &hostedtest.Provider{Zone: "dyn.test."}
	hosterSays.Store(nil)
	return caddytest.Serve(t, adminOn, hosterSite(""))
}

func hosterSite(words string) string {
	return "http://:{$HTTP_PORT} {\ndyndns {\nsecret 12345678\n" + hosterZone + words + "}\n}\n"
}

// A zone at a hoster takes every dialect, and claims no proof.
func TestHosted(t *testing.T) {
	s := serveHoster(t, "{env.HOSTER_KEY}")
	for _, step := range []struct{ path, want string }{
		{"/nic/update?hostname=home.dyn.test&myip=192.0.2.1&token=12345678", "good 192.0.2.1"},
		{"/nic/update?hostname=home.dyn.test&myip=192.0.2.1&token=12345678", "nochg 192.0.2.1"},
		{"/update-by-path/12345678/home.dyn.test/192.0.2.2", "UPDATED: home.dyn.test. A 192.0.2.1 -> 192.0.2.2\nUNCHANGED: home.dyn.test. AAAA None\n"},
		{"/delete-by-path/12345678/home.dyn.test", "UPDATED: home.dyn.test. A 192.0.2.2 -> None\nUNCHANGED: home.dyn.test. AAAA None\n"},
	} {
		if got := rawGet(t, s, step.path); got.Body != step.want {
			t.Errorf("%s: got %d %q, want %q", step.path, got.Status, got.Body, step.want)
		}
	}
	if got := s.Get(s.HTTP+"/update-by-path/12345678/json.dyn.test/192.0.2.1", "Accept: application/json"); !strings.Contains(got.Body, `"proven":false`) || strings.Contains(got.Body, `"proven":true`) {
		t.Errorf("got %s", got.Body)
	}
	if values, _ := hoster.Values("json.dyn.test.", zone.TypeA); !slices.Equal(values, []string{"192.0.2.1"}) {
		t.Errorf("the hoster has %q", values)
	}
	if got := s.Get(s.HTTP + "/check/12345678"); got.Status != 200 || !strings.Contains(got.Body, "dyn.test.") || strings.Contains(got.Body, "FAILED") {
		t.Errorf("the self-test says %d %s", got.Status, got.Body)
	}
	if got := s.Get(s.Admin + "/dyndns/status"); !strings.Contains(got.Body, `"hoster"`) {
		t.Errorf("the status is %s", got.Body)
	}
	caddytest.CheckNoSecret(t, s.Log())
}

// What the hoster says is passed on, but for the token that it quotes, and a limit
// outlives a reload.
func TestHostedFails(t *testing.T) {
	for _, test := range []struct {
		name, says    string
		status        int
		retry, native string
	}{
		{"limit", "429 Too Many Requests, retry after 90s: ", 503, "90", "DNS_SERVER_ERROR: the change has to wait for home.dyn.test. in zone dyn.test.: "},
		{"failure", `Get "https://api.example/zones?auth=`, 502, "10", "DNS_SERVER_ERROR: the DNS hoster hoster failed for home.dyn.test. in zone dyn.test.: "},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := serveHoster(t, "{env.HOSTER_KEY}")
			hosterSays.Store(&test.says)
			for range 2 {
				got := s.Get(s.HTTP + "/update-by-path/12345678/home.dyn.test/192.0.2.1")
				if got.Status != test.status || !strings.HasPrefix(got.Body, test.native) || got.Header.Get("Retry-After") != test.retry {
					t.Errorf("got %d %v %q", got.Status, got.Header, got.Body)
				}
				caddytest.CheckNoSecret(t, got.Body)
				if got := rawGet(t, s, "/nic/update?hostname=home.dyn.test&myip=192.0.2.1&token=12345678"); got.Body != "911" {
					t.Errorf("got %d %q", got.Status, got.Body)
				}
				if err := s.Load(hosterSite("public_only\n")); err != nil {
					t.Fatal(err)
				}
			}
			caddytest.CheckNoSecret(t, s.Log())
		})
	}
}

// A reload keeps what is known of the zone, and nothing of the old module.
func TestHostedReload(t *testing.T) {
	s := serveHoster(t, "x")
	update := func(address, want string) {
		t.Helper()
		if got := rawGet(t, s, "/nic/update?hostname=home.dyn.test&myip="+address+"&token=12345678"); got.Body != want+" "+address {
			t.Errorf("got %d %q", got.Status, got.Body)
		}
	}
	update("192.0.2.1", "good")
	hoster.Calls()
	old := lastHoster
	if err := s.Load(hosterSite("public_only\n")); err != nil {
		t.Fatal(err)
	}
	await.True(t, "nothing keeps the old module", func() bool {
		runtime.GC()
		return old.Value() == nil
	})
	update("192.0.2.1", "nochg")
	if calls := hoster.Calls(); len(calls) > 0 {
		t.Errorf("the hoster was asked again: %q", calls)
	}
	update("192.0.2.2", "good")
	if err := s.Load("http://:{$HTTP_PORT} {\nrespond ok\n}\n"); err != nil {
		t.Fatal(err)
	}
	if held := shared.Held(); len(held) > 0 {
		t.Errorf("held: %v", held)
	}
}

// A challenge at a hoster does not wait for the nameserver of other zones.
func TestHostedChallenge(t *testing.T) {
	s := serveHoster(t, "x")
	if err := s.Load(hosterSite("nameserver " + caddytest.ReservePort(t).Addr() + "\nzone other.test " + caddytest.CanaryKey + "\n")); err != nil {
		t.Fatal(err)
	}
	started, text := time.Now(), strings.Repeat("x", 43)
	if got := rawGet(t, s, "/update?domains=home.dyn.test&token=12345678&txt="+text); got.Body != "OK" {
		t.Errorf("got %d %q", got.Status, got.Body)
	}
	if took := time.Since(started); took > 10*time.Second {
		t.Errorf("it took %v", took)
	}
	if values, _ := hoster.Values("_acme-challenge.home.dyn.test.", zone.TypeTXT); !slices.Equal(values, []string{text}) {
		t.Errorf("the hoster has %q", values)
	}
}

// Two handlers with the same zone know the same.
func TestHostedTwice(t *testing.T) {
	s := serveHoster(t, "x")
	handler := " {\ndyndns {\nsecret 12345678\n" + hosterZone + "}\n}\n"
	if err := s.Load("http://:{$HTTP_PORT} {\nhandle_path /one/*" + handler + "handle_path /two/*" + handler + "}\n"); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct{ path, want string }{
		{"/one/update-by-path/12345678/home.dyn.test/192.0.2.1", "UPDATED: home.dyn.test. A None -> 192.0.2.1"},
		{"/two/update-by-path/12345678/home.dyn.test/192.0.2.2", "UPDATED: home.dyn.test. A 192.0.2.1 -> 192.0.2.2"},
		{"/one/update-by-path/12345678/home.dyn.test/192.0.2.1", "UPDATED: home.dyn.test. A 192.0.2.2 -> 192.0.2.1"},
	} {
		if got := rawGet(t, s, step.path); !strings.HasPrefix(got.Body, step.want) {
			t.Errorf("%s: got %d %q", step.path, got.Status, got.Body)
		}
	}
	if calls := hoster.Calls(); slices.Index(calls, "GetRecords") != 0 {
		t.Errorf("calls: %q", calls)
	}
}

// A zone of another Caddy is one at a hoster to this one, by the token of one name.
func TestHostedByAnotherCaddy(t *testing.T) {
	ns := caddytest.Nameserver(t, "dyn.test.")
	const elsewhere = "https://localhost:{$HTTPS_PORT} {\ntls internal\ndyndns {\ndomain localhost\nclient home {\ntoken " + caddytest.CanaryToken + "\nhosts home.dyn.test nas.dyn.test\n}\n"
	other := elsewhere + caddytest.ZoneBlock("dyn.test", ns.Addr()) + "}\n}\n"
	s := caddytest.Serve(t, "", other)
	s.AwaitTLS()
	root := filepath.Join(s.Dir, "storage/pki/authorities/local/root.crt")
	if err := s.Load(other + "http://:{$HTTP_PORT} {\ndyndns {\nsecret 12345678\nzone dyn.test {\ndns dyndns " + s.HTTPS + " {\ntoken " + caddytest.CanaryToken + "\ntls_trust_pool file " + root + "\n}\n}\n}\n}\n"); err != nil {
		t.Fatal(err)
	}
	s.AwaitTLS()
	for _, step := range []struct{ path, want string }{
		{"/nic/update?hostname=home.dyn.test&myip=192.0.2.1&token=12345678", "good 192.0.2.1"},
		{"/nic/update?hostname=home.dyn.test&myip=192.0.2.1&token=12345678", "nochg 192.0.2.1"},
		{"/update-by-path/12345678/home.dyn.test/192.0.2.2/2001:db8::2", "UPDATED: home.dyn.test. A 192.0.2.1 -> 192.0.2.2\nUPDATED: home.dyn.test. AAAA None -> 2001:db8::2\n"},
		{"/nic/update?hostname=nas.dyn.test&myip=192.0.2.3&token=12345678", "good 192.0.2.3"},
		{"/update?domains=home.dyn.test&token=12345678&txt=" + strings.Repeat("x", 43), "OK"},
		{"/delete-by-path/12345678/home.dyn.test", "UPDATED: home.dyn.test. A 192.0.2.2 -> None\nUPDATED: home.dyn.test. AAAA 2001:db8::2 -> None\n"},
	} {
		if got := rawGet(t, s, step.path); got.Body != step.want {
			t.Errorf("%s: got %d %q, want %q", step.path, got.Status, got.Body, step.want)
		}
	}
	if got := rawGet(t, s, "/update-by-path/12345678/mail.dyn.test/192.0.2.1"); got.Status != 502 || !strings.Contains(got.Body, "you may not change mail.dyn.test.") {
		t.Errorf("a name that the token is not for: got %d %q", got.Status, got.Body)
	}
	if left := ns.Zone("dyn.test.").Lookup("home.dyn.test.", dns.TypeA); len(left) > 0 {
		t.Errorf("the nameserver has %v", left)
	}
	if nas := ns.Zone("dyn.test.").Lookup("nas.dyn.test.", dns.TypeA); len(nas) != 1 {
		t.Errorf("the nameserver has %v", nas)
	}
	caddytest.CheckNoSecret(t, s.Log())
}

// The module is configured as in Caddy's tls directive, and the log says what is wrong.
func TestHostedErrors(t *testing.T) {
	hoster = &hostedtest.Provider{Zone: "dyn.test."}
	for _, tt := range []struct{ name, words, backend, want string }{
		{"no provider", "dns", "", "dns: wrong number of arguments"},
		{"unknown provider", "dns hooster", "", "dns: no module dns.providers.hooster is compiled in"},
		{"a token in its place", "dns " + caddytest.CanaryToken, "", "dns: no module dns.providers.REDACTED is compiled in"},
		{"too many arguments", "dns hoster x y", "", "wrong argument count"},
		{"itself in a Caddyfile", "dns dyndns", "", "dns dyndns: without a URL this server would ask itself"},
		{"twice", "dns hoster\ndns hoster", "", "zone dyn.test: dns: stands here twice"},
		{"beside a key", "dns hoster\ntsig_key " + caddytest.CanaryKey, "", "zone dyn.test: it can be changed in one way only"},
		{"RFC 2136", "dns rfc2136", "", "dns rfc2136: it proves nothing; use tsig_key, which does"},
		{"deletes the rest", "dns dnsupdate", "", "dns dnsupdate: it deletes the rest of the zone; use tsig_key"},
		{"without the word", "hoster x", "", `zone dyn.test: unrecognized subdirective "hoster": for the module dns.providers.hoster write dns hoster`},
		{"RFC 2136 in JSON", "", `{"type": "dns", "provider": {"name": "rfc2136"}}`, "dns rfc2136: it proves nothing"},
		{"itself", "", `{"type": "dns", "provider": {"name": "dyndns"}}`, "dns dyndns: without a URL this server would ask itself"},
		{"no module", "", `{"type": "dns"}`, "dns: it is not the configuration of a module"},
		{"no name", "", `{"type": "dns", "provider": {"api_token": "` + caddytest.CanaryToken + `"}}`, "dns: name: it is not the name of a module"},
		{"no hoster", "", `{"type": "dns", "provider": {"name": "nothing"}}`, "dns: the module *server.noHoster is no hosted.Provider"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := new(dyndns.Handler)
			err := h.UnmarshalCaddyfile(caddyfile.NewTestDispenser("dyndns {\nsecret " + caddytest.CanarySecret + "\nzone dyn.test {\n" + tt.words + "\n}\n}"))
			if err == nil {
				if tt.backend != "" {
					h.Zones[0].BackendRaw = json.RawMessage(tt.backend)
				}
				err = provision(t, h)
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("got %v, want %s", err, tt.want)
			}
			caddytest.CheckNoSecret(t, err.Error())
		})
	}
}

func init() { caddy.RegisterModule(noHoster{}) }

// noHoster is a module among those of hosters that is none.
type noHoster struct{}

func (noHoster) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "dns.providers.nothing", New: func() caddy.Module { return new(noHoster) }}
}

// provision loads a handler without a server, and ends it.
func provision(t *testing.T, h *dyndns.Handler) error {
	t.Helper()
	whole, err := caddy.ProvisionContext(&caddy.Config{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := caddy.NewContext(whole)
	defer cancel()
	err = h.Provision(ctx)
	if failed := h.Cleanup(); failed != nil {
		t.Error(failed)
	}
	return err
}
