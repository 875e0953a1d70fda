package placeholder

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/caddy-dyndns/dyndns/dnsupdate"
	"github.com/caddy-dyndns/dyndns/internal/name"
	"github.com/caddy-dyndns/dyndns/internal/redact"
)

// Servers returns the nameservers' addresses as host:port, with their placeholders
// replaced.
func Servers(directive string, servers []string) ([]string, error) {
	var expanded []string
	for _, s := range servers {
		e, err := Expand(directive, s)
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

// Host returns the host name in lower case, without a port.
func Host(directive, domain string) (string, error) {
	if domain == "" {
		return "", nil
	}
	expanded, err := Expand(directive, domain)
	if err != nil {
		return "", err
	}
	host := expanded
	if h, port, err := net.SplitHostPort(expanded); err == nil {
		if _, err := strconv.ParseUint(port, 10, 16); err != nil { // such as a URL
			return "", fmt.Errorf("%s: %s is not a host name", directive, redact.Echo(expanded))
		}
		host = h
	}
	normal, err := name.Normalize(host)
	if err != nil {
		return "", fmt.Errorf("%s: %w", directive, err)
	}
	if strings.HasPrefix(normal, "*.") {
		return "", fmt.Errorf("%s: %s is a wildcard, which shows no pages", directive, normal)
	}
	return strings.TrimSuffix(normal, "."), nil
}
