package provider

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/libdns/libdns"
	"go.uber.org/zap"

	"github.com/caddy-dyndns/dyndns/internal/name"
	"github.com/caddy-dyndns/dyndns/internal/records"
	"github.com/caddy-dyndns/dyndns/zone"
)

const (
	// setTime is how long an outage may last until the address of this machine is lost:
	// what reports it does so once.
	setTime = 10 * time.Minute
	// otherTime is how long anything else is tried, which is asked for again.
	otherTime = 2 * time.Minute
	// maxChanged bounds the names that are remembered.
	maxChanged = 1000
	// maxNames is how many names are asked for at once.
	maxNames = 50
)

// GetRecords returns the records at names that this Caddy serves or that were changed
// before, and at the names of the token: a zone tells nobody of all its names.
func (p *Provider) GetRecords(ctx context.Context, zoneName string) ([]libdns.Record, error) {
	var found []libdns.Record
	seen := make(map[string]bool)
	// Without names, those of the token are asked for.
	for _, chunk := range append(slices.Collect(slices.Chunk(p.names(zoneName), maxNames)), nil) {
		failure := p.persist(ctx, otherTime, func(ctx context.Context) error {
			results, err := p.backend.list(ctx, chunk)
			for _, r := range results {
				if id := r.Name + " " + r.Type; !seen[id] {
					seen[id] = true
					found = append(found, toLibdns(r, zoneName, r.New)...)
				}
			}
			return err
		})
		if failure != nil {
			return nil, fmt.Errorf("records of %s: %w", zoneName, failure)
		}
	}
	return found, nil
}

// names returns the names in a zone that somebody may look for.
func (p *Provider) names(zoneName string) []string {
	apex, err := name.Zone(zoneName)
	if err != nil {
		return nil
	}
	names := p.managed()
	p.mu.Lock()
	for fqdn := range p.changed {
		names = append(names, fqdn)
	}
	p.mu.Unlock()
	names = slices.DeleteFunc(names, func(fqdn string) bool { return fqdn != apex && !strings.HasSuffix(fqdn, "."+apex) })
	slices.Sort(names)
	return slices.Compact(names)
}

// AppendRecords adds values. It returns all records, also those that stood there before.
// The value of an ACME challenge is served by all nameservers then, or a while has passed.
func (p *Provider) AppendRecords(ctx context.Context, zoneName string, recs []libdns.Record) ([]libdns.Record, error) {
	if _, err := p.apply(ctx, otherTime, zoneName, recs, func(list []records.Record) records.Request { return records.Request{Add: list} }); err != nil {
		return nil, err
	}
	return typed(recs), nil
}

// SetRecords replaces the RRsets of the records, all of one zone at once.
func (p *Provider) SetRecords(ctx context.Context, zoneName string, recs []libdns.Record) ([]libdns.Record, error) {
	if _, err := p.apply(ctx, setTime, zoneName, recs, func(list []records.Record) records.Request { return records.Request{Set: list} }); err != nil {
		return nil, err
	}
	return typed(recs), nil
}

// DeleteRecords removes values, or all of a name and type where a record has no data. It
// returns what was there. TTLs do not matter: all values of a name and type have one.
func (p *Provider) DeleteRecords(ctx context.Context, zoneName string, recs []libdns.Record) ([]libdns.Record, error) {
	results, err := p.apply(ctx, otherTime, zoneName, recs, func(list []records.Record) records.Request { return records.Request{Delete: list} })
	var gone []libdns.Record
	for _, r := range results {
		values := slices.DeleteFunc(slices.Clone(r.Old), func(v string) bool { return slices.Contains(r.New, v) })
		gone = append(gone, toLibdns(r, zoneName, values)...)
	}
	return gone, err
}

// apply has the backend make the change that request makes of the records, and remembers
// the names.
func (p *Provider) apply(ctx context.Context, limit time.Duration, zoneName string, recs []libdns.Record, request func([]records.Record) records.Request) (results []records.Result, err error) {
	if len(recs) == 0 {
		return nil, nil
	}
	list, err := fromLibdns(recs, zoneName)
	if err != nil {
		return nil, err
	}
	err = p.persist(ctx, limit, func(ctx context.Context) (err error) {
		results, err = p.backend.change(ctx, request(list))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("records of %s: %w", zoneName, err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, r := range results {
		if len(p.changed) < maxChanged {
			p.changed[r.Name] = true
		}
		if r.Changed {
			p.logger.Info("changed records", zap.String("name", r.Name), zap.String("type", r.Type), zap.Strings("old", r.Old), zap.Strings("new", r.New), zap.Bool("proven", r.Proven))
		}
	}
	return results, nil
}

// fromLibdns returns records with absolute names. Callers disagree on what a zone and a
// relative name are: the zone may lack its final dot, and a name may be in any case.
func fromLibdns(recs []libdns.Record, zoneName string) ([]records.Record, error) {
	zoneName = strings.TrimSuffix(zoneName, ".") + "."
	list := make([]records.Record, len(recs))
	for i, rec := range recs {
		rr := rec.RR()
		if _, known := zone.ParseType(rr.Type); !known {
			return nil, fmt.Errorf("the type %q of %s is none of A, AAAA, HTTPS and TXT", rr.Type, rr.Name)
		}
		fqdn := zoneName
		switch {
		case strings.HasSuffix(rr.Name, "."):
			fqdn = rr.Name
		case rr.Name != "" && rr.Name != "@":
			fqdn = rr.Name + "." + zoneName
		}
		list[i] = records.Record{Name: fqdn, Type: rr.Type, TTL: uint32(rr.TTL / time.Second), Data: rr.Data}
	}
	return list, nil
}

// toLibdns returns the values of an RRset with a name relative to the zone.
func toLibdns(r records.Result, zoneName string, values []string) (recs []libdns.Record) {
	apex, _ := name.Zone(zoneName)
	relative := strings.TrimSuffix(strings.TrimSuffix(r.Name, apex), ".")
	if relative == "" {
		relative = "@"
	}
	for _, data := range values {
		recs = append(recs, libdns.RR{Name: relative, Type: r.Type, TTL: time.Duration(r.TTL) * time.Second, Data: data})
	}
	return typed(recs)
}

// typed returns records as the structures of their types, which callers assert.
func typed(recs []libdns.Record) (all []libdns.Record) {
	for _, rec := range recs {
		if parsed, err := rec.RR().Parse(); err == nil {
			rec = parsed
		}
		all = append(all, rec)
	}
	return all
}
