//go:build integration && linux

package test

import (
	"testing"

	_ "github.com/caddy-dyndns/dyndns"
	"github.com/caddy-dyndns/dyndns/test/caddytest"
)

func TestMain(m *testing.M) { caddytest.Main(m) }
