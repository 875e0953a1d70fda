package service

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"
)

// protected keeps a pattern from covering names that carry a whole zone: whoever
// holds a router's token could otherwise answer for every name in it. The
// nameservers of the name's own zone are left to the change itself, which is
// made only while its zone's NS records are known not to point there.
func (s *Service) protected(ctx context.Context, apex, fqdn string) *Error {
	if fqdn == apex || strings.HasPrefix(fqdn, "*.") {
		return notGranted(fqdn)
	}
	if len(s.Zones) == 1 {
		return nil
	}
	switch s.nameServers.of(ctx, s).role(fqdn, apex) {
	case isNameServer:
		return notGranted(fqdn)
	case mayBeNameServer:
		return &Error{
			Reason:     DNSBusy,
			Message:    "it could not be proven yet that no zone has " + fqdn + " as its nameserver",
			RetryAfter: busyRetry,
		}
	}
	return nil
}

const (
	// nameServersAge is how long the nameservers of all zones are remembered.
	nameServersAge = time.Minute
	// nameServersTime is how long a request waits for those of the other zones.
	nameServersTime = time.Second
)

// NameServerStore keeps the names of a zone's nameservers over restarts.
type NameServerStore interface {
	// LoadNameServers returns what was saved last, nothing if nothing was.
	LoadNameServers(ctx context.Context, zone string) ([]string, error)
	SaveNameServers(ctx context.Context, zone string, names []string) error
}

// nameServers are those of all zones together: a name of one zone may be the
// nameserver of another, and a provider has too many to ask each at every request.
type nameServers struct {
	mu    sync.Mutex
	zones map[string]zoneServers
	known *knownServers
	read  time.Time
}

// zoneServers are the nameservers of one zone.
type zoneServers struct {
	// proven are those that were proven last, by this process or an earlier one.
	proven []string
	// seen are those that a read showed while nothing has ever been proven.
	seen []string
	// warned: the log says that nothing was proven.
	warned bool
}

// knownServers finds the zones that have a name as their nameserver.
type knownServers struct {
	proven, seen map[string][]string
}

type serverRole uint8

const (
	noNameServer serverRole = iota
	mayBeNameServer
	isNameServer
)

// role tells whether the name is a nameserver of another zone than apex.
func (k *knownServers) role(fqdn, apex string) serverRole {
	other := func(zone string) bool { return zone != apex }
	switch {
	case slices.ContainsFunc(k.proven[fqdn], other):
		return isNameServer
	case slices.ContainsFunc(k.seen[fqdn], other):
		return mayBeNameServer
	}
	return noNameServer
}

// of returns the nameservers of the zones of s, read again after a while.
func (n *nameServers) of(ctx context.Context, s *Service) *knownServers {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.known == nil || time.Since(n.read) > nameServersAge {
		n.refresh(ctx, s)
		n.read = time.Now()
	}
	return n.known
}

// refresh asks all zones at once. It outlives the request that began it: others
// wait for the same answer.
func (n *nameServers) refresh(ctx context.Context, s *Service) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), nameServersTime)
	defer cancel()
	found := make([]zoneServers, len(s.Zones))
	var wg sync.WaitGroup
	for i := range s.Zones {
		wg.Go(func() { found[i] = s.findNameServers(ctx, &s.Zones[i], n.zones[s.Zones[i].Name]) })
	}
	wg.Wait()
	n.zones = make(map[string]zoneServers, len(found))
	n.known = &knownServers{proven: map[string][]string{}, seen: map[string][]string{}}
	for i, z := range found {
		apex := s.Zones[i].Name
		n.zones[apex] = z
		for _, name := range z.proven {
			n.known.proven[name] = append(n.known.proven[name], apex)
		}
		for _, name := range z.seen {
			n.known.seen[name] = append(n.known.seen[name], apex)
		}
	}
}

// findNameServers asks one zone. What was proven once holds until something else
// is: whoever can silence or forge answers must not choose who may take a name.
func (s *Service) findNameServers(ctx context.Context, zone *Zone, was zoneServers) zoneServers {
	now, err := zone.Updater.NameServers(ctx)
	if err == nil && now.Proven {
		if !slices.Equal(now.Names, was.proven) {
			if err := s.NameServers.SaveNameServers(ctx, zone.Name, now.Names); err != nil {
				s.Warn("the nameservers of a zone could not be saved", zone.Name, err)
			}
		}
		return zoneServers{proven: now.Names}
	}
	if was.proven != nil {
		return was
	}
	saved, loadErr := s.NameServers.LoadNameServers(ctx, zone.Name)
	if loadErr == nil && saved != nil {
		return zoneServers{proven: saved}
	}
	if !was.warned {
		s.Warn("the nameservers of a zone were never proven: until then a pattern may cover their names in other zones", zone.Name, err)
	}
	if err == nil {
		was.seen = now.Names
	}
	was.warned = true
	return was
}
