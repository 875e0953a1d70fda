package transport

import (
	"testing"
	"time"

	"github.com/caddy-dyndns/dyndns/dnsupdate/internal/wire"
)

// TestClock lets a nameserver's clock be known, unknown, off and echoed.
func TestClock(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	const trip = 100 * time.Millisecond
	server := func(offset time.Duration) uint64 { return uint64(now.Add(offset).Unix()) }
	for _, row := range []struct {
		name    string
		observe func(*Clock)
		// offset is that of the stamp, fudge and lives are at most so much.
		offset, lives time.Duration
		fudge         uint16
		echoes        bool
	}{
		{"unknown", func(*Clock) {}, 0, 600 * time.Second, 300, false},
		{"told by a query", func(c *Clock) {
			c.queried(wire.Stamp{Time: server(-5 * time.Second)}, server(0), now.Add(-trip), now)
		}, 0, 10 * time.Second, 7, false},
		{"ahead", func(c *Clock) {
			c.queried(wire.Stamp{Time: server(-5 * time.Second)}, server(40*time.Second), now.Add(-trip), now)
		}, 40 * time.Second, 10 * time.Second, 7, false},
		{"told by BADTIME", func(c *Clock) { c.Corrected(server(-2*time.Minute), now.Add(-trip), now) }, -2 * time.Minute, 10 * time.Second, 7, false},
		{"too far off", func(c *Clock) { c.Corrected(server(10*time.Minute), now.Add(-trip), now) }, 0, 600 * time.Second, 300, false},
		{"echoed", func(c *Clock) {
			c.queried(wire.Stamp{Time: server(-5 * time.Second)}, server(-5*time.Second), now.Add(-trip), now)
		}, 0, 600 * time.Second, 300, true},
		{"known, then echoed", func(c *Clock) {
			c.Corrected(server(40*time.Second), now.Add(-trip), now)
			c.queried(wire.Stamp{Time: server(-5 * time.Second)}, server(-5*time.Second), now.Add(-trip), now)
		}, 0, 600 * time.Second, 300, true},
		{"an UPDATE alone tells nothing", func(c *Clock) { c.updated(server(0), now.Add(-trip), now) }, 0, 600 * time.Second, 300, false},
		{"a worse one that agrees is left", func(c *Clock) {
			c.Corrected(server(40*time.Second), now.Add(-trip), now)
			c.updated(server(41*time.Second), now.Add(-20*time.Second), now)
		}, 40 * time.Second, 10 * time.Second, 7, false},
		{"a worse one that contradicts is taken", func(c *Clock) {
			c.Corrected(server(40*time.Second), now.Add(-trip), now)
			c.updated(server(-40*time.Second), now.Add(-2*time.Second), now)
		}, -40 * time.Second, 15 * time.Second, 9, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			c := new(Clock)
			row.observe(c)
			stamp, expires := c.Sign(now)
			off := time.Duration(int64(stamp.Time)-now.Unix())*time.Second - row.offset
			if max(off, -off) > 2*time.Second || stamp.Fudge > row.fudge || expires.Sub(now) > row.lives {
				t.Errorf("signed %v from where it should be, with the fudge %d, for %v", off, stamp.Fudge, expires.Sub(now))
			}
			// What the nameserver may take it for as long as that must be waited for.
			if lives := expires.Sub(now); lives < time.Duration(stamp.Fudge)*time.Second {
				t.Errorf("it is said to live for %v with the fudge %d", lives, stamp.Fudge)
			}
			if c.Echoes() != row.echoes {
				t.Errorf("it echoes: %t", c.Echoes())
			}
		})
	}
}

// TestClockOffset tells the offset of a nameserver that was followed and of one that was too
// far off, also after this machine's clock was set, and none of one that repeats our time.
func TestClockOffset(t *testing.T) {
	now := time.Now()
	server := func(offset time.Duration) uint64 { return uint64(now.Add(offset).Unix()) }
	c := new(Clock)
	if offset, told := c.Offset(now); told {
		t.Errorf("%v before it told the time", offset)
	}
	for _, want := range []time.Duration{40 * time.Second, -10 * time.Minute, 0} {
		c.Corrected(server(want), now.Add(-time.Millisecond), now)
		later := now.Add(time.Hour)
		offset, told := c.Offset(later)
		if off := offset - want; !told || max(off, -off) > time.Second {
			t.Errorf("%v, %t; want %v", offset, told, want)
		}
	}
	c.queried(wire.Stamp{Time: server(-5 * time.Second)}, server(-5*time.Second), now, now)
	if offset, told := c.Offset(now); told {
		t.Errorf("%v of a nameserver that repeats our time", offset)
	}
}
