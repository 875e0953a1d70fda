//go:build integration

package outside

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-acme/lego/v5/acme"
	"github.com/go-acme/lego/v5/certcrypto"
	"github.com/go-acme/lego/v5/certificate"
	"github.com/go-acme/lego/v5/challenge"
	"github.com/go-acme/lego/v5/challenge/dns01"
	"github.com/go-acme/lego/v5/lego"
	"github.com/go-acme/lego/v5/providers/dns/acmedns"
	"github.com/go-acme/lego/v5/providers/dns/httpreq"
	"github.com/go-acme/lego/v5/registration"
	"github.com/miekg/dns"

	"github.com/caddy-dyndns/dyndns/test/caddytest"
)

// user is an ACME account.
type user struct {
	key     *ecdsa.PrivateKey
	account *acme.ExtendedAccount
}

func (*user) GetEmail() string                         { return "a@example.com" }
func (u *user) GetRegistration() *acme.ExtendedAccount { return u.account }
func (u *user) GetPrivateKey() crypto.Signer           { return u.key }

// lego 5 gets a certificate for a name and its wildcard with a token and either of the
// two protocols that it has.
func TestLego(t *testing.T) {
	const name = "home.dyn.test"
	ns := caddytest.Nameserver(t, "dyn.test")
	s := caddytest.New(t, "")
	if err := s.Load("http://localhost:{$HTTP_PORT} {\ndyndns {\ndomain localhost\n" + caddytest.ZoneBlock("dyn.test", ns.Addr()) +
		"client home {\ntoken " + caddytest.CanaryToken + "\nhosts " + name + "\n}\n}\nrespond 404\n}\n"); err != nil {
		t.Fatal(err)
	}
	url := strings.Replace(s.HTTP, "127.0.0.1", "localhost", 1)
	ca := caddytest.StartPebble(t, s, ns.Addr())
	account, err := caddytest.Command("dyndns-token", "--token", caddytest.CanaryToken, "--acme", name, "--url", url).Output()
	if err != nil {
		t.Fatal(err)
	}
	accounts := filepath.Join(t.TempDir(), "accounts.json")
	if err := os.WriteFile(accounts, account, 0o600); err != nil {
		t.Fatal(err)
	}
	if !json.Valid(account) {
		t.Fatalf("the account is %s", account)
	}
	t.Setenv("LEGO_CA_CERTIFICATES", ca.Certificate)
	t.Setenv("HTTPREQ_ENDPOINT", url)
	t.Setenv("HTTPREQ_USERNAME", "home")
	t.Setenv("HTTPREQ_PASSWORD", caddytest.CanaryToken)
	t.Setenv("HTTPREQ_POLLING_INTERVAL", "1")
	t.Setenv("ACME_DNS_API_BASE", url)
	t.Setenv("ACME_DNS_STORAGE_PATH", accounts)
	dns01.SetDefaultClient(dns01.NewClient(&dns01.Options{RecursiveNameservers: []string{ns.Addr()}, Timeout: 10 * time.Second}))
	for _, tt := range []struct {
		name string
		open func() (challenge.Provider, error)
		env  string // HTTPREQ_MODE
		left int    // values that nobody removes
	}{
		{"httpreq", func() (challenge.Provider, error) { return httpreq.NewDNSProvider() }, "", 0},
		{"httpreq RAW", func() (challenge.Provider, error) { return httpreq.NewDNSProvider() }, "RAW", 0},
		{"acme-dns", func() (challenge.Provider, error) { return acmedns.NewDNSProvider() }, "", 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv("HTTPREQ_MODE", tt.env)
			u := &user{}
			if u.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
				t.Fatal(err)
			}
			config := lego.NewConfig(u)
			config.CADirURL = ca.Directory
			client, err := lego.NewClient(config)
			if err != nil {
				t.Fatal(err)
			}
			provider, err := tt.open()
			if err != nil {
				t.Fatal(err)
			}
			// It asks authoritative servers at port 53 alone.
			if err := client.Challenge.SetDNS01Provider(provider, dns01.DisableAuthoritativeNssPropagationRequirement()); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			if u.account, err = client.Registration.Register(ctx, registration.RegisterOptions{TermsOfServiceAgreed: true}); err != nil {
				t.Fatal(err)
			}
			got, err := client.Certificate.Obtain(ctx, certificate.ObtainRequest{Domains: []string{name, "*." + name}, KeyType: certcrypto.EC256, Bundle: true})
			if err != nil {
				t.Fatal(err)
			}
			certificate, err := certcrypto.ParsePEMCertificate(got.Certificate)
			if err != nil {
				t.Fatal(err)
			}
			if slices.Sort(certificate.DNSNames); !slices.Equal(certificate.DNSNames, []string{"*." + name, name}) {
				t.Errorf("the certificate is for %q", certificate.DNSNames)
			}
			if left := len(ns.Zone("dyn.test").Lookup("_acme-challenge."+name, dns.TypeTXT)); left != tt.left {
				t.Errorf("%d values are left", left)
			}
		})
	}
}
