//go:build integration && linux

package server

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/caddy-dyndns/dyndns/internal/await"
	"github.com/caddy-dyndns/dyndns/test/caddytest"
	"github.com/caddy-dyndns/dyndns/test/nameserver"
)

// Caddy publishes Encrypted ClientHello by its HTTPS record, in its own zone and with a
// token in that of another, and a client that reads the record uses it. To find the zone
// Caddy asks the system's resolver at port 53.
func TestECH(t *testing.T) {
	const zoneName, token = "dyn.example.com", "token-of-the-home-server"
	if !inNamespace(t, "127.0.0.1") {
		return
	}
	key := nameserver.NewKey("ddns-key")
	ns := nameserver.Run(t, nameserver.BIND, nameserver.Config{Zones: []nameserver.Zone{{Name: zoneName, Key: key}}})
	atPort53(t, ns.Addr())
	handler := fmt.Sprintf("https://localhost {\ndyndns {\ndomain localhost\nzone %s {\ntsig_key %s %s %s\nnameserver %s\n}\nclient home {\ntoken %s\nhosts home.%s cloud.%s\n}\n}\nrespond 404\n}\n",
		zoneName, key.Name, key.Algorithm, key.Secret, ns.Addr(), token, zoneName, zoneName)
	s := caddytest.Serve(t, "", handler)
	s.AwaitTLS()
	authority, err := os.ReadFile(filepath.Join(s.Dir, "storage/pki/authorities/local/root.crt"))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(authority)
	for _, tt := range []struct{ host, provider string }{
		{"cloud." + zoneName, "dyndns"},
		{"home." + zoneName, "dyndns " + s.HTTPS + " {\ntoken " + token + "\ntls_trust_pool pki_root {\nauthority local\n}\n}"},
	} {
		t.Run(tt.host, func(t *testing.T) {
			if got := s.Get(s.HTTPS+"/nic/update?hostname="+tt.host+"&myip=192.0.2.1", caddytest.BasicAuth("x", token)); got.Body != "good 192.0.2.1" {
				t.Fatalf("%d %s", got.Status, got.Body)
			}
			s.Global = "ech outer." + zoneName + " {\ndns " + tt.provider + "\n}"
			if err := s.Load(handler + "https://" + tt.host + " {\nrespond {host}\n}\n"); err != nil {
				t.Fatal(err)
			}
			_, port, _ := net.SplitHostPort(strings.TrimPrefix(s.HTTPS, "https://"))
			await.Done(t, "a connection with an encrypted ClientHello", func() error {
				list, err := echConfigList(ns.Addr(), tt.host)
				if err != nil {
					return err
				}
				conn, err := tls.Dial("tcp", "127.0.0.1:"+port, &tls.Config{RootCAs: roots, ServerName: tt.host, EncryptedClientHelloConfigList: list})
				if err != nil {
					return err
				}
				defer conn.Close()
				if !conn.ConnectionState().ECHAccepted {
					return errors.New("it was not accepted")
				}
				return nil
			})
		})
	}
}

// echConfigList returns the list in the HTTPS record of a host.
func echConfigList(server, host string) ([]byte, error) {
	reply, err := dns.Exchange(new(dns.Msg).SetQuestion(dns.Fqdn(host), dns.TypeHTTPS), server)
	if err != nil {
		return nil, err
	}
	for _, rr := range reply.Answer {
		for _, parameter := range rr.(*dns.HTTPS).Value {
			if ech, ok := parameter.(*dns.SVCBECHConfig); ok {
				return ech.ECH, nil
			}
		}
	}
	return nil, errors.New("there is no HTTPS record with ech")
}

// atPort53 has a nameserver answer at the port at which resolvers are.
func atPort53(t *testing.T, nameserver string) {
	t.Helper()
	server := &dns.Server{Addr: "127.0.0.1:53", Net: "udp", Handler: dns.HandlerFunc(func(w dns.ResponseWriter, query *dns.Msg) {
		reply, err := dns.Exchange(query, nameserver)
		if err != nil {
			t.Error(err)
			return
		}
		_ = w.WriteMsg(reply) // who asked may be gone
	})}
	listening := make(chan error, 1)
	server.NotifyStartedFunc = func() { listening <- nil }
	go func() { listening <- server.ListenAndServe() }()
	if err := <-listening; err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Shutdown() })
}
