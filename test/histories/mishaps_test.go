//go:build integration && linux

package histories

import (
	"math/rand/v2"
	"time"

	"github.com/miekg/dns"

	"github.com/caddy-dyndns/dyndns/dnsupdate/dnstest"
)

// mishap is what befalls a message.
type mishap struct {
	name   string
	weight int
	// late tells that the nameserver processes the message, or a copy of it, after
	// its sender may have given it up.
	late bool
	// updates tells that it befalls UPDATE messages only. A cut connection is one of
	// them, because it would make late what else was on its way there.
	updates bool
	action  func(*rand.Rand) dnstest.Action
}

// between draws a time.
func between(random *rand.Rand, from, to time.Duration) time.Duration {
	return from + time.Duration(random.Int64N(int64(to-from)))
}

func always(a dnstest.Action) func(*rand.Rand) dnstest.Action {
	return func(*rand.Rand) dnstest.Action { return a }
}

// refusals are the codes of the replies that nobody signed.
var refusals = []int{
	dns.RcodeFormatError, dns.RcodeServerFailure, dns.RcodeNotImplemented, dns.RcodeRefused, dns.RcodeNotAuth, dns.RcodeNotZone,
}

func refusal(action func(rcode int) dnstest.Action) func(*rand.Rand) dnstest.Action {
	return func(random *rand.Rand) dnstest.Action { return action(refusals[random.IntN(len(refusals))]) }
}

var mishaps = []mishap{
	{name: "request lost", weight: 1, action: always(dnstest.Drop())},
	{name: "reply lost", weight: 2, action: always(dnstest.DropReply())},
	{name: "request delayed", weight: 4, action: func(r *rand.Rand) dnstest.Action {
		return dnstest.Delay(between(r, 5*time.Millisecond, 100*time.Millisecond))
	}},
	{name: "reply delayed", weight: 4, action: func(r *rand.Rand) dnstest.Action {
		return dnstest.DelayReply(between(r, 5*time.Millisecond, 100*time.Millisecond))
	}},
	{name: "cut before", weight: 4, updates: true, action: always(dnstest.ResetBefore())},
	{name: "cut after", weight: 6, updates: true, action: always(dnstest.ResetAfter())},
	{name: "reply cut", weight: 3, updates: true, action: always(dnstest.ResetMid())},
	{name: "half a reply", weight: 3, updates: true, action: always(dnstest.CutOff())},
	{name: "unsigned", weight: 3, action: always(dnstest.Unsigned())},
	{name: "refused", weight: 6, updates: true, action: refusal(dnstest.RCode)},
	{name: "refused after", weight: 12, updates: true, action: refusal(dnstest.RCodeAfter)},
	{name: "late", weight: 3, late: true, action: func(r *rand.Rand) dnstest.Action {
		return dnstest.Delay(between(r, timeout/4, 3*timeout/2))
	}},
	{name: "doubled", weight: 4, late: true, action: always(dnstest.Duplicate())},
	{name: "doubled late", weight: 8, late: true, action: func(r *rand.Rand) dnstest.Action {
		return dnstest.DuplicateLate(between(r, time.Millisecond, 4*time.Second))
	}},
}

// misfortune is a fault function that strikes so many messages of a thousand, and
// tells of each.
func misfortune(seed1, seed2 uint64, perMille int, late bool, tell func(mishap)) func(dnstest.Exchange) dnstest.Action {
	random := rand.New(rand.NewPCG(seed1, seed2))
	var list []mishap
	total := 0
	for _, m := range mishaps {
		if (late || !m.late) && wanted(m.name) {
			list = append(list, m)
			total += m.weight
		}
	}
	return func(x dnstest.Exchange) dnstest.Action {
		if total == 0 || random.IntN(1000) >= perMille {
			return dnstest.Pass()
		}
		n := random.IntN(total)
		for _, m := range list {
			if n -= m.weight; n >= 0 {
				continue
			}
			if m.updates && x.Opcode != dns.OpcodeUpdate {
				break
			}
			tell(m)
			return m.action(random)
		}
		return dnstest.Pass()
	}
}
