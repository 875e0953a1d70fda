package directive

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
)

func init() { caddy.RegisterModule(guest{}) }

// guest is a guest module that is a [fmt.Stringer].
type guest struct{}

func (guest) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "directive.test.guest", New: func() caddy.Module { return new(guest) }}
}

func (guest) String() string { return "loaded" }

// holder is what has a guest.
type holder struct {
	Raw json.RawMessage `caddy:"namespace=directive.test inline_key=type"`
}

func load[T any](t *testing.T, config string) (T, error) {
	ctx, cancel := caddy.NewContext(caddy.Context{Context: t.Context()})
	t.Cleanup(cancel)
	h := &holder{json.RawMessage(config)}
	return LoadGuest[T](ctx, "directive.test.", "type", h.Raw, h, "Raw")
}

func TestLoadGuest(t *testing.T) {
	if loaded, err := load[fmt.Stringer](t, `{"type": "guest"}`); err != nil || loaded.String() != "loaded" {
		t.Errorf("got %v, %v", loaded, err)
	}
	const want = "the module *directive.guest is no error"
	if loaded, err := load[error](t, `{"type": "guest"}`); loaded != nil || err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, %v, want %s", loaded, err, want)
	}
}
