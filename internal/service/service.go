package service

import (
	"context"
	"net/netip"
	"slices"
	"time"

	"github.com/caddy-dyndns/dyndns/clients"
	"github.com/caddy-dyndns/dyndns/internal/challenge"
	"github.com/caddy-dyndns/dyndns/internal/name"
	"github.com/caddy-dyndns/dyndns/internal/propagation"
	"github.com/caddy-dyndns/dyndns/internal/quota"
	"github.com/caddy-dyndns/dyndns/internal/throttle"
	"github.com/caddy-dyndns/dyndns/zone"
)

// Zone is a zone that the service may change.
type Zone struct {
	// Name is the normalised absolute name.
	Name string
	// TTL is what a record gets in seconds where the request asks for none.
	TTL uint32
	// Backend changes it. What it can beside that is asked for where it is needed.
	Backend zone.Zone
	// Propagation waits until the zone's nameservers serve a new challenge; nil if the
	// reply does not wait for them.
	Propagation *propagation.Watcher
}

// Config is the policy of one handler.
type Config struct {
	Zones    []Zone
	Clients  clients.Source
	Throttle *throttle.Throttle
	Limit    throttle.Limit
	// Quota counts what clients with a limit change.
	Quota *quota.Quota
	// MinTTL and MaxTTL bound what a request may ask for, in seconds.
	MinTTL, MaxTTL uint32
	// PublicOnly refuses private addresses even when they are given explicitly.
	PublicOnly bool
	// PrivateClients publishes a private address that was only detected.
	PrivateClients bool
	// Challenges are the values of ACME challenges that were added.
	Challenges *challenge.Notes
	// Checking holds one value while a self-test runs. Services that change the same
	// zones have the same: each test writes to every zone.
	Checking chan struct{}
	// Timeout bounds the search for a request's client and, after it, its DNS work.
	Timeout time.Duration
	// NameServers keeps what was proven of the zones' nameservers; needed with
	// more than one zone.
	NameServers NameServerStore
	// Warn is told what an operator should know; zone may be empty, err nil.
	Warn func(message, zone string, err error)
}

// Service answers submissions by one policy.
type Service struct {
	Config
	zones       map[string]*Zone
	names       name.Zones
	nameServers nameServers
}

// New returns a service with the given policy.
func New(c Config) *Service {
	s := &Service{Config: c, zones: make(map[string]*Zone, len(c.Zones))}
	names := make([]string, 0, len(c.Zones))
	for i := range c.Zones {
		s.zones[c.Zones[i].Name] = &c.Zones[i]
		names = append(names, c.Zones[i].Name)
	}
	s.names = name.NewZones(names)
	return s
}

// ZoneOf returns the absolute name of the zone that a name, which [name.Owner] has made,
// lies in, empty if in none.
func (s *Service) ZoneOf(fqdn string) string {
	apex, _ := s.names.Of(fqdn)
	return apex
}

// Credential is everything that a request presented to say who it is.
type Credential struct {
	// Secrets are the presented ones, each once.
	Secrets []string
	// InURL tells that the request did not use Basic alone: a challenge would
	// not make it present another.
	InURL bool
	// Malformed tells that a credential could not be read at all.
	Malformed bool
}

// Authenticate finds the client that presented the credential. from is the
// address that wrong ones are counted against. A client that may not ask at all is
// returned with the error.
//
// A network that has spent its failures is refused before its credential is
// looked at: else the throttle would only change the word that a guesser reads. What
// was right from there before may pass, so that one wrong router does not lock out the
// others behind the same address, but never the secret: it is short enough to guess.
func (s *Service) Authenticate(ctx context.Context, c Credential, from netip.Addr, now time.Time) (*clients.Client, *Error) {
	if len(c.Secrets) == 0 && !c.Malformed {
		return nil, &Error{Reason: NoCredential, Message: "a secret or token is needed"}
	}
	known := func(secret string) bool { return s.Throttle.Knows(from, clients.DigestOf(secret)) }
	if retry, blocked := s.Throttle.Blocked(from, s.Limit, now); blocked && (c.Malformed || !all(c.Secrets, known)) {
		return nil, &Error{
			Reason:     Throttled,
			Message:    "too many wrong secrets from your network, try again later",
			RetryAfter: retry,
		}
	}
	if _, atOnce := s.Clients.(*clients.Static); !atOnce {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, s.Timeout)
		defer cancel()
	}
	var client *clients.Client
	wrong, disagree := c.Malformed, false
	for _, secret := range c.Secrets {
		found, err := s.findClient(ctx, secret)
		if err != nil {
			// What is too short for a token is none, whatever the source would say: else
			// nothing would slow down who guesses the secret of the configuration meanwhile.
			if len(secret) >= clients.MinTokenLength {
				return nil, &Error{Reason: ClientsFailed, Message: "it cannot be told at present whose token this is; try again later", RetryAfter: busyRetry, Cause: err}
			}
			found = nil
		}
		wrong = wrong || found == nil
		// A source may make a new client for every call: its name is who it is.
		disagree = disagree || client != nil && found != nil && found.Name != client.Name
		client = found
	}
	switch {
	case wrong && len(c.Secrets) > 1, disagree:
		s.Throttle.Fail(from, s.Limit, now)
		return nil, &Error{Reason: BadCredential, Message: "the secrets of this request disagree", InURL: c.InURL}
	case wrong:
		s.Throttle.Fail(from, s.Limit, now)
		return nil, &Error{Reason: BadCredential, Message: "wrong secret or token", InURL: c.InURL}
	}
	if !client.Unrestricted() {
		for _, secret := range c.Secrets {
			s.Throttle.Succeeded(from, clients.DigestOf(secret))
		}
	}
	if client.Disabled() {
		return client, &Error{Reason: ClientDisabled, Message: "this client is disabled"}
	}
	if !client.Admits(from) {
		return client, &Error{Reason: WrongNetwork, Message: "this client may not ask from your network"}
	}
	return client, nil
}

func all(secrets []string, are func(string) bool) bool {
	return !slices.ContainsFunc(secrets, func(s string) bool { return !are(s) })
}

// findClient returns the client that a secret belongs to, nil if there is none.
func (s *Service) findClient(ctx context.Context, secret string) (client *clients.Client, err error) {
	// A defect of a source must not end the process.
	defer func() {
		if v := recover(); v != nil {
			s.Warn("internal error in what finds clients", "", panicked(v))
			err = errDefect
		}
	}()
	return s.Clients.FindClient(ctx, clients.DigestOf(secret))
}
