// Package expiry removes addresses that nobody has confirmed for a long time: a name whose
// machine is gone leads to somebody else's sooner or later.
package expiry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/caddy-dyndns/dyndns/internal/stored"
	"github.com/caddy-dyndns/dyndns/zone"
)

const (
	// settle is how long a value stays marked before it is removed: longer than another
	// instance may take to write down that it was confirmed. The history is written within a
	// minute, and after that rests for at most twenty times as long.
	settle = 30 * time.Minute
	// gap is how much time may pass between two sweeps. A longer one did not count: nobody
	// could confirm anything where the process stood still, the storage is that of a
	// backup, or the clock jumped.
	gap = time.Hour

	folder = "dyndns/expiry/"
	lock   = "dyndns/expiry-sweep"
)

// Held is what a name holds in one type, as it was confirmed last.
type Held struct {
	Name   string
	Type   zone.Type
	Values []string
	// Seen is when a client that may change it last said what it should be.
	Seen time.Time
}

// History tells what clients have confirmed, in this process and in others.
type History interface {
	// Held returns the addresses in a zone that clients have said, after it has read what
	// others wrote.
	Held(ctx context.Context, inZone func(name string) bool) ([]Held, error)
	// Expired has an RRset be no client's any more.
	Expired(Held)
}

// Sweeper removes what has expired in one zone.
type Sweeper struct {
	Storage stored.Storage
	History History
	// Zone is an absolute name, InZone tells which names lie in it and not in one below
	// that is configured too.
	Zone   string
	InZone func(name string) bool
	// After is how long an address stands that nobody confirms.
	After time.Duration
	// Remove removes the RRset if it still holds those values. It returns no error if that
	// holds others.
	Remove func(context.Context, Held) error
}

// state is what the instances know together.
type state struct {
	// Since is from when on there were sweeps without a gap, Last the last of them.
	Since, Last time.Time
	// Marked are the values that are to be removed, by name and type, and since when.
	Marked map[string]mark `json:",omitempty"`
}

type mark struct{ Seen, At time.Time }

// Expires returns when a value is removed that was confirmed last at that time and is not
// confirmed again.
func Expires(seen, since time.Time, after time.Duration) time.Time {
	if since.After(seen) {
		seen = since
	}
	return seen.Add(after)
}

// Sweep marks what has expired, and removes what was marked before and has not been
// confirmed since by any instance. One instance does so at a time.
func (s *Sweeper) Sweep(ctx context.Context, now time.Time) error {
	return stored.Locked(ctx, s.Storage, lock, func() error { return s.sweep(ctx, now) })
}

func (s *Sweeper) sweep(ctx context.Context, now time.Time) error {
	was, err := s.load(ctx)
	if err != nil {
		return err
	}
	next := state{Since: was.Since, Last: now, Marked: map[string]mark{}}
	if now.Sub(was.Last).Abs() > gap {
		next.Since, was.Marked = now, nil
	}
	held, err := s.History.Held(ctx, s.InZone)
	if err != nil {
		return fmt.Errorf("reading what was confirmed: %w", err)
	}
	var expired []Held
	for _, h := range held {
		if now.Before(Expires(h.Seen, next.Since, s.After)) {
			continue
		}
		key := h.Name + " " + h.Type.String()
		m, marked := was.Marked[key]
		if !marked || !m.Seen.Equal(h.Seen) {
			m = mark{Seen: h.Seen, At: now}
		}
		if now.Sub(m.At) >= settle {
			expired = append(expired, h)
		} else {
			next.Marked[key] = m
		}
	}
	// Before anything is removed: an instance whose writing fails must not go on by itself.
	if err := stored.Store(ctx, s.Storage, s.key(), next); err != nil {
		return err
	}
	var all error
	for _, h := range expired {
		err := s.Remove(ctx, h)
		if err == nil {
			s.History.Expired(h)
		}
		all = errors.Join(all, err)
	}
	return all
}

func (s *Sweeper) key() string { return folder + strings.TrimSuffix(s.Zone, ".") + ".json" }

// load returns the state, an empty one if there is none that can be read: the grace begins
// anew then.
func (s *Sweeper) load(ctx context.Context) (was state, err error) {
	data, err := stored.Load(ctx, s.Storage, s.key())
	if json.Unmarshal(data, &was) != nil {
		was = state{}
	}
	return was, err
}

// Since returns from when on there were sweeps without a gap; zero if there was none.
func (s *Sweeper) Since(ctx context.Context) (time.Time, error) {
	was, err := s.load(ctx)
	return was.Since, err
}

// Every sweeps until ctx ends, the first time after an interval. warn is told what fails.
func Every(ctx context.Context, interval time.Duration, sweepers []*Sweeper, warn func(zone string, err error)) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case now := <-ticker.C:
			for _, s := range sweepers {
				if err := s.Sweep(ctx, now); err != nil && ctx.Err() == nil {
					warn(s.Zone, err)
				}
			}
		case <-ctx.Done():
			return
		}
	}
}
