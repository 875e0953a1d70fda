package main

import (
	"bytes"
	"crypto/rand"
	"crypto/tls"
	_ "embed"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"text/template"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	_ "github.com/caddyserver/caddy/v2/modules/standard" // Caddy's own modules

	_ "github.com/caddy-dyndns/dyndns" // the module that this is an example of
	"github.com/caddy-dyndns/dyndns/dnsupdate/dnstest"
	"github.com/caddy-dyndns/dyndns/internal/loopback"
)

const (
	zone = "dyn.example.com"
	host = "home." + zone
)

// site is the running example.
type site struct {
	nameserver *dnstest.Server
	// secret may change every name of the zone.
	secret    string
	httpPort  int
	httpsPort int
	// root is the file of the CA certificate that Caddy made for itself.
	root string
}

//go:embed site.caddyfile
var siteCaddyfile string

// start starts the nameserver and Caddy; both keep to dir.
func start(dir string, httpPort, httpsPort int) (*site, error) {
	// Caddy writes its instance ID to the data directory, whatever storage is configured.
	if err := os.Setenv("XDG_DATA_HOME", dir); err != nil {
		return nil, err
	}
	key := dnstest.Key{Name: zone + ".", Algorithm: "hmac-sha512", Secret: make([]byte, 64)}
	rand.Read(key.Secret)
	s := &site{
		secret:   rand.Text(),
		httpPort: httpPort, httpsPort: httpsPort,
		root: filepath.Join(dir, "caddy", "pki", "authorities", "local", "root.crt"),
	}
	for _, port := range []*int{&s.httpPort, &s.httpsPort} {
		if *port != 0 {
			continue
		}
		reserved, err := loopback.Reserve()
		if err != nil {
			return nil, err
		}
		defer reserved.Close() // Caddy listens there then
		*port = int(reserved.AddrPort().Port())
	}
	s.nameserver = dnstest.NewServer(dnstest.Zone{
		Name: zone + ".",
		Keys: []dnstest.Key{key},
		Records: []string{
			zone + ". 3600 IN SOA ns1." + zone + ". hostmaster." + zone + ". 1 3600 600 86400 60",
			zone + ". 3600 IN NS ns1." + zone + ".",
			"ns1." + zone + ". 3600 IN A 127.0.0.1",
		},
	})
	config, err := s.config(filepath.Join(dir, "caddy"), key)
	if err == nil {
		err = caddy.Load(config, true)
	}
	if err != nil {
		s.nameserver.Close()
		return nil, err
	}
	if err := s.awaitCertificate(); err != nil {
		return nil, errors.Join(err, s.stop())
	}
	return s, nil
}

// awaitCertificate waits for the certificate, which Caddy makes in the
// background after it has begun to serve.
func (s *site) awaitCertificate() error {
	config := &tls.Config{ServerName: "localhost", InsecureSkipVerify: true} // only its presence counts
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		conn, err := tls.Dial("tcp", "127.0.0.1:"+strconv.Itoa(s.httpsPort), config)
		if err == nil {
			return conn.Close()
		}
		if time.Now().After(deadline) {
			return err
		}
	}
}

// config fills in the Caddyfile and adapts it.
func (s *site) config(storage string, key dnstest.Key) ([]byte, error) {
	tmpl, err := template.New("site.caddyfile").Parse(siteCaddyfile)
	if err != nil {
		return nil, err
	}
	var caddyfile bytes.Buffer
	err = tmpl.Execute(&caddyfile, map[string]any{
		"Storage": storage, "HTTP": s.httpPort, "HTTPS": s.httpsPort, "Secret": s.secret,
		"Nameserver": s.nameserver.Addr(), "Zone": zone, "Key": base64.StdEncoding.EncodeToString(key.Secret),
	})
	if err != nil {
		return nil, err
	}
	config, _, err := caddyconfig.GetAdapter("caddyfile").Adapt(caddyfile.Bytes(), nil)
	return config, err
}

func (s *site) stop() error {
	err := caddy.Stop()
	s.nameserver.Close()
	return err
}

func (s *site) url(path string) string {
	return "https://localhost:" + strconv.Itoa(s.httpsPort) + path
}

// linesToTry are commands for another terminal. They give addresses: that of a
// loopback client is refused.
func (s *site) linesToTry() string {
	dnsHost, dnsPort, _ := net.SplitHostPort(s.nameserver.Addr())
	plain := "http://localhost:" + strconv.Itoa(s.httpPort)
	curl := "  curl --cacert " + s.root + " "
	dig := fmt.Sprintf("  dig @%s -p %s +short %s ", dnsHost, dnsPort, host)
	return "The zone " + zone + " can be changed now. Try in another terminal:\n\n" +
		curl + "'" + s.url("/update-by-path/"+s.secret+"/"+host+"/192.0.2.1/2001:db8::1") + "'\n" +
		dig + "A\n" + dig + "AAAA\n\n" +
		"As a router does (dyndns2):\n\n" +
		curl + "-u router:" + s.secret + " '" + s.url("/nic/update?hostname="+host+"&myip=192.0.2.2") + "'\n\n" +
		"Over plain HTTP, for routers without TLS:\n\n" +
		"  curl '" + plain + "/update-by-query?secret=" + s.secret + "&fqdn=" + host + "&ipv4=192.0.2.3'\n\n" +
		"Delete it, and test every zone:\n\n" +
		curl + "'" + s.url("/delete-by-path/"+s.secret+"/"+host) + "'\n" +
		curl + "'" + s.url("/check/"+s.secret) + "'\n\n" +
		"The pages, with your browser (it does not know this certificate):\n\n" +
		"  " + s.url("/") + "\n\n" +
		"Ctrl-C ends it.\n"
}
