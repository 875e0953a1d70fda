// Package web finds clients by asking a web server, such as the customer database that an
// operator has already.
package web

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddy-dyndns/dyndns/clients"
	"github.com/caddy-dyndns/dyndns/clients/cached"
	"github.com/caddy-dyndns/dyndns/internal/address"
	"github.com/caddy-dyndns/dyndns/internal/directive"
	"github.com/caddy-dyndns/dyndns/internal/placeholder"
	"github.com/caddy-dyndns/dyndns/internal/redact"
	"github.com/caddy-dyndns/dyndns/internal/shared"
)

func init() {
	caddy.RegisterModule(new(Module))
}

// Module finds clients by HTTP: a GET of the URL with `?digest=` and the SHA-256 of the
// token in hexadecimal digits is answered by 200 and the record of the client, which lists
// this digest, or by 404. Any other answer means that the source fails: clients that are
// still known go on.
type Module struct {
	// What is asked, by https unless it is on this machine. Placeholders are replaced.
	URL string `json:"url"`

	// Header fields of the request, such as Authorization. Placeholders are replaced.
	Header http.Header `json:"header,omitempty"`

	// The path of a unix socket at which the server listens, which then need not speak
	// https. Default: the host of the URL is dialled.
	Socket string `json:"socket,omitempty"`

	// The path of a file with the certificates of the authorities, in PEM, that are
	// trusted. Default: those of the system.
	TLSTrust string `json:"tls_trust,omitempty"`

	// How long an answer may take. Default: 3s.
	Timeout caddy.Duration `json:"timeout,omitempty"`

	cached.Options

	url    url.URL
	header http.Header
	client *http.Client
	leases shared.Leases
}

const defaultTimeout = 3 * time.Second

// CaddyModule returns the Caddy module information.
func (*Module) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.handlers.dyndns.clients.http",
		New: func() caddy.Module { return new(Module) },
	}
}

// UnmarshalCaddyfile sets up the module from Caddyfile tokens. Syntax:
//
//	http <url> {
//		header    <name> <value>
//		socket    <path>
//		tls_trust <path>
//		timeout   <duration>
//		cache     <duration>
//		stale     <duration>|off
//	}
func (m *Module) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	const where = "clients http: "
	d.Next()
	if !d.NextArg() {
		return directive.ArgErr(d, "clients http")
	}
	m.URL = d.Val()
	if err := directive.Last(d, "clients http"); err != nil {
		return err
	}
	return directive.Block(d, where, func(word string) error {
		switch word {
		case "header":
			var name, value string
			if !d.AllArgs(&name, &value) {
				return directive.ArgErr(d, where+word)
			}
			if m.Header == nil {
				m.Header = make(http.Header)
			}
			m.Header.Add(name, value)
			return nil
		case "socket":
			return directive.One(d, where+word, &m.Socket)
		case "tls_trust":
			return directive.One(d, where+word, &m.TLSTrust)
		case "timeout":
			return directive.Duration(d, where+word, &m.Timeout)
		}
		return m.UnmarshalWord(d, where, word)
	}, "header")
}

// OpenClients implements [clients.Opener]. It asks nobody.
func (m *Module) OpenClients(config clients.Config) (clients.Source, error) {
	if err := m.expand(); err != nil {
		return nil, err
	}
	identity, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	return m.Options.Open(&m.leases, "http", "http", string(identity)+m.url.String(), config, m.find)
}

// expand replaces placeholders, checks what it finds and makes the HTTP client. No error
// quotes the URL, which may hold a key.
func (m *Module) expand() error {
	text, err := placeholder.ExpandSecret("url", m.URL)
	if err != nil {
		return err
	}
	parsed, err := url.Parse(text)
	if err != nil || parsed.Host == "" || parsed.Scheme != "https" && parsed.Scheme != "http" {
		return errors.New("url: it is no http or https URL")
	}
	if parsed.Fragment != "" || parsed.Query().Has("digest") {
		return errors.New("url: it has a fragment, or a digest of its own")
	}
	if parsed.Scheme != "https" && m.Socket == "" && !address.IsLoopbackHost(parsed.Hostname()) {
		return errors.New("url: only a server on this machine is asked without https")
	}
	m.url = *parsed
	m.header = make(http.Header)
	for name, values := range m.Header {
		for _, value := range values {
			expanded, err := placeholder.ExpandSecret("header "+redact.Word(name), value)
			if err != nil {
				return err
			}
			m.header.Add(name, expanded)
		}
	}
	if m.Timeout < 0 {
		return fmt.Errorf("timeout: %v is negative", time.Duration(m.Timeout))
	}
	transport := &http.Transport{
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
		MaxIdleConnsPerHost:    16,
		MaxConnsPerHost:        64,
		IdleConnTimeout:        time.Minute,
		ForceAttemptHTTP2:      true,
		MaxResponseHeaderBytes: 64 << 10,
	}
	if m.TLSTrust != "" {
		path, err := placeholder.Expand("tls_trust", m.TLSTrust)
		if err != nil {
			return err
		}
		pem, err := placeholder.ReadFile(path)
		if err != nil {
			return fmt.Errorf("tls_trust: %w", err)
		}
		transport.TLSClientConfig.RootCAs = x509.NewCertPool()
		if !transport.TLSClientConfig.RootCAs.AppendCertsFromPEM(pem) {
			return fmt.Errorf("tls_trust: %s has no certificate", redact.Path(path))
		}
	}
	if m.Socket != "" {
		socket, err := placeholder.Expand("socket", m.Socket)
		if err != nil {
			return err
		}
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		}
	}
	m.client = &http.Client{
		Transport:     transport,
		Timeout:       cmp.Or(time.Duration(m.Timeout), defaultTimeout),
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return nil
}

// find asks for one client.
func (m *Module) find(ctx context.Context, digest clients.Digest) (*clients.Record, error) {
	asked := m.url
	query := asked.Query()
	query.Set("digest", hex.EncodeToString(digest[:]))
	asked.RawQuery = query.Encode()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, asked.String(), nil)
	if err != nil {
		return nil, errors.New("clients http: no request can be made of the url")
	}
	for name, values := range m.header {
		request.Header[name] = values
	}
	if host := m.header.Get("Host"); host != "" {
		request.Host = host
	}
	request.Header.Set("Accept", "application/json")
	response, err := m.client.Do(request)
	if err != nil {
		var failed *url.Error // quotes the URL
		if errors.As(err, &failed) {
			err = failed.Err
		}
		return nil, fmt.Errorf("clients http: %w", err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, clients.MaxRecord+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("clients http: reading the answer: %w", err)
	case response.StatusCode == http.StatusNotFound:
		return nil, nil
	case response.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("clients http: the server answers with status %d", response.StatusCode)
	case len(body) > clients.MaxRecord:
		return nil, fmt.Errorf("clients http: the answer is longer than %d bytes", clients.MaxRecord)
	case !json.Valid(body): // such as the page of a proxy in between
		return nil, errors.New("clients http: the answer is no JSON")
	}
	record, err := clients.ParseRecord(body)
	if err != nil && !bytes.Contains(body, []byte(hex.EncodeToString(digest[:]))) {
		return nil, fmt.Errorf("clients http: the answer is no record: %v", err) // such as an error in JSON
	}
	if err != nil {
		return nil, fmt.Errorf("clients http: %w", err)
	}
	if !record.Lists(digest) {
		// Such as a server that does not look at what it is asked for.
		return nil, fmt.Errorf("clients http: the answer, client %s, does not list the digest that was asked for", redact.ClientName(record.Name))
	}
	return record, nil
}

// Cleanup gives back what OpenClients took.
func (m *Module) Cleanup() error {
	if m.client != nil {
		m.client.CloseIdleConnections()
	}
	return m.leases.Release()
}

// Interface guards
var (
	_ caddy.CleanerUpper    = (*Module)(nil)
	_ caddyfile.Unmarshaler = (*Module)(nil)
	_ clients.Opener        = (*Module)(nil)
)
