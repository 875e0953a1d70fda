package caddytest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/caddy-dyndns/dyndns/internal/await"
)

// Pebble is a running ACME server.
type Pebble struct {
	t testing.TB
	// Directory is the URL where clients begin.
	Directory string
	// Certificate is the file with that of the ACME server itself.
	Certificate string
	management  string
}

// StartPebble starts an ACME server that asks a nameserver for what it validates, and the
// ports of s for the challenges over HTTP and TLS.
func StartPebble(t testing.TB, s *Server, resolver string) *Pebble {
	t.Helper()
	certificate, key := WriteCertificate(t, s.Dir)
	acme, management := ReservePort(t).Addr(), ReservePort(t).Addr()
	config := filepath.Join(s.Dir, "pebble.json")
	err := os.WriteFile(config, fmt.Appendf(nil, `{"pebble": {
		"listenAddress": %q, "managementListenAddress": %q, "certificate": %q, "privateKey": %q,
		"httpPort": %s, "tlsPort": %s, "ocspResponderURL": "", "externalAccountBindingRequired": false
	}}`, acme, management, certificate, key, os.Getenv("HTTP_PORT"), os.Getenv("HTTPS_PORT")), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("pebble", "-config", config, "-dnsserver", resolver)
	cmd.Env = append(os.Environ(), "PEBBLE_VA_NOSLEEP=1", "PEBBLE_WFE_NONCEREJECT=0")
	Start(t, cmd)
	p := &Pebble{t: t, Directory: "https://" + acme + "/dir", management: "https://" + management, Certificate: certificate}
	await.Done(t, "pebble", func() error {
		_, err := s.Do(http.MethodGet, p.Directory, "")
		return err
	})
	return p
}

// Roots is the authority that pebble signs with, made afresh at each start.
func (p *Pebble) Roots() *x509.CertPool {
	p.t.Helper()
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	s := &Server{T: p.t, Client: client}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM([]byte(s.Get(p.management + "/roots/0").Body)) {
		p.t.Fatal("pebble shows no root certificate")
	}
	return pool
}

// WriteCertificate writes a certificate for localhost and 127.0.0.1 with its key.
func WriteCertificate(t testing.TB, dir string) (certificate, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "loopback"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	write := func(name, kind string, der []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	return write("loopback.crt", "CERTIFICATE", der), write("loopback.key", "PRIVATE KEY", keyDER)
}
