package server

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-dyndns/dyndns/internal/service"
	"github.com/caddy-dyndns/dyndns/test/caddytest"
)

const canary = "c4n4ryS3cr3t0123456789"

// entry is one line of the log.
type entry map[string]any

// apiEntries are the handler's own entries in a JSON log.
func apiEntries(t testing.TB, log string) []entry {
	t.Helper()
	var entries []entry
	for line := range strings.Lines(log) {
		e := make(entry)
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("%v in %q", err, line)
		}
		if e["msg"] == "answered request" {
			entries = append(entries, e)
		}
	}
	return entries
}

// A host of two clients is named when the configuration is loaded.
func TestSharedHostIsLogged(t *testing.T) {
	s := caddytest.Serve(t, "", `
http://127.0.0.1:{$HTTP_PORT} {
	dyndns {
		`+caddytest.ZoneBlock("dyn.example.com", "127.0.0.1:1")+`
		client home {
			token `+canary+`
			hosts home.dyn.example.com *.home.dyn.example.com
		}
		client nas {
			token nas-token_0123456789
			hosts home.dyn.example.com nas.dyn.example.com nas.home.dyn.example.com
		}
	}
}`)
	const want = `"msg":"several clients may change one host, and the last one wins","host":"home.dyn.example.com.","clients":["home","nas"]}`
	if log := s.Log(); strings.Count(log, want) != 1 || strings.Count(log, "several clients") != 1 {
		t.Error(log)
	}
}

func TestLogEntry(t *testing.T) {
	ns := caddytest.Nameserver(t, "dyn.example.com.")
	dead := caddytest.ReservePort(t).Addr()
	s := caddytest.Serve(t, "", `
http://127.0.0.1:{$HTTP_PORT} {
	log
	dyndns {
		secret 12345678
		private_clients
		`+caddytest.ZoneBlock("dyn.example.com", ns.Addr())+caddytest.ZoneBlock("dead.example.com", dead)+`
		client home {
			token `+canary+`
			hosts home.dyn.example.com
		}
	}
}`)
	type fields map[string]string
	rows := []struct {
		name, path, userAgent string
		status                int
		level                 string
		want                  fields
	}{
		{"change", "/nic/update?hostname=home.dyn.example.com&myip=192.0.2.1&token=" + canary, "curl/8", 200, "info", fields{
			"result": "updated", "client": "home", "dialect": "dyndns2", "user_agent": "curl/8",
			"uri":   "/nic/update?hostname=home.dyn.example.com&myip=192.0.2.1&token=REDACTED",
			"hosts": "[map[name:home.dyn.example.com. records:[map[changed:true new:192.0.2.1 old: proven:true ttl:300 type:A]] result:updated zone:dyn.example.com.]]",
		}},
		{"no change", "/update-by-path/" + canary + "/home.dyn.example.com/192.0.2.1", "", 200, "debug", fields{
			"result": "unchanged", "client": "home", "dialect": "native", "uri": "/update-by-path/REDACTED/home.dyn.example.com/192.0.2.1",
		}},
		{"a private address", "/nic/update?hostname=home.dyn.example.com&myip=100.64.0.1&token=" + canary, "", 200, "info", fields{
			"hosts": "[map[name:home.dyn.example.com. records:[map[changed:true new:100.64.0.1 old:192.0.2.1 private:true proven:true ttl:300 type:A]] result:updated zone:dyn.example.com.]]",
		}},
		{"deletion", "/delete-by-path/" + canary + "/home.dyn.example.com", "", 200, "info", fields{
			"result": "deleted", "client": "home",
		}},
		{"no secret", "/update-by-query?fqdn=home.dyn.example.com", "", 401, "warn", fields{
			"result": "refused", "reason": "no_credential", "client": "<nil>", "hosts": "<nil>",
		}},
		{"wrong secret", "/check/wrongwrong", "", 403, "warn", fields{
			"result": "refused", "reason": "bad_credential", "client": "<nil>", "uri": "/check/REDACTED",
		}},
		{"bad address", "/update-by-path/" + canary + "/home.dyn.example.com/127.0.0.1", "", 400, "warn", fields{
			"result": "refused", "reason": "bad_address", "client": "home", "error": "127.0.0.1 is a loopback address",
		}},
		{"not granted", "/update-by-path/" + canary + "/nas.dyn.example.com/192.0.2.1", "", 403, "warn", fields{
			"result": "refused", "client": "home",
			"hosts": "[map[error:you may not change nas.dyn.example.com. name:nas.dyn.example.com. reason:not_granted result:refused]]",
		}},
		{"duckdns", "/update?domains=home&token=" + canary + "&ip=192.0.2.9", "", 200, "info", fields{
			"result": "updated", "dialect": "duckdns",
		}},
		{"dead nameserver", "/update-by-path/12345678/a.dead.example.com/192.0.2.1", "", 502, "error", fields{
			"result": "failed", "client": "secret",
		}},
		{"self-test", "/check/12345678", "", 502, "error", fields{"result": "failed", "client": "secret"}},
		{"self-test, what it says", "/check/12345678", "", 502, "error", fields{
			"zones": "[map[result:checked warning:SOA minimum: resolvers remember for 300 s that a name does not exist, and a certificate may wait for that: set the minimum, the last number of the SOA record, to 60 zone:dyn.example.com.]" +
				" map[error:reachable: nameserver " + dead + " could not be reached for zone dead.example.com.: dial tcp " + dead + ": connect: connection refused: nothing listens there: start the nameserver, let it listen on TCP as well as UDP, or mend the address result:failed zone:dead.example.com.]]",
		}},
		{"user agent", "/update-by-path/x/y", "a\u009b31m" + strings.Repeat("ü", 5000), 403, "warn", fields{
			"user_agent": `a\u009b31m` + strings.Repeat("ü", 75),
		}},
	}
	for i, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			got := s.Get(s.HTTP+row.path, "User-Agent: "+row.userAgent)
			if got.Status != row.status {
				t.Errorf("status %d, want %d: %s", got.Status, row.status, got.Body)
			}
			entries := apiEntries(t, s.Log())
			if len(entries) != i+1 {
				t.Fatalf("%d entries, want %d", len(entries), i+1)
			}
			e := entries[i]
			want := fields{
				"level": row.level, "status": fmt.Sprint(row.status), "logger": "http.handlers.dyndns",
				"client_ip": "127.0.0.1", "method": http.MethodGet, "host": strings.TrimPrefix(s.HTTP, "http://"),
			}
			maps.Copy(want, row.want)
			for key, value := range want {
				if text := fmt.Sprint(e[key]); text != value {
					t.Errorf("%s is %s, want %s", key, text, value)
				}
			}
			if _, ok := e["duration"].(float64); !ok {
				t.Errorf("duration is %v", e["duration"])
			}
		})
	}
	if log := s.Log(); strings.Contains(log, canary) || strings.Contains(log, "12345678") || strings.Contains(log, `"http.log.access`) {
		t.Error("a secret or an access entry stands in the log")
	}
}

// The logging page names everything that an entry or an event has, and every result and reason.
func TestDocumentedFields(t *testing.T) {
	page, err := os.ReadFile("../../docs/logging.md")
	if err != nil {
		t.Fatal(err)
	}
	words := map[string]bool{}
	for _, result := range service.Results {
		words[result] = true
	}
	for _, reason := range service.Reasons {
		words[string(reason)] = true
	}
	events := make(chan caddy.Event, 100)
	record(t, func(e caddy.Event) { events <- e })
	ns := caddytest.Nameserver(t, "dyn.example.com.")
	s := caddytest.Serve(t, recordEvents, plainSite(caddytest.ZoneBlock("dyn.example.com", ns.Addr())+
		caddytest.ZoneBlock("dead.example.com", caddytest.ReservePort(t).Addr())+"client home {\ntoken "+canary+"\nhosts home.dyn.example.com\nlan nas.dyn.example.com ::1\n}\n"))
	for _, path := range []string{
		"/nic/update?hostname=home.dyn.example.com&myip=192.0.2.1&ip6lanprefix=2001:db8::/64&token=" + canary,
		"/delete-by-path/12345678/home.dyn.example.com",
		"/nic/update?hostname=other.dyn.example.com,home.dyn.example.com&myip=192.0.2.1&token=" + canary,
		"/update-by-path/12345678/a.dead.example.com/192.0.2.1",
		"/update-by-path/12345678/home.dyn.example.com/127.0.0.1",
		"/check/12345678",
		"/check/wrongwrong",
	} {
		s.Get(s.HTTP+path, "User-Agent: test")
	}
	for seen := map[string]bool{}; len(seen) < 3; {
		e := caddytest.Receive(t, events, "event of each kind")
		seen[e.Name()], words[e.Name()] = true, true
		for key := range e.Data {
			words[key] = true
		}
	}
	for _, e := range apiEntries(t, s.Log()) {
		words[fmt.Sprint(e["msg"])] = true
		keys(map[string]any(e), words)
	}
	for word := range words {
		if !strings.Contains(string(page), "`"+word+"`") && !slices.Contains([]string{"level", "ts", "logger", "msg"}, word) {
			t.Errorf("%s is not documented", word)
		}
	}
}

// keys adds the keys of a JSON value and of those in it.
func keys(value any, found map[string]bool) {
	switch v := value.(type) {
	case map[string]any:
		for key, inner := range v {
			found[key] = true
			keys(inner, found)
		}
	case []any:
		for _, inner := range v {
			keys(inner, found)
		}
	}
}
