package dyndns

import (
	"context"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"go.uber.org/zap"

	"github.com/caddy-dyndns/dyndns/clients"
	_ "github.com/caddy-dyndns/dyndns/clients/file"    // a source of clients
	_ "github.com/caddy-dyndns/dyndns/clients/manage"  // the admin API and the command for clients
	_ "github.com/caddy-dyndns/dyndns/clients/storage" // another
	_ "github.com/caddy-dyndns/dyndns/clients/web"     // another
	"github.com/caddy-dyndns/dyndns/hosted"
	"github.com/caddy-dyndns/dyndns/internal/backend"
	"github.com/caddy-dyndns/dyndns/internal/challenge"
	"github.com/caddy-dyndns/dyndns/internal/directive"
	"github.com/caddy-dyndns/dyndns/internal/dnsapp"
	"github.com/caddy-dyndns/dyndns/internal/expiry"
	"github.com/caddy-dyndns/dyndns/internal/propagation"
	"github.com/caddy-dyndns/dyndns/internal/quota"
	"github.com/caddy-dyndns/dyndns/internal/redact"
	"github.com/caddy-dyndns/dyndns/internal/service"
	"github.com/caddy-dyndns/dyndns/internal/shared"
	"github.com/caddy-dyndns/dyndns/internal/throttle"
	"github.com/caddy-dyndns/dyndns/zone"
)

// zones is the namespace of the guest modules that change zones.
const zones = "http.handlers.dyndns.zones."

// unmarshalGuest reads a word that is the name of a guest module. where begins its errors.
func (z *Zone) unmarshalGuest(d *caddyfile.Dispenser, where, word string) error {
	if _, err := caddy.GetModule(zones + word); err != nil {
		if redact.Word(word) != word {
			return directive.Unknown(d, where)
		}
		if backend.IsProvider(word) {
			return d.Errf("%sunrecognized subdirective %q: for the module dns.providers.%s write dns %s", where, word, word, word)
		}
		return d.Errf("%sunrecognized subdirective %q, and no module %s%s is compiled in", where, word, zones, word)
	}
	if z.BackendRaw != nil {
		return d.Errf("%s%s: it can be changed in one way only", where, word)
	}
	var err error
	z.BackendRaw, err = directive.Guest(d, zones, "type", word)
	return err
}

// sources is the namespace of the guest modules that find clients.
const sources = "http.handlers.dyndns.clients."

// unmarshalClients reads the name of a guest module and its configuration.
func (h *Handler) unmarshalClients(d *caddyfile.Dispenser) error {
	if !d.NextArg() {
		return directive.ArgErr(d, "clients")
	}
	name := d.Val()
	if _, err := caddy.GetModule(sources + name); err != nil {
		return d.Errf("clients: no module %s%s is compiled in", sources, redact.Word(name))
	}
	var err error
	h.ClientSourceRaw, err = directive.Guest(d, sources, "type", name)
	return err
}

// open loads the guest module of the zone, which gives back what it took when the
// context ends.
func (z *zoneSettings) open(ctx caddy.Context) (zone.Zone, error) {
	opener, err := directive.LoadGuest[zone.Opener](ctx, zones, "type", z.backend, &Zone{BackendRaw: z.backend}, "BackendRaw")
	if err != nil {
		return nil, fmt.Errorf("zone %s: %w", redact.Name(z.Name), err)
	}
	opened, err := opener.OpenZone(z.Config)
	if err != nil {
		return nil, fmt.Errorf("zone %s: %w", redact.Name(z.Name), err)
	}
	return opened, nil
}

// openClients returns the source of the clients that the handler configures, and
// behind it the one of the guest module.
func (h *Handler) openClients(ctx caddy.Context, c *settings, config clients.Config) (clients.Source, error) {
	if h.ClientSourceRaw == nil {
		return c.clients, nil
	}
	opener, err := directive.LoadGuest[clients.Opener](ctx, sources, "type", h.ClientSourceRaw, h, "ClientSourceRaw")
	if err != nil {
		return nil, fmt.Errorf("clients: %w", err)
	}
	source, err := opener.OpenClients(config)
	if err != nil {
		return nil, fmt.Errorf("clients: %w", err)
	}
	return clients.Sources{c.clients, source}, nil
}

// newSweepers returns what removes the addresses that expire, one for each zone of which
// they do.
func (h *Handler) newSweepers(ctx caddy.Context, c *settings, of *service.Service) (all []*expiry.Sweeper) {
	for i := range c.zones {
		z := &c.zones[i]
		if z.expire == 0 {
			continue
		}
		all = append(all, &expiry.Sweeper{
			Storage: ctx.Storage(), History: h.history, Zone: z.Name, After: z.expire,
			InZone: func(fqdn string) bool { return of.ZoneOf(fqdn) == z.Name },
			Remove: func(ctx context.Context, held expiry.Held) error {
				outcome := of.Expire(ctx, z.Name, held)
				h.reportExpired(&outcome)
				if outcome.Err != nil {
					return outcome.Err
				}
				return nil
			},
		})
	}
	return all
}

// firstExpiry returns when the first address of the names is removed if nobody confirms it,
// zero if none ever is.
func (h *Handler) firstExpiry(ctx context.Context, sweepers []*expiry.Sweeper, names []string) (first time.Time) {
	for _, s := range sweepers {
		since, err := s.Since(ctx)
		if err != nil {
			continue // the log has it from the sweeps
		}
		for _, fqdn := range names {
			host, ok := h.history.Host(fqdn)
			if !ok || !s.InZone(fqdn) {
				continue
			}
			for _, c := range host.Current {
				if at, ok := c.ExpiresAfter(since, s.After); ok && (first.IsZero() || at.Before(first)) {
					first = at
				}
			}
		}
	}
	return first
}

// process is what all handlers of the process count together, processKey its key among what
// is shared.
type (
	process struct {
		throttle *throttle.Throttle
		quota    *quota.Quota
		checking chan struct{} // filled during a self-test
	}
	processKey struct{}
)

// open takes all that the settings need and joins it to a service.
func (h *Handler) open(ctx caddy.Context, c *settings) (*service.Service, error) {
	all, err := shared.Take(&h.leases, processKey{}, func() (process, error) {
		return process{throttle.New(), quota.New(), make(chan struct{}, 1)}, nil
	})
	if err != nil {
		return nil, err
	}
	var opened atomic.Pointer[service.Service]
	forClients := c.forClients()
	forClients.Changed = h.events.clientChanged
	var sweepers atomic.Pointer[[]*expiry.Sweeper]
	forClients.Expires = func(ctx context.Context, names []string) time.Time {
		if all := sweepers.Load(); all != nil {
			return h.firstExpiry(ctx, *all, names)
		}
		return time.Time{}
	}
	forClients.Purge = func(ctx context.Context, names []string) map[string]error {
		if s := opened.Load(); s != nil {
			return s.Purge(ctx, names)
		}
		return nil // of a configuration that is still being loaded
	}
	source, err := h.openClients(ctx, c, forClients)
	if err != nil {
		return nil, err
	}
	config := service.Config{
		Clients:        source,
		Throttle:       all.throttle,
		Limit:          c.limit,
		Quota:          all.quota,
		MinTTL:         c.minTTL,
		MaxTTL:         c.maxTTL,
		PublicOnly:     c.publicOnly,
		PrivateClients: c.privateClients,
		Challenges:     &challenge.Notes{Storage: ctx.Storage()},
		Checking:       all.checking,
		Timeout:        c.timeout,
		Warn: func(message, zone string, err error) {
			concerned := zap.Skip()
			if zone != "" {
				concerned = zap.String("zone", zone)
			}
			h.logger.Warn(message, concerned, zap.Error(err))
		},
	}
	if len(c.zones) > 1 {
		config.NameServers = service.StoredNameServers{Storage: ctx.Storage()}
	}
	for i := range c.zones {
		z := &c.zones[i]
		changed, err := z.open(ctx)
		if err != nil {
			return nil, err
		}
		if err := report(&h.leases, changed); err != nil {
			return nil, err
		}
		countZone(z.Name)
		primaries := z.Nameservers
		switch changed.(type) {
		case *dnsapp.Zone, *hosted.Zone:
			primaries = nil // those of the handler are of its other zones
		}
		config.Zones = append(config.Zones, service.Zone{Name: z.Name, TTL: z.TTL, Backend: changed, Propagation: propagation.New(z.wait, primaries, changed, net.DefaultResolver)})
	}
	opened.Store(service.New(config))
	h.expiry = h.newSweepers(ctx, c, opened.Load())
	sweepers.Store(&h.expiry)
	// The module dns.providers.dyndns finds it among what is shared.
	return shared.Take(&h.leases, opened.Load(), func() (*service.Service, error) { return opened.Load(), nil })
}
