package dialect

import (
	"net/http"
	"net/netip"
	"strconv"
	"strings"

	"github.com/caddy-dyndns/dyndns/internal/redact"
	"github.com/caddy-dyndns/dyndns/internal/service"
)

// native is the API of the Python dyndns: the paths and words of its versions
// 1.1.1 and 2.0.0, with statuses of our own.
type native struct {
	request
	endpoint            string
	missingFamilyDelete bool
	// secret and segments are what follows the endpoint in the path.
	secret   string
	segments []string
}

// hostArgument begins the name of an argument with a value for the hosts named
// in the rest of it: myipv6:<host>[,<host>]=, as deSEC has it.
const hostArgument = "myipv6:"

func matchNative(r *http.Request, o Options, endpoint string) (Call, bool) {
	n := &native{endpoint: endpoint, missingFamilyDelete: o.MissingFamilyDelete}
	n.init(r)
	if endpoint != "update-by-query" {
		n.splitPath()
	}
	// Many a site has a page of its own at /check.
	if endpoint == "check" && n.secret == "" && !o.ForDomain(r) {
		_, inQuery := n.lookup("secret")
		if !inQuery && r.Header.Get("Authorization") == "" {
			return nil, false
		}
	}
	return n, true
}

func (n *native) Dialect() string { return "native" }

// splitPath splits the path as it was sent: a prefix has its slash escaped.
func (n *native) splitPath() {
	_, rest, ok := strings.Cut(n.http.URL.EscapedPath(), n.endpoint)
	escaped := ok
	if !ok { // letters of the endpoint are escaped
		_, rest, _ = strings.Cut(n.http.URL.Path, n.endpoint)
	}
	// One more than the longest path has: what follows is not looked at.
	n.segments = strings.SplitN(strings.TrimRight(strings.TrimPrefix(rest, "/"), "/"), "/", 5)
	if escaped {
		for i, s := range n.segments {
			n.segments[i] = unescape(s, false)
		}
	}
	n.secret, n.segments = n.segments[0], n.segments[1:]
}

func (n *native) Credential() service.Credential {
	n.present(n.secret, true)
	for _, p := range n.params {
		if p.name == "secret" {
			n.present(p.value, true)
		}
	}
	n.presentHeader()
	return n.credential
}

func (n *native) Submission() (service.Submission, *service.Error) {
	if err := n.checkArguments(); err != nil {
		return service.Submission{}, err
	}
	switch n.endpoint {
	case "check":
		return service.Submission{Check: true}, n.checkSegments(0)
	case "delete-by-path":
		host := service.Host{Name: n.segment(0), A: service.Wish{Action: service.Delete}, AAAA: service.Wish{Action: service.Delete}}
		if host.Name == "" {
			return service.Submission{}, badParameter(`The argument "fqdn" is missing`)
		}
		return service.Submission{Hosts: []service.Host{host}}, n.checkSegments(1)
	case "update-by-path":
		if err := n.checkSegments(3); err != nil {
			return service.Submission{}, err
		}
		// From here on both forms are the same.
		n.params = append(n.params, param{"fqdn", n.segment(0)}, param{"ip_1", n.segment(1)}, param{"ip_2", n.segment(2)})
	}
	return n.update()
}

func (n *native) segment(i int) string {
	if i < len(n.segments) {
		return n.segments[i]
	}
	return ""
}

func (n *native) checkSegments(most int) *service.Error {
	if len(n.segments) > most {
		return badParameter("the path has too many segments")
	}
	return nil
}

// checkArguments refuses what the endpoint does not know, and what is given twice.
func (n *native) checkArguments() *service.Error {
	if err := n.checkCount(); err != nil {
		return err
	}
	for i, p := range n.params {
		known := p.name == "secret"
		if n.endpoint == "update-by-query" {
			switch p.name {
			case "fqdn", "zone_name", "record_name", "ip_1", "ip_2", "ipv4", "ipv6", "ttl", "ip6lanprefix", "ipv6prefix":
				known = true
			default:
				known = known || strings.HasPrefix(p.name, hostArgument)
			}
		}
		if !known {
			return badParameter(`Unknown query string argument: "` + redact.Echo(p.name) + `"`)
		}
		for _, earlier := range n.params[:i] {
			if earlier.name == p.name {
				return badParameter(`The argument "` + redact.Echo(p.name) + `" is given twice`)
			}
		}
	}
	return nil
}

// update reads the arguments of an update. An empty one counts as absent.
func (n *native) update() (service.Submission, *service.Error) {
	var (
		sub               service.Submission
		host              service.Host
		fqdn, zone, label string
		err               *service.Error
	)
	for _, p := range n.params {
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
			if !strings.HasPrefix(p.name, hostArgument) {
				err = setAddress(&sub, &host, p)
			}
		}
		if err != nil {
			return service.Submission{}, err
		}
	}
	switch {
	case fqdn != "" && (zone != "" || label != ""):
		return service.Submission{}, badParameter("Specify fqdn, or zone_name with record_name, not both")
	case fqdn != "":
		host.Name = fqdn
	case zone == "" && label == "":
		return service.Submission{}, badParameter(`The argument "fqdn" is missing`)
	case zone == "":
		return service.Submission{}, badParameter(`The argument "zone_name" is missing`)
	case label == "":
		return service.Submission{}, badParameter(`The argument "record_name" is missing; @ is the zone itself`)
	case label == "@":
		host.Name, host.Zone = zone, zone
	default:
		host.Name, host.Zone = label+"."+zone, zone
	}
	sub.Hosts = []service.Host{host}
	if err := n.singleHosts(&sub); err != nil {
		return service.Submission{}, err
	}
	n.complete(&sub)
	return sub, nil
}

// setAddress reads one of the address arguments into the host.
func setAddress(sub *service.Submission, host *service.Host, p param) *service.Error {
	wish, addr, prefix, err := readWish(p.value, p.name == "ipv4" || p.name == "ipv6")
	if err != nil {
		return err
	}
	isV6 := addr.Is6() || prefix.IsValid()
	switch {
	case wish.Action == service.Delete:
		isV6 = p.name == "ipv6"
	case isV6 && p.name == "ipv4":
		return badAddress(p.value, "is not an IPv4 address")
	case !isV6 && p.name == "ipv6":
		return badAddress(p.value, "is not an IPv6 address")
	}
	if err := addPrefix(&sub.Prefix, prefix); err != nil {
		return err
	}
	if wish.Action == service.Unmentioned {
		return nil
	}
	family := &host.A
	if isV6 {
		family = &host.AAAA
	}
	if family.Action != service.Unmentioned {
		return badAddress(p.value, "is a second value for its address family")
	}
	*family = wish
	return nil
}

// readWish reads what an address argument asks for: nothing for the host itself
// if it is a prefix.
func readWish(value string, noneAllowed bool) (service.Wish, netip.Addr, netip.Prefix, *service.Error) {
	if noneAllowed && strings.EqualFold(value, "none") {
		return service.Wish{Action: service.Delete}, netip.Addr{}, netip.Prefix{}, nil
	}
	addr, prefix, err := parseAddress(value)
	if err != nil || !addr.IsValid() {
		return service.Wish{}, addr, prefix, err
	}
	return service.Wish{Action: service.Set, Values: []string{addr.String()}}, addr, prefix, nil
}

// singleHosts reads the values for single hosts.
func (n *native) singleHosts(sub *service.Submission) (err *service.Error) {
	var single []service.Host
	for _, p := range n.params {
		names, ok := strings.CutPrefix(p.name, hostArgument)
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
func (n *native) complete(sub *service.Submission) {
	host := &sub.Hosts[0]
	mentioned := host.A.Action != service.Unmentioned || host.AAAA.Action != service.Unmentioned
	elsewhere := sub.Prefix.IsValid() || len(sub.Hosts) > 1
	missing := service.Keep
	if n.missingFamilyDelete && (mentioned || !elsewhere) {
		missing = service.Delete
	}
	if !mentioned && !elsewhere {
		host.A = service.Wish{Action: service.Detect, Else: missing}
		host.AAAA = host.A
		return
	}
	if host.A.Action == service.Unmentioned {
		host.A.Action = missing
	}
	if host.AAAA.Action == service.Unmentioned {
		host.AAAA.Action = missing
		if sub.Prefix.IsValid() { // which is a mention of IPv6
			host.AAAA.Action = service.Keep
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

func badParameter(message string) *service.Error {
	return &service.Error{Reason: service.BadParameter, Message: message}
}
