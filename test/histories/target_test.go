//go:build integration && linux

package histories

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/caddy-dyndns/dyndns/dnsupdate/dnstest"
	"github.com/caddy-dyndns/dyndns/test/nameserver"
	"github.com/caddy-dyndns/dyndns/zone/zonetest"
)

const (
	// perName is how often a name is changed: what is to be searched grows fast.
	perName = 32
	// perMille is how many messages of a thousand have a fault.
	perMille = 40
)

// zonesOf is how many zones a nameserver has. A zone that waits for a lost message
// keeps no other waiting. In each only a few names change at the same time: an old
// message is applied only while all of its prerequisites hold.
func zonesOf(kind nameserver.Kind) int {
	if kind == nameserver.PowerDNS {
		// It takes 20 TCP connections (max-tcp-connections).
		return 4
	}
	return 12
}

// values are few, so that clients write equal ones and old ones come back.
var values = []string{"", "192.0.2.1", "192.0.2.2", "192.0.2.3"}

// target is a nameserver, the way from each Caddy to each of its zones, and what is
// known about its names.
type target struct {
	*testing.T
	run    *run
	server *nameserver.Server
	// itself is the service in the same process, nil if there is none. It is another
	// writer, so that no message may come late.
	itself  *caddy
	key     nameserver.Key
	zones   []string
	proxies [][]*dnstest.Proxy // by Caddy and zone
	direct  *dnstest.Proxy     // of the other writer, without faults

	mu        sync.Mutex
	histories map[string]zonetest.History
	incidents map[string][]zonetest.Incident // by zone; of the nameserver and the Caddys by ""
	messages  []message
	counts    map[string]int
	refusals  map[string]int // by what was said

	done atomic.Int64
	took time.Duration
	due  ticks
}

func newTarget(t *testing.T, r *run, kind nameserver.Kind) *target {
	s := &target{
		T: t, run: r, key: nameserver.NewKey("ddns-key"),
		histories: map[string]zonetest.History{}, incidents: map[string][]zonetest.Incident{}, counts: map[string]int{}, refusals: map[string]int{}, due: newTicks(),
	}
	var config nameserver.Config
	for i := range zonesOf(kind) {
		s.zones = append(s.zones, fmt.Sprintf("z%d.%s.example.com", i, strings.ToLower(string(kind))))
		config.Zones = append(config.Zones, nameserver.Zone{Name: s.zones[i], Key: s.key})
	}
	if kind == Caddy {
		if s.server, s.itself = runServed(t, config, s.key); r.late {
			s.itself = nil
		}
	} else {
		s.server = nameserver.Run(t, kind, config)
	}
	s.direct = dnstest.NewProxy(s.server.Addr())
	s.Cleanup(s.direct.Close)
	s.record(s.direct, "nsupdate")
	return s
}

// route makes the way from a Caddy to the zones, and says it in its Caddyfile.
func (s *target) route(instance int) string {
	var text strings.Builder
	var proxies []*dnstest.Proxy
	for i, zone := range s.zones {
		p := dnstest.NewProxy(s.server.Addr())
		s.Cleanup(p.Close)
		where := "proxy " + caddyName(instance)
		s.record(p, where)
		p.SetFault(inject(s.run.seed, uint64(instance*len(s.zones)+i), perMille, s.run.suits, func(f messageFault) {
			now := s.run.now()
			s.note(zone, zonetest.Incident{Where: where, What: f.name, Begin: now, End: now})
		}))
		proxies = append(proxies, p)
		fmt.Fprintf(&text, "zone %s {\ntsig_key %s %s %s\nnameserver %s\n}\n", zone, s.key.Name, s.key.Algorithm, s.key.Secret, p.Addr())
	}
	s.proxies = append(s.proxies, proxies)
	return text.String()
}

func caddyName(instance int) string { return string(rune('a' + instance)) }

// note counts a fault and keeps it for the description of a violation.
func (s *target) note(zone string, i zonetest.Incident) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts[i.What]++
	s.incidents[zone] = append(s.incidents[zone], i)
}

// load changes all names of the zones.
func (s *target) load(operations int) {
	var wg sync.WaitGroup
	if s.server.Kind() == Caddy {
		// Its own tests kill it more often than these can.
		operations /= 2
	}
	names := operations/perName/len(s.zones) + 1
	for i, zone := range s.zones {
		wg.Go(func() {
			random := rand.New(rand.NewPCG(s.run.seed, uint64(1000+i)))
			for n := 0; n < names; {
				batch := make([]string, min(1+i%3, names-n))
				for k := range batch {
					batch[k] = fmt.Sprintf("h%d.%s", n+k, zone)
				}
				n += len(batch)
				s.change(zone, batch, random.Uint64())
			}
		})
	}
	wg.Wait()
}

// change lets clients change the names at once.
func (s *target) change(zone string, names []string, seed uint64) {
	var wg sync.WaitGroup
	random := rand.New(rand.NewPCG(seed, 0))
	caddys := s.run.caddys
	if s.itself != nil {
		caddys = append(slices.Clone(caddys), s.itself)
	}
	for i, name := range names {
		clients := 4 + random.IntN(5)
		common := make([]string, perName) // by round, through all Caddys
		for round := range common {
			common[round] = values[random.IntN(len(values))]
		}
		for client := range clients {
			c := caddys[client%len(caddys)]
			wg.Go(func() {
				random := rand.New(rand.NewPCG(seed, uint64(1+i<<8+client)))
				for round := range (perName + client) / clients {
					value := common[round]
					if random.IntN(2) == 0 {
						value = values[random.IntN(len(values))]
					}
					s.update(c, fmt.Sprintf("%s/%d", c.name, client), name, value)
				}
			})
		}
	}
	if random.IntN(4) == 0 {
		wg.Go(func() { s.nsupdate(zone, names, random) })
	}
	wg.Wait()
}

// update makes one request and enters what came of it.
func (s *target) update(c *caddy, client, name, value string) {
	call := s.run.now()
	o, err := c.update(name, value)
	o.Client, o.Call, o.Reply = client, call, s.run.now()
	s.enter(name, o, err)
	s.due.advance(s.done.Add(1), perFault)
	s.run.due.advance(s.run.done.Add(1), 2*perFault)
}

var port = regexp.MustCompile(":[0-9]+")

// enter adds an operation to the history of its name.
func (s *target) enter(name string, o zonetest.Operation, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case errors.Is(err, errRefused):
		s.counts["refused"]++
		_, zone, _ := strings.Cut(name, ".")
		s.incidents[zone] = append(s.incidents[zone], zonetest.Incident{
			Where: o.Client, Begin: o.Call, End: o.Reply, What: strings.TrimSuffix(name, "."+zone) + " -> " + o.New + ": " + err.Error()})
		s.refusals[port.ReplaceAllString(strings.NewReplacer(name, "NAME", zone, "ZONE").Replace(err.Error()), ":PORT")]++
		return
	case err != nil:
		s.Error(err)
		return
	case o.Effect == zonetest.Proven:
		s.counts["proven"]++
	case o.Effect == zonetest.Written && o.Client != "nsupdate":
		s.counts["unproven"]++
	case o.Effect == zonetest.Unknown:
		s.counts["unknown"]++
	}
	if o.Client == "nsupdate" {
		s.counts["nsupdate"]++
	}
	s.histories[name] = append(s.histories[name], o)
	if o.Effect != zonetest.Proven && o.Client != "nsupdate" {
		// A message of it was lost and sent again. If another writer brought the name
		// back meanwhile, both were applied.
		o.Effect, o.UnknownCause = zonetest.Unknown, cmp.Or(o.UnknownCause, "lost message")
		s.histories[name] = append(s.histories[name], o)
	}
}

// nsupdate writes the names blindly in one message, past the faults.
func (s *target) nsupdate(zone string, names []string, random *rand.Rand) {
	host, port, _ := strings.Cut(s.direct.Addr(), ":")
	script := fmt.Sprintf("server %s %s\nzone %s\n", host, port, zone)
	var blind []string
	for _, name := range names {
		value := values[random.IntN(len(values))]
		script += "update delete " + name + " A\n"
		if value != "" {
			script += "update add " + name + " 300 A " + value + "\n"
		}
		blind = append(blind, value)
	}
	// Over TCP, because over UDP it sends a message again.
	cmd := exec.Command("nsupdate", "-v", "-t", strconv.Itoa(int(timeout.Seconds())), "-y", s.key.Algorithm+":"+s.key.Name+":"+s.key.Secret)
	cmd.Stdin = strings.NewReader(script + "send\n")
	call := s.run.now()
	out, err := cmd.CombinedOutput()
	now := s.run.now()
	for i, name := range names {
		o := zonetest.Operation{Client: "nsupdate", Call: call, Reply: now, New: blind[i], Effect: zonetest.Written}
		if err != nil {
			o.Effect, o.UnknownCause = zonetest.Unknown, strings.TrimSpace(string(out))
		}
		s.enter(name, o, nil)
	}
}

// settle waits until nothing is on its way any more, and reads all names.
func (s *target) settle() {
	for _, proxies := range s.proxies {
		for _, p := range proxies {
			p.Drain()
		}
	}
	for _, zone := range s.zones {
		// Knot processes what a client left behind after its connection has ended,
		// and in the order in which it came.
		if rcode := s.server.MustAdd(s, zone, "last."+zone+". 60 TXT last", &s.key); rcode != "NOERROR" {
			s.Errorf("%s: %s", zone, rcode)
		}
	}
	for name, h := range s.histories {
		m := new(dns.Msg)
		m.SetQuestion(dns.Fqdn(name), dns.TypeA)
		call := s.run.now()
		answer, err := s.server.Exchange(m, &s.key)
		if err != nil || answer.Rcode != dns.RcodeSuccess && answer.Rcode != dns.RcodeNameError {
			s.Errorf("%s: %v %v", name, answer, err)
			continue
		}
		var found []string
		for _, r := range answer.Answer {
			if a, ok := r.(*dns.A); ok {
				found = append(found, a.A.String())
			}
		}
		value := join(found)
		s.histories[name] = append(h, zonetest.Operation{Client: "last read", Call: call, Reply: s.run.now(), Old: value, New: value, Effect: zonetest.Proven})
	}
}
