package address

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/caddy-dyndns/dyndns/internal/redact"
)

// A prefix is a delegation (RFC 8415 section 6.3) of the /48 that a site gets at
// most, down to the /64 of one link.
const (
	shortest = 48
	longest  = 64
)

// ParsePrefix reads an IPv6 prefix of /48 to /64; bits behind its length are dropped.
func ParsePrefix(s string) (netip.Prefix, error) {
	a, bits, err := split(s)
	if err != nil {
		return netip.Prefix{}, err
	}
	return prefix(a, bits)
}

// ParseCIDR reads an address that may carry a prefix length, as clients report
// it: either result is invalid if s does not tell it. Without host bits there is
// only the prefix, which is never an address to publish. On IPv4, and beyond /64,
// there is only the address.
func ParseCIDR(s string) (netip.Addr, netip.Prefix, error) {
	if !strings.Contains(s, "/") {
		a, err := Parse(s)
		return a, netip.Prefix{}, err
	}
	a, bits, err := split(s)
	if err != nil {
		return netip.Addr{}, netip.Prefix{}, err
	}
	whole := netip.PrefixFrom(a, bits)
	host := whole.IsSingleIP() || whole.Masked().Addr() != a && (a.Is4() || namesHost(a))
	if host {
		if err := Publishable(a); err != nil {
			return netip.Addr{}, netip.Prefix{}, err
		}
		if a.Is4() || bits > longest {
			return a, netip.Prefix{}, nil
		}
	}
	p, err := prefix(a, bits)
	if err != nil {
		return netip.Addr{}, netip.Prefix{}, err
	}
	if !host {
		a = netip.Addr{}
	}
	return a, p, nil
}

// split reads address and length without a judgement on either. Unlike
// [netip.ParsePrefix] it takes an IPv4-mapped address, whose length then counts
// the mapping's 96 bits.
func split(s string) (a netip.Addr, bits int, err error) {
	text, length, found := strings.Cut(s, "/")
	if !found {
		return a, 0, fmt.Errorf("%s has no prefix length", redact.Echo(s))
	}
	if a, err = netip.ParseAddr(text); err != nil {
		return a, 0, notAddress(text)
	}
	if a.Zone() != "" {
		return a, 0, Publishable(a)
	}
	bits, err = strconv.Atoi(length)
	canonical := err == nil && strconv.Itoa(bits) == length
	if a.Is4In6() {
		a, bits = a.Unmap(), bits-96
	}
	if !canonical || bits < 0 || bits > a.BitLen() {
		return a, 0, fmt.Errorf("%s has no valid prefix length", redact.Echo(s))
	}
	return a, bits, nil
}

func prefix(a netip.Addr, bits int) (netip.Prefix, error) {
	p := netip.PrefixFrom(a, bits).Masked()
	switch {
	case a.Is4():
		return netip.Prefix{}, fmt.Errorf("%s/%d is an IPv4 network; only an IPv6 prefix can be used", a, bits)
	case bits < shortest || bits > longest:
		return netip.Prefix{}, fmt.Errorf("%s is not a prefix of /%d to /%d", p, shortest, longest)
	}
	if err := reachable(p.Addr()); err != nil {
		return netip.Prefix{}, err
	}
	return p, nil
}

// ParseIID reads what is fixed of a host behind a changing prefix: an IPv6
// address whose upper 48 bits are zero, whose next 16 are the subnet id and the
// rest the interface identifier (RFC 4291 section 2.5.4).
func ParseIID(s string) (netip.Addr, error) {
	iid, err := netip.ParseAddr(s)
	if err != nil || !iid.Is6() || iid.Zone() != "" {
		return netip.Addr{}, fmt.Errorf("%s is not an interface identifier such as ::1:2:3:4", redact.Echo(s))
	}
	if err := checkIID(iid); err != nil {
		return netip.Addr{}, err
	}
	return iid, nil
}

func checkIID(iid netip.Addr) error {
	if !iid.Is6() {
		return errors.New("the interface identifier is no IPv6 address")
	}
	b := iid.As16()
	if [6]byte(b[:6]) != [6]byte{} {
		return fmt.Errorf("%s has bits set in its upper %d, which come from the prefix", iid, shortest)
	}
	// The subnet-router anycast address (RFC 4291 section 2.6.1).
	if [8]byte(b[8:]) == [8]byte{} {
		return fmt.Errorf("%s names no host, only a network", iid)
	}
	return nil
}

// Compose returns the address of the host iid behind the prefix p. Subnet bits of
// iid that p decides must be zero.
func Compose(p netip.Prefix, iid netip.Addr) (netip.Addr, error) {
	p, err := prefix(p.Addr(), p.Bits())
	if err != nil {
		return netip.Addr{}, err
	}
	if err := checkIID(iid); err != nil {
		return netip.Addr{}, err
	}
	network, host := p.Addr().As16(), iid.As16()
	if masked, _ := iid.Prefix(p.Bits()); !masked.Addr().IsUnspecified() {
		return netip.Addr{}, fmt.Errorf("the subnet id of %s does not fit behind a /%d prefix", iid, p.Bits())
	}
	for i := range network {
		network[i] |= host[i]
	}
	return netip.AddrFrom16(network), nil
}

// Move returns the address that the host at a has behind the prefix p: its lower bits
// are those of a.
func Move(a netip.Addr, p netip.Prefix) (netip.Addr, error) {
	p, err := prefix(p.Addr(), p.Bits())
	if err != nil {
		return netip.Addr{}, err
	}
	octets, network := a.As16(), p.Addr().As16()
	for i := range octets {
		mask := byte(0xff) >> min(max(p.Bits()-8*i, 0), 8) // the host's bits of this octet
		octets[i] = network[i] | octets[i]&mask
	}
	moved := netip.AddrFrom16(octets)
	return moved, Publishable(moved)
}
