//go:build integration && linux

package histories

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/caddy-dyndns/dyndns/zone/zonetest"
)

// perFault is after how many operations a nameserver has a fault, and after twice
// as many a Caddy.
const perFault = 1500

// ticks tells when the next fault is due. One that comes while the fault before is
// still going on is left out.
type ticks chan struct{}

func newTicks() ticks { return make(ticks, 1) }

// advance says how many operations are done, and after how many a fault is due.
func (t ticks) advance(done, every int64) {
	if done%every != 0 {
		return
	}
	select {
	case t <- struct{}{}:
	default:
	}
}

// processFault is what happens to a process. It is over when inject returns.
type processFault struct {
	name   string
	inject func() error
}

// inject injects the faults by turns, one at each tick, and tells of it.
func (r *run) inject(t *testing.T, due ticks, where string, faults []processFault, tell func(zonetest.Incident)) {
	var list []processFault
	for _, f := range faults {
		if wanted(f.name) {
			list = append(list, f)
		}
	}
	n := 0
	for range due {
		if len(list) == 0 {
			continue
		}
		f, begin := list[n%len(list)], r.now()
		n++
		if err := f.inject(); err != nil {
			t.Errorf("%s: %s: %v", where, f.name, err)
		}
		tell(zonetest.Incident{Where: where, What: f.name, Begin: begin, End: r.now()})
	}
}

// caddyFaults are those of the Caddys. Killed are only those that no message can
// come late from: the next process cannot know of it.
func (r *run) caddyFaults() []processFault {
	n := 0
	next := func() *caddy {
		n++
		return r.caddys[n%len(r.caddys)]
	}
	list := []processFault{{"reload", func() error { return next().reload() }}}
	if !r.late {
		list = append(list, processFault{"kill Caddy -9", func() error { return next().kill() }})
	}
	return list
}

// serverFaults are those of the nameserver.
func (s *target) serverFaults() []processFault {
	random := rand.New(rand.NewPCG(s.run.seed, 1))
	restart := func() error {
		ctx, cancel := context.WithTimeout(s.Context(), time.Minute)
		defer cancel()
		return s.server.Restart(ctx)
	}
	return []processFault{
		{"kill -9", func() error {
			s.server.Kill()
			return restart()
		}},
		{"stop", func() error {
			s.server.Stop()
			<-time.After(between(random, 100*time.Millisecond, timeout))
			s.server.Continue()
			return nil
		}},
		{"restart", func() error {
			s.server.Close()
			return restart()
		}},
	}
}
