package dyndns

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"

	"github.com/caddy-dyndns/dyndns/dnsupdate"
	"github.com/caddy-dyndns/dyndns/internal/service"
	"github.com/caddy-dyndns/dyndns/internal/throttle"
)

// pool holds what outlives one handler: two handlers of one configuration and
// two generations of a reload use the same connections, queues and counters. A
// new generation takes its part before the old one gives its up.
var pool = caddy.NewUsagePool()

// resolver is the system's, for the self-test's look at the delegation of a zone.
var resolver dnsupdate.Resolver = net.DefaultResolver

// The keys of the pool. An updater's is made of all that sets it apart.
type (
	connectionsKey struct{}
	throttleKey    struct{}
	updaterKey     struct {
		zone, servers, key string
		proveWrites        bool
	}
)

// connections is the process's one DNS client.
type connections struct{ *dnsupdate.Client }

// Destruct ends the idle connections; those in use end with their exchange.
func (c connections) Destruct() error {
	c.Close()
	return nil
}

// updater is one zone's queue.
type updater struct{ *dnsupdate.Updater }

// Destruct does not wait for the queue: a slow nameserver would hold up the
// reload. The requests in it see it through.
func (u updater) Destruct() error {
	u.Retire()
	return nil
}

// sharedThrottle counts wrong secrets.
type sharedThrottle struct{ *throttle.Throttle }

// Destruct has nothing to end.
func (sharedThrottle) Destruct() error { return nil }

// leases are the keys of what one handler took from the pool.
type leases []any

// take returns what the pool holds under the key, made by construct if it holds nothing.
func take[T caddy.Destructor](l *leases, key any, construct func() (T, error)) (T, error) {
	value, _, err := pool.LoadOrNew(key, func() (caddy.Destructor, error) { return construct() })
	if err != nil {
		var none T
		return none, err
	}
	*l = append(*l, key)
	return value.(T), nil
}

// release gives back exactly what was taken, so that a configuration that failed
// half-way does not end what the running one uses.
func (l *leases) release() error {
	var errs []error
	for _, key := range *l {
		_, err := pool.Delete(key)
		errs = append(errs, err)
	}
	*l = nil
	return errors.Join(errs...)
}

// open takes all that the settings need and joins it to a service.
func (l *leases) open(c *settings, storage func() certmagic.Storage, logger *zap.Logger) (*service.Service, error) {
	conns, err := take(l, connectionsKey{}, func() (connections, error) {
		return connections{dnsupdate.NewClient(dnsupdate.Options{Hooks: dnsHooks(), Resolver: resolver})}, nil
	})
	if err != nil {
		return nil, err
	}
	counters, err := take(l, throttleKey{}, func() (sharedThrottle, error) {
		return sharedThrottle{throttle.New()}, nil
	})
	if err != nil {
		return nil, err
	}
	config := service.Config{
		Clients:        c.clients,
		Throttle:       counters.Throttle,
		Limit:          c.limit,
		MinTTL:         c.minTTL,
		MaxTTL:         c.maxTTL,
		PublicOnly:     c.publicOnly,
		PrivateClients: c.privateClients,
		Timeout:        c.timeout,
		Warn: func(message, zone string, err error) {
			logger.Warn(message, zap.String("zone", zone), zap.Error(err))
		},
	}
	if len(c.zones) > 1 {
		config.NameServers = nameServerStore{storage()}
	}
	for _, z := range c.zones {
		u, err := take(l, z.poolKey(), func() (updater, error) {
			u, err := conns.Open(dnsupdate.ZoneConfig{Name: z.name, Servers: z.servers, Key: z.key, ProveWrites: z.proveWrites})
			return updater{u}, err
		})
		if err != nil {
			return nil, fmt.Errorf("zone %s: %w", z.name, err)
		}
		countZone(u.Status())
		config.Zones = append(config.Zones, service.Zone{Name: z.name, TTL: z.ttl, Backend: u})
	}
	return service.New(config), nil
}

// poolKey tells updaters apart; the key's secret stands in it as a digest only.
func (z *zoneSettings) poolKey() updaterKey {
	digest := sha256.Sum256(z.key.Secret)
	return updaterKey{
		zone:    z.name,
		servers: strings.Join(z.servers, " "),
		key:     z.key.Name + " " + z.key.Algorithm + " " + string(digest[:]),

		proveWrites: z.proveWrites,
	}
}
