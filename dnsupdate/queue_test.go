package dnsupdate

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddy-dyndns/dyndns/zone"
)

// TestAbandonedWhileParked gives a call up whose one name is under way while the
// other has come back from waiting for a lost message: nothing of it is sent again.
func TestAbandonedWhileParked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := queue{limit: maxQueue, work: func() {}}
		c := newCall(t.Context(), zoneName, []zone.Change{to(host("a"), "192.0.2.1"), to(host("b"), "192.0.2.1")})
		q.enter(c)
		alone := func(*call) bool { return false }
		items := q.next(maxGroup, alone)
		q.park(c, time.Now().Add(time.Second))
		time.Sleep(2 * time.Second)
		synctest.Wait()
		q.admit(items[:1])
		if !q.leave(c) {
			t.Error("a message that was sent may not be applied")
		}
		if left := q.present(q.next(maxGroup, alone)); len(left) > 0 {
			t.Errorf("%d changes of a caller that has gone are made", len(left))
		}
	})
}

// TestParkedTwice parks both names of a call, one after the other: it comes back once,
// and neither takes a neighbour out of the queue nor hides what was sent.
func TestParkedTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := queue{limit: maxQueue, work: func() {}}
		newOne := func(labels ...string) *call {
			var changes []zone.Change
			for _, label := range labels {
				changes = append(changes, to(host(label), "192.0.2.1"))
			}
			c := newCall(t.Context(), zoneName, changes)
			q.enter(c)
			return c
		}
		alone := func(*call) bool { return true } // one call at a time
		c := newOne("a", "b")
		q.next(maxGroup, alone)
		neighbour := newOne("c")
		for range 2 {
			q.park(c, time.Now().Add(time.Second))
			time.Sleep(2 * time.Second)
			synctest.Wait()
		}
		if got := q.next(maxGroup, alone); len(got) != 2 || got[0].call != c {
			t.Fatalf("%d changes came first", len(got))
		}
		if got := q.next(maxGroup, alone); len(got) != 1 || got[0].call != neighbour {
			t.Errorf("%d changes came second, want the neighbour's", len(got))
		}
		if got := q.next(maxGroup, alone); got != nil || q.length != 0 {
			t.Errorf("%d changes are left, of %d", len(got), q.length)
		}
		// A part is in flight when the other comes back: the caller is told so.
		q.park(c, time.Now().Add(time.Second))
		q.admit([]*item{&c.items[0]})
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if !q.leave(c) {
			t.Error("a message that was sent may not be applied")
		}
		if q.front != nil || q.length != 0 {
			t.Errorf("a call whose caller has gone is left in the queue, %d changes", q.length)
		}
	})
}
