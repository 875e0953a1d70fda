package service

import (
	"context"
	"strings"

	"github.com/caddy-dyndns/dyndns/zone"
)

// Purge removes the addresses and service bindings of absolute names, and the texts of those
// with an underscore, as far as they lie in the zones of the service, for the operator and
// not for a client. It returns the errors by name.
func (s *Service) Purge(ctx context.Context, names []string) map[string]error {
	ctx, cancel := context.WithTimeout(ctx, s.Timeout)
	defer cancel()
	p := new(plan)
	for _, fqdn := range names {
		if apex, ok := s.names.Of(fqdn); ok {
			changes := []zone.Change{{Name: fqdn, Type: zone.TypeA}, {Name: fqdn, Type: zone.TypeAAAA}, {Name: fqdn, Type: zone.TypeHTTPS}}
			if strings.HasPrefix(fqdn, "_") {
				changes = []zone.Change{{Name: fqdn, Type: zone.TypeTXT}}
			}
			for i := range changes {
				changes[i].Action = zone.Delete
			}
			p.add(fqdn, s.zones[apex], changes...)
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
