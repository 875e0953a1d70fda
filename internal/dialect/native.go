package dialect

import (
	"net/http"
	"strings"

	"github.com/caddy-dyndns/dyndns/internal/redact"
	"github.com/caddy-dyndns/dyndns/internal/service"
	"github.com/caddy-dyndns/dyndns/zone"
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
		host := service.Host{Name: n.segment(0), A: service.Wish{Action: zone.Delete}, AAAA: service.Wish{Action: zone.Delete}}
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
