package backend

import (
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddy-dyndns/dyndns/internal/directive"
)

// The module has a block of its own in a Caddyfile, like every guest module.
func TestUnmarshalCaddyfile(t *testing.T) {
	const key = "MDEyMzQ1Njc4OWFiY2RlZg=="
	tests := []struct {
		name, text, want, err string
	}{
		{"key", "rfc2136 {\ntsig_key " + key + "\n}", `{"tsig":{"secret":"` + key + `"},"type":"rfc2136"}`, ""},
		{"whole key", "rfc2136 {\ntsig_key k hmac-sha256 " + key + "\nprove_writes\n}", `{"prove_writes":true,"tsig":{"algorithm":"hmac-sha256","name":"k","secret":"` + key + `"},"type":"rfc2136"}`, ""},
		{"key file", "rfc2136 {\ntsig_keyfile /k x\n}", `{"tsig":{"file":"/k","name":"x"},"type":"rfc2136"}`, ""},
		{"argument", "rfc2136 " + key, "", "rfc2136: wrong number of arguments"},
		{"word of a zone", "rfc2136 {\nttl 60\n}", "", `rfc2136: unrecognized subdirective "ttl"`},
		{"key on a line of its own", "rfc2136 {\n" + key + "\n}", "", "rfc2136: unrecognized subdirective"},
		{"two keys", "rfc2136 {\ntsig_key " + key + "\ntsig_key " + key + "\n}", "", "rfc2136: tsig_key: stands here twice"},
		{"too many arguments", "rfc2136 {\nprove_writes " + key + "\n}", "", "prove_writes: wrong number of arguments"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := caddyfile.NewTestDispenser(tt.text)
			d.Next()
			got, err := directive.Guest(d, "http.handlers.dyndns.zones.", "type", "rfc2136")
			if string(got) != tt.want || (err == nil) != (tt.err == "") {
				t.Fatalf("got %s, %v", got, err)
			}
			if err != nil && (!strings.Contains(err.Error(), tt.err) || strings.Contains(err.Error(), key)) {
				t.Errorf("got %v, want %s", err, tt.err)
			}
		})
	}
}
