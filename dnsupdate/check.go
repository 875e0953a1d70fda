package dnsupdate

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/miekg/dns"

	"github.com/caddy-dyndns/dyndns/zone"
)

const (
	// checkTTL is short: nobody should remember the record.
	checkTTL = 10
	// cleanUpTime is what the removal may take when the time is up otherwise.
	cleanUpTime = 5 * time.Second
	// delegationTime is what the lookups at the parent may take.
	delegationTime = 2 * time.Second
)

// Check tests every nameserver of the zone and then all together: it writes a
// TXT record of its own, reads it back and removes it. If that succeeds, what is
// wrong with one nameserver is a warning.
func (u *Updater) Check(ctx context.Context) []zone.CheckStep {
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = time.Now().Add(defaultTime)
	}
	var steps []zone.CheckStep
	var usable *serverCheck
	for i, s := range u.servers.All() {
		// Each server gets its share of half of the time, the rest is for writing.
		left := time.Until(deadline) / time.Duration(2*(len(u.servers.All())-i))
		found := checkServer(ctx, u, s, time.Now().Add(left))
		steps = append(steps, found.steps...)
		if found.usable && usable == nil {
			usable = found
		}
	}
	if usable == nil {
		return steps
	}
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	written := writeCheck{u}.run(ctx)
	if !slices.ContainsFunc(written, func(s zone.CheckStep) bool { return s.Err != nil }) {
		for i := range steps {
			steps[i].Warning = steps[i].Err != nil
		}
	}
	steps = append(steps, written...)
	steps = append(steps, checkMinimum(usable.soa))
	return append(steps, u.parent.check(ctx, u.servers.All(), usable.nameServers)...)
}

// checkMinimum looks at how long resolvers remember that a name does not exist:
// RFC 2308 section 5. A certificate authority that asked too early waits for it.
func checkMinimum(soa *dns.SOA) zone.CheckStep {
	const most = 60
	step := zone.CheckStep{Name: "SOA minimum"}
	if seconds := min(soa.Hdr.Ttl, soa.Minttl); seconds > most {
		step.Warning = true
		step.Err = fmt.Errorf("resolvers remember for %d s that a name does not exist, and a certificate may wait for that: set the minimum, the last number of the SOA record, to %d", seconds, most)
	} else {
		step.Detail = fmt.Sprintf("%d s", seconds)
	}
	return step
}
