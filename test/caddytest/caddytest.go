// Package caddytest runs Caddy in the process of a test. The module under test has to be
// compiled in. It holds what tests of whole servers have in common.
package caddytest

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	_ "github.com/caddyserver/caddy/v2/modules/standard"

	"github.com/caddy-dyndns/dyndns/internal/await"
	"github.com/caddy-dyndns/dyndns/internal/kept"
)

// Server is Caddy in this process. Its state is the process's: tests that
// use it do not run in parallel.
type Server struct {
	T   testing.TB
	Dir string
	// The base URLs, without a slash at the end. What listens at the first two is
	// up to the sites; the last is the admin API, if there is one.
	HTTP, HTTPS, Admin string
	// Client trusts any certificate and follows no redirect.
	Client *http.Client
	// Global are lines of the global options beside the common ones.
	Global string
	// LogFormat is that of the log, "dyndns json" if nobody sets it.
	LogFormat string
	// Bind is the network and the host at which the sites listen.
	Bind string
}

// New prepares a server whose global options are common ones and the
// given. The variables HTTP_PORT, HTTPS_PORT and ADMIN_PORT hold its ports for
// use in a Caddyfile. Unless the options say otherwise, the admin API is off and
// certificates are Caddy's own. The log is a file in JSON with everything from
// DEBUG up.
func New(t testing.TB, global string) *Server {
	t.Helper()
	s := &Server{
		T: t, Dir: t.TempDir(),
		Global: global, LogFormat: "dyndns json",
		Bind: kept.Network + "/127.0.0.1",
		Client: &http.Client{
			Timeout: time.Minute,
			Transport: &http.Transport{
				TLSClientConfig:     &tls.Config{InsecureSkipVerify: true},
				MaxIdleConnsPerHost: 32,
			},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
	t.Setenv("TEST_DIR", s.Dir)
	s.ListenAt(KeepSocket(t), KeepSocket(t), KeepSocket(t))
	t.Cleanup(func() {
		s.Client.CloseIdleConnections()
		if err := caddy.Stop(); err != nil {
			t.Errorf("stopping Caddy: %v", err)
		}
	})
	return s
}

// ListenAt sets the ports of the server.
func (s *Server) ListenAt(http, https, admin string) {
	for variable, port := range map[string]string{"HTTP_PORT": http, "HTTPS_PORT": https, "ADMIN_PORT": admin} {
		s.T.Setenv(variable, port)
	}
	s.HTTP, s.HTTPS, s.Admin = "http://127.0.0.1:"+http, "https://localhost:"+https, "http://127.0.0.1:"+admin
}

// OpenSockets lets Caddy listen by itself, at ports that are reserved for it: in
// another process, or where its ACME client wants to know where it listens.
func (s *Server) OpenSockets() {
	s.Bind = "127.0.0.1"
	s.ListenAt(ReservePort(s.T).Number(), ReservePort(s.T).Number(), ReservePort(s.T).Number())
}

// Serve starts Caddy with the sites.
func Serve(t testing.TB, global, sites string) *Server {
	t.Helper()
	s := New(t, global)
	if err := s.Load(sites); err != nil {
		t.Fatal(err)
	}
	return s
}

// AwaitTLS waits for the certificates of the URLs, by default HTTPS, which Caddy
// obtains after it has begun to listen.
func (s *Server) AwaitTLS(urls ...string) {
	s.T.Helper()
	if urls == nil {
		urls = []string{s.HTTPS}
	}
	for _, url := range urls {
		await.Done(s.T, "the certificate", func() error {
			_, err := s.Do(http.MethodGet, url+"/", "")
			return err
		})
	}
}

// Load replaces the configuration, as a reload does.
func (s *Server) Load(sites string) error {
	config, err := s.Adapt(sites)
	if err != nil {
		return err
	}
	err = caddy.Load(config, true)
	// The old configuration closes those that it finds idle some time after this.
	s.Client.CloseIdleConnections()
	return err
}

// Adapt leaves the events app out of the log: where somebody reads its debug
// entries, Caddy 2.11 tells of a certificate while its TLS app is still starting,
// which is a data race of theirs.
func (s *Server) Adapt(sites string) ([]byte, error) {
	global := s.Global
	if !strings.Contains(global, "admin ") {
		global += "\nadmin off"
	}
	if !strings.Contains(global, "acme_ca ") {
		global += "\nlocal_certs"
	}
	config, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(`{
	persist_config off
	skip_install_trust
	http_port {$HTTP_PORT}
	https_port {$HTTPS_PORT}
	default_bind `+s.Bind+` {
		protocols h1 h2
	}
	storage file_system {$TEST_DIR}/storage
	log {
		output file {$TEST_DIR}/log {
			roll_disabled
		}
		format `+s.LogFormat+`
		level DEBUG
		exclude events
	}
	`+global+`
}
`+sites), map[string]any{"filename": "Caddyfile"})
	return config, err
}

// Log returns everything that was logged.
func (s *Server) Log() string {
	s.T.Helper()
	text, err := os.ReadFile(filepath.Join(s.Dir, "log"))
	if err != nil {
		s.T.Fatal(err)
	}
	return string(text)
}

// Reply is an HTTP response that has been read.
type Reply struct {
	Status int
	Header http.Header
	Body   string
}

// Get requests a URL with the given header lines.
func (s *Server) Get(url string, headers ...string) Reply {
	s.T.Helper()
	got, err := s.Do(http.MethodGet, url, "", headers...)
	if err != nil {
		s.T.Fatal(err)
	}
	return got
}

// Do sends a request with a body. A header line with Host sets the request's host.
func (s *Server) Do(method, url, body string, headers ...string) (Reply, error) {
	return s.Send(context.Background(), method, url, body, headers...)
}

// Send is Do with a context.
func (s *Server) Send(ctx context.Context, method, url, body string, headers ...string) (Reply, error) {
	r, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return Reply{}, err
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		if r.Header.Add(name, value); strings.EqualFold(name, "Host") {
			r.Host = value
		}
	}
	res, err := s.Client.Do(r)
	if err != nil {
		return Reply{}, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	return Reply{res.StatusCode, res.Header, string(text)}, err
}

// BasicAuth is a header line with the credentials.
func BasicAuth(user, password string) string {
	return "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

// Secrets that no log, page or error may tell; see CheckNoSecret.
const (
	CanarySecret = "Canary0SecretABC"
	CanaryToken  = "canary-token_0123456789"
	CanaryKey    = "Y2FuYXJ5LWNhbmFyeS1jYW5hcnktY2FuYXJ5IQ=="
)

// CheckNoSecret fails if a text tells one of the canaries, or a part that would do.
func CheckNoSecret(t testing.TB, text string) {
	t.Helper()
	for _, canary := range []string{"canary0", "canary-token", "y2fuyxj5"} {
		if strings.Contains(strings.ToLower(text), canary) {
			t.Errorf("a secret stands in %q", text)
			return
		}
	}
}
