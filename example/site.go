package main

import (
	"bytes"
	"crypto/rand"
	"crypto/tls"
	_ "embed"
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
	"github.com/caddy-dyndns/dyndns/internal/loopback"
)

const (
	zone = "dyn.example.com"
	host = "home." + zone
)

// site is the running example.
type site struct {
	// nameserver is where the nameserver that is brought along answers.
	nameserver *loopback.Port
	// sockets are what it was handed.
	sockets []*os.File
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
	if err := s.openSockets(); err != nil {
		return nil, err
	}
	config, err := s.config(filepath.Join(dir, "caddy"))
	if err == nil {
		err = caddy.Load(config, true)
	}
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	if err := s.awaitCertificate(); err != nil {
		return nil, errors.Join(err, s.stop())
	}
	return s, nil
}

// openSockets opens those for DNS, at a port that is free for UDP and TCP.
func (s *site) openSockets() (err error) {
	if s.nameserver, err = loopback.Reserve(); err != nil {
		return err
	}
	tcp, udp, err := s.nameserver.Listen()
	if err != nil {
		return errors.Join(err, s.close())
	}
	for _, socket := range []any{tcp, udp} {
		file, err := socket.(interface{ File() (*os.File, error) }).File()
		if err != nil {
			return errors.Join(err, s.close())
		}
		s.sockets = append(s.sockets, file)
	}
	return errors.Join(tcp.Close(), udp.Close()) // the files go on
}

// close gives back the sockets for DNS.
func (s *site) close() error {
	err := s.nameserver.Close()
	for _, file := range s.sockets {
		err = errors.Join(err, file.Close())
	}
	return err
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
func (s *site) config(storage string) ([]byte, error) {
	tmpl, err := template.New("site.caddyfile").Parse(siteCaddyfile)
	if err != nil {
		return nil, err
	}
	var caddyfile bytes.Buffer
	err = tmpl.Execute(&caddyfile, map[string]any{
		"Storage": storage, "HTTP": s.httpPort, "HTTPS": s.httpsPort, "Secret": s.secret,
		"Sockets": fmt.Sprintf("fd/%d fdgram/%d", s.sockets[0].Fd(), s.sockets[1].Fd()), "Zone": zone,
	})
	if err != nil {
		return nil, err
	}
	config, _, err := caddyconfig.GetAdapter("caddyfile").Adapt(caddyfile.Bytes(), nil)
	return config, err
}

func (s *site) stop() error {
	return errors.Join(caddy.Stop(), s.close())
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
