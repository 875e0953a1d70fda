package dyndns

import (
	"fmt"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"

	"github.com/caddy-dyndns/dyndns/internal/seed"
	"github.com/caddy-dyndns/dyndns/test/caddytest"
)

// loadError is what `caddy adapt` or `caddy validate` says of a site's dyndns block.
func loadError(t *testing.T, block string) error {
	t.Helper()
	text := "{\nadmin off\n}\nhttp://:1 {\ndyndns {\n" + block + "\n}\n}\n"
	adapted, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(text), map[string]any{"filename": "Caddyfile"})
	if err != nil {
		return err
	}
	config := new(caddy.Config)
	if err := caddy.StrictUnmarshalJSON(adapted, config); err != nil {
		return err
	}
	return caddy.Validate(config)
}

// What may stand in a wrong place: keys as they are made, one that is also a
// name, one that is also a path; then a token and a secret.
const (
	namelikeKey = "Y2FuYXJ5LWNhbmFyeS1jYW5hcnkh"
	pathlikeKey = "/Y2FuYXJ5LW/hbmFyeS1jYW5hcnk+IQ=="
)

// No error quotes a key, wherever it stands.
func TestMisplacedKey(t *testing.T) {
	t.Setenv("XDG_DATA_HOME", t.TempDir())
	const (
		server = "nameserver 127.0.0.1\n"
		rest   = "secret Abcdefgh\n" + server
		zone   = rest + "zone dyn.test {\n%s\n}"
		good   = rest + "zone dyn.test YWJjZGVmZ2hpamtsbW5vcA==\n"
	)
	keys := map[string]string{"padded": caddytest.CanaryKey, "like a name": namelikeKey, "like a path": pathlikeKey}
	all := map[string]string{"padded": caddytest.CanaryKey, "like a name": namelikeKey, "like a path": pathlikeKey, "token": caddytest.CanaryToken, "secret": caddytest.CanarySecret}
	keyFile := func(content string) func(t *testing.T, key string) string {
		return func(t *testing.T, key string) string {
			return fmt.Sprintf(zone, "tsig_keyfile "+write(t, "k.key", strings.ReplaceAll(content, "KEY", key)))
		}
	}
	yaml := func(content string) func(t *testing.T, key string) string {
		return func(t *testing.T, key string) string {
			return "config " + write(t, "d.yml", strings.ReplaceAll(content, "KEY", key))
		}
	}
	block := func(text string) func(t *testing.T, key string) string {
		return func(_ *testing.T, key string) string { return strings.ReplaceAll(text, "KEY", key) }
	}
	inZone := func(word string) func(t *testing.T, key string) string {
		return block(fmt.Sprintf(zone, word))
	}
	rows := []struct {
		name   string
		values map[string]string
		block  func(t *testing.T, key string) string
	}{
		{"name and key swapped", keys, inZone("tsig_key KEY hmac-sha256 dyn.test")},
		{"name without a dot and key swapped", keys, inZone("tsig_key KEY hmac-sha256 home")},
		{"algorithm and key swapped", all, inZone("tsig_key dyn.test KEY hmac-sha256")},
		{"name last", all, inZone("tsig_key hmac-sha256 KEY dyn.test")},
		{"algorithm last", all, inZone("tsig_key KEY dyn.test hmac-sha256")},
		{"algorithm first", all, inZone("tsig_key hmac-sha256 dyn.test KEY")},
		{"key three times", all, inZone("tsig_key KEY KEY KEY")},
		{"path as key", keys, inZone("tsig_key /etc/KEY.key")},
		{"path as key beside the zone", keys, block(rest + "zone dyn.test ./KEY.key")},
		{"key as placeholder", all, inZone("tsig_key {env.KEY}")},
		{"key as a file's placeholder", all, inZone("tsig_key {file.KEY}")},
		{"key in braces", all, inZone("tsig_key {KEY}")},
		{"zone and key swapped", keys, block(rest + "zone KEY dyn.test")},
		{"zone is the key", keys, block(rest + "zone KEY")},
		{"zone is the key, without nameserver", all, block("secret Abcdefgh\nzone KEY YWJjZGVmZ2hpamtsbW5vcA==")},
		{"zone is the key, twice", all, block(rest + "zone KEY YWJjZA==\nzone KEY YWJjZA==")},
		{"zone is the key, with its ttl", all, block(rest + "zone KEY YWJjZA== {\nttl x\n}")},
		{"zone is the key, with another word", all, block(rest + "zone KEY YWJjZA== {\nttls x\n}")},
		{"zone is the key, with a word twice", all, block(rest + "zone KEY YWJjZA== {\nttl 1\nttl 1\n}")},
		{"zone is the key, with two keys", all, block(rest + "zone KEY YWJjZA== {\ntsig_key YWJjZA==\n}")},

		{"key as path", all, inZone("tsig_keyfile KEY")},
		{"key as path and name", all, inZone("tsig_keyfile KEY KEY")},
		{"path and key as name", all, func(t *testing.T, key string) string {
			return fmt.Sprintf(zone, "tsig_keyfile "+write(t, "k.key", keyClause("one"))+" "+key)
		}},
		{"key as a path in a placeholder", all, inZone("tsig_keyfile {file.KEY}")},
		{"key as the path of a variable", all, inZone("tsig_keyfile {env.KEY}")},
		{"key in a path", all, inZone("tsig_keyfile /etc/KEY")},
		{"whole clause as path", keys, inZone("tsig_keyfile `key \"dyn.test\" { algorithm hmac-sha256; secret \"KEY\"; };`")},

		{"in a file: name and key swapped", keys, keyFile(`key "KEY" { algorithm hmac-sha256; secret "dyn.test"; };`)},
		{"in a file: name without a dot and key swapped", keys, keyFile(`key "KEY" { algorithm hmac-sha256; secret "home"; };`)},
		{"in a file: algorithm and key swapped", all, keyFile(`key "dyn.test" { algorithm KEY; secret "hmac-sha256"; };`)},
		{"in a file: key everywhere", all, keyFile(`key "KEY" { algorithm "KEY"; secret "KEY"; };`)},
		{"in a file: hmac-md5", all, keyFile(`key "KEY" { algorithm hmac-md5; secret "KEY"; };`)},
		{"in a file: twice", all, keyFile(strings.Repeat(`key "KEY" { algorithm hmac-sha256; secret "YWJjZGVmZ2hpamtsbW5vcA=="; };`, 2))},
		{"in a file: no key name", all, keyFile(`key { algorithm hmac-sha256; secret "KEY"; };`)},
		{"in a file: alone", all, keyFile("KEY\n")},
		{"in a file: as a word", all, keyFile(`key "dyn.test" { KEY; };`)},
		{"in a file: in place of the brace", all, keyFile(`key "dyn.test" KEY`)},
		{"in a file: behind the algorithm", all, keyFile(`key "dyn.test" { algorithm hmac-sha256 KEY; };`)},
		{"in a file: not base64", all, keyFile(`key "KEY" { algorithm hmac-sha256; secret "KEY!"; };`)},
		{"in a file: empty", all, keyFile(`key "KEY" { algorithm hmac-sha256; secret ""; };`)},

		{"in YAML: zone and key swapped", keys, yaml("secret: Abcdefgh\nnameserver: ::1\nzones:\n- name: KEY\n  tsig_key: dyn.test\n")},
		{"in YAML: path as key", keys, yaml("secret: Abcdefgh\nnameserver: ::1\nzones:\n- name: dyn.test\n  tsig_key: /etc/KEY.key\n")},
		{"in YAML: zone twice", all, yaml("secret: Abcdefgh\nnameserver: ::1\nzones:\n- {name: KEY, tsig_key: YWJjZA==}\n- {name: KEY, tsig_key: YWJjZA==}\n")},
		{"in YAML: no nameserver", all, yaml("secret: Abcdefgh\nzones:\n- {name: KEY, tsig_key: YWJjZA==}\n")},
		{"in YAML: as nameserver", keys, yaml("secret: Abcdefgh\nnameserver: KEY:x\nzones:\n- {name: dyn.test, tsig_key: YWJjZA==}\n")},
		{"in YAML: as port", all, yaml("secret: Abcdefgh\nnameserver: ::1\nport: KEY\nzones:\n- {name: dyn.test, tsig_key: YWJjZA==}\n")},
		{"in YAML: as domain", all, yaml("secret: Abcdefgh\nnameserver: ::1\ndyndns_domain: https://KEY/\nzones:\n- {name: dyn.test, tsig_key: YWJjZA==}\n")},
		{"in YAML: as the name of a key", all, yaml("KEY: 1\nKEY: 2\n")},
		{"in YAML: as a zone", all, yaml("zones:\n- KEY\n")},
		{"in YAML: alone", all, yaml("KEY")},
		{"in YAML: as a placeholder", all, yaml("secret: '{env.KEY}'\nnameserver: ::1\nzones:\n- {name: dyn.test, tsig_key: YWJjZA==}\n")},

		{"config", all, block("config KEY")},
		{"config in a placeholder", all, block("config {file.KEY}")},
		{"secret as a placeholder", all, block(good + "client a {\ntoken {env.KEY}\nhosts *\n}")},
		{"nameserver", keys, block("secret Abcdefgh\nnameserver KEY:x\nzone dyn.test YWJjZA==")},
		{"nameserver is the key", map[string]string{"padded": caddytest.CanaryKey, "like a path": pathlikeKey}, block("secret Abcdefgh\nnameserver KEY\nzone dyn.test YWJjZA==")},
		{"nameserver as a placeholder", all, block("secret Abcdefgh\nnameserver {env.KEY}\nzone dyn.test YWJjZA==")},
		{"domain", all, block(good + "domain https://KEY/")},
		{"domain is the key", map[string]string{"padded": caddytest.CanaryKey, "like a path": pathlikeKey}, block(good + "domain KEY")},
		{"ttl", all, block(good + "ttl KEY")},
		{"ttl of a zone", all, inZone("ttl KEY")},
		{"timeout", all, block(good + "timeout KEY")},
		{"history", all, block(good + "history KEY")},
		{"throttle", all, block(good + "throttle KEY 10s")},
		{"throttle's interval", all, block(good + "throttle 20 KEY")},
		{"missing_family", all, block(good + "missing_family KEY")},
		{"word", all, block(good + "KEY")},
		{"word of a zone", all, inZone("KEY")},
		{"word of a client", all, block(good + "client a {\nKEY\n}")},
		{"client and token swapped", all, block(good + "client KEY {\ntoken home\nhosts *\n}")},
		{"client is the token, with another word", all, block(good + "client KEY {\ntokens home\n}")},
		{"client is the token, with a word twice", all, block(good + "client KEY {\ntoken a\ntoken b\n}")},
		{"client is the token, with a placeholder", all, block(good + "client KEY {\ntoken {a}\n}")},
		{"client is the token, with a bad lan", all, block(good + "client KEY {\nlan KEY x\n}")},
		{"client is the token, twice", all, block(good + "client KEY {\ntoken abcdefghijklmnop\nhosts *\n}\nclient KEY {\ntoken abcdefghijklmnopq\nhosts *\n}")},
		{"token as host", all, block(good + "client a {\ntoken abcdefghijklmnop\nhosts KEY\n}")},
		{"token as lan", all, block(good + "client a {\ntoken abcdefghijklmnop\nlan KEY ::1\n}")},
		{"token as interface", all, block(good + "client a {\ntoken abcdefghijklmnop\nlan a.dyn.test KEY\n}")},
	}
	for _, row := range rows {
		for what, value := range row.values {
			t.Run(row.name+"/"+what, func(t *testing.T) {
				err := loadError(t, row.block(t, value))
				if err == nil {
					t.Fatal("no error")
				}
				caddytest.CheckNoSecret(t, err.Error())
			})
		}
	}
}

// What the search for a file says of its variable is no secret either.
func TestMisplacedVariable(t *testing.T) {
	t.Chdir(t.TempDir())
	t.Setenv(seed.Variable, caddytest.CanaryToken)
	_, err := seed.Find("search")
	if err == nil {
		t.Fatal("no error")
	}
	caddytest.CheckNoSecret(t, err.Error())
}
