package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"time"

	"github.com/miekg/dns"
)

// check does the main job once: it updates a name over HTTPS, reads it by DNS,
// deletes it and reads again.
func (s *site) check(ctx context.Context, out io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	steps := []struct {
		path, reply string
		a           []string
	}{
		{"/update-by-path/" + s.secret + "/" + host + "/192.0.2.1", "UPDATED: " + host + ". A None -> 192.0.2.1\nUNCHANGED: " + host + ". AAAA None\n", []string{"192.0.2.1"}},
		{"/update-by-path/" + s.secret + "/" + host + "/192.0.2.1", "UNCHANGED: " + host + ". A 192.0.2.1\nUNCHANGED: " + host + ". AAAA None\n", []string{"192.0.2.1"}},
		{"/delete-by-path/" + s.secret + "/" + host, "UPDATED: " + host + ". A 192.0.2.1 -> None\nUNCHANGED: " + host + ". AAAA None\n", nil},
	}
	client, err := s.client()
	if err != nil {
		return err
	}
	defer client.CloseIdleConnections()
	for _, step := range steps {
		reply, err := get(ctx, client, s.url(step.path))
		if err != nil {
			return err
		}
		fmt.Fprint(out, reply)
		if reply != step.reply {
			return fmt.Errorf("the reply is %q, not %q", reply, step.reply)
		}
		a, err := s.lookup(ctx)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "DNS: %s. A %v\n", host, a)
		if !slices.Equal(a, step.a) {
			return fmt.Errorf("DNS has the addresses %v, not %v", a, step.a)
		}
	}
	fmt.Fprintln(out, "ok")
	return nil
}

// client trusts the certificate authority that Caddy made for this run alone.
func (s *site) client() (*http.Client, error) {
	pem, err := os.ReadFile(s.root)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no certificate", s.root)
	}
	return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}, nil
}

func get(ctx context.Context, client *http.Client, url string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	response, err := client.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return string(body), err
}

// lookup asks the nameserver for the host's IPv4 addresses.
func (s *site) lookup(ctx context.Context) ([]string, error) {
	question := new(dns.Msg)
	question.SetQuestion(host+".", dns.TypeA)
	reply, _, err := new(dns.Client).ExchangeContext(ctx, question, s.nameserver.Addr())
	if err != nil {
		return nil, err
	}
	var addresses []string
	for _, rr := range reply.Answer {
		if a, ok := rr.(*dns.A); ok {
			addresses = append(addresses, a.A.String())
		}
	}
	return addresses, nil
}
