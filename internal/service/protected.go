package service

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/caddy-dyndns/dyndns/zone"
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
	all, err := s.nameServers.of(ctx, s)
	if err != nil {
		return &Error{Reason: zone.Timeout, Message: "the nameservers of the other zones were not told in time", Cause: err}
	}
	var refusal *Error
	for _, served := range all[fqdn] {
		switch {
		case served.name == apex:
		case served.proven:
			return notGranted(fqdn)
		default:
			refusal = &Error{
				Reason:     zone.Busy,
				Message:    "it could not be proven yet that no zone has " + fqdn + " as its nameserver",
				RetryAfter: busyRetry,
			}
		}
	}
	return refusal
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
	mu sync.Mutex
	// running is closed when the look-up under way ends; nil if there is none.
	running chan struct{}
	// zones are in the order of the service. They belong to the look-up.
	zones []zoneServers
	// served lists, by the name of a nameserver, the zones that it serves.
	served map[string][]servedZone
	read   time.Time
}

// servedZone is a zone with a certain nameserver.
type servedZone struct {
	name   string
	proven bool
}

// zoneServers are the nameservers of one zone.
type zoneServers struct {
	names []string
	// proven: this process or an earlier one was given proof of them. Otherwise
	// they are what a read showed while nothing has ever been proven.
	proven bool
	// warned: the log says that nothing was proven.
	warned bool
}

// of returns the nameservers of the zones of s, read again after a while. Its error
// is that of ctx.
func (n *nameServers) of(ctx context.Context, s *Service) (map[string][]servedZone, error) {
	n.mu.Lock()
	served, running := n.served, n.running
	// Who knows something already does not wait for another's look-up.
	if served != nil && (running != nil || time.Since(n.read) <= nameServersAge) {
		n.mu.Unlock()
		return served, nil
	}
	if running == nil {
		running = make(chan struct{})
		n.running = running
		// It outlives the request that begins it: others wait for the same answer.
		go n.lookUp(context.WithoutCancel(ctx), s)
	}
	n.mu.Unlock()
	select {
	case <-running:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.served, nil
}

// lookUp asks all zones at once.
func (n *nameServers) lookUp(ctx context.Context, s *Service) {
	ctx, cancel := context.WithTimeout(ctx, nameServersTime)
	defer cancel()
	if n.zones == nil {
		n.zones = make([]zoneServers, len(s.Zones))
	}
	var wg sync.WaitGroup
	for i := range s.Zones {
		wg.Go(func() { n.zones[i] = s.findNameServers(ctx, &s.Zones[i], n.zones[i]) })
	}
	wg.Wait()
	served := make(map[string][]servedZone)
	for i, z := range n.zones {
		for _, name := range z.names {
			served[name] = append(served[name], servedZone{s.Zones[i].Name, z.proven})
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.served, n.read = served, time.Now()
	close(n.running)
	n.running = nil
}

var errNoNameServers = errors.New("what serves the zone does not tell its nameservers")

// findNameServers asks one zone. What was proven once holds until something else
// is: whoever can silence or forge answers must not choose who may take a name.
func (s *Service) findNameServers(ctx context.Context, of *Zone, was zoneServers) zoneServers {
	var now zone.NameServers
	err := errNoNameServers
	if lister, ok := of.Backend.(zone.NameServerLister); ok {
		func() {
			defer func() {
				if v := recover(); v != nil {
					s.defect(of, panicked(v))
					err = errDefect
				}
			}()
			now, err = lister.NameServers(ctx)
		}()
	}
	if err == nil && now.Proven {
		if !was.proven || !slices.Equal(now.Names, was.names) {
			if err := s.NameServers.SaveNameServers(ctx, of.Name, now.Names); err != nil {
				s.Warn("the nameservers of a zone could not be saved", of.Name, err)
			}
		}
		return zoneServers{names: now.Names, proven: true}
	}
	if was.proven {
		return was
	}
	saved, loadErr := s.NameServers.LoadNameServers(ctx, of.Name)
	if loadErr == nil && saved != nil {
		return zoneServers{names: saved, proven: true}
	}
	if !was.warned {
		s.Warn("the nameservers of a zone were never proven: until then a pattern may cover their names in other zones", of.Name, err)
	}
	if err == nil {
		was.names = now.Names
	}
	was.warned = true
	return was
}
