package dyndns

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"

	"github.com/caddy-dyndns/dyndns/test/caddytest"
)

var update = flag.Bool("update", false, "write the JSON of testdata/adapt anew")

// separator stands between a Caddyfile and its JSON, as in Caddy's own tests.
const separator = "----------\n"

func TestAdapt(t *testing.T) {
	files, err := filepath.Glob("testdata/adapt/*.caddyfiletest")
	if err != nil || len(files) == 0 {
		t.Fatal("no test data", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			input, want, _ := strings.Cut(string(data), separator)
			adapted, warnings, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(input), map[string]any{"filename": "Caddyfile"})
			if err != nil {
				t.Fatal(err)
			}
			if len(warnings) > 0 {
				t.Errorf("got warnings %v", warnings)
			}
			var got bytes.Buffer
			if err := json.Indent(&got, adapted, "", "\t"); err != nil {
				t.Fatal(err)
			}
			got.WriteByte('\n')
			if *update {
				if err := os.WriteFile(file, []byte(input+separator+got.String()), 0o600); err != nil {
					t.Fatal(err)
				}
			} else if got.String() != want {
				t.Errorf("got %s", got.String())
			}
			checkRoundTrip(t, adapted)
		})
	}
}

// checkRoundTrip decodes every handler of a configuration as Caddy does, which
// refuses unknown fields, and encodes it again.
func checkRoundTrip(t *testing.T, config []byte) {
	t.Helper()
	found := 0
	var walk func(value any)
	walk = func(value any) {
		switch v := value.(type) {
		case []any:
			for _, element := range v {
				walk(element)
			}
		case map[string]any:
			if v["handler"] != "dyndns" {
				for _, element := range v {
					walk(element)
				}
				return
			}
			found++
			delete(v, "handler")
			before := canonical(t, v)
			h := new(Handler)
			if err := caddy.StrictUnmarshalJSON(before, h); err != nil {
				t.Fatal(err)
			}
			if after := canonical(t, h); !bytes.Equal(after, before) {
				t.Errorf("got  %s\nwant %s", after, before)
			}
		}
	}
	var whole any
	if err := json.Unmarshal(config, &whole); err != nil {
		t.Fatal(err)
	}
	walk(whole)
	if found == 0 {
		t.Error("there is no handler")
	}
}

// canonical is the JSON of a value with its fields sorted.
func canonical(t *testing.T, value any) []byte {
	t.Helper()
	encoded, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	var generic any
	if err := json.Unmarshal(encoded, &generic); err != nil {
		t.Fatal(err)
	}
	if encoded, err = json.Marshal(generic); err != nil {
		t.Fatal(err)
	}
	return encoded
}

// What Caddy says to a directive that is wrong names the line and no secret.
func TestAdaptErrors(t *testing.T) {
	tests := []struct{ name, input, want string }{
		{"unknown word", ":80 {\ndyndns {\nsecrets " + caddytest.CanarySecret + "\n}\n}", `unrecognized subdirective "secrets", at Caddyfile:3`},
		{"surplus argument", ":80 {\ndyndns {\nsecret x " + caddytest.CanarySecret + "\n}\n}", "secret: wrong number of arguments, at Caddyfile:3"},
		{"secret beside the directive", ":80 {\ndyndns " + caddytest.CanarySecret + "\n}", "dyndns: wrong number of arguments, at Caddyfile:2"},
		{"key surplus", ":80 {\ndyndns {\nzone a.test b c " + caddytest.CanaryKey + "\n}\n}", "zone: wrong number of arguments, at Caddyfile:3"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(tt.input), map[string]any{"filename": "Caddyfile"})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("got %v", err)
			}
			caddytest.CheckNoSecret(t, err.Error())
		})
	}
}
