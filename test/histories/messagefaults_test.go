//go:build integration && linux

package histories

import (
	"math/rand/v2"
	"slices"
	"time"

	"github.com/miekg/dns"

	"github.com/caddy-dyndns/dyndns/dnsupdate/dnstest"
)

// messageFault is what happens to a message and its reply.
type messageFault struct {
	name   string
	weight int
	// late tells that the nameserver processes the message, or a copy of it, after
	// its sender may have given it up.
	late bool
	// recorded tells that somebody sends again a message that was answered: only its
	// signature's time protects the zone.
	recorded bool
	// updates tells that only UPDATE messages have it.
	updates bool
	// cut tells that the connection ends. What the nameserver has not answered there
	// would be late: its sender gives it up.
	cut    bool
	action func(*rand.Rand) dnstest.Action
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

var messageFaults = []messageFault{
	{name: "request lost", weight: 1, action: always(dnstest.Drop())},
	{name: "reply lost", weight: 2, action: always(dnstest.DropReply())},
	{name: "request delayed", weight: 4, action: func(r *rand.Rand) dnstest.Action {
		return dnstest.Delay(between(r, 5*time.Millisecond, 100*time.Millisecond))
	}},
	{name: "reply delayed", weight: 4, action: func(r *rand.Rand) dnstest.Action {
		return dnstest.DelayReply(between(r, 5*time.Millisecond, 100*time.Millisecond))
	}},
	{name: "cut before", weight: 4, updates: true, cut: true, action: always(dnstest.ResetBefore())},
	{name: "cut after", weight: 6, updates: true, cut: true, action: always(dnstest.ResetAfter())},
	{name: "reply cut", weight: 3, updates: true, cut: true, action: always(dnstest.ResetMid())},
	{name: "half a reply", weight: 3, updates: true, cut: true, action: always(dnstest.CutOff())},
	{name: "unsigned", weight: 3, action: always(dnstest.Unsigned())},
	{name: "refused", weight: 6, updates: true, action: refusal(dnstest.RCode)},
	{name: "refused after", weight: 12, updates: true, action: refusal(dnstest.RCodeAfter)},
	{name: "late", weight: 3, late: true, action: func(r *rand.Rand) dnstest.Action {
		return dnstest.Delay(between(r, timeout/4, 3*timeout/2))
	}},
	{name: "doubled", weight: 4, late: true, action: always(dnstest.Duplicate())},
	{name: "recorded", weight: 8, recorded: true, action: func(r *rand.Rand) dnstest.Action {
		return dnstest.DuplicateLate(between(r, time.Millisecond, 4*time.Second))
	}},
}

// inject is a fault function that strikes so many messages of a thousand, and tells
// of each.
func inject(seed1, seed2 uint64, perMille int, suits func(messageFault) bool, tell func(messageFault)) func(dnstest.Exchange) dnstest.Action {
	random := rand.New(rand.NewPCG(seed1, seed2))
	var list []messageFault // each as often as its weight says
	for _, f := range messageFaults {
		if suits(f) && wanted(f.name) {
			list = append(list, slices.Repeat([]messageFault{f}, f.weight)...)
		}
	}
	return func(x dnstest.Exchange) dnstest.Action {
		if len(list) == 0 || random.IntN(1000) >= perMille {
			return dnstest.Pass()
		}
		f := list[random.IntN(len(list))]
		if f.updates && x.Opcode != dns.OpcodeUpdate || f.cut && x.Unanswered > 0 {
			return dnstest.Pass()
		}
		tell(f)
		return f.action(random)
	}
}
