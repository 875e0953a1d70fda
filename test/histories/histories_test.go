//go:build integration && linux

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
)

var (
	operations = flag.Int("operations", 20_000, "operations per nameserver and run")
	servers    = flag.String("nameservers", "", "only the nameservers whose names match the regular expression")
	faults     = flag.String("faults", "", "only the faults whose names match the regular expression")
	seed       = flag.Uint64("seed", 0, "of what is drawn by lot; 0: another one each time")
)

// run is Caddys and nameservers that go through the same faults.
type run struct {
	seed  uint64
	late  bool
	start time.Time

	caddys []*caddy
	sides  []*side
	done   atomic.Int64
	turns  turns
}

// now is the time since the run began, of the monotonic clock.
func (r *run) now() time.Duration { return time.Since(r.start) }

// wanted tells whether a fault is among those that were asked for.
func wanted(fault string) bool { return regexp.MustCompile(*faults).MatchString(fault) }

// turns tells when a process is disturbed. A turn that comes while the one before
// is still going on is left out.
type turns chan struct{}

func newTurns() turns { return make(turns, 1) }

// advance says how much work is done.
func (t turns) advance(done int64) {
	if done%perFault != 0 {
		return
	}
	select {
	case t <- struct{}{}:
	default:
	}
}

// blow is a fault of a process.
type blow struct {
	name   string
	strike func() error
}

// strike lets a process suffer one of the blows at each turn, and tells of it.
func (r *run) strike(t *testing.T, turns turns, where string, random *rand.Rand, blows []blow, tell func(incident)) {
	blows = slices.DeleteFunc(blows, func(b blow) bool { return !wanted(b.name) })
	for range turns {
		if len(blows) == 0 {
			continue
		}
		b, begin := blows[random.IntN(len(blows))], r.now()
		if err := b.strike(); err != nil {
			t.Errorf("%s: %s: %v", where, b.name, err)
		}
		tell(incident{where, b.name, begin, r.now()})
	}
}

// disturb strikes the Caddys. Killed are only those that no message can come late
// from: another process cannot know of it.
func (r *run) disturb(t *testing.T) {
	random := rand.New(rand.NewPCG(r.seed, 3000))
	any := func() *caddy { return r.caddys[random.IntN(len(r.caddys))] }
	blows := []blow{{"reload", func() error { return any().reload() }}}
	if !r.late {
		blows = append(blows, blow{"kill Caddy -9", func() error { return any().kill() }})
	}
	r.strike(t, r.turns, "caddy", random, blows, func(i incident) {
		for _, s := range r.sides {
			s.note("", i)
		}
	})
}

// TestHistories lets clients change names with few values through one Caddy under
// all faults, through two under those that make no message late, and through two
// under all. What the clients are told fits one order of events for each name; the
// last case is beyond what a client of RFC 2136 can promise, and counted.
//
//	go test -v -tags integration ./test/histories -operations 100000 -seed 1 -artifacts -outputdir /tmp
func TestHistories(t *testing.T) {
	seed := cmp.Or(*seed, rand.Uint64())
	t.Logf("seed %d", seed)
	for _, test := range []struct {
		name      string
		instances int
		late      bool
		counted   bool
	}{
		{name: "one Caddy", instances: 1, late: true},
		{name: "two Caddys", instances: 2},
		{name: "two Caddys and late messages", instances: 2, late: true, counted: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := &run{seed: seed, late: test.late, start: time.Now(), turns: newTurns()}
			for _, kind := range nameserver.Kinds {
				if regexp.MustCompile(*servers).MatchString(string(kind)) {
					r.sides = append(r.sides, newSide(t, r, kind))
				}
			}
			for i := range test.instances {
				var zones strings.Builder
				for _, s := range r.sides {
					zones.WriteString(s.route(i))
				}
				r.caddys = append(r.caddys, startCaddy(t, caddyName(i), zones.String()))
			}
			r.load(t)
			for _, s := range r.sides {
				s.report(test.counted)
			}
		})
	}
}

// load lets clients and faults loose until all operations are done.
func (r *run) load(t *testing.T) {
	var load, blows sync.WaitGroup
	for _, s := range r.sides {
		blows.Go(s.disturb)
		load.Go(func() {
			begin := r.now()
			s.load(*operations)
			s.took = r.now() - begin
			close(s.turns)
		})
	}
	blows.Go(func() { r.disturb(t) })
	load.Wait()
	close(r.turns)
	blows.Wait()
	for _, c := range r.caddys {
		if err := c.stop(); err != nil {
			t.Error(err)
		}
	}
	for _, s := range r.sides {
		s.settle()
	}
}

// shown is how many violations of a nameserver are described.
const shown = 3

// report judges the histories and tells what there was. Violations are errors unless
// they are only counted.
func (s *side) report(counted bool) {
	violations := 0
	for _, name := range slices.Sorted(maps.Keys(s.histories)) {
		v := s.histories[name].judge(time.Minute)
		if v.CheckResult == porcupine.Ok {
			continue
		}
		violations++
		if violations > shown {
			continue
		}
		_, zone, _ := strings.Cut(name, ".")
		incidents := slices.Concat(s.incidents[""], s.incidents[zone])
		page := filepath.Join(s.ArtifactDir(), name+".html")
		if err := v.visualize(page, incidents); err != nil {
			s.Error(err)
		}
		s.Logf("%s: no order of events explains the history (%s), see %s:\n%s", name, v.CheckResult, page, v.describe(incidents))
	}
	if violations > 0 && !counted {
		s.Errorf("%s: %d names have a history that no order of events explains", s.server.Kind(), violations)
	}
	var text strings.Builder
	for _, what := range slices.Sorted(maps.Keys(s.counts)) {
		fmt.Fprintf(&text, ", %s %d", what, s.counts[what])
	}
	s.Logf("%s: operations %d, names %d, violations %d, seconds %.1f%s", s.server.Kind(), s.done.Load(), len(s.histories), violations, s.took.Seconds(), text.String())
	said := slices.SortedFunc(maps.Keys(s.refusals), func(a, b string) int { return cmp.Compare(s.refusals[b], s.refusals[a]) })
	for _, what := range said[:min(12, len(said))] {
		s.Logf("%6d %s", s.refusals[what], what)
	}
}
