package site

import (
	"fmt"
	"testing"
)

// After a reload every request is answered, and by the new configuration.
func TestReload(t *testing.T) {
	text := func(generation int) string { return fmt.Sprintf("generation %d", generation) }
	config := func(generation int) Config {
		return Config{Body: fmt.Sprintf("respond %q", text(generation))}
	}
	s := Run(t, config(0))
	for generation := range 200 {
		if err := s.Reload(config(generation)); err != nil {
			t.Fatal(err)
		}
		r, err := s.Get(t.Context(), "/")
		if err != nil || r.Body != text(generation) {
			t.Fatalf("generation %d: %q, %v", generation, r.Body, err)
		}
	}
}
