package dyndns

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-dyndns/dyndns/clients"
	"github.com/caddy-dyndns/dyndns/dnsupdate"
	"github.com/caddy-dyndns/dyndns/internal/backend"
	"github.com/caddy-dyndns/dyndns/internal/throttle"
	"github.com/caddy-dyndns/dyndns/test/caddytest"
	"github.com/caddy-dyndns/dyndns/zone"
)

// compiled reads and checks a block of these words.
func compiled(t *testing.T, words ...string) (*settings, error) {
	t.Helper()
	h, err := unmarshal(block(words...))
	if err != nil {
		t.Fatal(err)
	}
	c, err := h.compile()
	if err != nil {
		return nil, err
	}
	ctx, cancel := caddy.NewContext(caddy.Context{Context: t.Context()})
	t.Cleanup(cancel)
	for i := range c.zones {
		if _, err := c.zones[i].open(ctx); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// keyOf returns the key of a zone's configuration.
func keyOf(t *testing.T, z *zoneSettings) dnsupdate.Key {
	t.Helper()
	var b backend.RFC2136
	if err := json.Unmarshal(z.backend, &b); err != nil {
		t.Fatal(err)
	}
	key, err := b.TSIG.Key(z.Name)
	if err != nil {
		t.Fatal(err)
	}
	return key
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

// Words that make a whole configuration with those under test.
const (
	zoneWord   = "zone dyn.test " + caddytest.CanaryKey
	serverWord = "nameserver 192.0.2.53"
	secretWord = "secret " + caddytest.CanarySecret
)

func clientWord(words ...string) string { return "client home {\n" + strings.Join(words, "\n") + "\n}" }

func TestLoadErrors(t *testing.T) {
	const good = "token " + caddytest.CanaryToken
	oneKey := write(t, "one.key", keyClause("one"))
	twoKeys := write(t, "two.key", keyClause("one")+keyClause("two"))
	noKey := write(t, "no.key", "algorithm hmac-sha256; secret "+caddytest.CanaryKey+";")
	tests := []struct {
		name  string
		words []string
		want  string
	}{
		{"nothing", []string{"public_only"}, "zone: at least one is needed"},
		{"no zone", []string{serverWord, secretWord}, "zone: at least one is needed"},
		{"no credential", []string{serverWord, zoneWord}, "neither secret nor client is configured"},
		{"no nameserver", []string{secretWord, zoneWord}, "zone dyn.test.: no nameserver is configured"},

		{"secret too short", []string{serverWord, zoneWord, "secret Canary0"}, "secret: it must have at least 8 characters"},
		{"secret not alphanumeric", []string{serverWord, zoneWord, "secret Canary0-ABCDEF"}, "secret: it must have at least 8 characters"},
		{"secret not ASCII", []string{serverWord, zoneWord, "secret Canary0ABCDÉF"}, "secret: it must have at least 8 characters"},
		{"secret with braces", []string{serverWord, zoneWord, "secret Canary0{ABC}DEF"}, "secret: the value holds a placeholder that cannot be replaced"},
		{"secret of an unset variable", []string{serverWord, zoneWord, "secret {env.DYNDNS_TEST_UNSET}"}, "secret: evaluated placeholder {env.DYNDNS_TEST_UNSET} is empty"},
		{"secret of a missing file", []string{serverWord, zoneWord, "secret {file./nonexistent/secret}"}, "secret: evaluated placeholder {file./nonexistent/secret} is empty"},
		{"secret of another placeholder", []string{serverWord, zoneWord, "secret {Canary0}"}, "secret: the value holds a placeholder that cannot be replaced"},

		{"zone is no name", []string{serverWord, secretWord, "zone dyn..test " + caddytest.CanaryKey}, "zone: dyn..test"},
		{"zone is a wildcard", []string{serverWord, secretWord, "zone *.dyn.test " + caddytest.CanaryKey}, "zone: *.dyn.test"},
		{"zone twice", []string{serverWord, secretWord, zoneWord, "zone DYN.test. " + caddytest.CanaryKey}, "zone: dyn.test. is configured twice"},
		{"no key", []string{serverWord, secretWord, "zone dyn.test"}, "zone dyn.test.: tsig_key: no key is given"},
		{"key is no base64", []string{serverWord, secretWord, "zone dyn.test canary0!"}, "zone dyn.test.: tsig_key: "},
		{"key of an unset variable", []string{serverWord, secretWord, "zone dyn.test {env.DYNDNS_TEST_UNSET}"}, "zone dyn.test.: tsig_key: evaluated placeholder {env.DYNDNS_TEST_UNSET} is empty"},
		{"key with braces", []string{serverWord, secretWord, "zone dyn.test {Canary0}=="}, "zone dyn.test.: tsig_key: the value holds a placeholder"},
		{"key's algorithm", []string{serverWord, secretWord, "zone dyn.test {\ntsig_key k hmac-md5 " + caddytest.CanaryKey + "\n}"}, "hmac-md5"},
		{"key's words in another order", []string{serverWord, secretWord, "zone dyn.test {\ntsig_key k " + caddytest.CanaryKey + " hmac-sha256\n}"}, "zone dyn.test.: tsig_key: unknown algorithm: use one of"},
		{"key's name", []string{serverWord, secretWord, "zone dyn.test {\ntsig_key a..b hmac-sha256 " + caddytest.CanaryKey + "\n}"}, "zone dyn.test.: tsig_key: "},
		{"key and key file", []string{serverWord, secretWord, zoneWord + " {\ntsig_keyfile " + oneKey + "\n}"}, "zone dyn.test.: tsig_key and tsig_keyfile are both given"},
		{"key file is missing", []string{serverWord, secretWord, "zone dyn.test {\ntsig_keyfile /nonexistent/key\n}"}, "zone dyn.test.: tsig_keyfile: /nonexistent/key: no such file"},
		{"key file holds none", []string{serverWord, secretWord, "zone dyn.test {\ntsig_keyfile " + noKey + "\n}"}, "zone dyn.test.: tsig_keyfile: " + noKey},
		{"key file holds two", []string{serverWord, secretWord, "zone dyn.test {\ntsig_keyfile " + twoKeys + "\n}"}, twoKeys + " holds 2 keys, name the one to use"},
		{"key file holds another", []string{serverWord, secretWord, "zone dyn.test {\ntsig_keyfile " + oneKey + " two\n}"}, oneKey + " holds no key named two"},
		{"key file's name", []string{serverWord, secretWord, "zone dyn.test {\ntsig_keyfile " + oneKey + " a..b\n}"}, "zone dyn.test.: tsig_keyfile: a..b"},
		{"key file of an unset variable", []string{serverWord, secretWord, "zone dyn.test {\ntsig_keyfile {env.DYNDNS_TEST_UNSET}\n}"}, "zone dyn.test.: tsig_keyfile: evaluated placeholder"},

		{"nameserver's port", []string{secretWord, zoneWord, "nameserver ns.test:dns"}, "nameserver: "},
		{"nameserver's port, of a zone", []string{secretWord, zoneWord + " {\nnameserver ns.test:99999\n}"}, "zone dyn.test.: nameserver: "},
		{"nameserver of an unset variable", []string{secretWord, zoneWord, "nameserver {env.DYNDNS_TEST_UNSET}"}, "nameserver: evaluated placeholder {env.DYNDNS_TEST_UNSET} is empty"},

		{"ttl above the most", []string{serverWord, secretWord, zoneWord, "ttl 600 60 300"}, "ttl: the default 600 is not between 60 and 300"},
		{"ttl below the least", []string{serverWord, secretWord, zoneWord, "ttl 30 60 300"}, "ttl: the default 30 is not between 60 and 300"},
		{"ttl bounds crossed", []string{serverWord, secretWord, zoneWord, "ttl 300 600 60"}, "ttl: 600 to 60 is no range"},
		{"ttl of a zone", []string{serverWord, secretWord, zoneWord + " {\nttl 30\n}", "ttl 300 60 600"}, "zone dyn.test.: ttl 30 is not between 60 and 600"},
		{"domain", []string{serverWord, secretWord, zoneWord, "domain dyn_dns"}, "domain: dyn_dns"},
		{"domain as a URL", []string{serverWord, secretWord, zoneWord, "domain https://dyn.test/"}, "domain: https://dyn.test/ is not a host name"},
		{"domain as a wildcard", []string{serverWord, secretWord, zoneWord, "domain *.dyn.test"}, "domain: *.dyn.test. is a wildcard"},
		{"nameserver's bracket", []string{secretWord, zoneWord, "nameserver [2001:db8::1"}, "nameserver: "},
		{"config is missing", []string{"config /nonexistent/dyndns.yml"}, "config: /nonexistent/dyndns.yml: no such file"},
		{"config of an unset variable", []string{"config {env.DYNDNS_TEST_UNSET}"}, "config: evaluated placeholder"},

		{"token too short", []string{serverWord, zoneWord, clientWord("token canary-token", "hosts *")}, "client home: token: one must have at least 16 characters"},
		{"token of other characters", []string{serverWord, zoneWord, clientWord("token canary-token.0123456789", "hosts *")}, "client home: token: one must have at least 16 characters"},
		{"token with braces", []string{serverWord, zoneWord, clientWord("token canary-token{0123}456789", "hosts *")}, "client home: token: the value holds a placeholder that cannot be replaced"},
		{"token with one brace", []string{serverWord, zoneWord, clientWord("token canary-token{0123456789", "hosts *")}, "client home: token: one must have at least 16 characters"},
		{"token with a known placeholder in it", []string{serverWord, zoneWord, clientWord("token canary-token-{env.DYNDNS_TEST_UNSET}", "hosts *")}, "client home: token: the value holds a placeholder that cannot be replaced"},
		{"token of an unset variable", []string{serverWord, zoneWord, clientWord("token {env.DYNDNS_TEST_UNSET}", "hosts *")}, "client home: token: evaluated placeholder {env.DYNDNS_TEST_UNSET} is empty"},
		{"token's digest", []string{serverWord, zoneWord, clientWord("token sha256:c0ffee", "hosts *")}, "client home: token: sha256: must be followed by 64 hexadecimal digits"},
		{"token twice", []string{serverWord, zoneWord, clientWord(good+" "+caddytest.CanaryToken, "hosts *")}, "client home: token: the same one is given twice, first by client home"},
		{"token of two clients", []string{serverWord, zoneWord, clientWord(good, "hosts *"), "client work {\n" + good + "\nhosts *\n}"}, "client work: token: the same one is given twice, first by client home"},
		{"secret as token", []string{serverWord, zoneWord, secretWord, clientWord("token "+caddytest.CanarySecret, "hosts *")}, "client home: token: the same one is given twice, first by client secret"},
		{"client without token", []string{serverWord, zoneWord, clientWord("hosts *")}, "client home: token: none is given"},
		{"client without hosts", []string{serverWord, zoneWord, clientWord(good)}, "client home: hosts: none is given"},
		{"client twice", []string{serverWord, zoneWord, clientWord(good, "hosts *"), clientWord("token x"+caddytest.CanaryToken, "hosts *")}, "client home: a client of this name exists already"},
		{"client named as the secret", []string{serverWord, zoneWord, secretWord, "client secret {\n" + good + "\nhosts *\n}"}, "client secret: a client of this name exists already"},
		{"hosts outside every zone", []string{serverWord, zoneWord, clientWord(good, "hosts home.example.com")}, "client home: hosts: home.example.com is in no configured zone"},
		{"hosts beside the zone", []string{serverWord, zoneWord, clientWord(good, "hosts *.notdyn.test")}, "client home: hosts: *.notdyn.test is in no configured zone"},
		{"hosts is no name", []string{serverWord, zoneWord, clientWord(good, "hosts a..dyn.test")}, "client home: hosts: a..dyn.test"},
		{"lan outside every zone", []string{serverWord, zoneWord, clientWord(good, "hosts *", "lan nas.example.com ::1")}, "client home: lan: nas.example.com is in no configured zone"},
		{"no network", []string{serverWord, zoneWord, clientWord(good, "hosts *", "from home")}, "client home: from: home is not a network"},
		{"network with host bits", []string{serverWord, zoneWord, clientWord(good, "hosts *", "from 192.0.2.1/24")}, "client home: from: 192.0.2.1/24 has bits set behind its length; the network is 192.0.2.0/24"},
		{"lan's identifier", []string{serverWord, zoneWord, clientWord(good, "hosts *", "lan nas.dyn.test 192.0.2.1")}, "client home: lan nas.dyn.test: 192.0.2.1"},
		{"lan's identifier with a prefix", []string{serverWord, zoneWord, clientWord(good, "hosts *", "lan nas.dyn.test 2001:db8::1")}, "client home: lan nas.dyn.test: 2001:db8::1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := compiled(t, tt.words...)
			if err == nil {
				t.Fatal("no error")
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %q, want %q", err, tt.want)
			}
			caddytest.CheckNoSecret(t, err.Error())
		})
	}
}

// keyClause is a key as tsig-keygen writes it.
func keyClause(name string) string {
	return "key \"" + name + "\" {\n\talgorithm hmac-sha256;\n\tsecret \"" + caddytest.CanaryKey + "\";\n};\n"
}

func TestPlaceholders(t *testing.T) {
	t.Setenv("DYNDNS_TEST_SECRET", caddytest.CanarySecret)
	t.Setenv("DYNDNS_TEST_TOKEN", caddytest.CanaryToken)
	t.Setenv("DYNDNS_TEST_KEY", caddytest.CanaryKey)
	t.Setenv("DYNDNS_TEST_HOST", "192.0.2.53")
	t.Setenv("DYNDNS_TEST_DIR", filepath.Dir(write(t, "one.key", keyClause("one"))))
	token := write(t, "token", "other-token_0123456789\n")
	h, err := unmarshal(block(
		"secret {env.DYNDNS_TEST_SECRET}",
		"nameserver {env.DYNDNS_TEST_HOST}:5353",
		"domain {env.DYNDNS_TEST_HOST}.example",
		"zone a.test {env.DYNDNS_TEST_KEY}",
		"zone b.test {\ntsig_keyfile {env.DYNDNS_TEST_DIR}/one.key\nnameserver {env.DYNDNS_TEST_HOST}\n}",
		clientWord("token {env.DYNDNS_TEST_TOKEN} {file."+token+"}", "hosts *"),
	))
	if err != nil {
		t.Fatal(err)
	}
	c, err := h.compile()
	if err != nil {
		t.Fatal(err)
	}
	for presented, client := range map[string]string{
		caddytest.CanarySecret: "secret", caddytest.CanaryToken: "home", "other-token_0123456789": "home",
	} {
		if found := clientOf(t, c, presented); found == nil || found.Name != client {
			t.Errorf("the token of %s is not known", client)
		}
	}
	key, _ := base64.StdEncoding.DecodeString(caddytest.CanaryKey)
	for i, want := range []struct{ name, algorithm, server string }{
		{"a.test.", "hmac-sha512", "192.0.2.53:5353"}, {"one.", "hmac-sha256", "192.0.2.53:53"},
	} {
		z := c.zones[i]
		if got := keyOf(t, &z); got.Name != want.name || got.Algorithm != want.algorithm || !slices.Equal(got.Secret, key) || !slices.Equal(z.Nameservers, []string{want.server}) {
			t.Errorf("zone %s has key %v at %v", z.Name, got, z.Nameservers)
		}
	}
	if !slices.Equal(c.domains, []string{"192.0.2.53.example"}) {
		t.Errorf("domains are %s", c.domains)
	}
	// Caddy shows the exported fields in its logs and on its admin API.
	if h.Secret != "{env.DYNDNS_TEST_SECRET}" || !strings.Contains(string(h.Zones[0].BackendRaw), "{env.DYNDNS_TEST_KEY}") || h.Clients[0].Tokens[0] != "{env.DYNDNS_TEST_TOKEN}" {
		t.Errorf("the configuration was expanded in place: %+v", h)
	}
}

func TestInheritance(t *testing.T) {
	file := write(t, "two.key", keyClause("one")+keyClause("Two.Keys"))
	c, err := compiled(t, secretWord, "nameserver ns1.test ns2.test:5353", "ttl 600 60 3600",
		"zone a.test "+caddytest.CanaryKey,
		"zone b.test "+caddytest.CanaryKey+" {\nnameserver 2001:db8::53\nttl 60\n}",
		"zone c.test {\ntsig_keyfile "+file+" two.keys.\n}")
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []zoneSettings{
		{Config: zone.Config{Name: "a.test.", Nameservers: []string{"ns1.test:53", "ns2.test:5353"}, TTL: 600}},
		{Config: zone.Config{Name: "b.test.", Nameservers: []string{"[2001:db8::53]:53"}, TTL: 60}},
		{Config: zone.Config{Name: "c.test.", Nameservers: []string{"ns1.test:53", "ns2.test:5353"}, TTL: 600}},
	} {
		if got := c.zones[i]; got.Name != want.Name || !slices.Equal(got.Nameservers, want.Nameservers) || got.TTL != want.TTL {
			t.Errorf("got %s %v %d, want %s %v %d", got.Name, got.Nameservers, got.TTL, want.Name, want.Nameservers, want.TTL)
		}
	}
	if got := keyOf(t, &c.zones[2]).Name; got != "two.keys." {
		t.Errorf("got key %s", got)
	}
}

func TestDefaults(t *testing.T) {
	c, err := compiled(t, secretWord, serverWord, zoneWord)
	if err != nil {
		t.Fatal(err)
	}
	if c.ttl != 300 || c.minTTL != 0 || c.maxTTL != 2147483647 || c.zones[0].TTL != 300 {
		t.Errorf("ttl %d %d %d, of the zone %d", c.ttl, c.minTTL, c.maxTTL, c.zones[0].TTL)
	}
	if want := (throttle.Limit{Burst: 20, Interval: 10 * time.Second}); c.limit != want {
		t.Errorf("throttle %v", c.limit)
	}
	if c.timeout != 10*time.Second || c.historyDays != 0 || c.domains != nil || c.missingFamilyDelete || c.publicOnly || c.privateClients {
		t.Errorf("got %+v", c)
	}
	tests := []struct {
		name  string
		words []string
		got   func(*settings) any
		want  any
	}{
		{"throttle", []string{"throttle 5 1m"}, func(c *settings) any { return c.limit }, throttle.Limit{Burst: 5, Interval: time.Minute}},
		{"throttle off", []string{"throttle off"}, func(c *settings) any { return c.limit.Burst }, 0},
		{"timeout", []string{"timeout 2s"}, func(c *settings) any { return c.timeout }, 2 * time.Second},
		{"history of a domain", []string{"domain d.test"}, func(c *settings) any { return c.historyDays }, 30},
		{"history", []string{"domain d.test", "history 7"}, func(c *settings) any { return c.historyDays }, 7},
		{"history off", []string{"domain d.test", "history off"}, func(c *settings) any { return c.historyDays <= 0 }, true},
		{"domain", []string{"domain Dyn.Müller.example:8443"}, func(c *settings) any { return strings.Join(c.domains, " ") }, "dyn.xn--mller-kva.example"},
		{"missing_family", []string{"missing_family delete"}, func(c *settings) any { return c.missingFamilyDelete }, true},
		{"public_only", []string{"public_only"}, func(c *settings) any { return c.publicOnly }, true},
		{"private_clients", []string{"private_clients"}, func(c *settings) any { return c.privateClients }, true},
		{"ttl 0", []string{"ttl 0"}, func(c *settings) any { return c.zones[0].TTL }, uint32(0)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, err := compiled(t, append(tt.words, secretWord, serverWord, zoneWord)...)
			if err != nil {
				t.Fatal(err)
			}
			if got := tt.got(c); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

// clientOf returns the client of a token, nil if there is none.
func clientOf(t *testing.T, c *settings, presented string) *clients.Client {
	t.Helper()
	client, err := c.clients.FindClient(t.Context(), clients.DigestOf(presented))
	if err != nil {
		t.Fatal(err)
	}
	return client
}
