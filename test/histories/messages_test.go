//go:build integration && linux

package histories

import (
	"fmt"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/caddy-dyndns/dyndns/dnsupdate/dnstest"
	"github.com/caddy-dyndns/dyndns/zone/zonetest"
)

// message is one that the nameserver answered, with its reply.
type message struct {
	where        string
	at           time.Duration // of the reply
	query, reply []byte
}

// record keeps the messages of a proxy, to explain a violation.
func (s *target) record(p *dnstest.Proxy, where string) {
	p.Watch(func(query, reply []byte) {
		m := message{where, s.run.now(), query, reply}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.messages = append(s.messages, m)
	})
}

// about returns the messages in which a name occurs, in the order of their replies.
func (s *target) about(name string) []zonetest.Incident {
	var list []zonetest.Incident
	for _, m := range s.messages {
		var query, reply dns.Msg
		if query.Unpack(m.query) != nil || reply.Unpack(m.reply) != nil {
			continue
		}
		var text []string
		add := func(section string, list []dns.RR) {
			for _, rr := range list {
				if strings.HasPrefix(rr.Header().Name, name+".") {
					text = append(text, section+" "+strings.Join(strings.Fields(strings.TrimPrefix(rr.String(), name+".")), " "))
				}
			}
		}
		if query.Opcode == dns.OpcodeUpdate {
			add("if", query.Answer)
			add("then", query.Ns)
		} else if query.Question[0].Name == name+"." {
			add("is", reply.Answer)
			text = append(text, "read")
		}
		if len(text) > 0 {
			list = append(list, zonetest.Incident{Where: m.where, Begin: m.at, End: m.at,
				What: fmt.Sprintf("%d %s: %s", query.Id, dns.RcodeToString[reply.Rcode], strings.Join(text, "; "))})
		}
	}
	return list
}
