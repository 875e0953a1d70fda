package service

import (
	"context"
	"net/netip"
	"slices"

	"github.com/caddy-dyndns/dyndns/internal/address"
	"github.com/caddy-dyndns/dyndns/zone"
)

// move is a change of a zone's work that is to move the present addresses behind a
// prefix. The change keeps them as long as they are not known.
type move struct {
	change int
	prefix netip.Prefix
	// required tells that it is an error if there is nothing to move.
	required bool
}

// maxMoves bounds how often a move follows another writer.
const maxMoves = 3

// addMove has the AAAA change of the target that was added last move.
func (p *plan) addMove(prefix netip.Prefix, required bool) {
	t := &p.targets[len(p.targets)-1]
	w := &p.zones[t.work]
	for i := t.from; i < t.to; i++ {
		if w.changes[i].Type == zone.TypeAAAA {
			w.changes[i].Action = zone.Keep
			w.moves = append(w.moves, move{i, prefix, required})
		}
	}
}

// applyMoves reads what is to be moved and then makes all changes. A move is made only
// from the addresses that were read; where they have changed since, it is made again.
func (w *zoneWork) applyMoves(ctx context.Context) {
	left := slices.DeleteFunc(w.moves, func(m move) bool {
		return w.changes[m.change].Action != zone.Keep // a LAN host, whose address is known
	})
	read := make([]zone.Change, len(left))
	for i, m := range left {
		read[i] = w.changes[m.change]
	}
	var present []zone.Result
	if len(read) > 0 {
		present = w.ask(ctx, read)
	}
	refused := map[int]*Error{}
	for i, m := range left {
		refused[m.change] = w.aim(m, present[i])
	}
	w.results = w.ask(ctx, w.changes)
	for try := 1; ; try++ {
		left = slices.DeleteFunc(left, func(m move) bool {
			r, c := &w.results[m.change], &w.changes[m.change]
			return r.Err != nil || c.Expect == nil || slices.Equal(r.Old, c.Expect)
		})
		if len(left) == 0 {
			break
		}
		if try == maxMoves {
			for _, m := range left {
				refused[m.change] = &Error{Reason: zone.Busy, Message: w.changes[m.change].Name + " is changed by somebody else all the time", RetryAfter: busyRetry}
			}
			break
		}
		again := make([]zone.Change, len(left))
		for i, m := range left {
			refused[m.change] = w.aim(m, w.results[m.change])
			again[i] = w.changes[m.change]
		}
		for i, r := range w.ask(ctx, again) {
			w.results[left[i].change] = r
		}
	}
	for i, err := range refused {
		if err != nil && w.results[i].Err == nil {
			w.results[i].Err = err
		}
	}
}

// aim turns a change into the move of what is present. It returns why that cannot be.
func (w *zoneWork) aim(m move, present zone.Result) *Error {
	c := &w.changes[m.change]
	c.Action, c.Values, c.Expect = zone.Keep, nil, nil
	if present.Err != nil {
		return nil // the next attempt will say it
	}
	var values []string
	moved := false
	for _, text := range present.New {
		addr, err := netip.ParseAddr(text)
		if err != nil {
			return &Error{Reason: BadAddress, Message: c.Name + " holds what is no address"}
		}
		// One that is only reachable inside the network has nothing to do with the
		// prefix of a provider, and the other way round.
		if address.Private(addr) == address.Private(m.prefix.Addr()) {
			if addr, err = address.Move(addr, m.prefix); err != nil {
				return &Error{Reason: BadAddress, Message: err.Error()}
			}
			moved = true
		}
		if text = addr.String(); !slices.Contains(values, text) {
			values = append(values, text)
		}
	}
	switch {
	case moved:
		c.Action, c.Values, c.Expect = zone.Set, values, present.New
	case m.required:
		return &Error{Reason: BadAddress, Message: c.Name + " has no IPv6 address that could move behind " + m.prefix.String()}
	}
	return nil
}
