package dialect

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/caddy-dyndns/dyndns/internal/service"
	"github.com/caddy-dyndns/dyndns/zone"
)

// family says which addresses an argument is about.
type family uint8

const (
	v4 family = iota
	v6
	either
)

// addressArguments are the names of the address arguments, and what words in them
// refer to. Addresses speak for themselves: clients send IPv6 in myip, and both in any.
var addressArguments = map[string]family{
	"myip": either, "ip": either, "ipaddr": either, "address": either, "dnsto": either,
	"myipv4": v4, "ipv4": v4, "ip4": v4, "a": v4,
	"myipv6": v6, "ipv6": v6, "ip6": v6, "ip6addr": v6, "aaaa": v6, "myip6": v6, "myip2": v6,
}

// addressArgument returns what words in an argument of that name refer to.
func addressArgument(name string) (family, bool) {
	of, ok := addressArguments[folded(name)]
	return of, ok
}

// common is what all address arguments of one request have in common.
type common struct {
	prefix netip.Prefix
	// items counts addresses and words, also those that say the same again.
	items int
}

// maxItems is more than a request with maxHosts names has a use for.
const maxItems = 100

// wishes collects what address arguments say.
type wishes struct {
	// given tells that there was a value, even one that changes nothing.
	given bool
	// words are what a word in an argument of that family asks for, and for
	// either what one in a general argument asks for.
	words  [3]service.Wish
	values [2][]string
	// move tells that a prefix stood in the place of an IPv6 address.
	move bool
}

// add reads one argument; those that are not about addresses are ignored.
func (w *wishes) add(p param, all *common) *service.Error {
	switch folded(p.name) {
	case "keepipv4":
		w.keep(v4, p.value)
		return nil
	case "keepipv6":
		w.keep(v6, p.value)
		return nil
	case "ip6lanprefix", "ipv6prefix":
		if p.value == "" || isUnspecified(p.value) {
			return nil
		}
		return readPrefix(&all.prefix, p.value)
	}
	of, ok := addressArgument(p.name)
	if !ok {
		return nil
	}
	for item := range strings.SplitSeq(p.value, ",") {
		item = strings.TrimSpace(item)
		if item == "" {
			continue
		}
		w.given = true
		if all.items++; all.items > maxItems {
			return tooManyAddresses(item)
		}
		switch {
		case item == "-":
			w.say(of, service.Wish{Action: zone.Delete})
		case strings.EqualFold(item, "auto"):
			w.say(of, service.Wish{Detect: true, Action: zone.Keep})
		case strings.EqualFold(item, "preserve"), strings.EqualFold(item, "no"):
			w.say(of, keepIt)
		default:
			if err := w.addAddress(item, &all.prefix); err != nil {
				return err
			}
		}
	}
	return nil
}

// keep reads the flag of core-networks.de.
func (w *wishes) keep(of family, value string) {
	if value == "1" || strings.EqualFold(value, "yes") || strings.EqualFold(value, "true") {
		w.words[of] = keepIt
	}
}

// say notes a word; to keep wins over all others.
func (w *wishes) say(of family, word service.Wish) {
	if !keeps(w.words[of]) {
		w.words[of] = word
	}
}

// keepIt is what a word says by which the address stays.
var keepIt = service.Wish{Action: zone.Keep}

func keeps(w service.Wish) bool { return w.Action == zone.Keep && !w.Detect }

func (w *wishes) addAddress(item string, prefix *netip.Prefix) *service.Error {
	addr, given, err := parseAddress(item)
	if err != nil {
		// Scripts for the FRITZ!Box send 0.0.0.0 and :: for a family that is down.
		if isUnspecified(item) {
			return nil
		}
		return err
	}
	if err := addPrefix(prefix, given); err != nil {
		return err
	}
	if !addr.IsValid() {
		w.move = true
		return nil
	}
	of := v6
	if addr.Is4() {
		of = v4
	}
	text := addr.String()
	if slices.Contains(w.values[of], text) {
		return nil
	}
	if len(w.values[of]) == maxAddresses {
		return tooManyAddresses(item)
	}
	w.values[of] = append(w.values[of], text)
	return nil
}

func tooManyAddresses(item string) *service.Error {
	return badAddress(item, "is one address too many")
}

// maxAddresses keeps an RRset, and so the UPDATE message, small.
const maxAddresses = 16

func isUnspecified(text string) bool {
	text, _, _ = strings.Cut(text, "/")
	addr, err := netip.ParseAddr(text)
	return err == nil && addr.Unmap().IsUnspecified()
}

// wish returns what is asked for one family.
func (w *wishes) wish(of family) service.Wish {
	word := w.words[of]
	switch {
	case keeps(word):
	case len(w.values[of]) > 0:
		return service.Wish{Action: zone.Set, Values: w.values[of]}
	case of == v6 && w.move && !word.Mentioned():
		return service.Wish{Action: zone.Keep, Move: true}
	case !word.Mentioned():
		return w.words[either]
	}
	return word
}

// host returns what is asked for the hosts of the request; elsewhere tells that
// it has a prefix, or values for single hosts. Only a request without any value
// is about the address that it comes from.
func (w *wishes) host(elsewhere bool) (a, aaaa service.Wish) {
	a, aaaa = w.wish(v4), w.wish(v6)
	if !w.given && !elsewhere {
		for _, wish := range []*service.Wish{&a, &aaaa} {
			if !keeps(*wish) {
				wish.Detect = true
			}
		}
		return a, aaaa
	}
	if !a.Mentioned() && !aaaa.Mentioned() {
		a.Action, aaaa.Action = zone.Keep, zone.Keep
	}
	return a, aaaa
}
