package service

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/caddy-dyndns/dyndns/clients"
	"github.com/caddy-dyndns/dyndns/internal/challenge"
	"github.com/caddy-dyndns/dyndns/zone"
)

// challengeLabel is where RFC 8555 section 8.4 looks for the TXT record that
// proves control of a host; a TXT wish is written there, never at the host.
const challengeLabel = "_acme-challenge."

// challengeTTL is that of a challenge in seconds: nobody asks for it twice.
const challengeTTL = 60

// rollingValues is how many values stand of a client that removes none: those of a name
// and of its wildcard.
const rollingValues = 2

// challenge returns the changes of a host's challenge, and the notes of the value that is
// added with them, if any, and of those that are gone.
func (s *Service) challenge(ctx context.Context, client *clients.Client, fqdn string, in *Zone, wish Wish) (changes []zone.Change, added *challenge.Value, gone []challenge.Value, failure *Error) {
	if client.NoCertificates() {
		return nil, nil, nil, &Error{Reason: NotGranted, Message: "you may have no certificates for " + fqdn}
	}
	owner := challengeLabel + strings.TrimPrefix(fqdn, "*.")
	change := func(action zone.Action, texts ...string) {
		changes = append(changes, zone.Change{Name: owner, Type: zone.TypeTXT, Action: action, Values: texts, TTL: challengeTTL})
	}
	ours, err := s.Challenges.At(ctx, in.Name, owner)
	if err != nil {
		return nil, nil, nil, unnoted(err)
	}
	remove := func(values []challenge.Value) {
		for _, v := range values {
			change(zone.Remove, v.Text)
		}
		gone = append(gone, values...)
	}
	if wish.Action == zone.Remove {
		if wish.Values == nil { // all that rolled
			remove(slices.DeleteFunc(ours, func(v challenge.Value) bool { return !v.Rolls }))
		}
		for _, text := range wish.Values {
			remove([]challenge.Value{{Zone: in.Name, Owner: owner, Text: text}})
		}
		if changes == nil {
			change(zone.Keep)
		}
		return changes, added, gone, nil
	}
	text := wish.Values[0]
	ours = slices.DeleteFunc(ours, func(v challenge.Value) bool { return v.Text == text })
	if wish.Roll {
		rolled := slices.DeleteFunc(slices.Clone(ours), func(v challenge.Value) bool { return !v.Rolls })
		old := rolled[:max(0, len(rolled)-(rollingValues-1))]
		remove(old)
		ours = ours[min(len(old), len(ours)):]
	}
	if len(ours) >= challenge.MaxValues {
		return nil, nil, nil, &Error{Reason: zone.Busy, Message: fmt.Sprintf("%d values stand at %s already", len(ours), owner), RetryAfter: busyRetry}
	}
	added = &challenge.Value{Zone: in.Name, Owner: owner, Text: text, Client: client.Name, Added: time.Now(), Rolls: wish.Roll}
	// Before the value is added: else nobody would know of it if this process ended.
	if err := s.Challenges.Add(ctx, *added); err != nil {
		return nil, nil, nil, unnoted(err)
	}
	change(zone.Add, text)
	return changes, added, gone, nil
}

func unnoted(err error) *Error {
	return &Error{Reason: zone.Busy, Message: "the challenge could not be noted; try again later", RetryAfter: busyRetry, Cause: err}
}

// forget drops the notes of the values that a plan has removed.
func (s *Service) forget(ctx context.Context, p *plan, outcomes []HostOutcome) {
	for i, t := range p.targets {
		for _, v := range t.gone {
			if outcomes[i].Err != nil {
				break
			}
			if err := s.Challenges.Remove(ctx, v); err != nil {
				s.Warn("a challenge that is gone could not be forgotten", v.Zone, err)
			}
		}
	}
}

// propagate waits until the nameservers serve the values that were added. A client that
// hangs up loses nothing by that.
func (s *Service) propagate(ctx context.Context, p *plan, outcomes []HostOutcome) {
	var all sync.WaitGroup
	for i, t := range p.targets {
		if t.added == nil || outcomes[i].Err != nil {
			continue
		}
		z := s.zones[t.added.Zone]
		if z.Propagation == nil {
			continue
		}
		all.Go(func() {
			if lagging := z.Propagation.Await(ctx, t.added.Owner, t.added.Text); lagging != nil && ctx.Err() == nil {
				s.Warn("nameservers do not serve a new challenge", z.Name, errors.New(strings.Join(lagging, " ")))
			}
		})
	}
	all.Wait()
}

// SweepEvery sweeps challenges until ctx ends, the first time after an interval.
func (s *Service) SweepEvery(ctx context.Context, interval time.Duration) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case now := <-ticker.C:
			s.SweepChallenges(ctx, now)
		case <-ctx.Done():
			return
		}
	}
}

// SweepChallenges removes the values of the zones that have stood for too long. Only one
// instance of those with the same storage does so at a time.
func (s *Service) SweepChallenges(ctx context.Context, now time.Time) {
	for i := range s.Zones {
		z := &s.Zones[i]
		err := s.Challenges.Sweep(ctx, z.Name, now, func(v challenge.Value) error {
			ctx, cancel := context.WithTimeout(ctx, s.Timeout)
			defer cancel()
			w := zoneWork{zone: z, service: s, changes: []zone.Change{
				{Name: v.Owner, Type: zone.TypeTXT, Action: zone.Remove, Values: []string{v.Text}},
			}}
			w.apply(ctx)
			return w.results[0].Err
		})
		if err != nil && ctx.Err() == nil {
			s.Warn("challenges that nobody removed could not be removed", z.Name, err)
		}
	}
}
