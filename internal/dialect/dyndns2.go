package dialect

import (
	"net/netip"
	"strings"

	"github.com/caddy-dyndns/dyndns/internal/redact"
	"github.com/caddy-dyndns/dyndns/internal/service"
	"github.com/caddy-dyndns/dyndns/zone"
)

// dyndns2 is the protocol of dyn.com and No-IP, with what other providers and
// their routers have added to it.
type dyndns2 struct{}

var dyndns2Info = Info{Name: "dyndns2", Arguments: dyndns2Arguments()}

func dyndns2Arguments() redact.Kinds {
	kinds := redact.Kinds{
		"keepipv4": redact.KindFlag, "keepipv6": redact.KindFlag, "ip6lanprefix": redact.KindAddress, "ipv6prefix": redact.KindAddress, "offline": redact.KindFlag,
	}
	for _, name := range hostArguments {
		kinds[name] = redact.KindHost
	}
	for name := range addressArguments {
		kinds[name] = redact.KindAddress
	}
	for name := range secretArguments {
		kinds[name] = redact.KindSecret
	}
	return kinds
}

// secretArguments are the names that providers have for the secret. What says who
// the user is does not matter.
var secretArguments = map[string]bool{
	"password": true, "pass": true, "passwd": true, "pwd": true, "token": true, "key": true, "apikey": true, "secret": true, "k": true, "authkey": true,
}

func (dyndns2) Info() *Info { return &dyndns2Info }

func (dyndns2) Match(in *Input) bool {
	switch in.path {
	case "nic/update", "v2/update", "v3/update", "nic/dyndns", pathDelete:
		return true
	case "update":
		return in.options.ForDomain(in.http) && in.names("hostname")
	case "": // deSEC and do.de take updates at any path
		return in.options.ForDomain(in.http) && in.names("hostname", "host_id", "myip")
	}
	return false
}

// pathDelete removes addresses, as nsupdate.info has it.
const pathDelete = "nic/delete"

func (dyndns2) Read(in *Input) (r Request) {
	r.Credential = in.credential(func(name string) bool { return secretArguments[folded(name)] }, "")
	r.Submission, r.Err = readDyndns2(in)
	return r
}

// readDyndns2 returns the hosts also with an error of an address: the reply has a
// line for each.
func readDyndns2(in *Input) (service.Submission, *service.Error) {
	sub := service.Submission{Detected: in.from}
	if err := in.checkCount(); err != nil {
		return sub, err
	}
	for _, p := range in.params {
		if strings.EqualFold(p.name, "offline") && strings.EqualFold(p.value, "yes") {
			return sub, &service.Error{Reason: service.Unsupported, Message: "setting a host offline is not offered"}
		}
	}
	var err *service.Error
	if sub.Hosts, err = hostnames(in); err != nil {
		return sub, err
	}
	if in.path == pathDelete {
		return readDelete(in, sub)
	}
	single, err := singleHosts(in)
	if err != nil {
		return sub, err
	}
	var general wishes
	var all common
	for _, p := range in.params {
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
		if aaaa.Move {
			aaaa.Action = zone.Set // it is this host's own
		}
		for j := range s.hosts {
			s.hosts[j].A, s.hosts[j].AAAA = a, aaaa
		}
		if sub.Hosts, err = override(sub.Hosts, s.hosts); err != nil {
			return sub, err
		}
	}
	if len(sub.Hosts) == 0 {
		sub.Hosts = []service.Host{{Own: true, A: a, AAAA: aaaa}}
	}
	return sub, nil
}

// readDelete returns the hosts of which nsupdate.info's clients have addresses removed:
// those of the family of myip, without one that of the request's own address.
func readDelete(in *Input, sub service.Submission) (service.Submission, *service.Error) {
	if len(sub.Hosts) == 0 {
		sub.Hosts = []service.Host{{Own: true}}
	}
	var a, aaaa service.Wish
	remove := func(addr netip.Addr) {
		if addr = addr.Unmap(); addr.Is4() {
			a.Action = zone.Delete
		} else if addr.Is6() {
			aaaa.Action = zone.Delete
		}
	}
	for _, p := range in.params {
		if _, ok := addressArgument(p.name); !ok {
			continue
		}
		for item := range strings.SplitSeq(p.value, ",") {
			if item = strings.TrimSpace(item); item == "" {
				continue
			}
			text, _, _ := strings.Cut(item, "/")
			addr, err := netip.ParseAddr(text)
			if err != nil {
				return sub, badAddress(item, "is not an IP address")
			}
			remove(addr)
		}
	}
	if !a.Mentioned() && !aaaa.Mentioned() {
		remove(sub.Detected)
	}
	for i := range sub.Hosts {
		sub.Hosts[i].A, sub.Hosts[i].AAAA = a, aaaa
	}
	return sub, nil
}

// hostArguments are the names under which clients send the hosts, the first
// given counts.
var hostArguments = []string{"hostname", "host_id", "host", "domain", "domains", "fqdn", "dn", "h", "zone", "id"}

// hostnames returns the hosts that the request is about.
func hostnames(in *Input) (hosts []service.Host, err *service.Error) {
	given := false
	for _, argument := range hostArguments {
		for _, p := range in.params {
			if !strings.EqualFold(p.name, argument) || p.value == "" || strings.EqualFold(p.value, "yes") {
				continue
			}
			given = true
			if hosts, err = appendHosts(hosts, p.value); err != nil {
				return nil, err
			}
		}
		if len(hosts) > 0 {
			return hosts, nil
		}
	}
	if given {
		return nil, &service.Error{Reason: service.BadName, Message: "no host name is given"}
	}
	user, _ := in.lookup("username")
	for _, name := range []string{in.basicUser(), user} {
		// Without a dot it is an account's, or a token in the wrong field.
		host := service.Host{Name: name}
		if _, err := host.FQDN(); err == nil && strings.Contains(name, ".") {
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
func singleHosts(in *Input) (single []singleHost, err *service.Error) {
	var hosts []service.Host
	for _, p := range in.params {
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
