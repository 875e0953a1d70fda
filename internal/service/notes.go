package service

import (
	"context"
	"errors"
	"strings"

	"github.com/caddy-dyndns/dyndns/clients"
	"github.com/caddy-dyndns/dyndns/internal/challenge"
	"github.com/caddy-dyndns/dyndns/zone"
)

// holdChallenges waits until no other request changes the challenges of a submission.
func (s *Service) holdChallenges(ctx context.Context, client *clients.Client, sub *Submission) (release func(), failure *Error) {
	writes := func(w Wish) bool { return w.Mentioned() && w.Action != zone.Keep }
	var owners []string
	for _, host := range sub.Hosts {
		if !writes(host.Challenge) && !writes(host.TXT) {
			continue
		}
		fqdn, err := host.FQDN()
		if sub.ShortNames && !strings.Contains(host.Name, ".") {
			fqdn, _, _ = s.resolveShort(client, host.Name)
		}
		if err == nil { // else nothing is changed there
			owners = append(owners, challenge.Owner(strings.TrimPrefix(fqdn, challenge.Prefix)))
		}
	}
	if owners == nil {
		return func() {}, nil
	}
	release, err := s.Challenges.Hold(ctx, owners)
	if err != nil {
		return nil, &Error{Reason: zone.Busy, Message: "other changes of the challenge take too long; try again later", RetryAfter: busyRetry, Cause: err}
	}
	return release, nil
}

// note notes the values that a plan adds, before it does: else nobody would know of them
// if this process ended.
func (s *Service) note(ctx context.Context, p *plan) *Error {
	for i := range p.targets {
		t := &p.targets[i]
		if t.texts == nil {
			continue
		}
		for _, v := range t.texts.added {
			if err := s.Challenges.Add(ctx, v); err != nil {
				return unnoted(err)
			}
		}
	}
	return nil
}

// forget drops the notes of the values that a plan has removed and of those that it surely
// has not added: the latter would take the places of others.
func (s *Service) forget(ctx context.Context, p *plan) {
	for i := range p.targets {
		t := &p.targets[i]
		if t.texts == nil {
			continue
		}
		var gone []challenge.Value
		switch p.zones[t.work].textsFate(t.from, t.to) {
		case made:
			gone = t.texts.gone
		case unmade:
			gone = t.texts.new
		}
		for _, v := range gone {
			if err := s.Challenges.Remove(ctx, v); err != nil {
				s.Warn("a challenge that is gone could not be forgotten", v.Zone, err)
			}
		}
	}
}

// fate is what became of changes.
type fate uint8

const (
	// undecided: that is not known, or not the same of all.
	undecided fate = iota
	made
	unmade
)

// textsFate returns what became of the changes of texts within these bounds.
func (w *zoneWork) textsFate(from, to int) (all fate) {
	for i := from; i < to; i++ {
		if w.changes[i].Type != zone.TypeTXT {
			continue
		}
		one := made
		if err := w.results[i].Err; err != nil {
			var failed *zone.Error
			if one = unmade; !errors.As(err, &failed) || failed.Unknown {
				return undecided
			}
		}
		if all != undecided && all != one {
			return undecided
		}
		all = one
	}
	return all
}
