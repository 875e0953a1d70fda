package service

import (
	"context"

	"github.com/caddy-dyndns/dyndns/internal/expiry"
	"github.com/caddy-dyndns/dyndns/zone"
)

// Expire removes the addresses of a name if they are still those that were confirmed last.
// If they are others, they are somebody else's, and nothing is changed.
func (s *Service) Expire(ctx context.Context, zoneName string, held expiry.Held) HostOutcome {
	ctx, cancel := context.WithTimeout(ctx, s.Timeout)
	defer cancel()
	w := zoneWork{zone: s.zones[zoneName], service: s, changes: []zone.Change{
		{Name: held.Name, Type: held.Type, Action: zone.Delete, Expect: held.Values},
	}}
	w.apply(ctx)
	out := HostOutcome{Name: held.Name, Zone: zoneName}
	out.Records, out.Err = w.records(0, len(w.changes))
	return out
}
