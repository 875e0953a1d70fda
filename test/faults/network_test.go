//go:build integration && linux

package faults

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/caddy-dyndns/dyndns/dnsupdate/dnstest"
	"github.com/caddy-dyndns/dyndns/test/nameserver"
)

type fault = func(dnstest.Exchange) dnstest.Action

// some does an action to 30 % of the messages.
func some(a dnstest.Action) fault {
	random := rand.New(rand.NewPCG(1, 2))
	return func(dnstest.Exchange) dnstest.Action {
		if random.IntN(100) < 30 {
			return a
		}
		return dnstest.Pass()
	}
}

// A network that misbehaves in front of BIND. The rows run at once, each in a
// zone of its own.
func TestNetwork(t *testing.T) {
	key := nameserver.NewKey("ddns-key")
	trueKey := signedWith(t, key)
	wrongKey := dnstest.Key{Name: trueKey.Name, Algorithm: trueKey.Algorithm, Secret: []byte("not the secret of this key")}
	always := func(a dnstest.Action) fault { return dnstest.OnUpdates(dnstest.Always(a)) }
	const slow = 200 * time.Millisecond
	rows := []struct {
		name  string
		fault fault
		// never: no reply can be trusted, so none may be acknowledged.
		never bool
	}{
		{"30 % lost", dnstest.Loss(30, 1), false},
		{"30 % of the replies lost", some(dnstest.DropReply()), false},
		{"delayed", dnstest.Always(dnstest.Delay(slow)), false},
		{"replies delayed", dnstest.Always(dnstest.DelayReply(slow)), false},
		{"delayed and 30 % lost", func() fault {
			lost := dnstest.Loss(30, 2)
			return func(x dnstest.Exchange) dnstest.Action {
				if x.N%2 == 0 {
					return lost(x)
				}
				return dnstest.Delay(slow)
			}
		}(), false},
		{"delayed beyond the timeout", some(dnstest.Delay(3 * time.Second)), false},
		{"reset before", some(dnstest.ResetBefore()), false},
		{"reset after", some(dnstest.ResetAfter()), false},
		{"reset mid-message", some(dnstest.ResetMid()), false},
		{"garbage", some(dnstest.Garbage()), false},
		{"truncated", some(dnstest.Truncate()), false},
		{"cut off", some(dnstest.CutOff()), false},
		{"unsigned", some(dnstest.Unsigned()), false},
		{"replayed", some(dnstest.Replay()), false},
		{"forged", some(dnstest.Forge(dns.RcodeSuccess, wrongKey)), false},
		{"forged unsigned", some(dnstest.RCode(dns.RcodeSuccess)), false},
		{"wrong id", some(dnstest.WrongID()), false},
		{"transient SERVFAIL", some(dnstest.Forge(dns.RcodeServerFailure, trueKey)), false},
		{"transient unsigned SERVFAIL", some(dnstest.RCode(dns.RcodeServerFailure)), false},

		{"all lost", always(dnstest.Drop()), true},
		{"all replies lost", always(dnstest.DropReply()), true},
		{"always reset mid-message", always(dnstest.ResetMid()), true},
		{"always garbage", always(dnstest.Garbage()), true},
		{"always truncated", always(dnstest.Truncate()), true},
		{"always cut off", always(dnstest.CutOff()), true},
		{"always unsigned", always(dnstest.Unsigned()), true},
		{"always replayed", always(dnstest.Replay()), true},
		{"always forged", always(dnstest.Forge(dns.RcodeSuccess, wrongKey)), true},
		{"always forged unsigned", always(dnstest.RCode(dns.RcodeSuccess)), true},
		{"always wrong id", always(dnstest.WrongID()), true},
		{"always SERVFAIL", always(dnstest.RCode(dns.RcodeServerFailure)), true},
		{"always refused by somebody else", always(dnstest.RCode(dns.RcodeRefused)), true},
	}
	zoneOf := func(i int) string { return fmt.Sprintf("z%d.example.com", i) }
	var config nameserver.Config
	for i := range rows {
		config.Zones = append(config.Zones, nameserver.Zone{Name: zoneOf(i), Key: key})
	}
	server := nameserver.Run(t, nameserver.BIND, config)
	proxies := make([]*dnstest.Proxy, len(rows))
	var zones []configuredZone
	for i := range rows {
		proxies[i] = behind(t, server)
		zones = append(zones, configuredZone{zoneOf(i), key, []string{proxies[i].Addr()}})
	}
	s := serve(t, 4*time.Second, zones...)
	atOnce(t, len(rows), func(i int) string { return rows[i].name }, func(t *testing.T, i int) {
		hosts := ledgers(zoneOf(i), 6)
		s.load(t, hosts, 2, nil)
		before := acknowledged(hosts)
		proxies[i].SetFault(rows[i].fault)
		s.load(t, hosts, 12, elapsed(5*time.Second))
		proxies[i].SetFault(nil)
		if got := acknowledged(hosts) - before; rows[i].never != (got == 0) {
			t.Errorf("%d requests were acknowledged", got)
		}
		s.settle(t, server, hosts)
	})
}

func acknowledged(hosts []*ledger) int {
	sum := 0
	for _, l := range hosts {
		sum += l.acknowledged
	}
	return sum
}
