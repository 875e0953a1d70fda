package dyndns

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddy-dyndns/dyndns/test/caddytest"
)

// unmarshal reads a Caddyfile directive.
func unmarshal(input string) (*Handler, error) {
	h := new(Handler)
	return h, h.UnmarshalCaddyfile(caddyfile.NewTestDispenser(input))
}

func TestUnmarshalCaddyfile(t *testing.T) {
	tests := []struct{ name, input, want string }{
		{"bare", "dyndns", `{"config":"search"}`},
		{"empty block", "dyndns {\n}", `{}`},
		{"config", block("config /etc/dyn.yml"), `{"config":"/etc/dyn.yml"}`},
		{"config search", block("config search"), `{"config":"search"}`},
		{"secret", block("secret " + caddytest.CanarySecret), `{"secret":"` + caddytest.CanarySecret + `"}`},
		{"placeholder stays", block("secret {env.SECRET}"), `{"secret":"{env.SECRET}"}`},
		{"one nameserver", block("nameserver ns.test"), `{"nameservers":["ns.test"]}`},
		{"nameservers", block("nameserver ns.test:5353 [2001:db8::1]:53"), `{"nameservers":["ns.test:5353","[2001:db8::1]:53"]}`},
		{"zone with key", block("zone dyn.test " + caddytest.CanaryKey), `{"zones":[{"name":"dyn.test","backend":{"tsig":{"secret":"` + caddytest.CanaryKey + `"},"type":"rfc2136"}}]}`},
		{"zone alone", block("zone dyn.test"), `{"zones":[{"name":"dyn.test","backend":{"tsig":{},"type":"rfc2136"}}]}`},
		{"zone with an empty block", block("zone dyn.test {\n}"), `{"zones":[{"name":"dyn.test","backend":{"tsig":{},"type":"rfc2136"}}]}`},
		{"tsig_key", block("zone dyn.test {\ntsig_key c2VjcmV0\n}"), `{"zones":[{"name":"dyn.test","backend":{"tsig":{"secret":"c2VjcmV0"},"type":"rfc2136"}}]}`},
		{
			"tsig_key with name", block("zone dyn.test {\ntsig_key k hmac-sha256 c2VjcmV0\n}"),
			`{"zones":[{"name":"dyn.test","backend":{"tsig":{"algorithm":"hmac-sha256","name":"k","secret":"c2VjcmV0"},"type":"rfc2136"}}]}`,
		},
		{"tsig_keyfile", block("zone dyn.test {\ntsig_keyfile /k\n}"), `{"zones":[{"name":"dyn.test","backend":{"tsig":{"file":"/k"},"type":"rfc2136"}}]}`},
		{"tsig_keyfile with name", block("zone dyn.test {\ntsig_keyfile /k one\n}"), `{"zones":[{"name":"dyn.test","backend":{"tsig":{"file":"/k","name":"one"},"type":"rfc2136"}}]}`},
		{
			"zone's own words", block("zone dyn.test c2VjcmV0 {\nnameserver a b\nttl 60\n}"),
			`{"zones":[{"name":"dyn.test","nameservers":["a","b"],"ttl":60,"backend":{"tsig":{"secret":"c2VjcmV0"},"type":"rfc2136"}}]}`,
		},
		{"zone's TTL 0", block("zone dyn.test {\nttl 0\n}"), `{"zones":[{"name":"dyn.test","ttl":0,"backend":{"tsig":{},"type":"rfc2136"}}]}`},
		{"zone's wait", block("zone dyn.test {\nwait 5s\n}"), `{"zones":[{"name":"dyn.test","wait":5000000000,"backend":{"tsig":{},"type":"rfc2136"}}]}`},
		{"zone's expire", block("zone dyn.test {\nexpire 40d\n}"), `{"zones":[{"name":"dyn.test","expire":3456000000000000,"backend":{"tsig":{},"type":"rfc2136"}}]}`},
		{"zone's wait off", block("zone dyn.test {\nwait off\n}"), `{"zones":[{"name":"dyn.test","wait":-1,"backend":{"tsig":{},"type":"rfc2136"}}]}`},
		{"client without certificates", block("client a {\ntoken x\nno_certificates\n}"), `{"clients":[{"name":"a","tokens":["x"],"no_certificates":true}]}`},
		{"two zones", block("zone a.test", "zone b.test"), `{"zones":[{"name":"a.test","backend":{"tsig":{},"type":"rfc2136"}},{"name":"b.test","backend":{"tsig":{},"type":"rfc2136"}}]}`},
		{
			"client", block("client a {\ntoken x y\nhosts a.test *.b.test *\nlan n.test ::1\nlan m.test ::2\n}"),
			`{"clients":[{"name":"a","tokens":["x","y"],"hosts":["a.test","*.b.test","*"],"lan":[{"name":"n.test","interface_id":"::1"},{"name":"m.test","interface_id":"::2"}]}]}`,
		},
		{
			"client's networks and limit", block("client a {\ntoken x\nfrom 192.0.2.0/24 2001:db8::1\nlimit 10 1d\n}"),
			`{"clients":[{"name":"a","tokens":["x"],"from":["192.0.2.0/24","2001:db8::1"],"limit":{"changes":10,"per":86400000000000}}]}`,
		},
		{"clients in storage", block("clients storage"), `{"client_source":{"type":"storage"}}`},
		{"clients in storage elsewhere", block("clients storage home {\ncache 1m\nstale off\n}"), `{"client_source":{"cache":60000000000,"namespace":"home","stale":-1,"type":"storage"}}`},
		{"two clients", block("client a {\ntoken x\n}", "client b {\nhosts *\n}"), `{"clients":[{"name":"a","tokens":["x"]},{"name":"b","tokens":null,"hosts":["*"]}]}`},
		{"ttl", block("ttl 600"), `{"ttl":{"default":600}}`},
		{"ttl 0", block("ttl 0"), `{"ttl":{"default":0}}`},
		{"ttl with bounds", block("ttl 600 60 86400"), `{"ttl":{"default":600,"min":60,"max":86400}}`},
		{"ttl with bounds of 0", block("ttl 0 0 0"), `{"ttl":{"default":0,"max":0}}`},
		{"domain", block("domain dyn.example.com"), `{"domains":["dyn.example.com"]}`},
		{"domain, several", block("domain a.example b.example"), `{"domains":["a.example","b.example"]}`},
		{"missing_family keep", block("missing_family keep"), `{"missing_family":"keep"}`},
		{"missing_family delete", block("missing_family delete"), `{"missing_family":"delete"}`},
		{"public_only", block("public_only"), `{"public_only":true}`},
		{"private_clients", block("private_clients"), `{"private_clients":true}`},
		{"throttle", block("throttle 5 1m"), `{"throttle":{"burst":5,"interval":60000000000}}`},
		{"throttle in days", block("throttle 5 1d"), `{"throttle":{"burst":5,"interval":86400000000000}}`},
		{"throttle off", block("throttle off"), `{"throttle":{"burst":-1}}`},
		{"timeout", block("timeout 2s"), `{"timeout":2000000000}`},
		{"history", block("history 90"), `{"history":90}`},
		{"history off", block("history off"), `{"history":-1}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h, err := unmarshal(tt.input)
			if err != nil {
				t.Fatal(err)
			}
			got, err := json.Marshal(h)
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

// block is a directive with these words.
func block(words ...string) string {
	return "dyndns {\n" + strings.Join(words, "\n") + "\n}"
}

func TestUnmarshalCaddyfileErrors(t *testing.T) {
	const (
		count  = ": wrong number of arguments"
		twice  = ": stands here twice"
		secret = caddytest.CanarySecret
		key    = caddytest.CanaryKey
		token  = caddytest.CanaryToken
	)
	zone := func(words ...string) string { return block("zone dyn.test {\n" + strings.Join(words, "\n") + "\n}") }
	client := func(words ...string) string { return block("client home {\n" + strings.Join(words, "\n") + "\n}") }
	tests := []struct{ name, input, want string }{
		{"argument", "dyndns " + secret, "dyndns" + count},
		{"argument before the block", "dyndns x {\n}", "dyndns" + count},
		{"unknown word", block("nameservers a"), `unrecognized subdirective "nameservers"`},
		{"upper case", block("Secret " + secret), `unrecognized subdirective "Secret"`},

		{"secret with an equals sign", block("secret=" + secret), "unrecognized subdirective"},
		{"secret on a line of its own", block(secret), "unrecognized subdirective"},

		{"config without path", block("config"), "config" + count},
		{"config surplus", block("config a b"), "config" + count},
		{"config twice", block("config a", "config b"), "config" + twice},
		{"secret without one", block("secret"), "secret" + count},
		{"secret empty", block(`secret ""`), "secret" + count},
		{"secret surplus", block("secret a " + secret), "secret" + count},
		{"secret twice", block("secret a", "secret "+secret), "secret" + twice},
		{"secret with a block", block("secret " + secret + " {\n}"), `unrecognized subdirective "{"`},
		{"nameserver without one", block("nameserver"), "nameserver" + count},
		{"nameserver twice", block("nameserver a", "nameserver b"), "nameserver" + twice},
		{"expire without a time", block("zone dyn.test {\nexpire\n}"), "expire" + count},
		{"wait without a time", block("zone dyn.test {\nwait\n}"), "wait" + count},
		{"wait with two", block("zone dyn.test {\nwait off 5s\n}"), "wait" + count},
		{"wait with a word", block("zone dyn.test {\nwait never\n}"), `wait: "never" is not a duration such as 10s`},
		{"no_certificates with a word", block("client a {\nno_certificates yes\n}"), "no_certificates" + count},
		{"domain without one", block("domain"), "domain" + count},
		{"domain twice", block("domain a", "domain b"), "domain" + twice},
		{"missing_family without one", block("missing_family"), "missing_family" + count},
		{"missing_family of another kind", block("missing_family drop"), `missing_family: "drop" is neither keep nor delete`},
		{"missing_family surplus", block("missing_family keep delete"), "missing_family" + count},
		{"missing_family twice", block("missing_family keep", "missing_family keep"), "missing_family" + twice},
		{"public_only with a value", block("public_only yes"), "public_only" + count},
		{"public_only twice", block("public_only", "public_only"), "public_only" + twice},
		{"private_clients with a value", block("private_clients off"), "private_clients" + count},
		{"private_clients twice", block("private_clients", "private_clients"), "private_clients" + twice},

		{"ttl without one", block("ttl"), "ttl" + count},
		{"ttl in words", block("ttl 5m"), `ttl: "5m" is not a number of seconds`},
		{"ttl negative", block("ttl -1"), `ttl: "-1" is not a number of seconds`},
		{"ttl too large", block("ttl 2147483648"), `ttl: "REDACTED" is not a number of seconds from 0 to 2147483647`},
		{"ttl without most", block("ttl 300 60"), "ttl" + count},
		{"ttl with a bad bound", block("ttl 300 60 x"), `ttl: "x" is not a number`},
		{"ttl surplus", block("ttl 300 60 600 900"), "ttl" + count},
		{"ttl twice", block("ttl 300", "ttl 300"), "ttl" + twice},
		{"throttle without one", block("throttle"), "throttle" + count},
		{"throttle without interval", block("throttle 5"), "throttle" + count},
		{"throttle of 0", block("throttle 0 10s"), `throttle: "0" is neither a positive number nor off`},
		{"throttle in words", block("throttle five 10s"), `throttle: "five" is neither`},
		{"throttle with a bad interval", block("throttle 5 10"), `throttle: "10" is not a duration such as 10s`},
		{"throttle with an interval of 0", block("throttle 5 0s"), `throttle: "0s" is not a duration`},
		{"throttle surplus", block("throttle 5 10s x"), "throttle" + count},
		{"throttle off surplus", block("throttle off 10s"), "throttle" + count},
		{"throttle twice", block("throttle off", "throttle off"), "throttle" + twice},
		{"timeout without one", block("timeout"), "timeout" + count},
		{"timeout negative", block("timeout -1s"), `timeout: "-1s" is not a duration`},
		{"timeout surplus", block("timeout 1s 2s"), "timeout" + count},
		{"timeout twice", block("timeout 1s", "timeout 1s"), "timeout" + twice},
		{"history without one", block("history"), "history" + count},
		{"history of 0", block("history 0"), `history: "0" is neither a number of days nor off`},
		{"history surplus", block("history 1 2"), "history" + count},
		{"history off surplus", block("history off 2"), "history" + count},
		{"history twice", block("history 1", "history 1"), "history" + twice},

		{"zone without name", block("zone"), "zone" + count},
		{"zone surplus", block("zone dyn.test hmac-sha256 " + key), "zone" + count},
		{"zone: unknown word", zone("secret " + secret), `zone dyn.test: unrecognized subdirective "secret"`},
		{"zone: key without one", zone("tsig_key"), "tsig_key" + count},
		{"zone: key without name", zone("tsig_key hmac-sha256 " + key), "tsig_key" + count},
		{"zone: key surplus", zone("tsig_key a b c " + key), "tsig_key" + count},
		{"zone: key twice", zone("tsig_key "+key, "tsig_key "+key), "zone dyn.test: tsig_key" + twice},
		{"zone: key in both places", block("zone dyn.test " + key + " {\ntsig_key " + key + "\n}"), "zone dyn.test: tsig_key: a key is given already"},
		{"zone: key file without one", zone("tsig_keyfile"), "tsig_keyfile" + count},
		{"zone: key file surplus", zone("tsig_keyfile a b c"), "tsig_keyfile" + count},
		{"zone: key file twice", zone("tsig_keyfile a", "tsig_keyfile b"), "zone dyn.test: tsig_keyfile" + twice},
		{"zone: nameserver without one", zone("nameserver"), "nameserver" + count},
		{"zone: nameserver twice", zone("nameserver a", "nameserver b"), "zone dyn.test: nameserver" + twice},
		{"zone: ttl without one", zone("ttl"), "ttl" + count},
		{"zone: ttl in words", zone("ttl long"), `ttl: "long" is not a number`},
		{"zone: ttl surplus", zone("ttl 1 2 3"), "ttl" + count},
		{"zone: ttl twice", zone("ttl 1", "ttl 2"), "zone dyn.test: ttl" + twice},

		{"client without name", block("client"), "client" + count},
		{"client with a token as argument", block("client home " + token), "client" + count},
		{"client: token on a line of its own", client("token a", token), "client home: unrecognized subdirective"},
		{"client: unknown word", client("host a.test"), `client home: unrecognized subdirective "host"`},
		{"client: token without one", client("token"), "token" + count},
		{"client: token twice", client("token "+token, "token "+token), "client home: token" + twice},
		{"client: hosts without one", client("hosts"), "hosts" + count},
		{"client: hosts twice", client("hosts a.test", "hosts b.test"), "client home: hosts" + twice},
		{"client: lan without identifier", client("lan a.test"), "lan" + count},
		{"client: lan surplus", client("lan a.test ::1 ::2"), "lan" + count},
		{"client: from without network", client("from"), "from" + count},
		{"client: limit without time", client("limit 10"), "limit" + count},
		{"client: limit surplus", client("limit 10 1h 2"), "limit" + count},
		{"client: limit of nothing", client("limit 0 1h"), `limit: "0" is not a positive number`},
		{"client: limit that is no number", client("limit many 1h"), `limit: "many" is not a positive number`},
		{"client: limit that is no time", client("limit 10 now"), `limit: "now" is not a duration`},
		{"client: from twice", client("from 192.0.2.1\nfrom 192.0.2.2"), "from: stands here twice"},
		{"client: lan without name", client("lan"), "lan" + count},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := unmarshal(tt.input)
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
