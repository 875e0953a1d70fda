// Package address reads the IP addresses and IPv6 prefixes that routers report
// and decides which of them may be published.
package address

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/caddy-dyndns/dyndns/internal/redact"
)

var (
	reserved = netip.MustParsePrefix("240.0.0.0/4")   // RFC 1112 section 4
	shared   = netip.MustParsePrefix("100.64.0.0/10") // RFC 6598
)

// Parse reads a bare address that may be published. An IPv4-mapped IPv6 address
// (RFC 4291 section 2.5.5.2) is the IPv4 address. Leading zeros are refused, as
// some systems read them as octal. The error is a sentence fragment that starts
// with the address.
func Parse(s string) (netip.Addr, error) {
	a, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Addr{}, notAddress(s)
	}
	if err := Publishable(a); err != nil {
		return netip.Addr{}, err
	}
	return a.Unmap(), nil
}

func notAddress(s string) error {
	if s == "" {
		return errors.New("an empty text is not an IP address")
	}
	return fmt.Errorf("%s is not an IP address", redact.Echo(s))
}

// Publishable says why a must not stand in a zone: it means nothing to anybody
// but the host that named it. The error is a sentence fragment.
func Publishable(a netip.Addr) error {
	if !a.IsValid() {
		return errors.New("the address is unknown")
	}
	zone := a.Zone()
	a = a.Unmap()
	var class string
	switch {
	case zone != "":
		return fmt.Errorf("%s has a zone id, which only its host understands", redact.Echo(a.WithZone("").String()))
	case a.IsUnspecified():
		class = "the unspecified address"
	case a.IsLoopback():
		class = "a loopback address"
	case a.IsMulticast():
		class = "a multicast address"
	case a.IsLinkLocalUnicast():
		class = "a link-local address"
	case a == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		class = "the broadcast address"
	case reserved.Contains(a):
		class = "a reserved address"
	default:
		return nil
	}
	return fmt.Errorf("%s is %s", a, class)
}

// Private tells whether a is only reachable inside a network: RFC 1918, RFC 6598
// (carrier-grade NAT) or RFC 4193 (ULA).
func Private(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	return a.IsPrivate() || shared.Contains(a)
}
