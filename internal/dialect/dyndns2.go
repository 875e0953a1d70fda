package dialect

import (
	"net/http"
	"strings"

	"github.com/caddy-dyndns/dyndns/internal/service"
)

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
		switch folded(p.name) {
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
	var err *service.Error
	if sub.Hosts, err = d.hostnames(); err != nil {
		return sub, err
	}
	single, err := d.singleHosts()
	if err != nil {
		return sub, err
	}
	// The reply to a bad address has a line for each host, so the hosts come first.
	d.hosts = len(sub.Hosts)

	var general wishes
	var all common
	for _, p := range d.params {
		if err := general.add(p, &all); err != nil {
			return sub, err
		}
	}
	for i := range single {
		if err := single[i].add(single[i].param, &all); err != nil {
			return sub, err
		}
	}
	sub.Prefix = all.prefix
	a, aaaa := general.host(sub.Prefix.IsValid() || len(single) > 0)
	for i := range sub.Hosts {
		sub.Hosts[i].A, sub.Hosts[i].AAAA = a, aaaa
	}
	for i := range single {
		s := &single[i]
		a, aaaa := s.wish(v4), s.wish(v6)
		for j := range s.hosts {
			s.hosts[j].A, s.hosts[j].AAAA = a, aaaa
		}
		if sub.Hosts, err = override(sub.Hosts, s.hosts); err != nil {
			return sub, err
		}
	}
	if d.hosts = len(sub.Hosts); d.hosts == 0 {
		return sub, &service.Error{Reason: service.BadName, Message: "no host name is given"}
	}
	return sub, nil
}

// hostArguments are the names under which clients send the hosts, the first
// given counts.
var hostArguments = []string{"hostname", "host_id", "host", "domain", "domains", "fqdn", "dn", "h", "zone", "id"}

// hostnames returns the hosts that the request is about.
func (d *dyndns2) hostnames() (hosts []service.Host, err *service.Error) {
	for _, argument := range hostArguments {
		for _, p := range d.params {
			if !strings.EqualFold(p.name, argument) || strings.EqualFold(p.value, "yes") {
				continue
			}
			if hosts, err = appendHosts(hosts, p.value); err != nil {
				return nil, err
			}
		}
		if len(hosts) > 0 {
			return hosts, nil
		}
	}
	// Without a dot the user name is an account's, or a token in the wrong field.
	if user := d.basicUser(); strings.Contains(user, ".") {
		host := service.Host{Name: user}
		if _, err := host.FQDN(); err == nil {
			return []service.Host{host}, nil
		}
	}
	return nil, nil
}

// singleHost is an argument with a value for certain hosts.
type singleHost struct {
	wishes
	param param
	hosts []service.Host
}

// singleHosts returns the arguments <address argument>:<host>[,<host>]=, of
// which deSEC's clients send myipv4: and myipv6:.
func (d *dyndns2) singleHosts() (single []singleHost, err *service.Error) {
	var hosts []service.Host
	for _, p := range d.params {
		argument, list, ok := strings.Cut(p.name, ":")
		if _, known := addressArgument(argument); !ok || !known || p.value == "" {
			continue
		}
		earlier := len(hosts)
		if hosts, err = appendHosts(hosts, list); err != nil {
			return nil, err
		}
		single = append(single, singleHost{param: param{argument, p.value}, hosts: hosts[earlier:]})
	}
	return single, nil
}
