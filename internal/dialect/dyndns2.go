package dialect

import (
	"net/http"
	"strings"

	"github.com/caddy-dyndns/dyndns/internal/name"
	"github.com/caddy-dyndns/dyndns/internal/service"
)

// maxHosts is how many names one request may carry, as dyn.com had it.
const maxHosts = 20

// dyndns2 is the protocol of dyn.com and No-IP, with what other providers and
// their routers have added to it.
type dyndns2 struct {
	request
	// hosts is how many names the request carries, once they are read.
	hosts int
}

func newDyndns2(r *http.Request) *dyndns2 {
	d := &dyndns2{}
	d.init(r)
	return d
}

func (d *dyndns2) Dialect() string { return "dyndns2" }

// Credential takes the secret under every name that providers have for it; what
// says who the user is does not matter.
func (d *dyndns2) Credential() service.Credential {
	d.presentHeader()
	for _, p := range d.params {
		switch strings.ToLower(p.name) {
		case "password", "pass", "passwd", "pwd", "token", "key", "apikey", "secret", "k", "authkey":
			d.present(p.value, true)
		}
	}
	return d.credential
}

func (d *dyndns2) Submission() (service.Submission, *service.Error) {
	var sub service.Submission
	if err := d.checkCount(); err != nil {
		return sub, err
	}
	for _, p := range d.params {
		if strings.EqualFold(p.name, "offline") && strings.EqualFold(p.value, "yes") {
			return sub, &service.Error{Reason: service.Unsupported, Message: "setting a host offline is not offered"}
		}
	}
	names, err := d.hostnames()
	if err != nil {
		return sub, err
	}
	single, err := d.singleHosts()
	if err != nil {
		return sub, err
	}
	// The reply to a bad address has a line for each host, so the hosts come first.
	sub.Hosts = make([]service.Host, len(names), len(names)+len(single))
	for i := range names {
		sub.Hosts[i].Name = names[i]
	}
	d.hosts = len(names)

	var general wishes
	for _, p := range d.params {
		if err := general.add(p, &sub.Prefix); err != nil {
			return sub, err
		}
	}
	for i := range single {
		if err := single[i].add(single[i].param, &sub.Prefix); err != nil {
			return sub, err
		}
	}
	a, aaaa := general.host(sub.Prefix.IsValid() || len(single) > 0)
	for i := range sub.Hosts {
		sub.Hosts[i].A, sub.Hosts[i].AAAA = a, aaaa
	}
	for i := range single {
		single[i].apply(&sub)
	}
	d.hosts = len(sub.Hosts)
	switch {
	case d.hosts == 0:
		return sub, &service.Error{Reason: service.BadName, Message: "no host name is given"}
	case d.hosts > maxHosts:
		return sub, tooManyHosts()
	}
	return sub, nil
}

// hostArguments are the names under which clients send the hosts, the first
// given counts.
var hostArguments = []string{"hostname", "host_id", "host", "domain", "domains", "fqdn", "dn", "h", "zone", "id"}

// hostnames returns the names that the request is about.
func (d *dyndns2) hostnames() ([]string, *service.Error) {
	var names []string
	for _, argument := range hostArguments {
		for _, p := range d.params {
			if !strings.EqualFold(p.name, argument) || strings.EqualFold(p.value, "yes") {
				continue
			}
			for item := range strings.SplitSeq(p.value, ",") {
				item = strings.TrimSpace(item)
				if item == "" {
					continue
				}
				if len(names) == maxHosts {
					return nil, tooManyHosts()
				}
				names = append(names, item)
			}
		}
		if len(names) > 0 {
			return names, nil
		}
	}
	// Without a dot the user name is an account's, or a token in the wrong field.
	if user := d.basicUser(); strings.Contains(user, ".") {
		if _, err := name.Normalize(user); err == nil {
			return []string{user}, nil
		}
	}
	return nil, nil
}

// singleHost is an argument with a value for certain hosts.
type singleHost struct {
	wishes
	param param
	names []string
}

// singleHosts returns the arguments <address argument>:<host>[,<host>]=, of
// which deSEC's clients send myipv4: and myipv6:.
func (d *dyndns2) singleHosts() ([]singleHost, *service.Error) {
	var single []singleHost
	total := 0
	for _, p := range d.params {
		argument, hosts, ok := strings.Cut(p.name, ":")
		if _, known := addressArgument(argument); !ok || !known || p.value == "" {
			continue
		}
		s := singleHost{param: param{argument, p.value}}
		for host := range strings.SplitSeq(hosts, ",") {
			if host = strings.TrimSpace(host); host == "" {
				continue
			}
			if total++; total > maxHosts {
				return nil, tooManyHosts()
			}
			s.names = append(s.names, host)
		}
		single = append(single, s)
	}
	return single, nil
}

// apply overrides what the named hosts of the submission get. One that the
// request names nowhere else joins it with this value alone.
func (s *singleHost) apply(sub *service.Submission) {
	a, aaaa := s.wish(v4), s.wish(v6)
	if a.Action == service.Unmentioned && aaaa.Action == service.Unmentioned {
		return
	}
	for _, host := range s.names {
		found := false
		for i := range sub.Hosts {
			if !sameName(sub.Hosts[i].Name, host) {
				continue
			}
			found = true
			if a.Action != service.Unmentioned {
				sub.Hosts[i].A = a
			}
			if aaaa.Action != service.Unmentioned {
				sub.Hosts[i].AAAA = aaaa
			}
		}
		if !found {
			sub.Hosts = append(sub.Hosts, service.Host{Name: host, A: a, AAAA: aaaa})
		}
	}
}

func tooManyHosts() *service.Error {
	return &service.Error{Reason: service.TooManyHosts, Message: "a request may name 20 hosts"}
}
