package dialect

import (
	"strings"

	"github.com/caddy-dyndns/dyndns/internal/redact"
	"github.com/caddy-dyndns/dyndns/internal/service"
	"github.com/caddy-dyndns/dyndns/zone"
)

// native is the API of the Python dyndns: the paths and words of its versions
// 1.1.1 and 2.0.0, with statuses of our own.
type native struct{}

var nativeInfo = Info{
	Name: "native",
	Arguments: redact.Kinds{
		"fqdn": redact.KindHost, "zone_name": redact.KindHost, "record_name": redact.KindHost, "ttl": redact.KindNumber,
		"ip_1": redact.KindAddress, "ip_2": redact.KindAddress, "ipv4": redact.KindAddress, "ipv6": redact.KindAddress,
		"myipv6": redact.KindAddress, "ip6lanprefix": redact.KindAddress, "ipv6prefix": redact.KindAddress, "secret": redact.KindSecret,
	},
	Checks: true,
}

func (native) Info() *Info { return &nativeInfo }

func (native) Match(in *Input) bool {
	endpoint, rest, _ := strings.Cut(in.path, "/")
	switch endpoint {
	case "update-by-query":
		return rest == ""
	case "update-by-path", "delete-by-path":
		return true
	case "check":
		// Many a site has a page of its own at /check.
		_, inQuery := in.lookup("secret")
		c := nativeCall{Input: in, endpoint: endpoint}
		return c.splitPath() != "" || inQuery || in.http.Header.Get("Authorization") != "" || in.options.ForDomain(in.http)
	}
	return false
}

func (native) Read(in *Input) (r Request) {
	c := nativeCall{Input: in}
	c.endpoint, _, _ = strings.Cut(in.path, "/")
	secret := ""
	if c.endpoint != "update-by-query" {
		secret = c.splitPath()
	}
	r.Credential = in.credential(func(name string) bool { return name == "secret" }, secret)
	r.Submission, r.Err = c.submission()
	return r
}

// nativeCall is a request of the native dialect while it is read.
type nativeCall struct {
	*Input
	endpoint string
	// segments are what follows the secret in the path.
	segments []string
}

// splitPath splits the path as it was sent: a prefix has its slash escaped. It
// returns the secret in it.
func (n *nativeCall) splitPath() (secret string) {
	_, rest, ok := strings.Cut(n.http.URL.EscapedPath(), n.endpoint)
	escaped := ok
	if !ok { // letters of the endpoint are escaped
		_, rest, _ = strings.Cut(n.http.URL.Path, n.endpoint)
	}
	// One more than the longest path has: what follows is not looked at.
	segments := strings.SplitN(strings.TrimRight(strings.TrimPrefix(rest, "/"), "/"), "/", 5)
	if escaped {
		for i, s := range segments {
			segments[i] = unescape(s, false)
		}
	}
	n.segments = segments[1:]
	return segments[0]
}

func (n *nativeCall) submission() (service.Submission, *service.Error) {
	if err := n.checkArguments(); err != nil {
		return service.Submission{}, err
	}
	switch n.endpoint {
	case "check":
		return service.Submission{Check: true}, n.checkSegments(0)
	case "delete-by-path":
		host := service.Host{Name: n.segment(0), A: service.Wish{Action: zone.Delete}, AAAA: service.Wish{Action: zone.Delete}}
		if host.Name == "" {
			return service.Submission{}, badParameter(`The argument "fqdn" is missing`)
		}
		return service.Submission{Hosts: []service.Host{host}}, n.checkSegments(1)
	case "update-by-path":
		if err := n.checkSegments(3); err != nil {
			return service.Submission{}, err
		}
		return n.update([]param{{"fqdn", n.segment(0)}, {"ip_1", n.segment(1)}, {"ip_2", n.segment(2)}})
	}
	return n.update(n.params)
}

func (n *nativeCall) segment(i int) string {
	if i < len(n.segments) {
		return n.segments[i]
	}
	return ""
}

func (n *nativeCall) checkSegments(most int) *service.Error {
	if len(n.segments) > most {
		return badParameter("the path has too many segments")
	}
	return nil
}

// checkArguments refuses what the endpoint does not know, and what is given twice.
func (n *nativeCall) checkArguments() *service.Error {
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
				known = known || strings.HasPrefix(p.name, singleHostsPrefix)
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
