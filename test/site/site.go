// Package site runs one site of Caddy with the module in the process of a test, for
// tests that speak to it as clients do.
package site

import (
	"context"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"

	_ "github.com/caddy-dyndns/dyndns" // the directive under test
	"github.com/caddy-dyndns/dyndns/test/caddytest"
)

// Config is the part of the Caddyfile that a test is about.
type Config struct {
	// Global are lines of the global options.
	Global string
	// Body are the directives of the one site.
	Body string
	// HTTPS serves it under https://localhost and https://127.0.0.1, with certificates
	// of Caddy's own authority (see [Site.RootCA]), instead of plain HTTP.
	HTTPS bool
	// Addresses are those of the site beside these.
	Addresses []string
}

// Site is a running Caddy.
type Site struct {
	*caddytest.Server
	// URL is where it listens, without a trailing slash.
	URL string
}

// Run starts a site for a test and ends it with the test.
func Run(t testing.TB, config Config) *Site {
	t.Helper()
	s := &Site{Server: caddytest.New(t, "")}
	s.LogFormat = "json" // no encoder of ours hides what the module logs
	s.URL = s.HTTP
	if config.HTTPS {
		s.URL = s.HTTPS
	}
	if err := s.Reload(config); err != nil {
		t.Fatal(err)
	}
	if config.HTTPS {
		s.AwaitTLS(s.HTTPS, s.numericURL())
	}
	return s
}

// numericURL is where HTTPS is served too, for clients such as ddclient that
// take no host name without a dot.
func (s *Site) numericURL() string { return strings.Replace(s.HTTPS, "localhost", "127.0.0.1", 1) }

// Reload replaces the configuration, as "caddy reload" does. The site must stay
// on HTTP or HTTPS as it was.
func (s *Site) Reload(config Config) error {
	s.Global = "auto_https disable_redirects\ngrace_period 10s\n" + config.Global
	// Any Host will do without HTTPS.
	address := "http://:{$HTTP_PORT}"
	if config.HTTPS {
		address = s.HTTPS + ", " + s.numericURL()
	}
	address = strings.Join(append(config.Addresses, address), ", ")
	return s.Load(address + " {\n" + config.Body + "\n}\n")
}

// Stop ends Caddy; Reload starts it again.
func (s *Site) Stop() error {
	s.Client.CloseIdleConnections()
	return caddy.Stop()
}

// RootCA is the file of the authority that signed the site's certificate.
func (s *Site) RootCA() string {
	return filepath.Join(s.Dir, "storage", "pki", "authorities", "local", "root.crt")
}

// Get requests a path with its query. The header lines are "Name: value".
func (s *Site) Get(ctx context.Context, path string, headers ...string) (caddytest.Reply, error) {
	return s.Do(ctx, http.MethodGet, path, "", headers...)
}

// Do sends a request with a body.
func (s *Site) Do(ctx context.Context, method, path, body string, headers ...string) (caddytest.Reply, error) {
	return s.Send(ctx, method, s.URL+path, body, headers...)
}
