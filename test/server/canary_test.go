package server

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-dyndns/dyndns/internal/redact"
	"github.com/caddy-dyndns/dyndns/test/caddytest"
)

// The secrets of the canary test: what is configured and what is guessed.
const (
	plantedSecret = "c4n4rySecret0123456789"
	plantedToken  = "c4n4ry-Token_0123456789"
	plantedWrong  = "c4n4ry-Wrong_0123456789"
	plantedKey    = "c4n4ryKeyIsThirtyTwoBytesLong000"
)

// No secret, right or wrong, wherever a client may put it, comes to light in the
// log with everything turned on, the configuration, metrics, events, status,
// stored files or replies.
func TestCanary(t *testing.T) {
	t.Setenv("CANARY_SECRET", plantedSecret)
	t.Setenv("CANARY_TOKEN", plantedToken)
	t.Setenv("CANARY_KEY", base64.StdEncoding.EncodeToString([]byte(plantedKey)))
	var (
		mu     sync.Mutex
		public strings.Builder // everything that anyone can see but the log
	)
	show := func(source, text string) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Fprintf(&public, "%s: %s\n", source, text)
	}
	record(t, func(e caddy.Event) { show("event", eventText(e)) })

	ns := caddytest.Nameserver(t, "dyn.example.com.", "key.example.com.")
	dead := caddytest.ReservePort(t).Addr()
	body := "secret {env.CANARY_SECRET}\nthrottle off\ndomain localhost\n" +
		caddytest.ZoneBlock("dyn.example.com", ns.Addr()) + caddytest.ZoneBlock("dead.example.com", dead) +
		"zone key.example.com {\ntsig_key key.example. hmac-sha256 {env.CANARY_KEY}\nnameserver " + ns.Addr() + "\n}\n" +
		"client home {\ntoken {env.CANARY_TOKEN}\nhosts home.dyn.example.com a.dead.example.com a.key.example.com\nlan nas.dyn.example.com ::1\n}\n"
	// Where Caddy obtains one, its TLS app may tell of it while the events app still
	// enters its subscribers: a data race of Caddy 2.11.
	certificate, key := caddytest.WriteCertificate(t, t.TempDir())
	s := caddytest.Serve(t, adminOn+"debug\nmetrics\nservers {\ntrace\n}\n"+recordEvents, `
https://localhost:{$HTTPS_PORT} {
	tls `+certificate+` `+key+`
	log
	dyndns {
		`+body+`
	}
	error /error* "broken" 500
	respond "not found" 404
}
http://127.0.0.1:{$HTTP_PORT} {
	log
	route /prefix/* {
		uri strip_prefix /prefix
		dyndns {
			`+body+`
		}
	}
	dyndns {
		`+body+`
	}
}`)
	redirect := "http://localhost:" + os.Getenv("HTTP_PORT")

	requests := 0
	send := func(method, target, form string, headers ...string) caddytest.Reply {
		requests++
		got, err := s.Do(method, target, form, headers...)
		if err != nil {
			t.Fatalf("%s %s: %v", method, target, err)
		}
		// Caddy's redirect sends the client its own URL back.
		if !strings.HasPrefix(target, redirect) {
			show("reply to "+redact.Method(method), fmt.Sprint(got.Status, got.Header, got.Body))
		}
		return got
	}
	for _, secret := range []string{plantedSecret, plantedToken, plantedWrong, url.QueryEscape(plantedWrong + ` "<&=/`)} {
		paths := []string{"/check/" + secret, "/check?secret=" + secret}
		for _, host := range []string{"home.dyn.example.com", "a.dead.example.com", "a.key.example.com", "other.dyn.example.com", "x.example.org", "-", ""} {
			for _, ip := range []string{"192.0.2.1", "127.0.0.1", "x"} {
				paths = append(paths,
					"/update-by-path/"+secret+"/"+host+"/"+ip,
					"/update-by-path/"+host+"/"+secret,
					"/update-by-query?secret="+secret+"&fqdn="+host+"&ip_1="+ip,
					"/UPDATE-BY-QUERY?Secret="+secret,
					"/nic/update?hostname="+host+"&myip="+ip+"&password="+secret,
					"/v3/update?hostname="+host+"&username="+secret+"&pass="+secret,
					"/update?domains="+host+"&token="+secret+"&ip="+ip+"&verbose=true",
					"/update/"+host+"/"+secret+"/"+ip, "/update/"+host+"/"+secret,
					"/?hostname="+host+"&password="+secret+"&myip="+ip, "/update?hostname="+host+"&password="+secret+"&ip="+ip,
					"/nic/delete?hostname="+host+"&password="+secret+"&myip="+ip,
				)
				if strings.HasPrefix(host, "a.d") {
					break // one request to a dead nameserver is enough
				}
			}
			paths = append(paths, "/delete-by-path/"+secret+"/"+host, "/prefix/delete-by-path/"+secret+"/"+host)
		}
		paths = append(paths, "/statistics/latest-submissions?secret="+secret, "/?token="+secret, "/error?token="+secret)
		for _, base := range []string{s.HTTP, s.HTTPS, redirect} {
			for _, path := range paths {
				send(http.MethodGet, base+path, "")
			}
			// In a wrong place, by whom nobody knows and by a client.
			for _, path := range []string{
				"/" + secret, "/updat-by-path/" + secret + "/home.dyn.example.com", "/x/" + secret + "/y", "/update-by-path;" + secret, "/UPDATE-BY-PATH/" + secret,
				"/update-by-path/x/" + secret, "/update-by-path/x/home.dyn.example.com/" + secret, "/update-by-path/x/home.dyn.example.com/192.0.2.1/" + secret,
				"/update/home/" + secret, "/update/" + secret + "/home?domains=home",
				"/nic/update?hostname=" + secret, "/nic/update?hostname=home.dyn.example.com&myip=" + secret, "/nic/update?myipv6:" + secret + "=2001:db8::1",
				"/nic/update?hostname=home.dyn.example.com&myip=192.0.2.1&bogus=" + secret, "/nic/update?hostname=home.dyn.example.com&pasword=" + secret,
				"/nic/update?" + secret, "/nic/update?" + secret + "=1", "/nic/update?wildcard=" + secret + "&offline=" + secret,
				"/update-by-query?fqdn=" + secret, "/update-by-query?zone_name=dyn.example.com&record_name=home&ttl=" + secret,
				"/update-by-query?zone_name=" + secret + "&record_name=home", "/update-by-query?fqdn=home.dyn.example.com&ip_1=" + secret,
				"/update-by-query?fqdn=home.dyn.example.com&" + secret, "/update-by-query?fqdn=home.dyn.example.com&bogus=" + secret, "/update-by-query?" + secret + "=&" + secret + "=",
				"/update?domains=" + secret, "/update?domains=home&ip=" + secret, "/update?domains=home&txt=" + secret + "%00",
			} {
				send(http.MethodGet, base+path, "")
				send(http.MethodGet, base+path, "", caddytest.BasicAuth("user", plantedToken))
				send(http.MethodGet, base+path, "", caddytest.BasicAuth("user", plantedSecret))
				send(http.MethodPost, base+"/nic/update", strings.TrimPrefix(path, "/nic/update?"), caddytest.BasicAuth("user", plantedToken), "Content-Type: application/x-www-form-urlencoded")
			}
			text, _ := json.Marshal(secret)
			for path, bodies := range map[string][]string{
				"/present": {`{"fqdn":%s,"value":%s}`, `{"fqdn":"_acme-challenge.home.dyn.example.com","value":%s}`, `{"domain":%s,"keyAuth":%s}`, `{%s:%s}`, `{"fqdn":%s`, `%s`},
				"/update":  {`{"subdomain":%s,"txt":%s}`, `{"subdomain":"home","txt":%s}`, `{%s`},
				"/records": {
					`{"set":[{"name":%s,"type":%s,"data":%s}]}`, `{"set":[{"name":"home.dyn.example.com","type":%s}]}`, `{"set":[{"name":"home.dyn.example.com","type":"A","data":%s}]}`,
					`{"add":[{"name":"_acme-challenge.home.dyn.example.com","type":"TXT","data":%s}]}`, `{"set":[{"name":"home.dyn.example.com","type":"HTTPS","data":%s}]}`, `{%s:[]}`,
				},
			} {
				for _, body := range bodies {
					body = strings.ReplaceAll(body, "%s", string(text))
					for _, credential := range []string{"Authorization: Bearer " + secret, "X-Api-Key: " + secret, caddytest.BasicAuth("user", plantedToken)} {
						send(http.MethodPost, base+path, body, credential, "X-Api-User: "+secret, "Content-Type: application/json")
					}
				}
			}
			send(http.MethodGet, base+"/records?name="+secret+"&"+secret, "", caddytest.BasicAuth("user", plantedToken))
			plain := strings.Trim(url.QueryEscape(secret), "%")
			for _, path := range []string{"/nic/update?hostname=home.dyn.example.com", "/no/such/path", "/error"} {
				for _, header := range []string{
					"X-Api-Key: " + secret, "X-Api-User: " + secret, "X-Bogus: " + secret, "Cookie: session=" + secret, "User-Agent: curl/8 " + secret,
					"Accept: " + secret, "Origin: https://" + secret, "X-Forwarded-For: " + secret, "X-Forwarded-Host: " + secret, "X-" + plantedToken + ": x", "Referer: " + secret,
				} {
					send(http.MethodGet, base+path, "", header)
				}
				send(plain, base+path, "")
			}
			for _, path := range []string{"/update-by-query", "/nic/update", "/check", "/update", "/statistics/updates-by-fqdn", "/no/such/path"} {
				query := "?hostname=home.dyn.example.com&fqdn=home.dyn.example.com&token=" + secret
				for _, method := range []string{http.MethodPost, http.MethodHead, http.MethodDelete, "PROPFIND"} {
					send(method, base+path+query, "")
				}
				send(http.MethodPost, base+path, "secret="+secret+"&token="+secret, "Content-Type: application/x-www-form-urlencoded")
				send(http.MethodPost, base+path, "secret="+secret, "Content-Type: text/plain")
				for _, header := range []string{
					caddytest.BasicAuth("user", secret), caddytest.BasicAuth(secret, "password"), caddytest.BasicAuth(secret, ""), caddytest.BasicAuth(secret, secret),
					"Authorization: Bearer " + secret, "Authorization: Token " + secret, "Authorization: Basic " + secret, "Authorization: " + secret,
				} {
					send(http.MethodGet, base+path+"?hostname=home.dyn.example.com", "", header)
					send(http.MethodGet, base+path, "", header, "Sec-Fetch-Site: cross-site")
				}
			}
			send(http.MethodGet, base+"/favicon.ico", "", "Referer: "+base+"/update-by-path/"+secret+"/home.dyn.example.com")
			send(http.MethodGet, base+"/favicon.ico", "", "Referer: "+base+"/update?domains=home&token="+secret)
			send(http.MethodGet, base+"/", "", "X-Forwarded-Uri: /check/"+secret, "X-Original-Url: https://localhost/nic/update?password="+secret)
		}
	}

	show("config", s.Get(s.Admin+"/config/").Body)
	show("metrics", s.Get(s.Admin+"/metrics").Body)
	show("status", s.Get(s.Admin+"/dyndns/status").Body)
	if err := s.Load("http://127.0.0.1:{$HTTP_PORT} {\nrespond 404\n}"); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(s.Dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		show(path, string(text))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}

	mu.Lock()
	defer mu.Unlock()
	text := public.String()
	for _, secret := range []string{"c4n4ry", base64.StdEncoding.EncodeToString([]byte(plantedKey)), base64.StdEncoding.EncodeToString([]byte("user:" + plantedSecret))} {
		for line := range strings.Lines(text) {
			if strings.Contains(line, secret) {
				t.Fatalf("%s stands in %s", secret, line)
			}
		}
	}
	// The test sees what it looks for.
	for _, want := range []string{
		`"msg":"answered request"`, `"msg":"handled request"`, `"logger":"http.log.error`, `"logger":"http.log.trace"`, `"adjusted config"`,
		`"Location":["https://localhost`, `REDACTED`, `event: dyndns.updated`, `event: dyndns.refused`, `event: dyndns.deleted`,
		`caddy_dyndns_requests_total`, `"zone":"dead.example.com."`, `{env.CANARY_SECRET}`, `reply to GET: 200`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the test did not see %s", want)
		}
	}
	t.Logf("%d requests", requests)
}
