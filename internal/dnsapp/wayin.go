package dnsapp

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/miekg/dns"

	"github.com/caddy-dyndns/dyndns/internal/delegation"
	"github.com/caddy-dyndns/dyndns/zone"
)

const (
	// wayInTime is what looking at the way to a zone may take.
	wayInTime = 5 * time.Second
	// maxWays bounds how many addresses of nameservers are asked.
	maxWays = 8
)

var errParent = errors.New("the zone above did not answer this machine, so that nobody knows whether it leads here: see whether the machine's resolver (/etc/resolv.conf) answers, and check again")

// wayIn looks at how the world finds a zone that is served here.
type wayIn struct {
	delegation.Asker
	// nameServers are canonical.
	nameServers []string
	// machine are the addresses of this machine that others can ask.
	machine []netip.Addr
}

// check tests the delegation, the addresses of the nameservers, and port 53 there. All
// that it finds are warnings. It goes no further where the parent cannot be asked.
func (w *wayIn) check(ctx context.Context) []zone.CheckStep {
	started := time.Now()
	ctx, cancel := context.WithTimeout(ctx, wayInTime)
	defer cancel()
	d, ok := w.Find(ctx)
	if !ok {
		unknown := warning("delegated", "", errParent)
		unknown.Took = time.Since(started)
		return []zone.CheckStep{unknown}
	}
	delegated := warning("delegated", "", w.judge(d))
	if delegated.Err == nil {
		delegated.Detail = "by " + d.Parent + " to " + strings.Join(d.NameServers, ", ")
	}
	delegated.Took = time.Since(started)
	steps := []zone.CheckStep{delegated}
	var addresses []netip.Addr
	for _, name := range w.nameServers {
		found := w.Addresses(ctx, d, name)
		if len(found) == 0 {
			steps = append(steps, warning("address", "", fmt.Errorf("%s has no address: enter %s at the registrar or in the zone of that name", name, w.addressLines(name))))
		}
		addresses = append(addresses, found...)
	}
	return append(steps, w.askAll(ctx, addresses[:min(len(addresses), maxWays)])...)
}

// judge returns what is wrong with the delegation.
func (w *wayIn) judge(d delegation.Delegation) error {
	var lines []string
	for _, name := range w.nameServers {
		lines = append(lines, fmt.Sprintf("%q", w.Zone+" NS "+name))
	}
	enter := strings.Join(lines, " and ")
	switch {
	case len(d.NameServers) == 0:
		return fmt.Errorf("%s has no NS records for %s: enter %s, and %s, at the registrar or in %s", d.Parent, w.Zone, w.addressLines(w.nameServers[0]), enter, d.Parent)
	case !slices.Equal(d.NameServers, w.nameServers):
		return fmt.Errorf("%s delegates the zone to %s, but ns says %s: let both say the same, %s", d.Parent, strings.Join(d.NameServers, ", "), strings.Join(w.nameServers, ", "), enter)
	}
	return nil
}

// addressLines returns what to enter for a nameserver's name that leads to this machine.
func (w *wayIn) addressLines(name string) string {
	var lines []string
	for _, a := range w.machine {
		qtype := "A"
		if a.Is6() {
			qtype = "AAAA"
		}
		lines = append(lines, fmt.Sprintf("%q", name+" "+qtype+" "+a.String()))
	}
	if lines == nil {
		return fmt.Sprintf("%q with the public address of this machine", name+" A ...")
	}
	return strings.Join(lines, " and ")
}

// askAll asks every address over UDP and over TCP, all at once.
func (w *wayIn) askAll(ctx context.Context, addresses []netip.Addr) []zone.CheckStep {
	networks := [...]string{"udp", "tcp"}
	steps := make([]zone.CheckStep, len(networks)*len(addresses))
	var asked sync.WaitGroup
	for i := range steps {
		address, network := addresses[i/len(networks)], networks[i%len(networks)]
		asked.Go(func() {
			started := time.Now()
			answer, err := w.Ask(ctx, network, address, dns.TypeSOA)
			step := warning(network, netip.AddrPortFrom(address, port).String(), judgeAnswer(network, answer, err))
			if step.Err == nil {
				step.Detail = "answers for the zone"
			}
			step.Took = time.Since(started)
			steps[i] = step
		})
	}
	asked.Wait()
	return steps
}

// judgeAnswer returns what is wrong with a nameserver's answer, or with its absence.
func judgeAnswer(network string, answer *dns.Msg, err error) error {
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return errors.New("nothing listens there: Caddy is not running, or listens at other addresses")
	case err != nil:
		return fmt.Errorf("no answer to this machine: %w: let port 53 through every firewall over %s, and forward it where a router stands before", err, strings.ToUpper(network))
	case !answer.Authoritative || len(answer.Answer) == 0:
		return fmt.Errorf("it answers %s and does not serve the zone: another program may listen there, or Caddy runs without the zone", dns.RcodeToString[answer.Rcode])
	}
	return nil
}

// warning returns a step that warns if there is an error.
func warning(name, server string, err error) zone.CheckStep {
	return zone.CheckStep{Name: name, Server: server, Err: err, Warning: err != nil}
}
