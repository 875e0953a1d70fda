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
	shared     = netip.MustParsePrefix("100.64.0.0/10")  // RFC 6598
	localNAT64 = netip.MustParsePrefix("64:ff9b:1::/48") // RFC 8215, which stays inside a network
)

// refused are the networks that no host is reached in, beside those that
// [netip.Addr] knows. Those for documentation are not among them: tests use them.
var refused = [...]struct {
	network netip.Prefix
	class   string
}{
	{netip.MustParsePrefix("0.0.0.0/8"), "a reserved address"},     // RFC 1122 section 3.2.1.3
	{netip.MustParsePrefix("240.0.0.0/4"), "a reserved address"},   // RFC 1112 section 4
	{netip.MustParsePrefix("::/96"), "an IPv4-compatible address"}, // RFC 4291 section 2.5.5.1
	{netip.MustParsePrefix("fec0::/10"), "a site-local address"},   // RFC 3879
}

// embeddings are the IPv6 networks whose traffic is sent on to the IPv4 address
// that stands at that octet. ISATAP (RFC 5214) is none: its prefix alone decides
// who reaches the host, and its IPv4 address is one of the site, most often private.
var embeddings = [...]struct {
	network  netip.Prefix
	at       int
	inverted bool
}{
	{netip.MustParsePrefix("64:ff9b::/96"), 12, false}, // RFC 6052 section 2.1
	// A network may put the address at other octets (RFC 6052 section 2.2), which
	// cannot be told from outside: all of it is private.
	{localNAT64, 12, false},
	{netip.MustParsePrefix("2002::/16"), 2, false},        // 6to4, RFC 3056 section 2
	{netip.MustParsePrefix("2001::/32"), 12, true},        // Teredo, RFC 4380 section 4
	{netip.MustParsePrefix("::ffff:0:0:0/96"), 12, false}, // SIIT, RFC 2765 section 2.1
}

// embedded returns the IPv4 address that an IPv6 address leads to.
func embedded(a netip.Addr) (netip.Addr, bool) {
	if a.Is4() {
		return netip.Addr{}, false
	}
	for i := range embeddings {
		e := &embeddings[i]
		if !e.network.Contains(a) {
			continue
		}
		octets := a.As16()
		v4 := [4]byte(octets[e.at:])
		if e.inverted {
			for i := range v4 {
				v4[i] = ^v4[i]
			}
		}
		return netip.AddrFrom4(v4), true
	}
	return netip.Addr{}, false
}

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
// but the host that named it, or names no host. The error is a sentence fragment.
func Publishable(a netip.Addr) error {
	if err := reachable(a); err != nil {
		return err
	}
	if a = a.Unmap(); a.Is6() && !namesHost(a) {
		return fmt.Errorf("%s names no host, only a network", a)
	}
	return nil
}

// namesHost tells an IPv6 address from the anycast address of the routers in its
// network (RFC 4291 section 2.6.1).
func namesHost(a netip.Addr) bool {
	octets := a.As16()
	return [8]byte(octets[8:]) != [8]byte{}
}

// reachable is [Publishable] also for the address of a network.
func reachable(a netip.Addr) error {
	if !a.IsValid() {
		return errors.New("the address is unknown")
	}
	zone := a.Zone()
	a = a.Unmap()
	if zone != "" {
		return fmt.Errorf("%s has a zone id, which only its host understands", redact.Echo(a.WithZone("").String()))
	}
	if class := refusedClass(a); class != "" {
		return fmt.Errorf("%s is %s", a, class)
	}
	if v4, ok := embedded(a); ok {
		if class := refusedClass(v4); class != "" {
			return fmt.Errorf("%s leads to %s, which is %s", a, v4, class)
		}
	}
	return nil
}

// refusedClass names what a is if that must not be published.
func refusedClass(a netip.Addr) string {
	switch {
	case a.IsUnspecified():
		return "the unspecified address"
	case a.IsLoopback():
		return "a loopback address"
	case a.IsMulticast():
		return "a multicast address"
	case a.IsLinkLocalUnicast():
		return "a link-local address"
	case a == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return "the broadcast address"
	}
	for i := range refused {
		if refused[i].network.Contains(a) {
			return refused[i].class
		}
	}
	return ""
}

// Private tells whether a is only reachable inside a network: RFC 1918, RFC 6598
// (carrier-grade NAT), RFC 4193 (ULA), RFC 8215 (NAT64 of its own), or an IPv6
// address that leads to such an IPv4 address.
func Private(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	if v4, ok := embedded(a); ok && Private(v4) {
		return true
	}
	return a.IsPrivate() || shared.Contains(a) || localNAT64.Contains(a)
}

// PrivateText tells whether s is an address that is [Private].
func PrivateText(s string) bool {
	a, err := netip.ParseAddr(s)
	return err == nil && Private(a)
}

// IsLoopbackHost tells whether the host of a URL is this machine. A name below localhost is
// not: resolvers may ask DNS for it, though RFC 6761 section 6.3 would have them not.
func IsLoopbackHost(host string) bool {
	a, _ := netip.ParseAddr(host)
	return host == "localhost" || a.IsLoopback()
}
