package service

import (
	"context"

	"github.com/caddy-dyndns/dyndns/zone"
)

// Purge removes the addresses of absolute names, as far as they lie in the zones of the
// service, for the operator and not for a client. It returns the errors by name.
func (s *Service) Purge(ctx context.Context, names []string) map[string]error {
	ctx, cancel := context.WithTimeout(ctx, s.Timeout)
	defer cancel()
	p := new(plan)
	for _, fqdn := range names {
		if apex, ok := s.names.Of(fqdn); ok {
			gone := Wish{Action: zone.Delete}
			p.add(fqdn, s.zones[apex], s.changes(fqdn, s.zones[apex], &Host{A: gone, AAAA: gone}, &Submission{})...)
		}
	}
	for i := range p.zones {
		p.zones[i].service = s
	}
	p.apply(ctx)
	failed := make(map[string]error)
	for _, o := range p.outcomes() {
		if o.Err != nil {
			failed[o.Name] = o.Err
		}
	}
	return failed
}
