//go:build integration && linux

package certificates

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/caddy-dyndns/dyndns/test/caddytest"
	"github.com/caddy-dyndns/dyndns/test/markdown"
	"github.com/caddy-dyndns/dyndns/test/nameserver"
)

// acmeClient is a program that gets a certificate.
type acmeClient struct {
	name string
	run  func(t *testing.T, dir string)
	// file is where it writes the certificate.
	file string
}

// ACME clients of Debian get a certificate for a name and its wildcard with nothing but
// the name's token, and leave nothing behind.
func TestCertificateClients(t *testing.T) {
	const zoneName, name, token = "dyn.example.com", "home.dyn.example.com", "token-of-the-home-router"
	scripts := markdown.Code(t, "../..", "docs/certificates.md", "sh")
	lego := scripts[slices.IndexFunc(scripts, func(s string) bool { return strings.Contains(s, "lego") })]
	hook, err := filepath.Abs("../../example/certificates/dyndns-hook")
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range nameserver.Kinds {
		t.Run(string(kind), func(t *testing.T) {
			key := nameserver.NewKey("ddns-key")
			ns := nameserver.Run(t, kind, nameserver.Config{Zones: []nameserver.Zone{{Name: zoneName, Key: key}}})
			s := caddytest.New(t, "")
			err := s.Load(fmt.Sprintf("http://localhost:{$HTTP_PORT} {\ndyndns {\ndomain localhost\nzone %s {\ntsig_key %s %s %s\nnameserver %s\n}\nclient home {\ntoken %s\nhosts %s\n}\n}\nrespond 404\n}\n",
				zoneName, key.Name, key.Algorithm, key.Secret, ns.Addr(), token, name))
			if err != nil {
				t.Fatal(err)
			}
			url := strings.Replace(s.HTTP, "127.0.0.1", "localhost", 1)
			ca := caddytest.StartPebble(t, s, ns.Addr())
			run := func(t *testing.T, env []string, program string, args ...string) {
				t.Helper()
				cmd := exec.Command(program, args...)
				cmd.Dir = t.TempDir()
				cmd.Env = append(os.Environ(), append(env, "DYNDNS_URL="+url, "DYNDNS_TOKEN="+token, "TOKEN="+token, "HOME="+cmd.Dir, "CURL_CA_BUNDLE=", "SSL_CERT_FILE="+ca.Certificate)...)
				if out, err := cmd.CombinedOutput(); err != nil {
					t.Errorf("%s: %v\n%s", program, err, out)
				}
			}
			documented := strings.NewReplacer("https://dyndns.example.com", url, "lego --email", "lego --accept-tos --server "+ca.Directory+
				" --path .lego --dns.disable-cp --dns.resolvers "+ns.Addr()+" --email").Replace(lego)
			certbot := func(t *testing.T, dir string, args ...string) {
				run(t, nil, "certbot", append(args, "--non-interactive", "--no-verify-ssl", "--config-dir", dir, "--work-dir", dir, "--logs-dir", dir)...)
			}
			programs := []acmeClient{
				{"lego", func(t *testing.T, dir string) {
					run(t, []string{"LEGO_CA_CERTIFICATES=" + ca.Certificate, "HTTPREQ_POLLING_INTERVAL=1"}, "sh", "-c", "cd "+dir+"\n"+documented)
				}, ".lego/certificates/" + name + ".crt"},
				{"certbot", func(t *testing.T, dir string) {
					certbot(t, dir, "certonly", "--agree-tos", "-m", "a@example.com", "--server", ca.Directory, "--manual", "--preferred-challenges", "dns",
						"--manual-auth-hook", hook+" present", "--manual-cleanup-hook", hook+" cleanup", "-d", name, "-d", "*."+name)
					certbot(t, dir, "renew", "--force-renewal", "--no-random-sleep-on-renew")
				}, "live/" + name + "/cert.pem"},
				{"dehydrated", func(t *testing.T, dir string) {
					config := filepath.Join(dir, "config")
					text := fmt.Sprintf("CA=%s\nCHALLENGETYPE=dns-01\nBASEDIR=%s\nHOOK=%s\nCURL_OPTS=-k\n", ca.Directory, dir, hook)
					if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
						t.Fatal(err)
					}
					run(t, nil, "dehydrated", "--config", config, "--register", "--accept-terms")
					run(t, nil, "dehydrated", "--config", config, "--cron", "--domain", name+" *."+name)
				}, "certs/" + name + "/cert.pem"},
				{"uacme", func(t *testing.T, dir string) {
					// It trusts the authorities of the system alone.
					const trust = "mount --bind \"$0\" /etc/ssl/certs/ca-certificates.crt && uacme -y -c \"$1\" -a \"$2\" new && uacme -y -c \"$1\" -a \"$2\" -h \"$3\" issue \"$4\" \"*.$4\""
					run(t, nil, "unshare", "--map-root-user", "--mount", "sh", "-c", trust, ca.Certificate, dir, ca.Directory, hook, name)
				}, name + "/cert.pem"},
			}
			if kind == nameserver.BIND { // which takes a quarter of a minute
				programs = append(programs, acmeClient{"two at once", func(t *testing.T, dir string) {
					var both sync.WaitGroup
					for i := range 2 {
						both.Go(func() {
							own := filepath.Join(dir, fmt.Sprint(i))
							run(t, []string{"LEGO_CA_CERTIFICATES=" + ca.Certificate, "HTTPREQ_POLLING_INTERVAL=1"}, "sh", "-c", "mkdir "+own+" && cd "+own+"\n"+documented)
						})
					}
					both.Wait()
				}, "1/.lego/certificates/" + name + ".crt"})
			}
			for _, client := range programs {
				t.Run(client.name, func(t *testing.T) {
					dir := t.TempDir()
					client.run(t, dir)
					out, err := exec.Command("openssl", "x509", "-noout", "-ext", "subjectAltName", "-in", filepath.Join(dir, client.file)).CombinedOutput()
					if err != nil || !strings.Contains(string(out), "DNS:"+name) || !strings.Contains(string(out), "DNS:*."+name) {
						t.Errorf("%v: the certificate is for %s", err, out)
					}
					if left := ns.MustLookup(t, "_acme-challenge."+name, "TXT"); left != "" {
						t.Errorf("%s is left", left)
					}
				})
			}
		})
	}
}
