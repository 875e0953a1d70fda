package dyndns

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/caddy-dyndns/dyndns/clients"
	"github.com/caddy-dyndns/dyndns/internal/address"
	"github.com/caddy-dyndns/dyndns/internal/backend"
	"github.com/caddy-dyndns/dyndns/internal/name"
	"github.com/caddy-dyndns/dyndns/internal/placeholder"
	"github.com/caddy-dyndns/dyndns/internal/redact"
	"github.com/caddy-dyndns/dyndns/internal/seed"
	"github.com/caddy-dyndns/dyndns/internal/throttle"
	"github.com/caddy-dyndns/dyndns/zone"
)

// settings is a handler's configuration merged with its file, with placeholders
// expanded and everything checked. The exported fields of Handler keep what was
// written: Caddy shows them in its debug and trace logs.
type settings struct {
	zones               []zoneSettings
	clients             *clients.Static
	limit               throttle.Limit
	ttl                 uint32
	minTTL, maxTTL      uint32
	domains             []string
	missingFamilyDelete bool
	publicOnly          bool
	privateClients      bool
	timeout             time.Duration
	historyDays         int
	warnings            []string
}

// zoneSettings is one zone with its own or inherited nameservers and TTL, and the
// configuration of the guest module that opens it.
type zoneSettings struct {
	zone.Config
	wait    time.Duration // negative: off
	expire  time.Duration // 0: never
	backend json.RawMessage
}

const (
	defaultTTL         = 300
	maxTTL             = math.MaxInt32 // RFC 2181 section 8
	defaultTimeout     = 10 * time.Second
	defaultWait        = 20 * time.Second // ACME clients allow 30 s
	defaultBurst       = 20
	defaultInterval    = 10 * time.Second
	defaultHistoryDays = 30
	minExpire          = time.Hour // of which the sweeps take a half
)

// compile merges, expands and checks the configuration.
func (h *Handler) compile() (*settings, error) {
	merged, warnings, err := h.withFile()
	if err != nil {
		return nil, err
	}
	c := &settings{
		warnings:            warnings,
		missingFamilyDelete: h.MissingFamily == "delete",
		publicOnly:          h.PublicOnly,
		privateClients:      h.PrivateClients,
		timeout:             cmp.Or(time.Duration(h.Timeout), defaultTimeout),
		limit:               h.Throttle.limit(),
	}
	if err := c.setTTL(h.TTL); err != nil {
		return nil, err
	}
	for _, domain := range merged.Domains {
		host, err := placeholder.Host("domain", domain)
		if err != nil {
			return nil, err
		}
		if host != "" {
			c.domains = append(c.domains, host)
		}
	}
	if err := c.setZones(merged); err != nil {
		return nil, err
	}
	if err := c.setHistory(h.History); err != nil {
		return nil, err
	}
	return c, c.setClients(merged)
}

// withFile returns the handler's own words with what only the file says added.
func (h *Handler) withFile() (*Handler, []string, error) {
	if h.Config == "" {
		return h, nil, nil
	}
	merged := *h
	path, err := seed.Find(h.Config)
	if err != nil {
		return nil, nil, err
	}
	file, warnings, err := seed.Read(path)
	if err != nil {
		return nil, nil, fmt.Errorf("config: %w", err)
	}
	if merged.Secret == "" {
		merged.Secret = file.Secret
	}
	if len(merged.Nameservers) == 0 {
		merged.Nameservers = file.Nameservers
	}
	if len(merged.Domains) == 0 && file.Domain != "" {
		merged.Domains = []string{file.Domain}
	}
	own := make(map[string]bool)
	for _, z := range h.Zones {
		if normal, err := name.Zone(z.Name); err == nil {
			own[normal] = true
		}
	}
	for _, z := range file.Zones {
		if normal, err := name.Zone(z.Name); err != nil || !own[normal] {
			merged.Zones = append(merged.Zones[:len(merged.Zones):len(merged.Zones)], zoneOf(z))
		}
	}
	return &merged, warnings, nil
}

// zoneOf returns a zone of the file as the handler has it.
func zoneOf(z seed.Zone) Zone {
	own := Zone{Name: z.Name}
	own.setBackend("rfc2136", &backend.RFC2136{TSIG: backend.TSIG{Secret: z.TSIGKey}})
	return own
}

// setHistory decides for how long the statistics are kept. What expires has to be in them
// for longer than that takes.
func (c *settings) setHistory(days int) error {
	c.historyDays = days
	if days == 0 && len(c.domains) > 0 {
		c.historyDays = defaultHistoryDays
	}
	for i := range c.zones {
		z := &c.zones[i]
		if z.expire == 0 {
			continue
		}
		if days < 0 {
			return fmt.Errorf("zone %s: expire needs the statistics, which history turns off", redact.Name(z.Name))
		}
		c.historyDays = max(c.historyDays, int(graces*z.expire/(24*time.Hour))+defaultHistoryDays)
	}
	return nil
}

// graces is how many times the time to its expiry a host is remembered: the grace begins
// anew after the server stood still, and a forgotten host stays.
const graces = 3

func (c *settings) setTTL(t *TTL) error {
	c.ttl, c.maxTTL = defaultTTL, maxTTL
	if t != nil {
		c.minTTL = t.Min
		if t.Max != nil {
			c.maxTTL = *t.Max
		}
		if t.Default != nil {
			c.ttl = *t.Default
		}
	}
	if c.maxTTL > maxTTL || c.minTTL > c.maxTTL {
		return fmt.Errorf("ttl: %d to %d is no range within 0 to %d", c.minTTL, c.maxTTL, maxTTL)
	}
	if c.ttl < c.minTTL || c.ttl > c.maxTTL {
		return fmt.Errorf("ttl: the default %d is not between %d and %d", c.ttl, c.minTTL, c.maxTTL)
	}
	return nil
}

func (t *Throttle) limit() throttle.Limit {
	switch {
	case t == nil:
		return throttle.Limit{Burst: defaultBurst, Interval: defaultInterval}
	case t.Burst < 0:
		return throttle.Limit{}
	}
	return throttle.Limit{Burst: cmp.Or(t.Burst, defaultBurst), Interval: cmp.Or(time.Duration(t.Interval), defaultInterval)}
}

func (c *settings) setZones(h *Handler) error {
	if len(h.Zones) == 0 {
		return errors.New("zone: at least one is needed")
	}
	inherited, err := placeholder.Servers("nameserver", h.Nameservers)
	if err != nil {
		return err
	}
	seen := make(map[string]bool)
	for _, z := range h.Zones {
		normal, err := name.Zone(z.Name)
		if err != nil {
			return fmt.Errorf("zone: %w", err)
		}
		if seen[normal] {
			return fmt.Errorf("zone: %s is configured twice", redact.Name(normal))
		}
		seen[normal] = true
		shown := redact.Name(normal)
		settings := zoneSettings{Config: zone.Config{Name: normal, Nameservers: inherited, TTL: c.ttl}, wait: cmp.Or(time.Duration(z.Wait), defaultWait), backend: z.BackendRaw}
		if settings.expire = time.Duration(z.Expire); settings.expire != 0 && settings.expire < minExpire {
			return fmt.Errorf("zone %s: expire: %v is less than %v", shown, settings.expire, minExpire)
		}
		if z.TTL != nil {
			if settings.TTL = *z.TTL; settings.TTL < c.minTTL || settings.TTL > c.maxTTL {
				return fmt.Errorf("zone %s: ttl %d is not between %d and %d", shown, settings.TTL, c.minTTL, c.maxTTL)
			}
		}
		if len(z.Nameservers) > 0 {
			if settings.Nameservers, err = placeholder.Servers("zone "+shown+": nameserver", z.Nameservers); err != nil {
				return err
			}
		}
		if z.BackendRaw == nil {
			return fmt.Errorf("zone %s: backend: none is configured", shown)
		}
		c.zones = append(c.zones, settings)
	}
	return nil
}

// setClients builds the registry from the secret and the client blocks.
func (c *settings) setClients(h *Handler) error {
	var specs []clients.Spec
	if h.Secret != "" {
		secret, err := placeholder.ExpandSecret("secret", h.Secret)
		if err != nil {
			return err
		}
		specs = append(specs, clients.Spec{Name: "secret", Tokens: []string{secret}, Hosts: []string{"*"}, Unrestricted: true})
	}
	for _, cl := range h.Clients {
		spec := clients.Spec{Name: cl.Name, Hosts: cl.Hosts, From: cl.From, NoCertificates: cl.NoCertificates}
		if cl.Limit != nil {
			spec.Limit = &clients.Limit{Changes: cl.Limit.Changes, Per: time.Duration(cl.Limit.Per)}
		}
		for _, token := range cl.Tokens {
			expanded, err := placeholder.ExpandSecret("client "+redact.ClientName(cl.Name)+": token", token)
			if err != nil {
				return err
			}
			spec.Tokens = append(spec.Tokens, expanded)
		}
		for _, l := range cl.LAN {
			id, err := address.ParseIID(l.InterfaceID)
			if err != nil {
				return fmt.Errorf("client %s: lan %s: %w", redact.ClientName(cl.Name), redact.Name(l.Name), err)
			}
			spec.LAN = append(spec.LAN, clients.LAN{Name: l.Name, InterfaceID: id})
		}
		specs = append(specs, spec)
	}
	if len(specs) == 0 && h.ClientSourceRaw == nil {
		return errors.New("neither secret nor client is configured: nobody could ask for anything")
	}
	var err error
	c.clients, err = clients.NewStatic(specs, c.forClients())
	return err
}

// forClients returns what a source of clients has to know.
func (c *settings) forClients() clients.Config {
	zones := make([]string, 0, len(c.zones))
	for _, z := range c.zones {
		zones = append(zones, z.Name)
	}
	return clients.NewConfig(zones)
}
