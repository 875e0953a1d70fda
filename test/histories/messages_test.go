//go:build integration && linux

package histories

import (
	"fmt"
	"slices"
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

// about returns what was said in a zone while a history lasted, in the order of the replies.
func (s *target) about(zone string, h zonetest.History) []zonetest.Incident {
	var list []zonetest.Incident
	begin, end := h[0].Call, h[0].Reply
	for _, o := range h {
		if o.Client != "last read" {
			begin, end = min(begin, o.Call), max(end, o.Reply)
		}
	}
	for _, m := range s.messages {
		var query, reply dns.Msg
		if m.at < begin || m.at > end || query.Unpack(m.query) != nil || reply.Unpack(m.reply) != nil ||
			!dns.IsSubDomain(zone+".", query.Question[0].Name) {
			continue
		}
		var text []string
		add := func(section string, list []dns.RR) {
			for _, rr := range list {
				line := strings.ReplaceAll(rr.String(), "."+zone+".", "")
				text = append(text, section+" "+strings.Join(strings.Fields(line), " "))
			}
		}
		if query.Opcode == dns.OpcodeUpdate {
			// That nothing blocks a name is required each time.
			add("if", slices.DeleteFunc(query.Answer, func(rr dns.RR) bool {
				t := rr.Header().Rrtype
				return rr.Header().Class == dns.ClassNONE && t != dns.TypeA
			}))
			add("then", query.Ns)
		} else {
			add("is", reply.Answer)
			text = append(text, "read "+query.Question[0].String())
		}
		list = append(list, zonetest.Incident{Where: m.where, Begin: m.at, End: m.at,
			What: fmt.Sprintf("%d %s: %s", query.Id, dns.RcodeToString[reply.Rcode], strings.Join(text, "; "))})
	}
	return list
}
