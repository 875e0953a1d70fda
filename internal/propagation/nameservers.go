package propagation

import (
	"context"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/caddy-dyndns/dyndns/zone"
)

// Resolver finds addresses; [net.Resolver] is one.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

const (
	// remembered is how long the nameservers of a zone are taken for the same.
	remembered = time.Minute
	// lookUpTime is what it may take to find them.
	lookUpTime = 5 * time.Second
)

// New returns what waits for the nameservers of a zone, nil if limit is negative: those at the
// configured addresses, because they may be those of a hidden primary or at another port, and
// those that changed, what changes the zone, lists if it is a [zone.NameServerLister], at
// port 53. What has no address cannot be asked and is left out.
func New(limit time.Duration, configured []string, changed zone.Zone, resolver Resolver) *Watcher {
	if limit < 0 {
		return nil
	}
	var mu sync.Mutex
	var known []string
	var until time.Time
	return &Watcher{Limit: limit, Servers: func(ctx context.Context) []string {
		mu.Lock()
		defer mu.Unlock()
		if time.Now().Before(until) {
			return known
		}
		ctx, cancel := context.WithTimeout(ctx, lookUpTime)
		defer cancel()
		known = slices.Clone(configured)
		if lister, ok := changed.(zone.NameServerLister); ok {
			servers, _ := lister.NameServers(ctx)
			for _, name := range servers.Names {
				addresses, _ := resolver.LookupNetIP(ctx, "ip", name)
				for _, a := range addresses {
					known = append(known, netip.AddrPortFrom(a.Unmap(), 53).String())
				}
			}
		}
		slices.Sort(known)
		known, until = slices.Compact(known), time.Now().Add(remembered)
		return known
	}}
}
