package dyndns

import (
	"os"
	"testing"

	"github.com/caddy-dyndns/dyndns/test/caddytest"
)

// TestMain is also the command caddy, or a nameserver, if a test starts it as such.
func TestMain(m *testing.M) {
	if os.Getenv(asNameserver) != "" {
		serveNameserver()
		return
	}
	caddytest.Main(m)
}
