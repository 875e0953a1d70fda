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
