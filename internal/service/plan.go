package service

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/caddy-dyndns/dyndns/clients"
	"github.com/caddy-dyndns/dyndns/internal/address"
	"github.com/caddy-dyndns/dyndns/internal/challenge"
	"github.com/caddy-dyndns/dyndns/internal/name"
	"github.com/caddy-dyndns/dyndns/internal/redact"
	"github.com/caddy-dyndns/dyndns/zone"
)

// plan resolves every name of the submission and turns its wishes into changes.
// An error spoils the whole request; what is wrong with one name stands in its outcome.
func (s *Service) plan(ctx context.Context, client *clients.Client, sub *Submission) (*plan, *Error) {
	if s.PublicOnly && sub.Prefix.IsValid() && address.Private(sub.Prefix.Addr()) {
		return nil, notPublished(sub.Prefix.String())
	}
	sub.Hosts = nameOwn(client, sub.Hosts)
	p := &plan{}
	p.targets, p.zones = p.targetArray[:0], p.zoneArray[:0]
	for i := range sub.Hosts {
		own := sub.Hosts[i] // the caller's is not to be changed
		host := &own
		if err := s.settleHost(host, sub.TTL, sub.Detected); err != nil {
			return nil, err
		}
		if host.Own && host.Name == "" {
			p.refuse("", &Error{Reason: BadName, Message: "no host name is given"})
			continue
		}
		if lan := lanHost(client, host); lan != nil {
			s.addLAN(p, *lan, nil, sub)
			continue
		}
		fqdn, in, grant, err := s.resolve(ctx, client, host, sub.ShortNames)
		if err != nil {
			p.refuse(orEcho(fqdn, host.Name), err)
			continue
		}
		if i, ok := p.find(fqdn); ok {
			p.targets = append(p.targets, target{sameAs: i})
			continue
		}
		texts, err := s.text(ctx, client, grant, fqdn, in, host, ttlOf(&host.TXT, sub, in))
		if err != nil {
			p.refuse(fqdn, err)
			continue
		}
		changes := append(s.changes(fqdn, in, host, sub), texts.changes...)
		for i := range changes {
			changes[i].NotNameServer = grant == clients.ByPattern
		}
		p.add(fqdn, in, changes...)
		if texts.changes != nil {
			noted := texts // only then it is allocated
			p.targets[len(p.targets)-1].texts = &noted
		}
		if host.AAAA.Move {
			p.addMove(sub.Prefix, host.AAAA.Action == zone.Set || len(client.LAN) == 0)
		}
	}
	if sub.Prefix.IsValid() {
		s.planLAN(p, client, sub)
	}
	return p, nil
}

// nameOwn returns the hosts with the name of the client's one exact host for those that
// stand for it, if it has one alone.
func nameOwn(client *clients.Client, hosts []Host) []Host {
	own := func(h Host) bool { return h.Own }
	if !slices.ContainsFunc(hosts, own) {
		return hosts
	}
	hosts = slices.Clone(hosts)
	exact := client.HostNames()
	for i := range hosts {
		if hosts[i].Own && len(exact) == 1 {
			hosts[i].Name = exact[0]
		}
	}
	return hosts
}

// settleHost settles what a host should hold and checks it against the policy.
func (s *Service) settleHost(h *Host, wanted *uint32, detected netip.Addr) *Error {
	for _, ttl := range [...]*uint32{wanted, h.A.TTL, h.AAAA.TTL, h.HTTPS.TTL, h.TXT.TTL} {
		if ttl != nil && (*ttl < s.MinTTL || *ttl > s.MaxTTL) {
			return &Error{
				Reason:  BadParameter,
				Message: fmt.Sprintf("ttl %d is not between %d and %d", *ttl, s.MinTTL, s.MaxTTL),
			}
		}
	}
	if err := s.settle(&h.A, zone.TypeA, detected); err != nil {
		return err
	}
	if err := s.settle(&h.AAAA, zone.TypeAAAA, detected); err != nil {
		return err
	}
	return s.settleHints(&h.HTTPS)
}

// orEcho is the normalised name, or the safe part of what the client wrote.
func orEcho(fqdn, text string) string {
	if fqdn != "" {
		return fqdn
	}
	return redact.Echo(text)
}

// settle turns a detected address into what it comes to for records of this type, and
// checks the addresses against the policy.
func (s *Service) settle(w *Wish, kind zone.Type, detected netip.Addr) *Error {
	switch {
	case w.Detect && detected.IsValid() && detected.Is4() != (kind == zone.TypeA):
		w.Detect = false
	case w.Detect:
		if err := s.detectable(detected); err != nil {
			return err
		}
		*w = Wish{Action: zone.Set, Values: []string{detected.String()}}
	case s.PublicOnly && (w.Action == zone.Set || w.Action == zone.Add):
		for _, v := range w.Values {
			if a, err := netip.ParseAddr(v); err == nil && address.Private(a) {
				return notPublished(v)
			}
		}
	}
	return nil
}

// settleHints checks the addresses in service bindings against the policy.
func (s *Service) settleHints(w *Wish) *Error {
	if !s.PublicOnly || w.Action != zone.Set && w.Action != zone.Add {
		return nil
	}
	for _, v := range w.Values {
		hints, err := address.Hints(v)
		if err != nil {
			return &Error{Reason: BadParameter, Message: err.Error()}
		}
		for _, a := range hints {
			if address.Private(a) {
				return notPublished(a.String())
			}
		}
	}
	return nil
}

func notPublished(address string) *Error {
	return &Error{Reason: BadAddress, Message: address + " is a private address, which this server does not publish"}
}

// detectable says why the address that a request came from is not published
// unasked: the address of a container bridge or of a proxy is the field's
// commonest accident.
func (s *Service) detectable(a netip.Addr) *Error {
	var message string
	switch err := address.Publishable(a); {
	case !a.IsValid():
		message = "your address is not known here; give one"
	case err != nil:
		message = "your address " + err.Error() + "; give one"
	case address.Private(a) && s.PublicOnly:
		message = "your address " + a.String() + " is a private address; give one"
	case address.Private(a) && !s.PrivateClients:
		message = "your address " + a.String() + " is a private address; give one, or set private_clients"
	default:
		return nil
	}
	return &Error{Reason: BadAddress, Message: message}
}

// resolve normalises a name, asks whether the client may change it and finds its
// zone, in this order: a client learns nothing of zones that hold none of its names.
func (s *Service) resolve(ctx context.Context, client *clients.Client, host *Host, short bool) (string, *Zone, clients.Grant, *Error) {
	if short && !strings.Contains(host.Name, ".") {
		fqdn, zone, err := s.resolveShort(client, host.Name)
		return fqdn, zone, clients.Exact, err
	}
	fqdn, err := host.FQDN()
	if err != nil {
		return "", nil, clients.Denied, &Error{Reason: BadName, Message: err.Error()}
	}
	refuse := func(e *Error) (string, *Zone, clients.Grant, *Error) { return fqdn, nil, clients.Denied, e }
	grant := client.Grant(fqdn)
	if grant == clients.Denied && host.Challenge.Mentioned() && !host.A.Mentioned() && !host.AAAA.Mentioned() && !host.HTTPS.Mentioned() {
		// A machine may have certificates for a name whose address another one changes.
		if client.Grant(challenge.Owner(fqdn)) == clients.Exact {
			grant = clients.Exact
		}
	}
	if grant == clients.Denied {
		fqdn = redact.Echo(fqdn)
		return refuse(notGranted(fqdn))
	}
	apex, ok := s.names.Of(fqdn)
	if !ok {
		fqdn = redact.Echo(fqdn)
		return refuse(&Error{Reason: NoZone, Message: fqdn + " is in no zone that this server changes"})
	}
	if host.Zone != "" {
		given, err := name.Zone(host.Zone)
		if err != nil {
			return refuse(&Error{Reason: BadName, Message: err.Error()})
		}
		if given != apex {
			return refuse(&Error{Reason: BadName, Message: fqdn + " is in the zone " + apex + ", not in " + redact.Echo(given)})
		}
	}
	if grant == clients.ByPattern {
		if err := s.protected(ctx, apex, fqdn); err != nil {
			return refuse(err)
		}
	}
	return fqdn, s.zones[apex], grant, nil
}

func notGranted(fqdn string) *Error {
	return &Error{Reason: NotGranted, Message: "you may not change " + fqdn}
}

// resolveShort finds the one exact host of the client with that first label, as
// DuckDNS clients send it.
func (s *Service) resolveShort(client *clients.Client, label string) (string, *Zone, *Error) {
	// Some labels, such as a number, are none of a whole name alone.
	const below = ".invalid."
	whole, err := name.Normalize(label + below)
	if err != nil {
		return "", nil, notYours(label)
	}
	first := strings.TrimSuffix(whole, below)
	var found string
	for _, fqdn := range client.ExactHosts() {
		if l, _, _ := strings.Cut(fqdn, "."); l != first {
			continue
		}
		if found != "" {
			return "", nil, &Error{Reason: BadName, Message: redact.Echo(label) + " stands for more than one of your hosts"}
		}
		found = fqdn
	}
	apex, ok := s.names.Of(found)
	if !ok {
		return "", nil, notYours(label)
	}
	return found, s.zones[apex], nil
}

func notYours(label string) *Error {
	return &Error{Reason: NotGranted, Message: redact.Echo(label) + " is none of your hosts"}
}

// changes turns the wishes for one host into changes of its zone.
func (s *Service) changes(fqdn string, in *Zone, host *Host, sub *Submission) []zone.Change {
	changes := make([]zone.Change, 0, 2)
	add := func(t zone.Type, wish *Wish) {
		if wish.Action != zone.None {
			changes = append(changes, zone.Change{Name: fqdn, Type: t, Action: wish.Action, Values: wish.Values, TTL: ttlOf(wish, sub, in)})
		}
	}
	add(zone.TypeA, &host.A)
	add(zone.TypeAAAA, &host.AAAA)
	add(zone.TypeHTTPS, &host.HTTPS)
	return changes
}

// ttlOf returns the TTL that a wish comes to, in seconds.
func ttlOf(wish *Wish, sub *Submission, in *Zone) uint32 {
	if ttl := cmp.Or(wish.TTL, sub.TTL); ttl != nil {
		return *ttl
	}
	return in.TTL
}
