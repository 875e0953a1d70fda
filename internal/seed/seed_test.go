package seed

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const (
	canarySecret = "canary0secret"
	canaryKey    = "Y2FuYXJ5MGtleWNhbmFyeTBrZXljYW5hcnkwa2V5"
)

// The example of the README of dyndns 1.1.1, with a nameserver and a key that are whole.
const seedExample = `---
secret: 12345678
nameserver: 127.0.0.1
dyndns_domain: dyndns.example.com
zones:
  - name: dyndns.example.com
    tsig_key: ` + canaryKey + `
`

func TestParse(t *testing.T) {
	tests := []struct {
		name, data string
		want       File
		warnings   []string
	}{
		{
			name: "the seed's own", data: seedExample,
			want: File{
				Secret: "12345678", Nameservers: []string{"127.0.0.1"}, Domain: "dyndns.example.com",
				Zones: []Zone{{Name: "dyndns.example.com", TSIGKey: canaryKey}},
			},
		},
		{name: "secret with a leading zero", data: "secret: 01234567", want: File{Secret: "01234567"}},
		{name: "secret in octal notation", data: "secret: 0o123456", want: File{Secret: "0o123456"}},
		{name: "secret in exponents", data: "secret: 1234567e8", want: File{Secret: "1234567e8"}},
		{name: "secret beyond 64 bits", data: "secret: 123456789012345678901234567890", want: File{Secret: "123456789012345678901234567890"}},
		{name: "secret that is a date", data: "secret: 2026-11-23", want: File{Secret: "2026-11-23"}},
		{name: "secret that is true", data: "secret: true", want: File{Secret: "true"}},
		{name: "secret in quotes", data: `secret: "12345678"`, want: File{Secret: "12345678"}},
		{name: "flow style", data: "{secret: abcdefgh, zones: [{name: a.test, tsig_key: a2V5}]}", want: File{Secret: "abcdefgh", Zones: []Zone{{Name: "a.test", TSIGKey: "a2V5"}}}},
		{name: "port", data: "nameserver: 127.0.0.1\nport: 5353", want: File{Nameservers: []string{"127.0.0.1:5353"}}},
		{name: "port before the nameserver", data: "port: 5353\nnameserver: ::1", want: File{Nameservers: []string{"[::1]:5353"}}},
		{name: "port without nameserver", data: "port: 5353"},
		{name: "log level", data: "log_level: DEBUG", warnings: []string{"dyndns.yml:1: log_level"}},
		{name: "no zones", data: "zones: []"},
		{
			name: "unknown keys", data: "secrets: " + canarySecret + "\nsecret: abcdefgh\nextra:\n\n  - " + canarySecret + "\nzones:\n- name: a.test\n  tsig_key: a2V5\n  ttl:\n\n    300\n",
			want:     File{Secret: "abcdefgh", Zones: []Zone{{Name: "a.test", TSIGKey: "a2V5"}}},
			warnings: []string{"dyndns.yml:1: secrets", "dyndns.yml:3: extra", "dyndns.yml:9: zones.ttl"},
		},
		{name: "comments and CRLF", data: "# one\r\nsecret: abcdefgh # two\r\n", want: File{Secret: "abcdefgh"}},
		{name: "byte order mark", data: "\uFEFFsecret: abcdefgh\n", want: File{Secret: "abcdefgh"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, warnings, err := parse("dyndns.yml", []byte(tt.data))
			if err != nil {
				t.Fatal(err)
			}
			equal := got.Secret == tt.want.Secret && got.Domain == tt.want.Domain && slices.Equal(got.Nameservers, tt.want.Nameservers) &&
				slices.EqualFunc(got.Zones, tt.want.Zones, func(a, b Zone) bool { return a == b })
			if !equal {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
			if !slices.Equal(warnings, tt.warnings) {
				t.Errorf("got warnings %q, want %q", warnings, tt.warnings)
			}
		})
	}
}

func TestParseErrors(t *testing.T) {
	tests := []struct{ name, data, want string }{
		{"empty", "", "dyndns.yml: the file is empty"},
		{"only comments", "# " + canarySecret + "\n", "dyndns.yml: the file is empty"},
		{"a list", "- secret: " + canarySecret, "dyndns.yml:1: the file: keys with values are expected"},
		{"a text", canarySecret, "dyndns.yml:1: the file: keys with values are expected"},
		{"no YAML", "secret: [" + canarySecret, "dyndns.yml: line 1"},
		{"a tab", "secret: abcdefgh\n\tzones: " + canarySecret, "dyndns.yml: line 2"},
		{"not UTF-8", "secret: \xff\xfe", "dyndns.yml: "},
		{"secret twice", "secret: abcdefgh\nsecret: " + canarySecret, "dyndns.yml:2: secret: the key stands here twice"},
		{"secret without value", "secret:\n", "dyndns.yml:1: secret: one value is expected"},
		{"secret as a list", "secret:\n- " + canarySecret, "secret: one value is expected"},
		{"secret as a mapping", "secret: {a: " + canarySecret + "}", "dyndns.yml:1: secret: one value is expected"},
		{"secret as an alias", "a: &x " + canarySecret + "\nsecret: *x", "dyndns.yml:2: secret: one value is expected"},
		{"secret as an unknown alias", "secret: *" + canarySecret, "dyndns.yml: "},
		{"nameservers as a list", "nameserver: [a, b]", "dyndns.yml:1: nameserver: one value is expected"},
		{"domain as a list", "dyndns_domain: [a]", "dyndns.yml:1: dyndns_domain: one value is expected"},
		{"port as a list", "port: [53]", "dyndns.yml:1: port: one value is expected"},
		{"zones without value", "zones:\n", "dyndns.yml:1: zones: a list is expected"},
		{"zones as a mapping", "zones:\n  name: a.test", "zones: a list is expected"},
		{"zone as a text", "zones:\n- a.test", "dyndns.yml:2: zones: keys with values are expected"},
		{"zone without name", "zones:\n- tsig_key: " + canaryKey, "dyndns.yml:2: zones: a zone has no name"},
		{"zone without key", "zones:\n- name: a.test\n- name: b.test\n  tsig_key: a2V5", "dyndns.yml:2: zones: a zone has no tsig_key"},
		{"zone with two names", "zones:\n- name: a.test\n  name: b.test", "dyndns.yml:3: name: the key stands here twice"},
		{"zone's key as a list", "zones:\n- name: a.test\n  tsig_key: [" + canaryKey + "]", "dyndns.yml:3: tsig_key: one value is expected"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, _, err := parse("dyndns.yml", []byte(tt.data))
			if err == nil {
				t.Fatal("no error")
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %q, want %q", err, tt.want)
			}
			if strings.Contains(err.Error(), canarySecret) || strings.Contains(err.Error(), canaryKey) {
				t.Errorf("%q tells a secret", err)
			}
		})
	}
}

func TestFind(t *testing.T) {
	custom := write(t, "custom.yml", seedExample)
	t.Setenv("DYNDNS_TEST_CONFIG", custom)
	tests := []struct {
		name string
		// variable and local tell which places of the search have a file.
		variable, config string
		local            bool
		want             string
		wantErr          string
	}{
		{name: "path", config: custom, variable: "/nonexistent", local: true, want: custom},
		{name: "path in a placeholder", config: "{env.DYNDNS_TEST_CONFIG}", want: custom},
		{name: "path of nothing", config: "/nonexistent/dyndns.yml", want: "/nonexistent/dyndns.yml"},
		{name: "variable first", config: "search", variable: custom, local: true, want: custom},
		{name: "then the working directory", config: "search", local: true, want: "./.dyndns.yml"},
		{name: "variable names no file", config: "search", variable: "/nonexistent/dyndns.yml", local: true, want: "./.dyndns.yml"},
		{name: "nothing", config: "search", variable: "/nonexistent/dyndns.yml", wantErr: `looked for /nonexistent/dyndns.yml, ./.dyndns.yml, /etc/dyndns.yml`},
		{name: "nothing, no variable", config: "search", wantErr: `looked for ./.dyndns.yml, /etc/dyndns.yml ($dyndns_CONFIG_FILE is "")`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			t.Setenv("dyndns_CONFIG_FILE", tt.variable)
			if tt.local {
				if err := os.WriteFile(".dyndns.yml", []byte(seedExample), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			got, err := Find(tt.config)
			if tt.wantErr != "" {
				if err == nil || !strings.Contains(err.Error(), tt.wantErr) {
					t.Errorf("got %s, %v", got, err)
				}
				return
			}
			if err != nil || got != tt.want {
				t.Errorf("got %s, %v", got, err)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		seedExample, "{secret: 1, port: 2, nameserver: a}", "zones: [{name: a, tsig_key: b, c: d}]", "a: &a [*a]", "<<: {secret: a}",
		"? [a, b]\n: c", "secret: !!binary aGVsbG8=", "--- a\n--- b", "secret: |\n  abc\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		file, warnings, err := parse("f.yml", data)
		if err != nil {
			if file != nil || !strings.HasPrefix(err.Error(), "f.yml:") {
				t.Errorf("got %v and %q", file, err)
			}
			return
		}
		for _, z := range file.Zones {
			if z.Name == "" || z.TSIGKey == "" {
				t.Errorf("got %+v", z)
			}
		}
		for _, w := range warnings {
			if !strings.HasPrefix(w, "f.yml:") || bytes.ContainsAny([]byte(w), "\n") {
				t.Errorf("got warning %q", w)
			}
		}
	})
}

func TestQuote(t *testing.T) {
	for in, want := range map[string]string{"a": "a", "": `""`, "a b": `"a b"`, `a"b`: `"a\"b"`, "{env.X}": "{env.X}"} {
		if got := quote(in); got != want {
			t.Errorf("quote(%q) = %s, want %s", in, got, want)
		}
	}
}

// write writes a file of the test and returns its path.
func write(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
