package service

import (
	"slices"

	"github.com/caddy-dyndns/dyndns/clients"
	"github.com/caddy-dyndns/dyndns/internal/address"
	"github.com/caddy-dyndns/dyndns/zone"
)

// planLAN moves the client's LAN hosts to the prefix, but those for which the
// request itself says what their IPv6 address is to be. Where it keeps the
// present one, that change becomes the move: one message must not change an
// RRset twice.
func (s *Service) planLAN(p *plan, client *clients.Client, sub *Submission) {
	for _, lan := range client.LAN {
		named := p.change(len(sub.Hosts), lan.Name, zone.TypeAAAA)
		if named != nil && named.Action != zone.Keep {
			continue
		}
		asked := slices.ContainsFunc(sub.Hosts, func(h Host) bool { return lanHost(client, &h) != nil && sameName(&h, lan.Name) })
		if named != nil || !asked {
			s.addLAN(p, lan, named, sub)
		}
	}
}

// addLAN plans the move of a LAN host to the prefix; named is its change so far, nil if
// there is none.
func (s *Service) addLAN(p *plan, lan clients.LAN, named *zone.Change, sub *Submission) {
	addr, err := address.Compose(sub.Prefix, lan.InterfaceID)
	if err != nil {
		p.refuse(lan.Name, &Error{Reason: BadAddress, Message: lan.Name + ": " + err.Error()})
		return
	}
	wish := Wish{Action: zone.Set, Values: []string{addr.String()}}
	if named != nil {
		named.Action, named.Values = zone.Set, wish.Values
		return
	}
	apex, ok := s.names.Of(lan.Name)
	if !ok {
		p.refuse(lan.Name, &Error{Reason: NoZone, Message: lan.Name + " is in no zone that this server changes"})
		return
	}
	in := s.zones[apex]
	p.add(lan.Name, in, s.changes(lan.Name, in, &Host{AAAA: wish}, sub)...)
}

// lanHost returns the LAN host that a host is if it asks for nothing but to move behind
// the prefix, nil if it is none or asks for more.
func lanHost(client *clients.Client, host *Host) *clients.LAN {
	if !host.AAAA.Move || host.A.Mentioned() || host.HTTPS.Mentioned() || host.TXT.Mentioned() || host.Challenge.Mentioned() {
		return nil
	}
	for i := range client.LAN {
		if sameName(host, client.LAN[i].Name) {
			return &client.LAN[i]
		}
	}
	return nil
}

func sameName(host *Host, fqdn string) bool {
	own, err := host.FQDN()
	return err == nil && own == fqdn
}
