//go:build integration && linux

// Package histories records what many clients of the same names are told while
// everything fails, and checks that for each name some order of events explains it.
package histories

import (
	"cmp"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/caddy-dyndns/dyndns/test/nameserver"
	"github.com/caddy-dyndns/dyndns/zone/zonetest"
)

var (
	operations = flag.Int("operations", 20_000, "operations per nameserver and run")
	servers    = flag.String("nameservers", "", "only the nameservers whose names match the regular expression")
	faults     = flag.String("faults", "", "only the faults whose names match the regular expression")
	seed       = flag.Uint64("seed", 0, "of the random numbers; 0: another one each time")
)

// wanted tells whether a fault is among those that were asked for.
func wanted(fault string) bool { return regexp.MustCompile(*faults).MatchString(fault) }

// run is Caddys and nameservers that go through the same faults.
type run struct {
	seed uint64
	// late: the faults of messages include those that make one late; recorded:
	// also those that send one again which was answered.
	late, recorded bool
	start          time.Time

	caddys  []*caddy
	targets []*target
	done    atomic.Int64
	due     ticks
}

// now is the time since the run began, of the monotonic clock.
func (r *run) now() time.Duration { return time.Since(r.start) }

// TestHistories lets clients change names with few values through one Caddy under
// all faults, through two under those that make no message late, and through two
// under all, where somebody also sends recorded messages again. What the clients are
// told fits one order of events for each name; the last run is beyond what a client
// of RFC 2136 can promise, so that its violations are only counted, of a quarter of
// the operations. By hand, with porcupine's pages
// about violations in the folder _artifacts of /tmp:
//
//	go test -v -tags integration ./test/histories -operations 100000 -timeout 1h -artifacts -outputdir /tmp
func TestHistories(t *testing.T) {
	seed := cmp.Or(*seed, rand.Uint64())
	t.Logf("seed %d", seed)
	// They mostly wait, so that all go on at once; t.Parallel would not do that on a
	// machine with few cores.
	var tests sync.WaitGroup
	for _, test := range []struct {
		name      string
		instances int
		late      bool
		// counted: also recorded messages, and no violation is an error.
		counted bool
	}{
		{name: "one Caddy", instances: 1, late: true},
		{name: "two Caddys", instances: 2},
		{name: "two Caddys and late messages", instances: 2, late: true, counted: true},
	} {
		tests.Go(func() {
			t.Run(test.name, func(t *testing.T) {
				operations := *operations
				if test.counted {
					operations /= 4
				}
				r := newRun(t, seed, test.instances, test.late, test.counted)
				r.load(t, operations)
				for _, s := range r.targets {
					s.report(test.counted)
				}
				if operations >= 20_000 {
					r.checkFaults(t)
				}
			})
		})
	}
	tests.Wait()
}

func newRun(t *testing.T, seed uint64, instances int, late, recorded bool) *run {
	r := &run{seed: seed, late: late, recorded: recorded, start: time.Now(), due: newTicks()}
	for _, kind := range append(slices.Clone(nameserver.Kinds), Caddy) {
		if regexp.MustCompile(*servers).MatchString(string(kind)) {
			r.targets = append(r.targets, newTarget(t, r, kind))
		}
	}
	for i := range instances {
		var zones strings.Builder
		for _, s := range r.targets {
			zones.WriteString(s.route(i))
		}
		r.caddys = append(r.caddys, startCaddy(t, caddyName(i), zones.String()))
	}
	return r
}

// load lets the clients work and injects faults until all operations are done. It
// returns when nothing is on its way any more and all names are read.
func (r *run) load(t *testing.T, operations int) {
	var clients, injectors sync.WaitGroup
	for _, s := range r.targets {
		injectors.Go(func() {
			r.inject(t, s.due, "nameserver", s.serverFaults(), func(i zonetest.Incident) { s.note("", i) })
		})
		clients.Go(func() {
			begin := r.now()
			s.load(operations)
			s.took = r.now() - begin
			close(s.due)
		})
	}
	injectors.Go(func() {
		r.inject(t, r.due, "caddy", r.caddyFaults(), func(i zonetest.Incident) {
			for _, s := range r.targets {
				s.note("", i)
			}
		})
	})
	clients.Wait()
	close(r.due)
	injectors.Wait()
	for _, c := range r.caddys {
		if err := c.stop(); err != nil {
			t.Error(err)
		}
	}
	for _, s := range r.targets {
		s.settle()
	}
}

// suits tells whether a fault belongs into the run.
func (r *run) suits(f messageFault) bool {
	return (r.late || !f.late) && (r.recorded || !f.recorded)
}

// checkFaults checks that there was each of the faults.
func (r *run) checkFaults(t *testing.T) {
	var names []string
	for _, f := range messageFaults {
		if r.suits(f) {
			names = append(names, f.name)
		}
	}
	for _, f := range slices.Concat(r.caddyFaults(), r.targets[0].serverFaults()) {
		names = append(names, f.name)
	}
	for _, name := range names {
		count := 0
		for _, s := range r.targets {
			count += s.counts[name]
		}
		if count == 0 && wanted(name) {
			t.Errorf("the fault %q never happened", name)
		}
	}
}

// shown is how many violations of a nameserver are described.
const shown = 3

// report judges the histories and tells what there was. Violations are errors unless
// they are only counted.
func (s *target) report(counted bool) {
	kind, violations := s.server.Kind(), 0
	for _, name := range slices.Sorted(maps.Keys(s.histories)) {
		v := s.histories[name].Judge(time.Minute)
		if v.CheckResult == porcupine.Ok {
			continue
		}
		violations++
		if violations > shown {
			continue
		}
		_, zone, _ := strings.Cut(name, ".")
		incidents := slices.Concat(s.incidents[""], s.incidents[zone], s.about(zone, s.histories[name]))
		page := filepath.Join(s.ArtifactDir(), name+".html")
		if err := v.Visualize(page, incidents); err != nil {
			s.Error(err)
		}
		s.Logf("%s: no order of events explains the history (%s), see %s:\n%s", name, v.CheckResult, page, v.Describe(incidents))
	}
	if violations > 0 && !counted {
		s.Errorf("%s: %d names have a history that no order of events explains", kind, violations)
	}
	done := int(s.done.Load())
	if s.counts["proven"] < done/2 {
		s.Errorf("%s: of %d operations only %d were proven", kind, done, s.counts["proven"])
	}
	var text strings.Builder
	for _, what := range slices.Sorted(maps.Keys(s.counts)) {
		fmt.Fprintf(&text, ", %s %d", what, s.counts[what])
	}
	s.Logf("%s: operations %d, names %d, violations %d, seconds %.1f%s", kind, done, len(s.histories), violations, s.took.Seconds(), text.String())
	said := slices.SortedFunc(maps.Keys(s.refusals), func(a, b string) int { return cmp.Compare(s.refusals[b], s.refusals[a]) })
	for _, what := range said[:min(12, len(said))] {
		s.Logf("%6d %s", s.refusals[what], what)
	}
}
