package dialect

import (
	"strings"
	"testing"

	"github.com/caddy-dyndns/dyndns/internal/redact"
)

// The log shows what the arguments of every dialect hold, and no credential.
func TestArgumentsInLog(t *testing.T) {
	shown := make(map[string]string)
	for _, name := range hostArguments {
		shown[name] = "home.example.com"
	}
	for _, name := range []string{"myip", "ip", "ipaddr", "address", "dnsto", "myipv4", "ipv4", "ip4", "a", "myipv6", "ipv6", "ip6", "ip6addr", "aaaa", "myip6", "myip2"} {
		if _, ok := addressArgument(name); !ok {
			t.Errorf("%s is no address argument", name)
		}
		shown[name] = "2001:db8::1,192.0.2.1,auto"
		shown[name+":a.example.com,b.example.com"] = "2001:db8::1"
	}
	for name, value := range map[string]string{
		"zone_name": "example.com", "record_name": "home", "ip_1": "192.0.2.1", "ip_2": "2001:db8::1", "ttl": "300",
		"ip6lanprefix": "2001:db8::/56", "ipv6prefix": "2001:db8::/64", "keepipv4": "1", "keepipv6": "yes", "offline": "YES",
		"domains": "home,nas", "clear": "true", "verbose": "true",
	} {
		shown[name] = value
	}
	for name, value := range shown {
		for _, spelt := range []string{name, strings.ToUpper(name)} {
			if uri := "/x?" + spelt + "=" + value; redact.URI(uri) != uri {
				t.Errorf("%s is logged as %s", uri, redact.URI(uri))
			}
		}
		if uri := redact.URI("/x?" + name + "=SecretSecret1"); strings.Contains(uri, "Secret1") {
			t.Errorf("a secret is logged: %s", uri)
		}
	}
	for _, name := range []string{"password", "pass", "passwd", "pwd", "token", "key", "apikey", "secret", "k", "authkey", "txt", "username", "user", "u", "login", "ddnsuser"} {
		if got, want := redact.URI("/x?"+name+"=abc"), "/x?"+name+"="+redact.Mark; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
