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

// challengeTTL is that of a challenge in seconds: nobody asks for it twice.
const challengeTTL = 60

// rollingValues is how many values stand of a client that removes none: those of a name
// and of its wildcard.
const rollingValues = 2

// texts are the changes of a TXT RRset and, with them, the challenges that are added, those
// of them that were not noted before, and those that are gone.
type texts struct {
	changes          []zone.Change
	added, new, gone []challenge.Value
}

// text returns what the wishes for a host's challenge and for the texts at its own name
// come to.
func (s *Service) text(ctx context.Context, client *clients.Client, grant clients.Grant, fqdn string, in *Zone, host *Host, ttl uint32) (t texts, failure *Error) {
	if host.TXT.Mentioned() {
		// A text at a host's own name, such as a validation that lasts, says more than its
		// address does.
		if !client.Unrestricted() && !(grant == clients.Exact && strings.HasPrefix(fqdn, "_")) {
			return t, &Error{Reason: NotGranted, Message: "you may not change texts at " + fqdn}
		}
		if wish := host.TXT; (wish.Action == zone.Add || wish.Action == zone.Remove) && all(wish.Values, challenge.IsDigest) {
			failure = s.challenge(ctx, client, &t, fqdn, in, wish)
		} else {
			t.changes = append(t.changes, zone.Change{Name: fqdn, Type: zone.TypeTXT, Action: wish.Action, Values: wish.Values, TTL: ttl})
		}
	}
	if host.Challenge.Mentioned() && failure == nil {
		failure = s.challenge(ctx, client, &t, challenge.Owner(fqdn), in, host.Challenge)
	}
	return t, failure
}

// challenge adds the changes of the challenges at an owner to those of a host. Values of
// others stay.
func (s *Service) challenge(ctx context.Context, client *clients.Client, t *texts, owner string, in *Zone, wish Wish) *Error {
	if client.NoCertificates() {
		return &Error{Reason: NotGranted, Message: "you may have no certificates for " + strings.TrimPrefix(owner, challenge.Prefix)}
	}
	if !all(wish.Values, challenge.IsDigest) {
		return &Error{Reason: BadParameter, Message: "a value at " + owner + " is not the digest of a key authorization: 43 characters of base64url"}
	}
	ours, err := s.Challenges.At(ctx, in.Name, owner)
	if err != nil {
		return unnoted(err)
	}
	change := func(action zone.Action, texts []string) {
		t.changes = append(t.changes, zone.Change{Name: owner, Type: zone.TypeTXT, Action: action, Values: texts, TTL: challengeTTL})
	}
	wanted := func(v challenge.Value) bool { return slices.Contains(wish.Values, v.Text) }
	others := slices.DeleteFunc(slices.Clone(ours), wanted)
	rolled := slices.DeleteFunc(slices.Clone(others), func(v challenge.Value) bool { return !v.Rolls || v.Client != client.Name })
	var gone []challenge.Value
	switch {
	case wish.Action == zone.Keep:
	case wish.Action == zone.Remove && wish.Roll:
		gone = rolled
	case wish.Action == zone.Remove:
		for _, text := range wish.Values {
			gone = append(gone, challenge.Value{Zone: in.Name, Owner: owner, Text: text})
		}
	case wish.Roll:
		gone = rolled[:max(0, len(rolled)-(rollingValues-1))]
	case wish.Action != zone.Add:
		gone = others
	}
	if len(gone) > 0 {
		removed := make([]string, len(gone))
		for i := range gone {
			removed[i] = gone[i].Text
		}
		change(zone.Remove, removed)
		t.gone = append(t.gone, gone...)
	}
	if wish.Action == zone.Add || wish.Action == zone.Set {
		if n := len(others) - len(gone); n+len(wish.Values) > challenge.MaxValues {
			return &Error{Reason: zone.Busy, Message: fmt.Sprintf("%d values stand at %s already", n, owner), RetryAfter: busyRetry}
		}
		for _, text := range wish.Values {
			added := challenge.Value{Zone: in.Name, Owner: owner, Text: text, Client: client.Name, Added: time.Now(), Rolls: wish.Roll}
			t.added = append(t.added, added)
			if !slices.ContainsFunc(ours, func(v challenge.Value) bool { return v.Text == text }) {
				t.new = append(t.new, added)
			}
		}
		change(zone.Add, wish.Values)
	} else if len(gone) == 0 {
		change(zone.Keep, nil)
	}
	return nil
}

func unnoted(err error) *Error {
	return &Error{Reason: zone.Busy, Message: "the challenge could not be noted; try again later", RetryAfter: busyRetry, Cause: err}
}

// propagate waits until the nameservers serve the values that were added, and tells of
// those that do not. A client that hangs up loses nothing by that.
func (s *Service) propagate(ctx context.Context, p *plan, outcomes []HostOutcome) {
	if !slices.ContainsFunc(p.targets, func(t target) bool { return t.texts != nil }) {
		return
	}
	var all sync.WaitGroup
	var mu sync.Mutex
	for i, t := range p.targets {
		if t.texts == nil || outcomes[i].Err != nil {
			continue
		}
		for _, v := range t.texts.added {
			z := s.zones[v.Zone]
			if z.Propagation == nil {
				break
			}
			all.Go(func() {
				lagging := z.Propagation.Await(ctx, v.Owner, v.Text)
				if lagging == nil || ctx.Err() != nil {
					return
				}
				s.Warn("nameservers do not serve a new challenge", z.Name, errors.New(strings.Join(lagging, " ")))
				mu.Lock()
				defer mu.Unlock()
				outcomes[i].Lagging = append(outcomes[i].Lagging, lagging...)
			})
		}
	}
	all.Wait()
	for i := range outcomes {
		slices.Sort(outcomes[i].Lagging)
		outcomes[i].Lagging = slices.Compact(outcomes[i].Lagging)
	}
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
