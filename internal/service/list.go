package service

import (
	"slices"
	"strings"

	"github.com/caddy-dyndns/dyndns/clients"
	"github.com/caddy-dyndns/dyndns/internal/challenge"
	"github.com/caddy-dyndns/dyndns/internal/name"
	"github.com/caddy-dyndns/dyndns/zone"
)

// list returns the hosts that a client asks for and may know of, with the wish to keep all
// that it could change there. What is not its own is left out.
func (s *Service) list(client *clients.Client, asked []Host) []Host {
	if len(asked) == 0 {
		for _, fqdn := range client.ExactHosts() {
			asked = append(asked, Host{Name: fqdn})
		}
	}
	keep := Wish{Action: zone.Keep}
	var hosts []Host
	for _, host := range asked {
		fqdn, err := name.Owner(host.Name)
		if _, known := s.names.Of(fqdn); err != nil || !known {
			continue
		}
		h := Host{Name: fqdn}
		grant := client.Grant(fqdn)
		if of, ok := strings.CutPrefix(fqdn, challenge.Prefix); ok && client.Grant(of) != clients.Denied && !client.NoCertificates() {
			h.Name, h.Challenge = of, keep
		} else if strings.HasPrefix(fqdn, "_") && grant == clients.Exact {
			h.TXT = keep
		} else if grant != clients.Denied && !strings.HasPrefix(fqdn, "_") {
			h.A, h.AAAA, h.HTTPS = keep, keep, keep
			if client.Unrestricted() {
				h.TXT = keep
			}
			if !client.NoCertificates() {
				h.Challenge = keep
			}
		} else {
			continue
		}
		i := slices.IndexFunc(hosts, func(earlier Host) bool { return earlier.Name == h.Name })
		if i < 0 {
			hosts = append(hosts, h)
		} else if h.A.Mentioned() { // which has all that the other has
			hosts[i] = h
		}
	}
	return hosts
}
