package dyndns

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"regexp"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-dyndns/dyndns/dnsupdate"
	"github.com/caddy-dyndns/dyndns/internal/name"
	"github.com/caddy-dyndns/dyndns/internal/redact"
)

// expand replaces the placeholders of a value. Its error quotes none that may be
// a secret.
func expand(directive, value string) (string, error) {
	expanded, err := caddy.NewReplacer().ReplaceOrErr(value, true, true)
	if err == nil {
		return expanded, nil
	}
	shown := redact.Placeholder(anyPlaceholder.FindString(err.Error()))
	if shown == "" {
		return "", fmt.Errorf("%s: the value holds a placeholder that cannot be replaced", directive)
	}
	return "", fmt.Errorf("%s: evaluated placeholder %s is empty", directive, shown)
}

var anyPlaceholder = regexp.MustCompile(`\{[^{}]*\}`)

// wholePlaceholder is a value that is nothing but one placeholder, so that its
// text is the way to a secret and not the secret.
var wholePlaceholder = regexp.MustCompile(`^\{(env|file)\.[^{}]+\}$`)

// expandSecret is expand for a value of which no part must stand in an error.
func expandSecret(directive, value string) (string, error) {
	expanded, err := expand(directive, value)
	if err != nil && !wholePlaceholder.MatchString(value) {
		return "", fmt.Errorf("%s: the value holds a placeholder that cannot be replaced", directive)
	}
	return expanded, err
}

// readFile is [os.ReadFile] whose error does not quote a path that may be the
// file's content.
func readFile(path string) ([]byte, error) {
	data, err := os.ReadFile(path)
	return data, fileError(path, err)
}

func fileError(path string, err error) error {
	var failed *fs.PathError
	if errors.As(err, &failed) {
		return fmt.Errorf("%s: %w", redact.Path(path), failed.Err)
	}
	return err
}

func expandServers(directive string, servers []string) ([]string, error) {
	var expanded []string
	for _, s := range servers {
		e, err := expand(directive, s)
		if err != nil {
			return nil, err
		}
		addr, err := dnsupdate.ServerAddress(e)
		if err == nil {
			err = checkHost(addr)
		}
		if err != nil && redact.Host(e) != e {
			err = fmt.Errorf("%s is not a host or host:port", redact.Mark)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", directive, err)
		}
		expanded = append(expanded, addr)
	}
	return expanded, nil
}

// checkHost refuses what can be no host, such as a key: it would stand in every
// error of the nameserver that does not exist.
func checkHost(address string) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return err
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return nil
	}
	_, err = name.Zone(host)
	return err
}

// expandDomain returns the host name in lower case, without a port.
func expandDomain(domain string) (string, error) {
	if domain == "" {
		return "", nil
	}
	expanded, err := expand("domain", domain)
	if err != nil {
		return "", err
	}
	host := expanded
	if h, port, err := net.SplitHostPort(expanded); err == nil {
		if _, err := strconv.ParseUint(port, 10, 16); err != nil { // such as a URL
			return "", fmt.Errorf("domain: %s is not a host name", redact.Echo(expanded))
		}
		host = h
	}
	normal, err := name.Normalize(host)
	if err != nil {
		return "", fmt.Errorf("domain: %w", err)
	}
	if strings.HasPrefix(normal, "*.") {
		return "", fmt.Errorf("domain: %s is a wildcard, which shows no pages", normal)
	}
	return strings.TrimSuffix(normal, "."), nil
}
