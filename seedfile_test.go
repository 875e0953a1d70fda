package dyndns

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
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

func TestParseSeedFile(t *testing.T) {
	tests := []struct {
		name, data string
		want       seedFile
		warnings   []string
	}{
		{
			name: "the seed's own", data: seedExample,
			want: seedFile{
				Secret: "12345678", Nameservers: []string{"127.0.0.1"}, Domain: "dyndns.example.com",
				Zones: []Zone{{Name: "dyndns.example.com", TSIG: TSIG{Secret: canaryKey}}},
			},
		},
		{name: "secret with a leading zero", data: "secret: 01234567", want: seedFile{Secret: "01234567"}},
		{name: "secret in octal notation", data: "secret: 0o123456", want: seedFile{Secret: "0o123456"}},
		{name: "secret in exponents", data: "secret: 1234567e8", want: seedFile{Secret: "1234567e8"}},
		{name: "secret beyond 64 bits", data: "secret: 123456789012345678901234567890", want: seedFile{Secret: "123456789012345678901234567890"}},
		{name: "secret that is a date", data: "secret: 2026-11-23", want: seedFile{Secret: "2026-11-23"}},
		{name: "secret that is true", data: "secret: true", want: seedFile{Secret: "true"}},
		{name: "secret in quotes", data: `secret: "12345678"`, want: seedFile{Secret: "12345678"}},
		{name: "flow style", data: "{secret: abcdefgh, zones: [{name: a.test, tsig_key: a2V5}]}", want: seedFile{Secret: "abcdefgh", Zones: []Zone{{Name: "a.test", TSIG: TSIG{Secret: "a2V5"}}}}},
		{name: "port", data: "nameserver: 127.0.0.1\nport: 5353", want: seedFile{Nameservers: []string{"127.0.0.1:5353"}}},
		{name: "port before the nameserver", data: "port: 5353\nnameserver: ::1", want: seedFile{Nameservers: []string{"[::1]:5353"}}},
		{name: "port without nameserver", data: "port: 5353"},
		{name: "log level", data: "log_level: DEBUG", warnings: []string{"dyndns.yml:1: log_level"}},
		{name: "no zones", data: "zones: []"},
		{
			name: "unknown keys", data: "secrets: " + canarySecret + "\nsecret: abcdefgh\nextra:\n\n  - " + canarySecret + "\nzones:\n- name: a.test\n  tsig_key: a2V5\n  ttl:\n\n    300\n",
			want:     seedFile{Secret: "abcdefgh", Zones: []Zone{{Name: "a.test", TSIG: TSIG{Secret: "a2V5"}}}},
			warnings: []string{"dyndns.yml:1: secrets", "dyndns.yml:3: extra", "dyndns.yml:9: zones.ttl"},
		},
		{name: "comments and CRLF", data: "# one\r\nsecret: abcdefgh # two\r\n", want: seedFile{Secret: "abcdefgh"}},
		{name: "byte order mark", data: "\uFEFFsecret: abcdefgh\n", want: seedFile{Secret: "abcdefgh"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, warnings, err := parseSeedFile("dyndns.yml", []byte(tt.data))
			if err != nil {
				t.Fatal(err)
			}
			equal := got.Secret == tt.want.Secret && got.Domain == tt.want.Domain && slices.Equal(got.Nameservers, tt.want.Nameservers) &&
				slices.EqualFunc(got.Zones, tt.want.Zones, func(a, b Zone) bool { return a.Name == b.Name && a.TSIG == b.TSIG })
			if !equal {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
			if !slices.Equal(warnings, tt.warnings) {
				t.Errorf("got warnings %q, want %q", warnings, tt.warnings)
			}
		})
	}
}

func TestParseSeedFileErrors(t *testing.T) {
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
			_, _, err := parseSeedFile("dyndns.yml", []byte(tt.data))
			if err == nil {
				t.Fatal("no error")
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %q, want %q", err, tt.want)
			}
			checkNoSecret(t, err.Error())
		})
	}
}

func TestFindConfig(t *testing.T) {
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
			got, err := findConfig(tt.config)
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

// What the block says wins over the file.
func TestConfigMerge(t *testing.T) {
	path := write(t, "dyndns.yml", "secret: fromfile1\nnameserver: 192.0.2.1\ndyndns_domain: file.example\nzones:\n"+
		"- {name: a.test, tsig_key: YQ==}\n- {name: B.test., tsig_key: Yg==}\n")
	config := "config " + path
	tests := []struct {
		name  string
		words []string
		// secret is one that is valid, domain the pages' host; zones are name, key and server.
		secret, domain string
		zones          []string
	}{
		{"the file alone", []string{config}, "fromfile1", "file.example", []string{"a.test. a 192.0.2.1:53", "b.test. b 192.0.2.1:53"}},
		{"secret", []string{config, "secret fromblock"}, "fromblock", "file.example", []string{"a.test. a 192.0.2.1:53", "b.test. b 192.0.2.1:53"}},
		{"domain", []string{config, "domain block.example"}, "fromfile1", "block.example", []string{"a.test. a 192.0.2.1:53", "b.test. b 192.0.2.1:53"}},
		{"nameserver", []string{config, "nameserver 192.0.2.2:54 192.0.2.3"}, "fromfile1", "file.example", []string{"a.test. a 192.0.2.2:54 192.0.2.3:53", "b.test. b 192.0.2.2:54 192.0.2.3:53"}},
		{"another zone", []string{config, "zone c.test Yw=="}, "fromfile1", "file.example", []string{"c.test. c 192.0.2.1:53", "a.test. a 192.0.2.1:53", "b.test. b 192.0.2.1:53"}},
		{"the same zone", []string{config, "zone b.test WA== {\nnameserver 192.0.2.9\n}"}, "fromfile1", "file.example", []string{"b.test. X 192.0.2.9:53", "a.test. a 192.0.2.1:53"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, err := compiled(t, tt.words...)
			if err != nil {
				t.Fatal(err)
			}
			if clientOf(t, c, tt.secret) == nil || tt.secret != "fromfile1" && clientOf(t, c, "fromfile1") != nil {
				t.Error("another secret is valid")
			}
			if c.domain != tt.domain {
				t.Errorf("got domain %s", c.domain)
			}
			var zones []string
			for _, z := range c.zones {
				zones = append(zones, z.name+" "+string(z.key.Secret)+" "+strings.Join(z.servers, " "))
			}
			if !slices.Equal(zones, tt.zones) {
				t.Errorf("got %q, want %q", zones, tt.zones)
			}
		})
	}
}

// An error in the file names the file and tells no secret.
func TestConfigErrors(t *testing.T) {
	tests := []struct{ name, data, want string }{
		{"seed's rule", "secret: canary0\nnameserver: ::1\nzones: [{name: a.test, tsig_key: a2V5}]", "secret: it must have at least 8 characters"},
		{"key", "secret: " + canarySecret + "\nnameserver: ::1\nzones: [{name: a.test, tsig_key: canary0}]", "zone a.test.: tsig_key"},
		{"port", "secret: " + canarySecret + "\nnameserver: ::1\nport: dns\nzones: [{name: a.test, tsig_key: a2V5}]", "nameserver: "},
		{"broken", "secret: " + canarySecret + "\n- secret", "config: "},
		{"the same zone twice", "secret: " + canarySecret + "\nnameserver: ::1\nzones: [{name: a.test, tsig_key: a2V5},{name: A.test, tsig_key: a2V5}]", "zone: a.test. is configured twice"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := compiled(t, "config "+write(t, "dyndns.yml", tt.data))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("got %v", err)
			}
			checkNoSecret(t, err.Error())
		})
	}
}

func FuzzParseSeedFile(f *testing.F) {
	for _, seed := range []string{
		seedExample, "{secret: 1, port: 2, nameserver: a}", "zones: [{name: a, tsig_key: b, c: d}]", "a: &a [*a]", "<<: {secret: a}",
		"? [a, b]\n: c", "secret: !!binary aGVsbG8=", "--- a\n--- b", "secret: |\n  abc\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		file, warnings, err := parseSeedFile("f.yml", data)
		if err != nil {
			if file != nil || !strings.HasPrefix(err.Error(), "f.yml:") {
				t.Errorf("got %v and %q", file, err)
			}
			return
		}
		for _, z := range file.Zones {
			if z.Name == "" || z.TSIG.Secret == "" {
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

// The bare directive finds the file by itself.
func TestBareDirective(t *testing.T) {
	t.Chdir(filepath.Dir(write(t, ".dyndns.yml", seedExample)))
	t.Setenv("dyndns_CONFIG_FILE", "")
	h, err := unmarshal("dyndns")
	if err != nil {
		t.Fatal(err)
	}
	c, err := h.compile()
	if err != nil || len(c.zones) != 1 || c.historyDays != 30 {
		t.Errorf("got %+v, %v", c, err)
	}
}
