package dialect

import (
	"net/netip"
	"strconv"
	"strings"

	"github.com/caddy-dyndns/dyndns/internal/redact"
	"github.com/caddy-dyndns/dyndns/internal/service"
	"github.com/caddy-dyndns/dyndns/zone"
)

// singleHostsPrefix begins the name of an argument with a value for the hosts
// named in the rest of it: myipv6:<host>[,<host>]=, as deSEC has it.
const singleHostsPrefix = "myipv6:"

// update reads the arguments of an update, which may stand in the path. An empty one counts as absent.
func (n *nativeCall) update(arguments []param) (service.Submission, *service.Error) {
	var (
		sub               = service.Submission{Detected: n.from}
		host              service.Host
		fqdn, zone, label string
		err               *service.Error
	)
	for _, p := range arguments {
		if p.value == "" {
			continue
		}
		switch p.name {
		case "secret":
		case "fqdn":
			fqdn = p.value
		case "zone_name":
			zone = p.value
		case "record_name":
			label = p.value
		case "ttl":
			sub.TTL, err = parseTTL(p.value)
		case "ip6lanprefix", "ipv6prefix":
			err = readPrefix(&sub.Prefix, p.value)
		default:
			if !strings.HasPrefix(p.name, singleHostsPrefix) {
				err = setAddress(&sub, &host, p)
			}
		}
		if err != nil {
			return service.Submission{}, err
		}
	}
	host.Name, host.Zone = fqdn, zone
	switch {
	case fqdn == "" && zone == "" && label == "":
		return service.Submission{}, badParameter(`The argument "fqdn" is missing`)
	case zone == "" && label != "":
		return service.Submission{}, badParameter(`The argument "zone_name" is missing`)
	case fqdn == "" && label == "":
		return service.Submission{}, badParameter(`The argument "record_name" is missing; @ is the zone itself`)
	case label != "":
		inZone := service.Host{Name: nameInZone(label, zone)}
		if fqdn != "" && !host.SameName(&inZone) {
			return service.Submission{}, badParameter("fqdn, and zone_name with record_name, are two names")
		}
		host.Name = inZone.Name
	}
	sub.Hosts = []service.Host{host}
	if err := n.singleHosts(&sub); err != nil {
		return service.Submission{}, err
	}
	n.complete(&sub)
	return sub, nil
}

// nameInZone returns the name of a record, which may end in that of its zone, as
// version 2.0.0 of the Python dyndns has it.
func nameInZone(label, zone string) string {
	label, zone = strings.TrimSuffix(label, "."), strings.TrimSuffix(zone, ".")
	above := len(label) - len(zone)
	switch {
	case label == "@":
		return zone
	case above >= 0 && strings.EqualFold(label[above:], zone) && (above == 0 || label[above-1] == '.'):
		return label
	}
	return label + "." + zone
}

// setAddress reads one of the address arguments into the host.
func setAddress(sub *service.Submission, host *service.Host, p param) *service.Error {
	wish, addr, prefix, err := readWish(p.value, p.name == "ipv4" || p.name == "ipv6")
	if err != nil {
		return err
	}
	isV6 := addr.Is6() || prefix.IsValid()
	switch {
	case wish.Action == zone.Delete:
		isV6 = p.name == "ipv6"
	case isV6 && p.name == "ipv4":
		return badAddress(p.value, "is not an IPv4 address")
	case !isV6 && p.name == "ipv6":
		return badAddress(p.value, "is not an IPv6 address")
	}
	if err := addPrefix(&sub.Prefix, prefix); err != nil {
		return err
	}
	if !wish.Mentioned() {
		return nil
	}
	family := &host.A
	if isV6 {
		family = &host.AAAA
	}
	if family.Mentioned() {
		return badAddress(p.value, "is a second value for its address family")
	}
	*family = wish
	return nil
}

// readWish reads what an address argument asks for.
func readWish(value string, noneAllowed bool) (service.Wish, netip.Addr, netip.Prefix, *service.Error) {
	if noneAllowed && strings.EqualFold(value, "none") {
		return service.Wish{Action: zone.Delete}, netip.Addr{}, netip.Prefix{}, nil
	}
	addr, prefix, err := parseAddress(value)
	if err != nil || !addr.IsValid() {
		return service.Wish{Action: zone.Keep, Move: prefix.IsValid()}, addr, prefix, err
	}
	return service.Wish{Action: zone.Set, Values: []string{addr.String()}}, addr, prefix, nil
}

// singleHosts reads the values for single hosts.
func (n *nativeCall) singleHosts(sub *service.Submission) (err *service.Error) {
	var single []service.Host
	for _, p := range n.params {
		names, ok := strings.CutPrefix(p.name, singleHostsPrefix)
		if !ok || p.value == "" {
			continue
		}
		wish, addr, prefix, err := readWish(p.value, true)
		if err != nil {
			return err
		}
		if addr.Is4() {
			return badAddress(p.value, "is not an IPv6 address")
		}
		if wish.Move {
			wish.Action = zone.Set // it is these hosts' own
		}
		if err := addPrefix(&sub.Prefix, prefix); err != nil {
			return err
		}
		earlier := len(single)
		if single, err = appendHosts(single, names); err != nil {
			return err
		}
		for i := range single[earlier:] {
			single[earlier+i].AAAA = wish
		}
	}
	sub.Hosts, err = override(sub.Hosts, single)
	return err
}

// complete decides what happens to the families of the host that the request
// does not mention. Only a request without any value is about the address that
// it comes from; one that has values for other hosts alone leaves this one be.
func (n *nativeCall) complete(sub *service.Submission) {
	host := &sub.Hosts[0]
	mentioned := host.A.Mentioned() || host.AAAA.Mentioned()
	elsewhere := sub.Prefix.IsValid() || len(sub.Hosts) > 1
	missing := zone.Keep
	if n.options.MissingFamilyDelete && (mentioned || !elsewhere) {
		missing = zone.Delete
	}
	if !mentioned && !elsewhere {
		host.A = service.Wish{Detect: true, Action: missing}
		host.AAAA = host.A
		return
	}
	if !host.A.Mentioned() {
		host.A.Action = missing
	}
	if !host.AAAA.Mentioned() {
		host.AAAA.Action = missing
		if sub.Prefix.IsValid() { // which is a mention of IPv6
			host.AAAA.Action = zone.Keep
		}
	}
}

// parseTTL reads what RFC 2181 section 8 allows.
func parseTTL(text string) (*uint32, *service.Error) {
	ttl, err := strconv.ParseUint(text, 10, 31)
	if err != nil {
		return nil, badParameter("ttl " + redact.Echo(text) + " is not a whole number from 0 to 2147483647")
	}
	seconds := uint32(ttl)
	return &seconds, nil
}
