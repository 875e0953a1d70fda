package web

import (
	"context"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddy-dyndns/dyndns/clients"
)

const (
	token  = "token-of-a-customer-00"
	canary = "canary-token_0123456789"
)

var digest = clients.DigestOf(token)

// answer is a record that lists the digest that is asked for.
func answer(asked string) string {
	return `{"name":"customer","hosts":["customer.dyn.example.com"],"tokens":["sha256:` + asked + `"]}`
}

// find opens the module and asks it once.
func find(t *testing.T, m *Module) (*clients.Client, error) {
	t.Helper()
	source, err := m.OpenClients(clients.NewConfig([]string{"dyn.example.com."}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Cleanup(); err != nil {
			t.Error(err)
		}
	})
	return source.FindClient(t.Context(), digest)
}

func TestFind(t *testing.T) {
	var got *http.Request
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r
		fmt.Fprint(w, answer(r.URL.Query().Get("digest")))
	}))
	defer server.Close()
	t.Setenv("PORTAL_KEY", "key-of-the-portal")
	// It would be asked for every host, this one too if it were not on this machine.
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1")
	client, err := find(t, &Module{URL: server.URL + "/client?site=1", Header: http.Header{"Authorization": {"Bearer {env.PORTAL_KEY}"}}})
	if err != nil || client == nil || client.Name != "customer" || client.Grant("customer.dyn.example.com.") != clients.Exact {
		t.Fatalf("found %+v, %v", client, err)
	}
	if want := "digest=" + hex.EncodeToString(digest[:]) + "&site=1"; got.URL.Path != "/client" || got.URL.RawQuery != want {
		t.Errorf("asked for %s, want the query %s", got.URL, want)
	}
	if got.Header.Get("Authorization") != "Bearer key-of-the-portal" || got.Method != http.MethodGet {
		t.Errorf("asked with %s and %v", got.Method, got.Header)
	}
	if text := fmt.Sprint(got.URL, got.Header); strings.Contains(text, token) {
		t.Errorf("the token leaves the process: %s", text)
	}
}

// Any answer but a record and 404 means that the source fails: whose token it is nobody
// knows.
func TestAnswers(t *testing.T) {
	status := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
	}
	body := func(text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, text) }
	}
	other := clients.DigestOf("token-of-another-customer")
	for _, tt := range []struct {
		name    string
		handler http.HandlerFunc
		want    string // of the error; empty if the token is unknown
	}{
		{"404", status(404), ""},
		{"404 with a page", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404); fmt.Fprint(w, "<html>") }, ""},
		{"401", status(401), "status 401"},
		{"500", status(500), "status 500"},
		{"204", status(204), "status 204"},
		{"redirect", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/login", http.StatusFound) }, "status 302"},
		{"permanent redirect", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/login", http.StatusPermanentRedirect)
		}, "status 308"},
		{"HTML", body("<!doctype html><title>Log in</title>"), "no JSON"},
		{"empty", body(""), "no JSON"},
		{"null", body("null"), "name is empty"},
		{"half", body(`{"name":"customer","hosts":["customer`), "no JSON"},
		{"10 MB", body(answer(hex.EncodeToString(digest[:])) + strings.Repeat(" ", 10<<20)), "longer than 65536 bytes"},
		{"another's record", body(answer(hex.EncodeToString(other[:]))), "does not list the digest"},
		{"an error in JSON", body(`{"error":"the database is down"}`), "no record"},
		{"a bad record", body(`{"name":"customer","hosts":["a..b"]}`), "empty label"},
		{"cut off", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			fmt.Fprint(w, "{")
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}, "reading the answer"},
		{"hangs", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, "exceeded"},
		{"hangs in the body", func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, "{")
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		}, "reading the answer"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			server := httptest.NewServer(tt.handler)
			defer server.Close()
			m := &Module{URL: server.URL + "/" + canary, Timeout: caddy.Duration(time.Second)}
			client, err := find(t, m)
			if client != nil {
				t.Errorf("found %+v", client)
			}
			if (err != nil) != (tt.want != "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			if err != nil && strings.Contains(err.Error(), canary) {
				t.Errorf("%v tells the URL", err)
			}
		})
	}
}

// Nobody is followed to where a redirect leads.
func TestRedirectIsNotFollowed(t *testing.T) {
	asked := false
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { asked = true }))
	defer elsewhere.Close()
	server := httptest.NewServer(http.RedirectHandler(elsewhere.URL, http.StatusTemporaryRedirect))
	defer server.Close()
	if _, err := find(t, &Module{URL: server.URL}); err == nil || asked {
		t.Errorf("%v, asked elsewhere: %v", err, asked)
	}
}

func TestUnreachable(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	_, err = find(t, &Module{URL: "http://" + l.Addr().String() + "/" + canary})
	if err == nil || strings.Contains(err.Error(), canary) {
		t.Errorf("got %v", err)
	}
}

func TestTLSTrust(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, answer(r.URL.Query().Get("digest")))
	}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // of the handshake that is to fail
	server.StartTLS()
	defer server.Close()
	trusted := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(trusted, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	if client, err := find(t, &Module{URL: server.URL, TLSTrust: trusted}); err != nil || client == nil {
		t.Errorf("trusted: %v, %v", client, err)
	}
	var unknown *tls.CertificateVerificationError
	if _, err := find(t, &Module{URL: server.URL}); !errors.As(err, &unknown) {
		t.Errorf("not trusted: %v", err)
	}
}

func TestSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "portal.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, answer(r.URL.Query().Get("digest")))
	})}
	go server.Serve(l)
	defer server.Close()
	if client, err := find(t, &Module{URL: "http://portal/client", Socket: path}); err != nil || client == nil {
		t.Errorf("found %v, %v", client, err)
	}
}

func TestConfiguration(t *testing.T) {
	for _, tt := range []struct{ name, words, want string }{
		{"whole", "https://portal.example.com/client {\nheader Authorization {env.HOME}\nheader X-Site 1\nsocket /run/p\ntimeout 1s\ncache 1m\nstale off\n}", ""},
		{"loopback", "http://127.0.0.1:8080/client", ""},
		{"loopback IPv6", "http://[::1]:8080/client", ""},
		{"localhost", "http://localhost:8080/client", ""},
		{"no URL", "", "wrong number of arguments"},
		{"two URLs", "https://a.example.com https://b.example.com", "wrong number of arguments"},
		{"no https", "http://portal.example.com/client", "without https"},
		{"almost loopback", "http://127.0.0.1.example.com/client", "without https"},
		{"no URL but a path", "/client", "no http or https URL"},
		{"another scheme", "file:///etc/passwd", "no http or https URL"},
		{"a token as the URL", canary, "no http or https URL"},
		{"digest of its own", "https://portal.example.com/client?digest=" + canary, "a digest of its own"},
		{"placeholder of nothing", "https://portal.example.com/{env.DYNDNS_TEST_NOTHING}", "cannot be replaced"},
		{"header of nothing", "https://portal.example.com/ {\nheader Authorization {env.DYNDNS_TEST_NOTHING}\n}", "evaluated placeholder"},
		{"header without value", "https://portal.example.com/ {\nheader Authorization\n}", "wrong number of arguments"},
		{"no certificates", "https://portal.example.com/ {\ntls_trust web.go\n}", "no certificate"},
		{"no file", "https://portal.example.com/ {\ntls_trust nothing.pem\n}", "no such file"},
		{"unknown word", "https://portal.example.com/ {\nretries 1\n}", "unrecognized subdirective"},
		{"word twice", "https://portal.example.com/ {\ntimeout 1s\ntimeout 1s\n}", "stands here twice"},
		{"bad cache", "https://portal.example.com/ {\ncache soon\n}", "not a duration"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := new(Module)
			err := m.UnmarshalCaddyfile(caddyfile.NewTestDispenser("http " + tt.words))
			if err == nil {
				_, err = m.OpenClients(clients.NewConfig(nil))
				if err := m.Cleanup(); err != nil {
					t.Error(err)
				}
			}
			if (err != nil) != (tt.want != "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			if err != nil && strings.Contains(err.Error(), canary) {
				t.Errorf("%v tells a token", err)
			}
			if tt.name == "whole" && (m.Cache != caddy.Duration(time.Minute) || m.Stale != -1 || m.Timeout != caddy.Duration(time.Second) || len(m.Header) != 2) {
				text, _ := json.Marshal(m)
				t.Errorf("read %s", text)
			}
		})
	}
}

// A lookup that misses asks a server on this machine by a connection that stays.
func BenchmarkFind(b *testing.B) {
	text := answer(hex.EncodeToString(digest[:]))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, text) }))
	defer server.Close()
	m := &Module{URL: server.URL}
	if err := m.expand(); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if r, err := m.find(context.Background(), digest); r == nil || err != nil {
			b.Fatal(err)
		}
	}
}
