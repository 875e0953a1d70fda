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

// New returns what waits for the nameservers of a zone, nil if limit is negative. changed is
// what changes the zone: it may be a [zone.NameServerLister].
func New(limit time.Duration, configured []string, changed zone.Zone, resolver Resolver) *Watcher {
	if limit < 0 {
		return nil
	}
	lister, _ := changed.(zone.NameServerLister)
	return &Watcher{Limit: limit, Servers: Nameservers(configured, lister, resolver)}
}

// Nameservers returns what Watcher.Servers wants: the configured addresses, because they
// may be those of a hidden primary or at another port, and those of the names that the
// zone's NS records point to, at port 53. What has no address cannot be asked and is left
// out. lister and resolver may be nil.
func Nameservers(configured []string, lister zone.NameServerLister, resolver Resolver) func(context.Context) []string {
	var mu sync.Mutex
	var known []string
	var until time.Time
	return func(ctx context.Context) []string {
		mu.Lock()
		defer mu.Unlock()
		if time.Now().Before(until) {
			return known
		}
		ctx, cancel := context.WithTimeout(ctx, lookUpTime)
		defer cancel()
		known = slices.Clone(configured)
		if lister != nil && resolver != nil {
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
	}
}
