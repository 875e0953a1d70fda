package dialect

import (
	"fmt"
	"strings"

	"github.com/caddy-dyndns/dyndns/internal/service"
)

// maxHosts is how many names one request may carry, as dyn.com had it.
const maxHosts = 20

// appendHosts appends the names of a list that commas separate.
func appendHosts(hosts []service.Host, list string) ([]service.Host, *service.Error) {
	for item := range strings.SplitSeq(list, ",") {
		if item = strings.TrimSpace(item); item == "" {
			continue
		}
		if len(hosts) == maxHosts {
			return nil, tooManyHosts()
		}
		hosts = append(hosts, service.Host{Name: item})
	}
	return hosts, nil
}

// override returns the hosts with what a request has for single ones of them,
// which may be nothing. A host that it names nowhere else is added with that alone.
func override(hosts, single []service.Host) ([]service.Host, *service.Error) {
	for i := range single {
		s := &single[i]
		if !s.A.Mentioned() && !s.AAAA.Mentioned() {
			continue
		}
		found := false
		for j := range hosts {
			if hosts[j].SameName(s) {
				found = true
				if s.A.Mentioned() {
					hosts[j].A = s.A
				}
				if s.AAAA.Mentioned() {
					hosts[j].AAAA = s.AAAA
				}
			}
		}
		if !found {
			if len(hosts) == maxHosts {
				return nil, tooManyHosts()
			}
			hosts = append(hosts, *s)
		}
	}
	return hosts, nil
}

func tooManyHosts() *service.Error {
	return &service.Error{Reason: service.TooManyHosts, Message: fmt.Sprintf("a request may name %d hosts", maxHosts)}
}
