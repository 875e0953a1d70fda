package service

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"
)

// protected keeps a pattern from covering names that carry a whole zone: whoever
// holds a router's token could otherwise answer for every name in it.
func (s *Service) protected(ctx context.Context, zone *Zone, fqdn string) *Error {
	if fqdn == zone.Name || strings.HasPrefix(fqdn, "*.") {
		return notGranted(fqdn)
	}
	servers, err := zone.Updater.NameServers(ctx)
	if err != nil {
		return dnsError(err)
	}
	if slices.Contains(servers, fqdn) || len(s.Zones) > 1 && s.nameservers.have(ctx, s.Zones, fqdn) {
		return notGranted(fqdn)
	}
	return nil
}

const (
	// nameserversAge is how long the nameservers of all zones are remembered.
	nameserversAge = time.Minute
	// nameserversTime is how long a request waits for those of the other zones.
	nameserversTime = time.Second
)

// nameservers are those of all zones together: a name of one zone may be the
// nameserver of another, and a provider has too many to ask each at every request.
type nameservers struct {
	mu    sync.Mutex
	names map[string]bool
	read  time.Time
}

// have tells whether the name is a nameserver of any zone. A zone that cannot be
// asked does not count: its outage would otherwise be that of all zones.
func (n *nameservers) have(ctx context.Context, zones []Zone, fqdn string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if time.Since(n.read) > nameserversAge {
		n.names = readNameservers(ctx, zones)
		n.read = time.Now()
	}
	return n.names[fqdn]
}

// readNameservers asks all zones at once. It outlives the request that began it:
// others wait for the same answer.
func readNameservers(ctx context.Context, zones []Zone) map[string]bool {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), nameserversTime)
	defer cancel()
	found := make([][]string, len(zones))
	var wg sync.WaitGroup
	for i := range zones {
		wg.Go(func() {
			if servers, err := zones[i].Updater.NameServers(ctx); err == nil {
				found[i] = servers
			}
		})
	}
	wg.Wait()
	names := make(map[string]bool)
	for _, servers := range found {
		for _, name := range servers {
			names[name] = true
		}
	}
	return names
}
