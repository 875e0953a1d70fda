package provider

import (
	"context"
	"errors"
	"fmt"

	"github.com/caddy-dyndns/dyndns/clients"
	"github.com/caddy-dyndns/dyndns/internal/records"
	"github.com/caddy-dyndns/dyndns/internal/service"
	"github.com/caddy-dyndns/dyndns/internal/shared"
	"github.com/caddy-dyndns/dyndns/zone"
)

// local are the zones of the handlers in this process. They are looked for at each call:
// Caddy provisions the providers of its tls app before any handler.
type local struct{}

// itself is who asks in this process: whoever configures it may change every name.
var itself = clients.NewUnrestricted("dns.providers.dyndns")

func (local) list(ctx context.Context, names []string) ([]records.Result, error) {
	if len(names) == 0 {
		return nil, nil
	}
	parts := make(map[*service.Service][]string)
	for _, fqdn := range names {
		if s := serving(fqdn); s != nil {
			parts[s] = append(parts[s], fqdn)
		}
	}
	var all []records.Result
	for s, part := range parts {
		out := s.Do(ctx, itself, records.List(part))
		if err := outcomeError(&out); err != nil {
			return nil, err
		}
		all = append(all, records.Results(&out)...)
	}
	return all, nil
}

// serving returns the service that changes the zone of a name, nil if there is none.
func serving(fqdn string) *service.Service {
	for _, s := range shared.All[*service.Service]() {
		if s.ZoneOf(fqdn) != "" {
			return s
		}
	}
	return nil
}

func (local) change(ctx context.Context, request records.Request) ([]records.Result, error) {
	sub, bad := request.Submission()
	if bad != nil {
		return nil, bad
	}
	var s *service.Service
	for _, host := range sub.Hosts {
		switch of := serving(host.Name); {
		case of == nil:
			return nil, failure{error: fmt.Errorf("no dyndns handler changes a zone of %s", host.Name)}
		case s == nil:
			s = of
		case s.ZoneOf(host.Name) == "":
			return nil, fmt.Errorf("%s lies in a zone of another dyndns handler than the names before it", host.Name)
		}
	}
	out := s.Do(ctx, itself, sub)
	return records.Results(&out), outcomeError(&out)
}

// outcomeError returns what went wrong with any name.
func outcomeError(out *service.Outcome) error {
	all := []*service.Error{out.Err}
	for h := range out.Names() {
		all = append(all, h.Err)
	}
	var errs []error
	var again failure
	for _, err := range all {
		if err == nil {
			continue
		}
		errs = append(errs, err)
		switch err.Reason {
		case zone.Unreachable, zone.Timeout, zone.Busy:
			again.after = max(again.after, err.RetryAfter)
		default:
			return errors.Join(errs...)
		}
	}
	if errs == nil {
		return nil
	}
	again.error = errors.Join(errs...)
	return again
}
