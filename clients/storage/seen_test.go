package storage

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// lastSeen returns how long ago a client asked, "never" or "unknown".
func lastSeen(t *testing.T, s *Store, name string) (told string, idle time.Duration) {
	t.Helper()
	last, idle, err := s.Sightings().Last(t.Context(), name)
	switch {
	case err != nil:
		t.Fatal(err)
	case !last.IsZero():
		return time.Since(last).String(), idle
	case idle > 0:
		return "never", idle
	}
	return "unknown", 0
}

func TestSightings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		s := newStore(m)
		check := func(name, want string, wantIdle time.Duration) {
			t.Helper()
			if got, idle := lastSeen(t, s, name); got != want || idle != wantIdle {
				t.Errorf("%s: %s, idle for %v, want %s, %v", name, got, idle, want, wantIdle)
			}
		}
		ctx, stop := context.WithCancel(t.Context())
		first := &tracker{store: s}
		ended := make(chan struct{})
		go func() {
			first.run(ctx, func(err error) { t.Error(err) })
			close(ended)
		}()
		first.saw("a")
		check("a", "unknown", 0)
		time.Sleep(sightingInterval)
		synctest.Wait()
		check("a", "5m0s", 5*time.Minute)
		time.Sleep(time.Hour)
		check("b", "never", time.Hour) // since this is written down, and not longer

		// Another instance adds to it; more often than every few hours nothing is written.
		second := &tracker{store: s, begun: true}
		second.saw("b")
		second.saw("a")
		if err := second.write(t.Context(), true); err != nil {
			t.Fatal(err)
		}
		check("b", "0s", 0)
		check("a", "1h5m0s", 65*time.Minute)
		before := m.n
		second.saw("b")
		if err := second.write(t.Context(), true); err != nil {
			t.Fatal(err)
		}
		if m.n != before+1 {
			t.Errorf("what is known already used the storage %d times", m.n-before)
		}
		time.Sleep(sightingAge)
		second.saw("a")
		if err := second.write(t.Context(), true); err != nil {
			t.Fatal(err)
		}
		check("a", "0s", 0)

		// What is not written yet is at the end.
		first.saw("c")
		stop()
		<-ended
		check("c", "0s", 0)

		// Whoever gets the name of a client that is gone has not been seen.
		put(t, s, record("c", "c.dyn.example.com"))
		if _, err := s.Delete(t.Context(), "c", Condition{}); err != nil {
			t.Fatal(err)
		}
		if got, _ := lastSeen(t, s, "c"); got != "never" {
			t.Errorf("after it was removed: %s", got)
		}
	})
}

// What could not be written is written the next time as it was, and damage begins anew: nobody is
// then unused for long.
func TestSightingsFaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for fault := 1; ; fault++ {
			m := newMemory()
			s := newStore(m)
			track := &tracker{store: s, begun: true}
			track.saw("a")
			time.Sleep(time.Hour)
			m.fault = fault
			err := track.write(t.Context(), true)
			if m.n < fault {
				break
			}
			m.fault = 0
			clear(m.locks)
			if err := track.write(t.Context(), true); err != nil {
				t.Fatal(err)
			}
			if got, _ := lastSeen(t, s, "a"); got != "1h0m0s" {
				t.Errorf("fault at use %d (%v): %s", fault, err, got)
			}
			m.objects[s.sightingsKey(folderOf("a"))] = []byte(`{"last":{"a":1}}`)
			if got, _ := lastSeen(t, s, "a"); got != "unknown" {
				t.Errorf("damaged: %s", got)
			}
		}
	})
}

// A storage that fails for long is told once.
func TestSightingsWarn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		m.fault, m.dead = 1, true
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		var told []string
		go (&tracker{store: newStore(m)}).run(ctx, func(err error) { told = append(told, err.Error()) })
		time.Sleep(3*sightingInterval + time.Second)
		synctest.Wait()
		if len(told) != 1 || !strings.Contains(told[0], errFault.Error()) {
			t.Errorf("told %q", told)
		}
	})
}

func TestSightingsBound(t *testing.T) {
	track := new(tracker)
	for n := range maxSightings + 10 {
		track.saw(fmt.Sprint(n))
	}
	if len(track.fresh) != maxSightings {
		t.Errorf("%d wait", len(track.fresh))
	}
}
