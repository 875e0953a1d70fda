package dyndns

import (
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-dyndns/dyndns/internal/backend"
	"github.com/caddy-dyndns/dyndns/internal/directive"
	"github.com/caddy-dyndns/dyndns/internal/redact"
)

func init() {
	httpcaddyfile.RegisterHandlerDirective("dyndns", parseCaddyfile)
	// Ahead of everything that would swallow, shadow or interpret our paths:
	// try_files, basic_auth, templates, a catch-all handle.
	httpcaddyfile.RegisterDirectiveOrder("dyndns", httpcaddyfile.Before, "rewrite")
}

func parseCaddyfile(helper httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	h := new(Handler)
	return h, h.UnmarshalCaddyfile(helper.Dispenser)
}

// UnmarshalCaddyfile sets up the handler from Caddyfile tokens. Syntax:
//
//	dyndns [<matcher>] {
//		config       <path>|search
//		secret       <secret>
//		nameserver   <host[:port]>...
//		zone         <name> [<base64>] {
//			tsig_key     [<key-name> <algorithm>] <base64>
//			tsig_keyfile <path> [<key-name>]
//			nameserver   <host[:port]>...
//			ttl          <seconds>
//			expire       <duration>
//			wait         <duration>|off
//			prove_writes
//		}
//		client       <name> {
//			token        <token>...
//			hosts        <pattern>...
//			lan          <fqdn> <iid>
//			from         <network>...
//			limit        <changes> <duration>
//			no_certificates
//		}
//		clients      <module> ...
//		ttl          <default> [<min> <max>]
//		domain       <name>...
//		missing_family keep|delete
//		public_only
//		private_clients
//		throttle     <burst> <interval>|off
//		timeout      <duration>
//		history      <days>|off
//	}
//
// In a zone's block, the name of a guest module with what that takes, such as
// dns <provider> [<arguments>], stands for the words tsig_key, tsig_keyfile and
// prove_writes, which are those of rfc2136.
//
// Without a block, the configuration file is searched for.
func (h *Handler) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next()
	if d.NextArg() {
		return directive.ArgErr(d, "dyndns")
	}
	read := func(word string) error { return h.unmarshalWord(d, word) }
	if err := directive.Block(d, "", read, "zone", "client"); err != nil {
		return err
	}
	// A block, even an empty one, would have left the dispenser at its end.
	if d.Val() != "}" {
		h.Config = "search"
	}
	return nil
}

// unmarshalWord reads one subdirective of the block.
func (h *Handler) unmarshalWord(d *caddyfile.Dispenser, word string) error {
	switch word {
	case "config":
		return directive.One(d, word, &h.Config)
	case "secret":
		return directive.One(d, word, &h.Secret)
	case "domain":
		return directive.Some(d, word, &h.Domains)
	case "missing_family":
		if err := directive.One(d, word, &h.MissingFamily); err != nil {
			return err
		}
		if h.MissingFamily != "keep" && h.MissingFamily != "delete" {
			return d.Errf("missing_family: %q is neither keep nor delete", redact.Word(h.MissingFamily))
		}
	case "nameserver":
		return directive.Some(d, word, &h.Nameservers)
	case "zone":
		return h.unmarshalZone(d)
	case "client":
		return h.unmarshalClient(d)
	case "clients":
		return h.unmarshalClients(d)
	case "ttl":
		return h.unmarshalTTL(d)
	case "public_only":
		h.PublicOnly = true
		return directive.Last(d, word)
	case "private_clients":
		h.PrivateClients = true
		return directive.Last(d, word)
	case "throttle":
		return h.unmarshalThrottle(d)
	case "timeout":
		return directive.Duration(d, word, &h.Timeout)
	case "history":
		return h.unmarshalHistory(d)
	default:
		return directive.Unknown(d, "")
	}
	return nil
}

// unmarshalZone reads a zone. Its block holds the words of every zone, and either
// those of RFC 2136 or one word that is the name of another guest module.
func (h *Handler) unmarshalZone(d *caddyfile.Dispenser) error {
	var z Zone
	update := new(backend.RFC2136)
	switch args := d.RemainingArgs(); len(args) {
	case 1:
		z.Name = args[0]
	case 2:
		z.Name, update.TSIG.Secret = args[0], args[1]
	default:
		return directive.ArgErr(d, "zone")
	}
	where := "zone " + redact.Name(z.Name) + ": "
	updates := update.TSIG.Secret != ""
	if err := directive.Block(d, where, func(word string) error {
		if known, err := z.unmarshalWord(d, word); known {
			return err
		}
		if known, err := update.UnmarshalWord(d, where); known {
			updates = true
			return err
		}
		return z.unmarshalGuest(d, where, word)
	}); err != nil {
		return err
	}
	if updates && z.BackendRaw != nil {
		return d.Errf("%sit can be changed in one way only", where)
	}
	if z.BackendRaw == nil {
		z.setBackend("rfc2136", update)
	}
	h.Zones = append(h.Zones, z)
	return nil
}

// unmarshalWord reads a word of every zone. It returns false if this is none.
func (z *Zone) unmarshalWord(d *caddyfile.Dispenser, word string) (bool, error) {
	switch word {
	case "nameserver":
		return true, directive.Some(d, word, &z.Nameservers)
	case "ttl":
		z.TTL = new(uint32)
		if err := directive.Seconds(d, z.TTL); err != nil {
			return true, err
		}
		return true, directive.Last(d, word)
	case "expire":
		return true, directive.Duration(d, word, &z.Expire)
	case "wait":
		return true, directive.DurationOrOff(d, word, &z.Wait)
	}
	return false, nil
}

// setBackend sets the guest module that changes the zone.
func (z *Zone) setBackend(name string, guest any) {
	z.BackendRaw = caddyconfig.JSONModuleObject(guest, "type", name, nil)
}

func (h *Handler) unmarshalClient(d *caddyfile.Dispenser) error {
	var client Client
	if err := directive.One(d, "client", &client.Name); err != nil {
		return err
	}
	where := "client " + redact.ClientName(client.Name) + ": "
	read := func(word string) error { return client.unmarshalWord(d, where, word) }
	if err := directive.Block(d, where, read, "lan"); err != nil {
		return err
	}
	h.Clients = append(h.Clients, client)
	return nil
}

func (c *Client) unmarshalWord(d *caddyfile.Dispenser, where, word string) error {
	switch word {
	case "token":
		return directive.Some(d, word, &c.Tokens)
	case "hosts":
		return directive.Some(d, word, &c.Hosts)
	case "lan":
		var lan LAN
		if !d.AllArgs(&lan.Name, &lan.InterfaceID) {
			return directive.ArgErr(d, word)
		}
		c.LAN = append(c.LAN, lan)
		return nil
	case "from":
		return directive.Some(d, word, &c.From)
	case "limit":
		c.Limit = new(ClientLimit)
		var err error
		if c.Limit.Changes, err = directive.Count(d, word); err != nil {
			return err
		}
		return directive.Duration(d, word, &c.Limit.Per)
	case "no_certificates":
		c.NoCertificates = true
		return directive.Last(d, word)
	}
	return directive.Unknown(d, where)
}

func (h *Handler) unmarshalTTL(d *caddyfile.Dispenser) error {
	h.TTL = &TTL{Default: new(uint32)}
	if err := directive.Seconds(d, h.TTL.Default); err != nil {
		return err
	}
	if d.CountRemainingArgs() == 0 {
		return nil
	}
	h.TTL.Max = new(uint32)
	if err := directive.Seconds(d, &h.TTL.Min); err != nil {
		return err
	}
	if err := directive.Seconds(d, h.TTL.Max); err != nil {
		return err
	}
	return directive.Last(d, "ttl")
}

func (h *Handler) unmarshalThrottle(d *caddyfile.Dispenser) (err error) {
	h.Throttle = new(Throttle)
	if h.Throttle.Burst, err = directive.CountOrOff(d, "throttle", "a positive number"); err != nil || h.Throttle.Burst < 0 {
		return err
	}
	return directive.Duration(d, "throttle", &h.Throttle.Interval)
}

func (h *Handler) unmarshalHistory(d *caddyfile.Dispenser) (err error) {
	if h.History, err = directive.CountOrOff(d, "history", "a number of days"); err != nil {
		return err
	}
	return directive.Last(d, "history")
}

// Interface guard
var _ caddyfile.Unmarshaler = (*Handler)(nil)
