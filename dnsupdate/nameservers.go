package dnsupdate

import (
	"context"
	"slices"
	"time"

	"github.com/caddy-dyndns/dyndns/dnsupdate/internal/transport"
	"github.com/caddy-dyndns/dyndns/zone"
)

const (
	// nameServerTime is how long the apex NS records are remembered.
	nameServerTime = 5 * time.Minute
	// nameServerGrace is how long they still count after they could not be read again.
	nameServerGrace = 30 * time.Second
)

// nameServerCache holds what NameServers has found. turn is a lock that a caller
// can stop waiting for.
type nameServerCache struct {
	turn    chan struct{}
	found   zone.NameServers
	expires time.Time
}

// NameServers returns the names that the zone's apex NS records point to. They
// are remembered for five minutes, what was proven for longer while it cannot be
// proven again; one look-up at a time is under way.
func (u *Updater) NameServers(ctx context.Context) (zone.NameServers, error) {
	cache := &u.nameServers
	select {
	case cache.turn <- struct{}{}:
		defer func() { <-cache.turn }()
	case <-ctx.Done():
		return zone.NameServers{}, &zone.Error{Reason: zone.Timeout, Zone: u.zone, Cause: ctx.Err()}
	}
	if time.Now().Before(cache.expires) {
		return cache.found, nil
	}
	found, err := u.findNameServers(ctx)
	switch {
	case err == nil && (found.Proven || !cache.found.Proven):
		cache.found, cache.expires = found, time.Now().Add(nameServerTime)
	case cache.found.Proven || err == nil:
		cache.expires = time.Now().Add(nameServerGrace)
	default:
		return zone.NameServers{}, err
	}
	return cache.found, nil
}

// findNameServers reads the NS records and proves them.
func (u *Updater) findNameServers(ctx context.Context) (zone.NameServers, error) {
	var apex apexNS
	o := u.ask(ctx, func(s *session) outcome {
		for {
			queries := []transport.Query{{RRsetID: u.at(typeNS)}}
			if o := s.askAll(queries); o.verdict != accepted {
				return o
			}
			apex.take(u.zone, queries[0].Answer, queries[0].Signed, false)
			o := apex.prove(s)
			switch o.verdict {
			case accepted:
			case unmet:
				// A nameserver that finds no records equal has to be believed what it signs.
				if !apex.loose && apex.missed < loosenAfter {
					continue
				}
				apex.proven = apex.loose
			case denied:
				// Knot answers so to a message without changes under a rule that denies
				// some names. A change that is allowed proves them.
			default:
				return o
			}
			return outcome{verdict: accepted}
		}
	})
	if o.verdict != accepted {
		return zone.NameServers{}, o.err
	}
	return zone.NameServers{Names: slices.Compact(apex.targets), Proven: apex.proven}, nil
}
