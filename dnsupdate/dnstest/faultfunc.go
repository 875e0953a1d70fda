package dnstest

import (
	"math/rand/v2"

	"github.com/miekg/dns"
)

// Always is a fault function that does the same to every message.
func Always(a Action) func(Exchange) Action {
	return func(Exchange) Action { return a }
}

// Sequence is a fault function that does the actions in turn, one for each
// message, and passes on all that follow.
func Sequence(actions ...Action) func(Exchange) Action {
	return func(Exchange) Action {
		if len(actions) == 0 {
			return Pass()
		}
		a := actions[0]
		actions = actions[1:]
		return a
	}
}

// OnUpdates makes a fault function apply to UPDATE messages only.
func OnUpdates(f func(Exchange) Action) func(Exchange) Action {
	return func(x Exchange) Action {
		if x.Opcode != dns.OpcodeUpdate {
			return Pass()
		}
		return f(x)
	}
}

// Loss is a fault function that loses a percentage of the exchanges, the
// message or its reply with equal chance. The same seed loses the same ones.
func Loss(percent int, seed uint64) func(Exchange) Action {
	random := rand.New(rand.NewPCG(seed, seed))
	return func(Exchange) Action {
		if random.IntN(100) >= percent {
			return Pass()
		}
		if random.IntN(2) == 0 {
			return Drop()
		}
		return DropReply()
	}
}
