package throttle

import (
	"crypto/sha256"
	"net/netip"
)

// maxPairs is how many pairs one generation holds, in some 5 MB.
const maxPairs = 32_768

// pair is a credential that came from a network and was right.
type pair struct {
	network netip.Prefix
	digest  [sha256.Size]byte
}

// pairs are those used last, in two generations: when the young one is full it
// becomes the old one, and what nobody used since is gone.
type pairs struct{ young, old map[pair]struct{} }

// Succeeded remembers that the credential with this digest came from the network of a,
// an IPv4 address or an IPv6 /64, and was right.
func (t *Throttle) Succeeded(a netip.Addr, digest [sha256.Size]byte) {
	p := pair{link(a), digest}
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, ok := t.known.young[p]; ok {
		return
	}
	if len(t.known.young) >= maxPairs || t.known.young == nil {
		t.known.young, t.known.old = map[pair]struct{}{}, t.known.young
	}
	t.known.young[p] = struct{}{}
}

// Knows tells whether [Throttle.Succeeded] is remembered of the credential and the
// network. To let such pass while the network is blocked tells a guesser nothing: no
// guess of his is among them.
func (t *Throttle) Knows(a netip.Addr, digest [sha256.Size]byte) bool {
	p := pair{link(a), digest}
	t.mu.Lock()
	defer t.mu.Unlock()
	_, young := t.known.young[p]
	_, old := t.known.old[p]
	return young || old
}

// link is the smallest network that a counts for; the zero prefix for no address.
func link(a netip.Addr) netip.Prefix {
	a = a.Unmap().WithZone("")
	p, _ := a.Prefix(min(a.BitLen(), 64))
	return p
}
