//go:build integration

package certificates

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/caddy-dyndns/dyndns/internal/await"
	"github.com/caddy-dyndns/dyndns/test/caddytest"
	"github.com/caddy-dyndns/dyndns/test/nameserver"
)

// Caddy gets certificates for a name and its wildcard by the DNS challenge: the one that
// changes the zone, and another one that has a token for its name alone.
func TestCertificatesOfCaddy(t *testing.T) {
	const zoneName, token = "dyn.example.com", "token-of-the-home-server"
	for _, kind := range nameserver.Kinds {
		t.Run(string(kind), func(t *testing.T) {
			key := nameserver.NewKey("ddns-key")
			ns := nameserver.Run(t, kind, nameserver.Config{Zones: []nameserver.Zone{{Name: zoneName, Key: key}}})
			s := caddytest.New(t, "")
			s.OpenSockets()
			ca := caddytest.StartPebble(t, s, ns.Addr())
			// Without an address, Caddy 2.11 takes the file of an account that it is just making for one "default".
			s.Global = "email a@example.com\nacme_ca " + ca.Directory + "\nacme_ca_root " + ca.Certificate
			site := func(name, provider string) string {
				return fmt.Sprintf("https://%s, https://*.%s {\ntls {\ndns %s\nresolvers %s\n}\nrespond {host}\n}\n", name, name, provider, ns.Addr())
			}
			err := s.Load(fmt.Sprintf("https://localhost {\ntls internal\ndyndns {\ndomain localhost\nzone %s {\ntsig_key %s %s %s\nnameserver %s\n}\nclient home {\ntoken %s\nhosts home.%s\n}\n}\nrespond 404\n}\n",
				zoneName, key.Name, key.Algorithm, key.Secret, ns.Addr(), token, zoneName) + site("cloud."+zoneName, "dyndns"))
			if err != nil {
				t.Fatal(err)
			}
			s.AwaitTLS()
			awaitCertificate(t, ca, os.Getenv("HTTPS_PORT"), "cloud."+zoneName, "any.cloud."+zoneName)

			httpPort, httpsPort := caddytest.ReservePort(t).Number(), caddytest.ReservePort(t).Number()
			root := filepath.Join(s.Dir, "storage/pki/authorities/local/root.crt")
			dir := t.TempDir()
			config := filepath.Join(dir, "Caddyfile")
			text := fmt.Sprintf("{\nadmin off\nhttp_port %s\nhttps_port %s\ndefault_bind 127.0.0.1\nstorage file_system %s\npersist_config off\nskip_install_trust\n%s\n}\n", httpPort, httpsPort, dir, s.Global) +
				site("home."+zoneName, "dyndns "+s.HTTPS+" {\ntoken {env.DYNDNS_TOKEN}\ntls_trust_pool file "+root+"\n}")
			if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			cmd := caddytest.Command("run", "--config", config)
			cmd.Env = append(cmd.Env, "DYNDNS_TOKEN="+token)
			caddytest.Start(t, cmd)
			awaitCertificate(t, ca, httpsPort, "home."+zoneName, "any.home."+zoneName)
			for _, name := range []string{"cloud.", "home."} {
				await.True(t, "no challenge is left", func() bool { return ns.MustLookup(t, "_acme-challenge."+name+zoneName, "TXT") == "" })
			}
		})
	}
}

// awaitCertificate waits until Caddy has certificates of the authority for the names.
func awaitCertificate(t *testing.T, ca *caddytest.Pebble, port string, names ...string) {
	t.Helper()
	roots := ca.Roots()
	for _, name := range names {
		await.Done(t, "a certificate for "+name, func() error {
			dialer := tls.Dialer{Config: &tls.Config{RootCAs: roots, ServerName: name}}
			conn, err := dialer.DialContext(context.Background(), "tcp", net.JoinHostPort("127.0.0.1", port))
			if err == nil {
				err = conn.Close()
			}
			return err
		})
	}
}
