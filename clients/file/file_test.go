package file

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/caddy-dyndns/dyndns/clients"
	"github.com/caddy-dyndns/dyndns/internal/await"
)

var config = clients.NewConfig([]string{"dyn.example.com."})

func line(name string) string {
	return fmt.Sprintf(`{"name":%q,"hosts":["%s.dyn.example.com"],"tokens":["%s"]}`, name, name, clients.DigestOf(token(name)))
}

func token(name string) string { return "token-of-customer-" + name }

// replace puts a file in place of another, as an editor does.
func replace(t *testing.T, path string, lines ...string) {
	t.Helper()
	if err := os.WriteFile(path+".new", []byte(strings.Join(lines, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

// found returns the name of the client with the customer's token, empty if there is none,
// or "error".
func found(t *testing.T, s clients.Source, name string) string {
	t.Helper()
	client, err := s.FindClient(t.Context(), clients.DigestOf(token(name)))
	switch {
	case err != nil:
		return "error"
	case client == nil:
		return ""
	}
	return client.Name
}

func openModule(t *testing.T, path string) clients.Source {
	t.Helper()
	m := &Module{Path: path}
	s, err := m.OpenClients(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Cleanup(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func awaitFound(t *testing.T, s clients.Source, name, want string) {
	t.Helper()
	await.Done(t, "the file", func() error {
		if got := found(t, s, name); got != want {
			return fmt.Errorf("the token of %s is that of %q, want %q", name, got, want)
		}
		return nil
	})
}

func TestChange(t *testing.T) {
	path := filepath.Join(t.TempDir(), "clients.jsonl")
	replace(t, path, line("a"), "", line("b"), "")
	s := openModule(t, path)
	for name, want := range map[string]string{"a": "a", "b": "b", "c": ""} {
		if got := found(t, s, name); got != want {
			t.Errorf("%s is %q", name, got)
		}
	}
	replace(t, path, line("b"), line("c"))
	awaitFound(t, s, "a", "")
	awaitFound(t, s, "c", "c")

	// A file that is gone leaves the clients as they are, and is taken up when it comes back.
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if got := found(t, s, "c"); got != "c" {
			t.Errorf("without the file, c is %q", got)
		}
	}
	replace(t, path, line("d"))
	awaitFound(t, s, "d", "d")
}

// While a line cannot be read, nobody knows whose a token is that no other line lists.
func TestDamaged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "clients.jsonl")
	replace(t, path, line("a"), line("b")[:40])
	s := openModule(t, path)
	if got := found(t, s, "a"); got != "a" {
		t.Errorf("a is %q", got)
	}
	if got := found(t, s, "b"); got != "error" {
		t.Errorf("b is %q", got)
	}
	replace(t, path, line("a"), line("b"))
	awaitFound(t, s, "b", "b")
}

func TestParse(t *testing.T) {
	same := strings.Replace(line("b"), `"name":"b"`, `"name":"c"`, 1)
	var told []int
	c := parse([]byte(strings.Join([]string{line("a"), "nonsense", line("b"), strings.Replace(line("d"), `"name":"d"`, `"name":"a"`, 1), same, `{"name":"e","hosts":["a..b"]}`, strings.Repeat("x", 100_000), line("f")}, "\r\n")),
		func(n int, err error) { told = append(told, n) })
	if got := fmt.Sprint(told); got != "[2 4 5 6 7]" {
		t.Errorf("the lines %s are bad", got)
	}
	if len(c.lists) != 3 || c.damaged == nil {
		t.Errorf("%d tokens, %v", len(c.lists), c.damaged)
	}
}

// A file that is gone is told once.
func TestWarnings(t *testing.T) {
	core, logged := observer.New(zap.WarnLevel)
	path := filepath.Join(t.TempDir(), "clients.jsonl")
	replace(t, path, line("a"))
	f := &file{path: path, changed: func() {}, logger: func() *zap.Logger { return zap.New(core) }}
	if err := f.read(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		f.look()
	}
	if logged.Len() != 1 {
		t.Errorf("logged %v", logged.All())
	}
}

func TestConfiguration(t *testing.T) {
	path := filepath.Join(t.TempDir(), "clients.jsonl")
	replace(t, path, line("a"))
	t.Setenv("CLIENTS", path)
	for _, tt := range []struct{ name, words, want string }{
		{"whole", "{env.CLIENTS} {\ncache 1m\nstale off\n}", ""},
		{"no path", "", "wrong number of arguments"},
		{"no file", path + "x", "no such file"},
		{"two", path + " " + path, "wrong number of arguments"},
		{"placeholder of nothing", "{env.DYNDNS_TEST_NOTHING}", "evaluated placeholder"},
		{"unknown word", path + " {\nwatch\n}", `unrecognized subdirective "watch"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := new(Module)
			err := m.UnmarshalCaddyfile(caddyfile.NewTestDispenser("file " + tt.words))
			if err == nil {
				_, err = m.OpenClients(config)
				if err := m.Cleanup(); err != nil {
					t.Error(err)
				}
			}
			if (err != nil) != (tt.want != "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

// 100,000 clients are read in a moment.
func BenchmarkParse(b *testing.B) {
	var text strings.Builder
	for n := range 100_000 {
		text.WriteString(line(fmt.Sprint(n)) + "\n")
	}
	b.ReportAllocs()
	for b.Loop() {
		if c := parse([]byte(text.String()), func(_ int, err error) { b.Fatal(err) }); len(c.lists) != 100_000 {
			b.Fatal(len(c.lists))
		}
	}
}
