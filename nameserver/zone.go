package nameserver

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/miekg/dns"

	"github.com/caddy-dyndns/dyndns/internal/authority"
	"github.com/caddy-dyndns/dyndns/internal/change"
	"github.com/caddy-dyndns/dyndns/nameserver/internal/store"
	"github.com/caddy-dyndns/dyndns/zone"
)

// Zone changes a zone of a [Server]. It stays the same zone when the server is
// configured again.
type Zone struct {
	server *Server
	name   string
}

var _ interface {
	zone.Zone
	zone.NameServerLister
	zone.Checker
	zone.StatusReporter
} = (*Zone)(nil)

// defaultTime is what an Apply may take whose context has no deadline.
const defaultTime = 10 * time.Second

var errNotServed = errors.New("the zone is not served any more")

// served returns the zone's data, nil if it is not served any more.
func (z *Zone) served() *served { return z.server.table.Load().zones[z.name] }

// Apply makes the changes and returns one result for each, in the same order. All of
// them happen together, but for those of a name with which something is wrong. It
// returns when what was changed is on disk or ctx ends; without a deadline in ctx it
// takes ten seconds at most.
func (z *Zone) Apply(ctx context.Context, changes []zone.Change) []zone.Result {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, defaultTime)
		defer cancel()
	}
	a := new(application)
	a.changes, a.invalid = change.Check(z.name, changes)
	if len(a.changes) == 0 {
		return a.invalid
	}
	served := z.served()
	if served == nil {
		return a.failAll(z.name, zone.Error{Reason: zone.Refused, Cause: errNotServed})
	}
	if err := ctx.Err(); err != nil {
		return a.failAll(z.name, zone.Error{Reason: zone.Timeout, Cause: err})
	}
	// What changes nothing waits for no disk.
	unchanged := false
	served.read(func(c *configuration, data *authority.Zone) { unchanged = len(a.run(c, data.Overlay())) == 0 })
	if unchanged {
		return a.results
	}
	w := z.server.writer
	j := &job{zone: served, size: len(a.changes), change: a.run, done: make(chan struct{})}
	if !w.enter(j) {
		return a.failAll(z.name, zone.Error{Reason: zone.Busy, Hint: "too many changes are waiting; try again in a few seconds"})
	}
	select {
	case <-j.done:
	case <-ctx.Done():
		left := w.leave(j)
		select {
		case <-j.done:
		default:
			return a.failAll(z.name, zone.Error{Reason: zone.Timeout, Unknown: !left, Cause: ctx.Err()})
		}
	}
	if j.err != nil {
		// It is what the server says to an UPDATE then.
		return a.failAll(z.name, zone.Error{
			Reason: zone.Unreachable, RCode: dns.RcodeToString[dns.RcodeServerFailure], Verified: true,
			Unknown: errors.Is(j.err, store.ErrInDoubt), Cause: j.err,
		})
	}
	return a.results
}

// NameServers returns the names of the zone's nameservers, which the configuration has.
func (z *Zone) NameServers(context.Context) (zone.NameServers, error) {
	served := z.served()
	if served == nil {
		return zone.NameServers{}, &zone.Error{Reason: zone.Refused, Zone: z.name, Cause: errNotServed}
	}
	var names []string
	served.read(func(c *configuration, _ *authority.Zone) { names = c.nameServers })
	return zone.NameServers{Names: names, Proven: true}, nil
}

// Check tests whether the database can be written.
func (z *Zone) Check(context.Context) []zone.CheckStep {
	start := time.Now()
	step := zone.CheckStep{Name: "write", Detail: "the database takes changes"}
	served := z.served()
	if served == nil {
		step.Err = errNotServed
	} else if err := z.server.writer.file.Probe(); err != nil {
		step.Err = fmt.Errorf("the database cannot be written: %w", err)
	}
	if step.Err != nil {
		step.Detail = ""
	}
	step.Took = time.Since(start)
	return []zone.CheckStep{step}
}

// Status tells how many changes of all zones wait.
func (z *Zone) Status() zone.Status {
	return zone.Status{Zone: z.name, Waiting: z.server.writer.status()}
}
