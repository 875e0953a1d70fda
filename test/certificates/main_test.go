// Package certificates tests that ACME clients, and Caddy itself, get certificates with
// what this module offers.
package certificates

import (
	"testing"

	_ "github.com/caddy-dyndns/dyndns" // what gets them
	"github.com/caddy-dyndns/dyndns/test/caddytest"
)

func TestMain(m *testing.M) { caddytest.Main(m) }
