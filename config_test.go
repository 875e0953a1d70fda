package dyndns

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/caddy-dyndns/dyndns/test/caddytest"
)

// The example of the README of dyndns 1.1.1, with a nameserver and a key that are whole.
const seedExample = `---
secret: 12345678
nameserver: 127.0.0.1
dyndns_domain: dyndns.example.com
zones:
  - name: dyndns.example.com
    tsig_key: ` + caddytest.CanaryKey + `
`

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
			if got := strings.Join(c.domains, " "); got != tt.domain {
				t.Errorf("got domain %s", got)
			}
			var zones []string
			for _, z := range c.zones {
				zones = append(zones, z.Name+" "+string(keyOf(t, &z).Secret)+" "+strings.Join(z.Nameservers, " "))
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
		{"key", "secret: " + caddytest.CanarySecret + "\nnameserver: ::1\nzones: [{name: a.test, tsig_key: canary0}]", "zone a.test.: tsig_key"},
		{"port", "secret: " + caddytest.CanarySecret + "\nnameserver: ::1\nport: dns\nzones: [{name: a.test, tsig_key: a2V5}]", "nameserver: "},
		{"broken", "secret: " + caddytest.CanarySecret + "\n- secret", "config: "},
		{"the same zone twice", "secret: " + caddytest.CanarySecret + "\nnameserver: ::1\nzones: [{name: a.test, tsig_key: a2V5},{name: A.test, tsig_key: a2V5}]", "zone: a.test. is configured twice"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := compiled(t, "config "+write(t, "dyndns.yml", tt.data))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("got %v", err)
			}
			caddytest.CheckNoSecret(t, err.Error())
		})
	}
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
