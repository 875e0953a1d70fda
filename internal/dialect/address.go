package dialect

import (
	"net/netip"

	"github.com/caddy-dyndns/dyndns/internal/address"
	"github.com/caddy-dyndns/dyndns/internal/redact"
	"github.com/caddy-dyndns/dyndns/internal/service"
)

// parseAddress reads an address with or without a prefix length; see
// [address.ParseCIDR] for which of both comes back. Scripts put IPv6 addresses
// into the brackets of a URL.
func parseAddress(text string) (netip.Addr, netip.Prefix, *service.Error) {
	if len(text) > 2 && text[0] == '[' && text[len(text)-1] == ']' {
		text = text[1 : len(text)-1]
	}
	addr, prefix, err := address.ParseCIDR(text)
	if err != nil {
		return netip.Addr{}, netip.Prefix{}, &service.Error{Reason: service.BadAddress, Message: err.Error()}
	}
	return addr, prefix, nil
}

// addPrefix notes the prefix that a router was delegated. A request has one at most.
func addPrefix(had *netip.Prefix, given netip.Prefix) *service.Error {
	switch {
	case !given.IsValid():
	case had.IsValid() && *had != given:
		return badAddress(given.String(), "is another prefix than "+had.String())
	default:
		*had = given
	}
	return nil
}

// readPrefix reads the argument that holds a prefix alone.
func readPrefix(had *netip.Prefix, text string) *service.Error {
	prefix, err := address.ParsePrefix(text)
	if err != nil {
		return &service.Error{Reason: service.BadAddress, Message: err.Error()}
	}
	return addPrefix(had, prefix)
}

func badAddress(text, why string) *service.Error {
	return &service.Error{Reason: service.BadAddress, Message: redact.Echo(text) + " " + why}
}
