// Package hostedtest has a DNS hoster in memory, with the habits that libdns providers
// have, for tests.
package hostedtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/libdns/libdns"

	"github.com/caddy-dyndns/dyndns/internal/change"
	"github.com/caddy-dyndns/dyndns/zone"
)

// Provider is a libdns provider with one zone. Its fields are set before it is used.
type Provider struct {
	// Zone is the absolute name of the zone.
	Zone string
	// Before and After are called around each call. An error of theirs is that of the
	// call: without effect, or after it.
	Before, After Fault
	// Drops has the provider acknowledge what it does not write.
	Drops bool
	// MinTTL is the least that it takes.
	MinTTL time.Duration
	// Appends has SetRecords leave what stands there.
	Appends bool
	// Single has SetRecords replace the whole RRset by each of its records.
	Single bool
	// Form returns a record as the provider returns it. Default: as libdns has it.
	Form func(libdns.RR) libdns.Record

	mu      sync.Mutex
	records []libdns.RR // absolute
	serial  uint32
	calls   []string
	running int
}

// Fault is what happens in a call of a method, such as "SetRecords".
type Fault func(ctx context.Context, method string, records []libdns.Record) error

// Opaque returns a record without its type.
func Opaque(rr libdns.RR) libdns.Record { return rr }

// Absolute returns a record whose name is absolute, without the final dot.
func Absolute(zone string) func(libdns.RR) libdns.Record {
	return func(rr libdns.RR) libdns.Record {
		rr.Name = strings.TrimSuffix(strings.TrimPrefix(libdns.AbsoluteName(rr.Name, zone), "@."), ".")
		return rr
	}
}

// Entry is a type of a provider's own, of which there are pointers.
type Entry struct{ Label, Kind, Content, Seconds string }

// RR returns the record, and panics of none.
func (e *Entry) RR() libdns.RR {
	seconds, _ := strconv.Atoi(e.Seconds)
	return libdns.RR{Name: e.Label, Type: e.Kind, Data: e.Content, TTL: time.Duration(seconds) * time.Second}
}

// Own returns a record as an [Entry].
func Own(rr libdns.RR) libdns.Record {
	return &Entry{rr.Name, strings.ToLower(rr.Type), rr.Data, strconv.Itoa(int(rr.TTL / time.Second))}
}

func typed(rr libdns.RR) libdns.Record {
	if parsed, err := rr.Parse(); err == nil {
		return parsed
	}
	return rr
}

// Put adds records past every habit.
func (p *Provider) Put(records ...libdns.RR) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, rr := range records {
		p.records = append(p.records, p.own(rr))
	}
}

// Calls returns the calls since it was asked last: the method, and name, type, TTL and data
// of each record.
func (p *Provider) Calls() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	calls := p.calls
	p.calls = nil
	return calls
}

// Values returns the values of an RRset.
func (p *Provider) Values(name string, t zone.Type) ([]string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var values []string
	for _, rr := range p.records {
		if strings.EqualFold(rr.Name, strings.TrimSuffix(name, ".")+".") && rr.Type == t.String() {
			set, err := change.ParseSet(t, []string{rr.Data}, 0)
			if err != nil {
				return nil, err
			}
			values = append(values, set.Text...)
		}
	}
	slices.Sort(values)
	return values, nil
}

// Serial returns the number of calls that changed the zone.
func (p *Provider) Serial() (uint32, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.serial, nil
}

// TTL returns that of the first record of an RRset.
func (p *Provider) TTL(name string, t zone.Type) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := slices.IndexFunc(p.records, func(rr libdns.RR) bool { return rr.Name == name && rr.Type == t.String() })
	return p.records[i].TTL
}

// own returns a record as it is kept.
func (p *Provider) own(r libdns.Record) libdns.RR {
	rr := r.RR()
	if !strings.HasSuffix(rr.Name, strings.TrimSuffix(p.Zone, ".")) {
		rr.Name = strings.TrimPrefix(libdns.AbsoluteName(rr.Name, p.Zone), "@.")
	}
	rr.Name, rr.Type = strings.TrimSuffix(rr.Name, ".")+".", strings.ToUpper(rr.Type)
	rr.TTL = max(rr.TTL.Truncate(time.Second), p.MinTTL)
	return rr
}

// GetRecords returns all records, and some that no reader may fall over.
func (p *Provider) GetRecords(ctx context.Context, zone string) ([]libdns.Record, error) {
	return p.call(ctx, "GetRecords", zone, nil, nil)
}

// AppendRecords adds records.
func (p *Provider) AppendRecords(ctx context.Context, zone string, records []libdns.Record) ([]libdns.Record, error) {
	return p.call(ctx, "AppendRecords", zone, records, func(rr libdns.RR) bool {
		p.records = append(p.records, rr)
		return true
	})
}

// SetRecords replaces RRsets, unless it has other habits.
func (p *Provider) SetRecords(ctx context.Context, zone string, records []libdns.Record) ([]libdns.Record, error) {
	var mine []libdns.RR
	return p.call(ctx, "SetRecords", zone, records, func(rr libdns.RR) bool {
		if !p.Appends {
			p.records = slices.DeleteFunc(p.records, func(other libdns.RR) bool {
				return other.Name == rr.Name && other.Type == rr.Type && (p.Single || !slices.Contains(mine, other))
			})
		}
		mine = append(mine, rr)
		p.records = append(p.records, rr)
		return true
	})
}

// DeleteRecords removes the records that are exactly as given.
func (p *Provider) DeleteRecords(ctx context.Context, zone string, records []libdns.Record) ([]libdns.Record, error) {
	return p.call(ctx, "DeleteRecords", zone, records, func(rr libdns.RR) bool {
		i := slices.Index(p.records, rr)
		if i < 0 {
			return false
		}
		p.records = slices.Delete(p.records, i, i+1)
		return true
	})
}

var errZone = errors.New("hostedtest: there is no such zone")

// call applies a change for each record and returns the records for which it did.
func (p *Provider) call(ctx context.Context, method, zone string, records []libdns.Record, apply func(libdns.RR) bool) ([]libdns.Record, error) {
	if zone != p.Zone {
		return nil, errZone
	}
	p.note(method, records)
	defer p.end()
	if p.Before != nil {
		if err := p.Before(ctx, method, records); err != nil {
			return nil, err
		}
	}
	form := p.Form
	if form == nil {
		form = typed
	}
	returned := p.apply(method, records, apply)
	if p.After != nil {
		if err := p.After(ctx, method, records); err != nil {
			return nil, err
		}
	}
	listed := make([]libdns.Record, 0, len(returned))
	for _, rr := range returned {
		rr.Name = strings.TrimSuffix(libdns.RelativeName(rr.Name, p.Zone), ".")
		listed = append(listed, form(rr))
	}
	if method == "GetRecords" {
		listed = append(listed, nil, (*Entry)(nil), libdns.RR{Name: "odd", Type: "LUA", Data: "?"}, libdns.RR{Name: "elsewhere.example.net.", Type: "A", Data: "192.0.2.1"}, libdns.RR{Name: "bad", Type: "A", Data: "none"})
	}
	return listed, nil
}

// note begins a call. libdns allows several at once, but not for one zone.
func (p *Provider) note(method string, records []libdns.Record) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running++; p.running > 1 {
		method += " beside another"
	}
	for _, r := range records {
		rr := r.RR()
		method += fmt.Sprintf(" %s %s %v %s", rr.Name, rr.Type, rr.TTL.Seconds(), rr.Data)
	}
	p.calls = append(p.calls, method)
}

func (p *Provider) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.running--
}

func (p *Provider) apply(method string, records []libdns.Record, apply func(libdns.RR) bool) (changed []libdns.RR) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if method == "GetRecords" {
		return slices.Clone(p.records)
	}
	before := slices.Clone(p.records)
	for _, r := range records {
		if rr := p.own(r); apply(rr) {
			changed = append(changed, rr)
		}
	}
	if p.Drops {
		p.records = before
	} else if !slices.Equal(before, p.records) {
		p.serial++
	}
	return changed
}
