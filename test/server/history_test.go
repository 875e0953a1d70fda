package server

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-dyndns/dyndns/internal/pages"
	"github.com/caddy-dyndns/dyndns/test/caddytest"
)

// submissions is how many the statistics count for a host.
func submissions(s *caddytest.Server, fqdn string) uint64 {
	s.T.Helper()
	var host struct{ Submissions uint64 }
	readPage(s, pages.PathHosts+"?fqdn="+fqdn, homeToken, &host)
	return host.Submissions
}

// historySite is a site with the pages and the given words.
func historySite(nameserver string, words ...string) string {
	return "http://:{$HTTP_PORT} {\ndyndns {\n" + pageWords(nameserver) + strings.Join(words, "\n") + "\n}\n}\n"
}

// historyObjects are the files of the history, their names and contents.
func historyObjects(s *caddytest.Server) map[string][]byte {
	s.T.Helper()
	paths, err := filepath.Glob(filepath.Join(s.Dir, "storage", "dyndns", "history", "*"))
	if err != nil {
		s.T.Fatal(err)
	}
	objects := make(map[string][]byte)
	for _, path := range paths {
		if objects[path], err = os.ReadFile(path); err != nil {
			s.T.Fatal(err)
		}
	}
	return objects
}

func TestHistorySurvives(t *testing.T) {
	t.Setenv("XDG_DATA_HOME", t.TempDir())
	ns := caddytest.Nameserver(t, "dyn.example.com.")
	s := caddytest.Serve(t, "", historySite(ns.Addr()))
	const update = "hostname=home.dyn.example.com&myip=192.0.2.1"
	submit(s, homeToken, update)
	submit(s, homeToken, update)
	steps := []struct {
		name string
		do   func() error
		want uint64
	}{
		{"a reload", func() error { return s.Load(historySite(ns.Addr())) }, 3},
		{"a reload with other settings", func() error { return s.Load(historySite(ns.Addr(), "ttl 60")) }, 4},
		{"a reload with another number of days", func() error { return s.Load(historySite(ns.Addr(), "history 7")) }, 5},
		{"a reload that fails", func() error {
			if err := s.Load(historySite(ns.Addr(), "config /nonexistent")); err == nil {
				t.Error("it succeeded")
			}
			return nil
		}, 6},
		{"a restart", func() error {
			if err := caddy.Stop(); err != nil {
				return err
			}
			if len(historyObjects(s)) != 1 {
				t.Errorf("the storage holds %d objects", len(historyObjects(s)))
			}
			return s.Load(historySite(ns.Addr()))
		}, 7},
	}
	for _, step := range steps {
		if err := step.do(); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		submit(s, homeToken, update)
		if got := submissions(s, "home.dyn.example.com"); got != step.want {
			t.Errorf("after %s: %d submissions, want %d", step.name, got, step.want)
		}
	}
}

// What is stored and shown holds no credential, however it was presented.
func TestHistoryHoldsNoSecret(t *testing.T) {
	s := servePages(t)
	const secret = "12345678"
	submit(s, homeToken, "hostname=home.dyn.example.com&myip=192.0.2.1")
	for _, path := range []string{
		"/update-by-path/" + secret + "/home.dyn.example.com/192.0.2.2",
		"/update?domains=home.dyn.example.com&token=" + homeToken + "&ip=192.0.2.3",
		"/nic/update?username=u&password=" + homeToken + "&hostname=home.dyn.example.com&myip=192.0.2.4",
		pages.PathLatest + "?secret=" + secret,
		"/?token=" + homeToken,
	} {
		ask(s, "GET", pagesHost, path, caddytest.BasicAuth(homeToken, homeToken))
	}
	var shown strings.Builder
	for _, path := range []string{"/", pages.PathHosts, pages.PathLatest, pages.PathHosts + "?fqdn=home.dyn.example.com"} {
		for _, format := range []string{asText, asHTML, asJSON} {
			got := ask(s, "GET", pagesHost, path, "Accept: "+format, caddytest.BasicAuth("any", homeToken))
			if got.Status != 200 {
				t.Fatalf("%s: %d", path, got.Status)
			}
			shown.WriteString(got.Body)
		}
	}
	if err := caddy.Stop(); err != nil {
		t.Fatal(err)
	}
	objects := historyObjects(s)
	if len(objects) != 1 {
		t.Fatalf("the storage holds %d objects", len(objects))
	}
	texts := map[string]string{"a page": shown.String(), "the log": s.Log()}
	for path, data := range objects {
		if !bytes.Contains(data, []byte("home.dyn.example.com.")) {
			t.Errorf("%s: %s", path, data)
		}
		texts["the storage"] = string(data)
	}
	for where, text := range texts {
		for _, s := range []string{homeToken, secret, string(caddytest.Key.Secret)} {
			if strings.Contains(text, s) {
				t.Errorf("%s holds %s", where, s)
			}
		}
	}
}

func TestHistoryObjectsThatCannotBeRead(t *testing.T) {
	const line = `{"Host":{"Name":"home.dyn.example.com.","First":1,"Last":4102444800,"Submissions":40,"Result":"unchanged"}}` + "\n"
	rows := []struct {
		name, content string
		want          uint64
		warned        bool
	}{
		{"whole", line, 41, false},
		{"cut in half", line[:len(line)/2], 1, true},
		{"with a line that is none", "{}}\n" + line, 41, true},
		{"with an unknown result", strings.Replace(line, "unchanged", "xyz", 1), 1, true},
		{"empty", "", 1, false},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Setenv("XDG_DATA_HOME", t.TempDir())
			s := caddytest.New(t, "")
			object := filepath.Join(s.Dir, "storage", "dyndns", "history", "3.jsonl")
			if err := os.MkdirAll(filepath.Dir(object), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(object, []byte(row.content), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := s.Load(historySite(caddytest.Nameserver(t, "dyn.example.com.").Addr())); err != nil {
				t.Fatal(err)
			}
			submit(s, homeToken, "hostname=home.dyn.example.com&myip=192.0.2.1")
			for range 3 {
				if got := submissions(s, "home.dyn.example.com"); got != row.want {
					t.Errorf("%d submissions, want %d", got, row.want)
				}
			}
			if err := caddy.Stop(); err != nil {
				t.Fatal(err)
			}
			var warnings []string
			for line := range strings.Lines(s.Log()) {
				if strings.Contains(line, `"level":"warn"`) && strings.Contains(line, "history object") {
					warnings = append(warnings, line)
				}
			}
			if (len(warnings) == 1) != row.warned || len(warnings) > 1 {
				t.Errorf("warnings %q", warnings)
			}
		})
	}
}

// A storage that cannot be written costs one warning, and no update.
func TestHistoryWithoutStorage(t *testing.T) {
	t.Setenv("XDG_DATA_HOME", t.TempDir())
	s := caddytest.New(t, "")
	// A file in the place of the folder fails even for root.
	if err := os.Mkdir(filepath.Join(s.Dir, "storage"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(s.Dir, "storage", "dyndns"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Load(historySite(caddytest.Nameserver(t, "dyn.example.com.").Addr())); err != nil {
		t.Fatal(err)
	}
	submit(s, homeToken, "hostname=home.dyn.example.com&myip=192.0.2.1")
	submit(s, homeToken, "hostname=home.dyn.example.com&myip=192.0.2.2")
	if got := submissions(s, "home.dyn.example.com"); got != 2 {
		t.Errorf("%d submissions", got)
	}
	if err := caddy.Stop(); err != nil {
		t.Fatal(err)
	}
	if got := strings.Count(s.Log(), "updates are not affected"); got != 1 {
		t.Errorf("%d warnings", got)
	}
}

func TestValidateStartsNoHistory(t *testing.T) {
	data := t.TempDir()
	t.Setenv("XDG_DATA_HOME", data)
	s := caddytest.New(t, "")
	adapted, err := s.Adapt(historySite("127.0.0.1:1"))
	if err != nil {
		t.Fatal(err)
	}
	config := new(caddy.Config)
	if err := caddy.StrictUnmarshalJSON(adapted, config); err != nil {
		t.Fatal(err)
	}
	if err := caddy.Validate(config); err != nil {
		t.Fatal(err)
	}
	stacks := make([]byte, 1<<20)
	if stacks = stacks[:runtime.Stack(stacks, true)]; bytes.Contains(stacks, []byte("internal/history")) {
		t.Errorf("a goroutine of the history runs:\n%s", stacks)
	}
	for _, path := range []string{filepath.Join(data, "caddy"), filepath.Join(s.Dir, "storage", "dyndns"), filepath.Join(s.Dir, "storage", "locks")} {
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", path, err)
		}
	}
}
