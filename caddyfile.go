package dyndns

import (
	"strconv"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

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
//			prove_writes
//		}
//		client       <name> {
//			token        <token>...
//			hosts        <pattern>...
//			lan          <fqdn> <iid>
//		}
//		ttl          <default> [<min> <max>]
//		domain       <name>
//		missing_family keep|delete
//		public_only
//		private_clients
//		throttle     <burst> <interval>|off
//		timeout      <duration>
//		history      <days>|off
//	}
//
// Without a block, the configuration file is searched for.
func (h *Handler) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next()
	if d.NextArg() {
		return argErr(d, "dyndns")
	}
	seen := make(map[string]bool)
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		word := d.Val()
		if word != "zone" && word != "client" {
			if seen[word] {
				return d.Errf("%s: stands here twice", redact.Word(word))
			}
			seen[word] = true
		}
		if err := h.unmarshalWord(d, word); err != nil {
			return err
		}
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
		return oneArg(d, word, &h.Config)
	case "secret":
		return oneArg(d, word, &h.Secret)
	case "domain":
		return oneArg(d, word, &h.Domain)
	case "missing_family":
		if err := oneArg(d, word, &h.MissingFamily); err != nil {
			return err
		}
		if h.MissingFamily != "keep" && h.MissingFamily != "delete" {
			return d.Errf("missing_family: %q is neither keep nor delete", redact.Word(h.MissingFamily))
		}
	case "nameserver":
		return someArgs(d, word, &h.Nameservers)
	case "zone":
		return h.unmarshalZone(d)
	case "client":
		return h.unmarshalClient(d)
	case "ttl":
		return h.unmarshalTTL(d)
	case "public_only":
		h.PublicOnly = true
		return lastArg(d, word)
	case "private_clients":
		h.PrivateClients = true
		return lastArg(d, word)
	case "throttle":
		return h.unmarshalThrottle(d)
	case "timeout":
		return durationArg(d, word, &h.Timeout)
	case "history":
		return h.unmarshalHistory(d)
	default:
		return unknownWord(d, "")
	}
	return nil
}

func (h *Handler) unmarshalZone(d *caddyfile.Dispenser) error {
	var zone Zone
	switch args := d.RemainingArgs(); len(args) {
	case 1:
		zone.Name = args[0]
	case 2:
		zone.Name, zone.TSIG.Secret = args[0], args[1]
	default:
		return argErr(d, "zone")
	}
	seen := make(map[string]bool)
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		word := d.Val()
		if seen[word] {
			return d.Errf("zone %s: %s: stands here twice", redact.Name(zone.Name), redact.Word(word))
		}
		seen[word] = true
		if err := zone.unmarshalWord(d, word); err != nil {
			return err
		}
	}
	h.Zones = append(h.Zones, zone)
	return nil
}

func (z *Zone) unmarshalWord(d *caddyfile.Dispenser, word string) error {
	switch word {
	case "tsig_key":
		if z.TSIG.Secret != "" {
			return d.Errf("zone %s: tsig_key: a key is given already", redact.Name(z.Name))
		}
		switch args := d.RemainingArgs(); len(args) {
		case 1:
			z.TSIG.Secret = args[0]
		case 3:
			z.TSIG.Name, z.TSIG.Algorithm, z.TSIG.Secret = args[0], args[1], args[2]
		default:
			return argErr(d, word)
		}
	case "tsig_keyfile":
		switch args := d.RemainingArgs(); len(args) {
		case 1:
			z.TSIG.File = args[0]
		case 2:
			z.TSIG.File, z.TSIG.Name = args[0], args[1]
		default:
			return argErr(d, word)
		}
	case "nameserver":
		return someArgs(d, word, &z.Nameservers)
	case "ttl":
		var seconds uint32
		if err := secondsArg(d, &seconds); err != nil {
			return err
		}
		z.TTL = &seconds
		return lastArg(d, word)
	case "prove_writes":
		z.ProveWrites = true
		return lastArg(d, word)
	default:
		return unknownWord(d, "zone "+redact.Name(z.Name)+": ")
	}
	return nil
}

func (h *Handler) unmarshalClient(d *caddyfile.Dispenser) error {
	var client Client
	if err := oneArg(d, "client", &client.Name); err != nil {
		return err
	}
	seen := make(map[string]bool)
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		word := d.Val()
		if seen[word] && word != "lan" {
			return d.Errf("client %s: %s: stands here twice", redact.ClientName(client.Name), redact.Word(word))
		}
		seen[word] = true
		if err := client.unmarshalWord(d, word); err != nil {
			return err
		}
	}
	h.Clients = append(h.Clients, client)
	return nil
}

func (c *Client) unmarshalWord(d *caddyfile.Dispenser, word string) error {
	switch word {
	case "token":
		return someArgs(d, word, &c.Tokens)
	case "hosts":
		return someArgs(d, word, &c.Hosts)
	case "lan":
		var lan LAN
		if !d.AllArgs(&lan.Name, &lan.InterfaceID) {
			return argErr(d, word)
		}
		c.LAN = append(c.LAN, lan)
		return nil
	}
	return unknownWord(d, "client "+redact.ClientName(c.Name)+": ")
}

func (h *Handler) unmarshalTTL(d *caddyfile.Dispenser) error {
	h.TTL = &TTL{Default: new(uint32)}
	if err := secondsArg(d, h.TTL.Default); err != nil {
		return err
	}
	if d.CountRemainingArgs() == 0 {
		return nil
	}
	h.TTL.Max = new(uint32)
	if err := secondsArg(d, &h.TTL.Min); err != nil {
		return err
	}
	if err := secondsArg(d, h.TTL.Max); err != nil {
		return err
	}
	return lastArg(d, "ttl")
}

func (h *Handler) unmarshalThrottle(d *caddyfile.Dispenser) error {
	if !d.NextArg() {
		return argErr(d, "throttle")
	}
	h.Throttle = new(Throttle)
	if d.Val() == "off" {
		h.Throttle.Burst = -1
		return lastArg(d, "throttle")
	}
	burst, err := strconv.Atoi(d.Val())
	if err != nil || burst < 1 {
		return d.Errf("throttle: %q is neither a positive number nor off", redact.Word(d.Val()))
	}
	h.Throttle.Burst = burst
	return durationArg(d, "throttle", &h.Throttle.Interval)
}

func (h *Handler) unmarshalHistory(d *caddyfile.Dispenser) error {
	if !d.NextArg() {
		return argErr(d, "history")
	}
	if d.Val() == "off" {
		h.History = -1
		return lastArg(d, "history")
	}
	days, err := strconv.Atoi(d.Val())
	if err != nil || days < 1 {
		return d.Errf("history: %q is neither a number of days nor off", redact.Word(d.Val()))
	}
	h.History = days
	return lastArg(d, "history")
}

// Interface guard
var _ caddyfile.Unmarshaler = (*Handler)(nil)
