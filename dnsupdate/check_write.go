package dnsupdate

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/caddy-dyndns/dyndns/dnsupdate/internal/transport"
	"github.com/caddy-dyndns/dyndns/dnsupdate/internal/wire"
	"github.com/caddy-dyndns/dyndns/zone"
)

// writeCheck tests an updater with a record of its own.
type writeCheck struct{ *Updater }

// run writes a record, reads it back and removes it.
func (u writeCheck) run(ctx context.Context) []zone.CheckStep {
	text := strings.ToLower(rand.Text())
	change := zone.Change{
		Name: "_dyndns-check-" + text + "." + u.zone, Type: zone.TypeTXT,
		Action: zone.Set, Values: []string{text}, TTL: checkTTL,
	}
	started := time.Now()
	written := u.Apply(ctx, []zone.Change{change})[0]
	write := zone.CheckStep{Name: "write", Took: time.Since(started), Detail: change.Name + " TXT", Err: written.Err}
	var unknown *zone.Error
	if e, ok := written.Err.(*zone.Error); ok {
		if e.Reason == zone.Refused && e.RCode != "" {
			write.Detail += ", for which the check needs a key that may change TXT records"
		}
		if !e.Unknown {
			return []zone.CheckStep{write}
		}
		unknown = e
	}
	steps := []zone.CheckStep{write}
	if written.Err == nil {
		steps = append(steps, u.readBack(ctx, change))
	}

	// The record must go even if the caller has.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanUpTime)
	defer cancel()
	started = time.Now()
	remove := zone.CheckStep{Name: "remove"}
	if unknown != nil {
		remove.Detail, remove.Err = u.cleanUp(ctx, change.Name, unknown.Verified)
	} else {
		removal := change
		removal.Action, removal.Values = zone.Delete, nil
		remove.Err = u.Apply(ctx, []zone.Change{removal})[0].Err
	}
	remove.Took = time.Since(started)
	if remove.Err != nil {
		remove.Detail = change.Name + " TXT may still be there, remove it by hand"
	}
	return append(steps, remove)
}

// cleanUp removes the record of a write whose outcome is unknown, and tells what
// it found. Apply would wait until the write's message cannot be applied any more.
func (u writeCheck) cleanUp(ctx context.Context, name string, answered bool) (found string, err error) {
	switch exists, proven := u.stands(ctx, name); {
	case proven && !exists && answered:
		return "nothing was there", nil
	case proven && !exists:
		return "nothing was there; should the message still arrive, remove " + name + " TXT by hand", nil
	}
	o := u.ask(ctx, func(s *session) outcome {
		s.begin().Replace(wire.RRsetID{Name: name, Type: zone.TypeTXT}, nil, 0)
		return s.send(wire.StampAt(time.Now()))
	})
	if o.verdict != accepted {
		return "", o.err
	}
	return name + " TXT had been written and is gone", nil
}

// readBack polls for a record: with inline signing it shows only after a while.
func (u writeCheck) readBack(ctx context.Context, change zone.Change) zone.CheckStep {
	started := time.Now()
	step := zone.CheckStep{Name: "read back"}
	id := wire.RRsetID{Name: change.Name, Type: zone.TypeTXT}
	hint := "the nameserver took the record but does not show it"
	for pause := 5 * time.Millisecond; ; pause = min(2*pause, 500*time.Millisecond) {
		var queries []transport.Query
		o := u.ask(ctx, func(s *session) outcome {
			queries = []transport.Query{{RRsetID: id}}
			return s.askAll(queries)
		})
		if o.verdict != accepted {
			step.Took, step.Err = time.Since(started), o.err
			return step
		}
		set := answered(queries[0].Answer, id)
		step.Took = time.Since(started)
		if slices.Equal(set.Text, change.Values) {
			step.Detail = fmt.Sprintf("TTL %d", set.TTL)
			return step
		}
		if pause == 5*time.Millisecond {
			switch exists, proven := u.stands(ctx, change.Name); {
			case proven && !exists:
				step.Err = errors.New("the nameserver acknowledged the record and does not hold it: a policy may drop what it acknowledges, PowerDNS: lua-dnsupdate-policy-script")
				return step
			case proven:
				hint = "the nameserver holds the record but does not show it: it may be a secondary that forwards updates and gets no NOTIFY, answer from another view, or have stopped signing"
			}
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			step.Err = &zone.Error{Reason: zone.Timeout, Zone: u.zone, Name: change.Name, Cause: ctx.Err(), Hint: hint}
			return step
		}
	}
}

// stands asks the zone that updates go to, which reads may lag behind, whether the
// TXT record is there.
func (u writeCheck) stands(ctx context.Context, name string) (exists, proven bool) {
	o := u.ask(ctx, func(s *session) (o outcome) {
		exists, o = s.prove(wire.RRsetID{Name: name, Type: zone.TypeTXT})
		return o
	})
	return exists, o.verdict == accepted
}
