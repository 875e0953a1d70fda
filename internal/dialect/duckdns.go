package dialect

import (
	"net/http"
	"strings"

	"github.com/caddy-dyndns/dyndns/internal/redact"
	"github.com/caddy-dyndns/dyndns/internal/service"
	"github.com/caddy-dyndns/dyndns/zone"
)

// duckdns is the API of duckdns.org.
type duckdns struct{}

var duckdnsInfo = Info{
	Name: "duckdns",
	Arguments: redact.Kinds{
		"domains": redact.KindHost, "domain": redact.KindHost, "ip": redact.KindAddress, "ipv6": redact.KindAddress, "clear": redact.KindFlag, "verbose": redact.KindFlag,
		"token": redact.KindSecret, "txt": redact.KindSecret, // which has the form of a token
	},
}

func (duckdns) Info() *Info { return &duckdnsInfo }

// Match takes the common path /update only if the query looks like DuckDNS, or at
// the domain.
func (duckdns) Match(in *Input) bool {
	if in.path == "update" && in.names("domains", "token") {
		return true
	}
	endpoint, _, _ := strings.Cut(in.path, "/")
	return endpoint == "update" && in.options.ForDomain(in.http)
}

// Read reads the arguments, which may stand in the path: /update/<domains>/<token>[/<ip>].
func (duckdns) Read(in *Input) (r Request) {
	segments := strings.SplitN(in.path, "/", len(duckdnsPath)+2)[1:]
	for i := range min(len(segments), len(duckdnsPath)) {
		in.params = append(in.params, param{duckdnsPath[i], segments[i]})
	}
	r.Credential = in.credential(func(name string) bool { return name == "token" }, "")
	if len(segments) > len(duckdnsPath) {
		r.Err = badParameter("the path has too many segments")
		return r
	}
	r.Submission, r.Err = readDuckDNS(in)
	return r
}

var duckdnsPath = [...]string{"domains", "token", "ip"}

func readDuckDNS(in *Input) (service.Submission, *service.Error) {
	sub := service.Submission{ShortNames: true, Detected: in.from}
	if err := in.checkCount(); err != nil {
		return sub, err
	}
	host, err := duckdnsHost(in)
	if err != nil {
		return sub, err
	}
	domains, ok := in.lookup("domains")
	if !ok {
		domains, _ = in.lookup("domain") // freemyip.com
	}
	if sub.Hosts, err = appendHosts(nil, domains); err != nil {
		return sub, err
	}
	for i := range sub.Hosts {
		host.Name = sub.Hosts[i].Name
		sub.Hosts[i] = host
	}
	if len(sub.Hosts) == 0 {
		return sub, badParameter("domains is missing")
	}
	return sub, nil
}

// duckdnsHost returns what all hosts of the request should hold. An ACME client
// clears the challenge with an empty txt (lego, acme.sh), so there the name of
// the argument counts, not its value.
func duckdnsHost(in *Input) (service.Host, *service.Error) {
	var host service.Host
	txt, isTXT := in.lookup("txt")
	clearAll := in.flag("clear")
	switch {
	case isTXT && clearAll:
		host.Challenge = service.Wish{Action: zone.Remove, Roll: true}
		return host, nil
	case clearAll:
		host.A.Action, host.AAAA.Action = zone.Delete, zone.Delete
		return host, nil
	case isTXT:
		var err *service.Error
		if host, err = challenge("", zone.Add, txt); err != nil {
			return host, err
		}
		host.Challenge.Roll = true
	}
	given := false
	for _, argument := range []string{"ip", "ipv6"} {
		value, _ := in.lookup(argument)
		if value == "" {
			continue
		}
		given = true
		addr, prefix, err := parseAddress(value)
		switch {
		case err != nil:
			return host, err
		case prefix.IsValid():
			return host, badAddress(value, "is a prefix, not an address")
		case argument == "ipv6" && addr.Is4():
			return host, badAddress(value, "is not an IPv6 address")
		}
		wish := &host.A
		if addr.Is6() {
			wish = &host.AAAA
		}
		if wish.Action == zone.Set && wish.Values[0] != addr.String() {
			return host, badAddress(value, "is a second IPv6 address")
		}
		*wish = service.Wish{Action: zone.Set, Values: []string{addr.String()}}
	}
	if !given && !isTXT {
		host.A.Detect, host.AAAA.Detect = true, true
	}
	return host, nil
}

func (in *Input) flag(name string) bool {
	value, _ := in.lookup(name)
	return strings.EqualFold(value, "true")
}

// Write says OK only if all hosts succeeded. ddclient 4 compares the body whole.
func (duckdns) Write(in *Input, _ Request, out service.Outcome) Reply {
	reply := Reply{Status: http.StatusOK, ContentType: textPlain, Body: []byte("KO")}
	if out.Err != nil {
		reply.Status = duckdnsStatus(out.Err)
		reply.setHeader(out.Err, reply.Status)
		return reply
	}
	failed := false
	for h := range out.Names() {
		if h.Err != nil {
			failed = true
			reply.Status = max(reply.Status, duckdnsStatus(h.Err))
			reply.setHeader(h.Err, reply.Status)
		}
	}
	if failed {
		return reply
	}
	reply.Body = append(reply.Body[:0], "OK"...)
	if in.flag("verbose") {
		reply.Body = appendVerbose(reply.Body, &out)
	}
	return reply
}

// appendVerbose adds both addresses of the first host, and whether anything changed.
func appendVerbose(b []byte, out *service.Outcome) []byte {
	for _, t := range []zone.Type{zone.TypeA, zone.TypeAAAA} {
		b = append(b, '\n')
		if len(out.Hosts) == 0 {
			continue
		}
		for _, r := range out.Hosts[0].Records {
			if r.Type == t && len(r.New) > 0 {
				b = append(b, r.New[0]...)
			}
		}
	}
	if out.Changed() {
		return append(b, "\nUPDATED"...)
	}
	return append(b, "\nNOCHANGE"...)
}

// duckdnsStatus is 200 with every KO that a client can do nothing about.
func duckdnsStatus(e *service.Error) int {
	switch e.Reason {
	case service.NoCredential:
		return http.StatusUnauthorized
	case service.BadCredential:
		if e.InURL {
			return http.StatusOK
		}
		return http.StatusUnauthorized
	case service.CrossSite:
		return http.StatusForbidden
	case service.BadMethod:
		return http.StatusMethodNotAllowed
	case service.BadMediaType:
		return http.StatusUnsupportedMediaType
	case service.ClientsFailed, service.Throttled, service.LimitReached, zone.Conflict, zone.Refused, zone.Invalid, zone.Unreachable, zone.Timeout, zone.Busy:
		return http.StatusServiceUnavailable
	default:
		return http.StatusOK
	}
}
