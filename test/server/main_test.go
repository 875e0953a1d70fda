// Package server tests the module in a running Caddy: what a client, a browser, a log
// and an operator see.
package server

import (
	"testing"

	_ "github.com/caddy-dyndns/dyndns" // the directive under test
	"github.com/caddy-dyndns/dyndns/test/caddytest"
)

func TestMain(m *testing.M) { caddytest.Main(m) }
