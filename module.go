// Package dyndns is a Caddy HTTP handler that keeps DNS records current: a
// router or script calls a URL, and the handler changes the zone on an
// authoritative nameserver with a TSIG-signed DNS UPDATE (RFC 2136).
//
// This package only adapts Caddy. What a request means, who may do what, and
// DNS itself are packages of their own, which know nothing of Caddy.
package dyndns

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"

	"github.com/caddy-dyndns/dyndns/internal/dialect"
	"github.com/caddy-dyndns/dyndns/internal/expiry"
	_ "github.com/caddy-dyndns/dyndns/internal/handover"   // a listener wrapper for restarts
	_ "github.com/caddy-dyndns/dyndns/internal/logencoder" // a log encoder for the logs of all of Caddy
	"github.com/caddy-dyndns/dyndns/internal/proxies"
	"github.com/caddy-dyndns/dyndns/internal/recorder"
	"github.com/caddy-dyndns/dyndns/internal/redact"
	"github.com/caddy-dyndns/dyndns/internal/service"
	"github.com/caddy-dyndns/dyndns/internal/shared"
	_ "github.com/caddy-dyndns/dyndns/provider" // the module dns.providers.dyndns
)

func init() {
	caddy.RegisterModule(new(Handler))
}

// Handler is a dynamic DNS service. It answers the update, delete and check
// paths of the native, dyndns2 and DuckDNS dialects and passes every other
// request on.
//
// Every secret, key, path and address below may be a placeholder such as
// `{env.DYNDNS_SECRET}` or `{file./run/secrets/dyndns}`, which is replaced when
// the configuration is loaded. Use one for secrets: what is written here stands
// in Caddy's saved configuration and in its debug log.
type Handler struct {
	// The path of a YAML file with the keys `secret`, `nameserver`,
	// `dyndns_domain` and `zones`, or `search` for the first of
	// `$dyndns_CONFIG_FILE`, `./.dyndns.yml` and `/etc/dyndns.yml`. What is set
	// here wins over the file; a zone of the same name replaces the file's whole.
	// Default: no file.
	Config string `json:"config,omitempty"`

	// A secret of at least 8 letters and digits that may change every name. It
	// is a client named `secret` with the hosts `*`. Default: none.
	Secret string `json:"secret,omitempty"`

	// Addresses of one primary nameserver, or of servers that forward updates to
	// it, in order of preference: `host` or `host:port`, port 53 if none is
	// given. A host name is looked up when it is dialled. Default for every zone
	// without nameservers of its own.
	Nameservers []string `json:"nameservers,omitempty"`

	// The zones that may be changed. At least one is needed, here or in the file.
	Zones []Zone `json:"zones,omitempty"`

	// Who may change which names, beside the secret.
	Clients []Client `json:"clients,omitempty"`

	// Where more clients are found, after those above. Default: nowhere.
	ClientSourceRaw json.RawMessage `json:"client_source,omitempty" caddy:"namespace=http.handlers.dyndns.clients inline_key=type"`

	// The time to live of the records. Default: 300 seconds, from 0 to 2147483647.
	TTL *TTL `json:"ttl,omitempty"`

	// The host names under which the pages are shown: usage, router settings and
	// statistics. With one that has IPv4 addresses alone and one that has IPv6
	// addresses alone, `/ip` tells a client both of its own. Default: no pages.
	Domains []string `json:"domains,omitempty"`

	// What a request of the native dialect does with an address family that it
	// does not mention: `keep` or `delete`. Default: `keep`.
	MissingFamily string `json:"missing_family,omitempty"`

	// Refuse private addresses (RFC 1918, 100.64.0.0/10, fc00::/7) even when a
	// request gives them explicitly. Default: false.
	PublicOnly bool `json:"public_only,omitempty"`

	// Publish the private address that a request comes from if it gives none.
	// Default: false, because it is most often that of a container bridge or proxy.
	PrivateClients bool `json:"private_clients,omitempty"`

	// How many wrong secrets a network may present. Default: 20, one more every 10 s.
	Throttle *Throttle `json:"throttle,omitempty"`

	// How long the whole DNS work of one request may take, and before it the search
	// for its client. Default: 10s.
	Timeout caddy.Duration `json:"timeout,omitempty"`

	// For how many days the statistics are kept; -1 turns them off.
	// Default: 30 where `domains` is set, else off.
	History int `json:"history,omitempty"`

	service  *service.Service
	dialects dialect.Options
	leases   shared.Leases
	events   *notifier
	history  *recorder.Recorder // nil if there is none
	storage  certmagic.Storage  // where the history is kept
	expiry   []*expiry.Sweeper  // of the zones whose addresses expire
	logger   *zap.Logger
}

// Zone is a zone that may be changed.
type Zone struct {
	// The zone's name as its nameservers know it, such as `dyn.example.com`.
	Name string `json:"name"`

	// Addresses of the zone's primary. Default: those of the handler.
	Nameservers []string `json:"nameservers,omitempty"`

	// The TTL of a record in seconds where the request gives none. Default: that
	// of the handler.
	TTL *uint32 `json:"ttl,omitempty"`

	// How long an address stands that no request confirms; one that says what is there
	// already does. It needs the statistics. Default: for ever.
	Expire caddy.Duration `json:"expire,omitempty"`

	// How long the reply to a new ACME challenge waits until all nameservers of the zone
	// serve it; negative: not at all. Default: 20 seconds.
	Wait caddy.Duration `json:"wait,omitempty"`

	// What changes the zone, such as `rfc2136`, or `dns` for a DNS hoster.
	BackendRaw json.RawMessage `json:"backend,omitempty" caddy:"namespace=http.handlers.dyndns.zones inline_key=type"`
}

// Client is someone who may change some names: a router, a script, a person.
type Client struct {
	// A name for logs and statistics. It must be unique and is never part of a credential.
	Name string `json:"name"`

	// The tokens that prove who it is, each at least 16 characters of
	// `A-Z a-z 0-9 _ -`, or `sha256:` and the hexadecimal digest of one.
	// Several are valid at once, for rotation.
	Tokens []string `json:"tokens"`

	// The names it may change: a name, `*.` and a name for everything below
	// that name, or `*` for everything. A pattern covers neither a zone's apex, nor a
	// literal wildcard owner, nor a nameserver of any configured zone.
	Hosts []string `json:"hosts,omitempty"`

	// Hosts behind the router, whose addresses follow the IPv6 prefix that the
	// client reports.
	LAN []LAN `json:"lan,omitempty"`

	// The networks that it may ask from, such as `192.0.2.0/24`, or addresses. Default: any.
	From []string `json:"from,omitempty"`

	// How often it may change addresses. What stays as it is does not count, and neither
	// do ACME challenges. Default: as often as it likes.
	Limit *ClientLimit `json:"limit,omitempty"`

	// Keep the client from changing ACME challenges: with them whoever has its token gets
	// certificates for its hosts, and for every name below them. Default: it may.
	NoCertificates bool `json:"no_certificates,omitempty"`
}

// ClientLimit bounds how often a client changes addresses.
type ClientLimit struct {
	// How many records it may change within the time; at least one request that changes
	// both families and all LAN hosts goes through.
	Changes int `json:"changes"`

	// The time, after which all of them may be changed again.
	Per caddy.Duration `json:"per"`
}

// LAN is a host behind a client's router.
type LAN struct {
	// The host's name.
	Name string `json:"name"`

	// An IPv6 address whose last 64 bits identify the interface and whose bits
	// 48 to 63 are the subnet, such as `::1:2aa:bbff:fecc:1`.
	InterfaceID string `json:"interface_id"`
}

// TTL bounds the time to live of records, in seconds.
type TTL struct {
	// What a record gets if the request asks for none. Default: 300.
	Default *uint32 `json:"default,omitempty"`

	// The least that a request may ask for. Default: 0.
	Min uint32 `json:"min,omitempty"`

	// The most that a request may ask for. Default: 2147483647.
	Max *uint32 `json:"max,omitempty"`
}

// Throttle is a token bucket for wrong secrets, one for every client network:
// an IPv4 address or an IPv6 /64, with another 16 times as large for the /48.
type Throttle struct {
	// How many wrong secrets in a row are let through; -1 turns the throttle off.
	// Default: 20.
	Burst int `json:"burst,omitempty"`

	// How long it takes until one more is. Default: 10s.
	Interval caddy.Duration `json:"interval,omitempty"`
}

// CaddyModule returns the Caddy module information.
func (*Handler) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.handlers.dyndns",
		New: func() caddy.Module { return new(Handler) },
	}
}

// Provision reads the configuration, expands its placeholders and takes its part
// of the shared state. It touches no network.
func (h *Handler) Provision(ctx caddy.Context) error {
	h.logger = ctx.Logger()
	c, err := h.compile()
	if err != nil {
		return err
	}
	for _, w := range c.warnings {
		h.logger.Warn("unused key in configuration file", zap.String("at", w))
	}
	for _, s := range c.clients.Shared() {
		h.logger.Warn("several clients may change one host, and the last one wins", zap.String("host", redact.Name(s.Host)), zap.Strings("clients", s.Clients))
	}
	proxies.Warn(ctx, h.logger)
	h.dialects = dialect.Options{Domains: c.domains, MissingFamilyDelete: c.missingFamilyDelete}
	if err := registerMetrics(ctx.GetMetricsRegistry()); err != nil {
		return fmt.Errorf("registering metrics: %w", err)
	}
	h.events = newNotifier(ctx)
	if h.storage = ctx.Storage(); c.historyDays > 0 {
		if h.history, err = recorder.Take(&h.leases, h.storage, c.historyDays); err != nil {
			return fmt.Errorf("opening the history: %w", err)
		}
	}
	if h.service, err = h.open(ctx, c); err != nil {
		return err
	}
	go h.service.SweepEvery(ctx, sweepInterval)
	go expiry.Every(ctx, sweepInterval, h.expiry, func(zoneName string, err error) {
		h.logger.Warn("addresses that expired could not be removed", zap.String("zone", zoneName), zap.Error(err))
	})
	return nil
}

// sweepInterval is how often challenges that nobody removed and addresses that nobody
// confirmed are looked for.
const sweepInterval = 10 * time.Minute

// Validate checks what does not depend on any file or variable.
func (h *Handler) Validate() error {
	switch h.MissingFamily {
	case "", "keep", "delete":
	default:
		return fmt.Errorf("missing_family: %q is neither keep nor delete", h.MissingFamily)
	}
	if h.Timeout < 0 {
		return fmt.Errorf("timeout: %v is negative", time.Duration(h.Timeout))
	}
	if h.History < -1 {
		return fmt.Errorf("history: %d days is negative", h.History)
	}
	if t := h.Throttle; t != nil && (t.Burst < -1 || t.Interval < 0) {
		return fmt.Errorf("throttle: a burst of %d every %v is not positive", t.Burst, time.Duration(t.Interval))
	}
	return nil
}

// Cleanup gives back what Provision took. Requests may still be running.
func (h *Handler) Cleanup() error {
	if h.history != nil {
		defer h.history.Leave(h.storage)
	}
	return h.leases.Release()
}

// Interface guards
var (
	_ caddy.Provisioner           = (*Handler)(nil)
	_ caddy.Validator             = (*Handler)(nil)
	_ caddy.CleanerUpper          = (*Handler)(nil)
	_ caddyhttp.MiddlewareHandler = (*Handler)(nil)
)
