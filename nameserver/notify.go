package nameserver

import (
	"fmt"
	"net/netip"

	"github.com/caddy-dyndns/dyndns/internal/authority"
)

// secondary is a nameserver that is told of changes.
type secondary struct {
	address netip.AddrPort
	key     authority.Signer
}

func newSecondary(address string, key authority.Signer) (secondary, error) {
	addr, err := netip.ParseAddrPort(address)
	if err != nil {
		return secondary{}, fmt.Errorf("the secondary %q is not an IP address with a port", address)
	}
	return secondary{addr, key}, nil
}

// notifier tells the secondaries of a zone.
type notifier struct{}

func (n *notifier) changed()               {}
func (n *notifier) configure([]secondary) {}
