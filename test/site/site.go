// Package site runs Caddy with the module in the test's own process: admin off,
// nothing saved, certificates and logs in a temporary folder. Caddy's state is
// one per process, so only one site runs at a time.
package site

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	_ "github.com/caddyserver/caddy/v2/modules/standard" // the Caddyfile's directives

	_ "github.com/caddy-dyndns/dyndns" // the directive under test
	"github.com/caddy-dyndns/dyndns/internal/kept"
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
}

// Site is a running Caddy.
type Site struct {
	// URL is where it listens, without a trailing slash.
	URL string
	// Client trusts the site's certificate, follows no redirect and keeps its
	// connections alive.
	Client *http.Client

	dir    string
	socket *kept.Socket
}

// Run starts a site for a test and ends it with the test.
func Run(t testing.TB, config Config) *Site {
	t.Helper()
	s, err := Start(t.TempDir(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// Start runs a site that keeps its files in dir.
func Start(dir string, config Config) (*Site, error) {
	socket, err := kept.Listen()
	if err != nil {
		return nil, err
	}
	transport := new(http.Transport)
	s := &Site{
		URL: "http://" + socket.Addr(),
		Client: &http.Client{
			Transport:     transport,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
			Timeout:       time.Minute,
		},
		dir:    dir,
		socket: socket,
	}
	if config.HTTPS {
		s.URL = "https://localhost:" + socket.Port()
	}
	if err := s.Reload(config); err != nil {
		return nil, errors.Join(err, socket.Close())
	}
	if config.HTTPS {
		if err := s.trust(transport); err != nil {
			return nil, errors.Join(err, s.Stop())
		}
	}
	return s, nil
}

// trust makes the client trust Caddy's authority and waits for the certificates,
// which Caddy gets after it has begun to listen.
func (s *Site) trust(transport *http.Transport) error {
	ca, err := os.ReadFile(s.RootCA())
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	transport.TLSClientConfig = &tls.Config{RootCAs: roots}
	deadline := time.Now().Add(time.Minute)
	for _, url := range []string{s.URL, s.numericURL()} {
		for {
			conn, err := tls.Dial("tcp", strings.TrimPrefix(url, "https://"), transport.TLSClientConfig)
			if err == nil {
				conn.Close()
				break
			}
			if time.Now().After(deadline) {
				return fmt.Errorf("waiting for the certificate: %w", err)
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
	return nil
}

// numericURL is where HTTPS is served too, for clients such as ddclient that
// take no host name without a dot.
func (s *Site) numericURL() string { return strings.Replace(s.URL, "localhost", "127.0.0.1", 1) }

// Reload replaces the configuration, as "caddy reload" does. The site must stay
// on HTTP or HTTPS as it was.
func (s *Site) Reload(config Config) error {
	adapter := caddyconfig.GetAdapter("caddyfile")
	adapted, _, err := adapter.Adapt([]byte(s.caddyfile(config)), map[string]any{"filename": "Caddyfile"})
	if err != nil {
		return fmt.Errorf("adapting the Caddyfile: %w", err)
	}
	// Forced, because an unchanged configuration would not be loaded again.
	err = caddy.Load(adapted, true)
	// The old configuration closes those that it finds idle some time after this.
	s.Client.CloseIdleConnections()
	if err != nil {
		return fmt.Errorf("loading the Caddyfile: %w", err)
	}
	return nil
}

func (s *Site) caddyfile(config Config) string {
	// Any Host will do without HTTPS.
	address, tlsLine := strings.Replace(s.URL, "127.0.0.1", "", 1), ""
	if config.HTTPS {
		address, tlsLine = s.URL+", "+s.numericURL(), "tls internal"
	}
	// Where somebody reads the events app's debug entries, Caddy 2.11 tells of a
	// certificate while its TLS app is still starting: a data race of theirs.
	return fmt.Sprintf(`{
	admin off
	persist_config off
	auto_https disable_redirects
	skip_install_trust
	grace_period 10s
	storage file_system %q
	log {
		output file %q
		format json
		level DEBUG
		exclude events
	}
	%s
}
%s {
	bind %s/127.0.0.1 {
		protocols h1 h2
	}
	%s
	%s
}
`, filepath.Join(s.dir, "storage"), s.logFile(), config.Global, address, kept.Network, tlsLine, config.Body)
}

// Stop ends Caddy.
func (s *Site) Stop() error {
	s.Client.CloseIdleConnections()
	return errors.Join(caddy.Stop(), s.socket.Close())
}

// RootCA is the file of the authority that signed the site's certificate.
func (s *Site) RootCA() string {
	return filepath.Join(s.dir, "storage", "pki", "authorities", "local", "root.crt")
}

func (s *Site) logFile() string { return filepath.Join(s.dir, "caddy.log") }

// Log is all that Caddy logged, at level DEBUG, a JSON object per line.
func (s *Site) Log() (string, error) {
	text, err := os.ReadFile(s.logFile())
	return string(text), err
}

// Response is what came back for a request.
type Response struct {
	Status int
	Header http.Header
	Body   string
}

// Get requests a path with its query. The header lines are "Name: value".
func (s *Site) Get(ctx context.Context, path string, headers ...string) (Response, error) {
	return s.Do(ctx, http.MethodGet, path, "", headers...)
}

// Do sends a request with a body.
func (s *Site) Do(ctx context.Context, method, path, body string, headers ...string) (Response, error) {
	r, err := http.NewRequestWithContext(ctx, method, s.URL+path, strings.NewReader(body))
	if err != nil {
		return Response{}, err
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Add(name, value)
		if strings.EqualFold(name, "Host") {
			r.Host = value
		}
	}
	res, err := s.Client.Do(r)
	if err != nil {
		return Response{}, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return Response{}, err
	}
	return Response{Status: res.StatusCode, Header: res.Header, Body: string(text)}, nil
}
