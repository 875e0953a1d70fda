package dnsupdate

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/caddy-dyndns/dyndns/dnsupdate/internal/wire"
)

const aSecret = "c2VjcmV0IHNlY3JldCBzZWNyZXQ="

func TestParseKeyFile(t *testing.T) {
	clause := "key \"ddns-key\" {\n\talgorithm hmac-sha512;\n\tsecret \"" + aSecret + "\";\n};\n"
	for _, row := range []struct{ name, file, want string }{
		{"as tsig-keygen writes it", clause, "ddns-key. hmac-sha512"},
		{"without quotes, in one line", "key Home.Key. {secret " + aSecret + ";algorithm HMAC-SHA256;};", "home.key. hmac-sha256"},
		{"comments", "# one\n// two; key\n/* key \"x\" {\n*/" + strings.ReplaceAll(clause, ";\n", "; # c\n"), "ddns-key. hmac-sha512"},
		{"comment inside", "key a { algorithm /* not md5 */ hmac-sha1; secret \"" + aSecret + "\"; };", "a. hmac-sha1"},
		{"windows line ends", strings.ReplaceAll(clause, "\n", "\r\n"), "ddns-key. hmac-sha512"},
		{"several", clause + strings.Replace(clause, "ddns-key", "other", 1), "ddns-key. hmac-sha512, other. hmac-sha512"},
		{"algorithm 224", strings.Replace(clause, "sha512", "sha224", 1), "ddns-key. hmac-sha224"},
		{"algorithm 384", strings.Replace(clause, "sha512", "sha384.", 1), "ddns-key. hmac-sha384"},

		{"empty", "", "error: there is no key in the file"},
		{"comment alone", "# nothing", "error: there is no key in the file"},
		{"open comment", "\n/* nothing", "error: line 2: a comment is not closed"},
		{"open quote", "key \"ddns\n", "error: line 1: a quote is not closed"},
		{"other statement", "options { };", `error: line 1: expected "key"`},
		{"no name", "key { algorithm hmac-sha1; };", "error: line 1: expected the key's name"},
		{"no brace", "key a algorithm", `error: line 1: expected "{"`},
		{"cut off", strings.TrimSuffix(clause, "};\n"), `error: line 4: expected "algorithm", "secret" or "}"`},
		{"no final semicolon", strings.TrimSuffix(clause, ";\n"), `error: line 4: expected ";"`},
		{"no semicolon", strings.Replace(clause, "512;", "512", 1), `error: line 3: expected ";"`},
		{"unknown word", strings.Replace(clause, "secret", "secrets", 1), `error: line 3: expected "algorithm", "secret" or "}"`},
		{"no secret", "key a {\n algorithm hmac-sha1; };", "error: line 1: the key needs an algorithm and a secret"},
		{"two secrets", strings.Replace(clause, "};", "\tsecret \"eA==\";\n};", 1), "error: line 4: secret is there twice"},
		{"key twice", clause + clause, "error: line 5: a key of this name is there already"},
		{"md5", strings.Replace(clause, "sha512", "md5", 1), "error: line 1: hmac-md5 is broken and not supported: make a new key with tsig-keygen -a hmac-sha512"},
		{"unknown algorithm", strings.Replace(clause, "sha512", "sha3", 1), `error: line 1: unknown algorithm: use one of hmac-sha1, hmac-sha224, hmac-sha256, hmac-sha384, hmac-sha512`},
		{"no base64", strings.Replace(clause, aSecret, "s3cr3t!!", 1), "error: line 1: the secret is not base64"},
		{"algorithm and secret swapped", "key a { algorithm \"" + aSecret + "\"; secret \"hmac-sha512\"; };", "error: line 1: unknown algorithm: use one of hmac-sha1, hmac-sha224, hmac-sha256, hmac-sha384, hmac-sha512"},
		{"name and secret swapped", "key c2VjcmV0IHNlY3JldCBzZWNyZXQh { algorithm hmac-sha512; secret home; };", "error: line 1: name and secret of the key look as if they were swapped"},
		{"short secret of an ordinary name", "key ddnskey1 { algorithm hmac-sha512; secret eA==; };", "ddnskey1. hmac-sha512"},
		{"long secret of a name like one", "key c2VjcmV0IHNlY3JldCBzZWNyZXQh { algorithm hmac-sha512; secret " + aSecret + "; };", "c2vjcmv0ihnly3jldcbzzwnyzxqh. hmac-sha512"},
		{"bad name", strings.Replace(clause, "ddns-key", "a key", 1), `error: line 1: key name: the name has the character ' '`},
	} {
		t.Run(row.name, func(t *testing.T) {
			keys, err := ParseKeyFile([]byte(row.file))
			var got []string
			for _, k := range keys {
				got = append(got, k.Name+" "+k.Algorithm)
			}
			text := strings.Join(got, ", ")
			if err != nil {
				text = "error: " + err.Error()
			}
			if text != row.want {
				t.Errorf("got  %s\nwant %s", text, row.want)
			}
			if err != nil && (strings.Contains(text, aSecret) || strings.Contains(text, "s3cr3t")) {
				t.Error("the error tells the secret")
			}
		})
	}
}

// TestKeygen reads what the real tool writes, where it is installed.
func TestKeygen(t *testing.T) {
	for algorithm := range wire.Algorithms {
		out, err := exec.Command("tsig-keygen", "-a", algorithm, "ddns-key").Output()
		if err != nil {
			t.Logf("no tsig-keygen here: %v", err)
			return
		}
		keys, err := ParseKeyFile(out)
		if err != nil || len(keys) != 1 || keys[0].Algorithm != algorithm || keys[0].Name != "ddns-key." || len(keys[0].Secret) < 20 {
			t.Errorf("%s: %v, %v", algorithm, keys, err)
		}
	}
}

func TestKeyShowsNoSecret(t *testing.T) {
	k, err := NewKey("Ddns-Key", "HMAC-SHA256.", "c2Vj\n cmV0")
	if err != nil || string(k.Secret) != "secret" {
		t.Fatal(k, err)
	}
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		if text := fmt.Sprintf(format, k); !strings.Contains(text, "ddns-key. (hmac-sha256)") || strings.Contains(text, "secret") || strings.Contains(text, "115 101") || strings.Contains(text, "0x73") {
			t.Errorf("%s gives %s", format, text)
		}
	}
}

func FuzzParseKeyFile(f *testing.F) {
	f.Add([]byte("key \"ddns-key\" {\n\talgorithm hmac-sha512;\n\tsecret \"" + aSecret + "\";\n};\n"))
	f.Add([]byte("/* a */ # b\n// c\nkey a{secret eA==;algorithm hmac-sha1;};"))
	f.Fuzz(func(t *testing.T, data []byte) {
		keys, err := ParseKeyFile(data)
		if (err == nil) != (len(keys) > 0) {
			t.Errorf("%d keys and error %v", len(keys), err)
		}
		for _, k := range keys {
			if err := k.check(); err != nil {
				t.Errorf("a key that cannot be used: %v", err)
			}
		}
	})
}
