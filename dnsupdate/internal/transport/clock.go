package transport

import (
	"math/rand/v2"
	"sync"
	"time"

	"github.com/caddy-dyndns/dyndns/dnsupdate/internal/wire"
)

const (
	// shortFudge is what is allowed beside the uncertainty of a clock that is
	// known: as long as a message may be under way.
	shortFudge = 5 * time.Second
	// maxOffset is how far a nameserver's clock is followed.
	maxOffset = wire.WideFudge * time.Second
	// clockDrift: an estimate loses a ten-thousandth of its age in precision.
	// A clock without NTP drifts less.
	clockDrift = 10_000
)

// questionStamp returns the stamp of a query: a few seconds ago, so that a
// nameserver which repeats our time is told from one whose clock is right.
func questionStamp(now time.Time) wire.Stamp {
	ago := 2 + rand.IntN(8)
	return wire.Stamp{Time: uint64(now.Unix()) - uint64(ago), Fudge: wire.WideFudge + uint16(ago)}
}

// Clock is what is known of a nameserver's clock. It follows our monotonic
// clock, so that a step of ours does not matter.
type Clock struct {
	mu sync.Mutex
	// known: the nameserver's time was at, in the middle of an interval of that
	// width, when ours was read.
	known    bool
	at, read time.Time
	width    time.Duration
	// echoes tells that its replies repeat the time of the request.
	echoes bool
	// told is what the nameserver's clock showed when ours was toldAt, however far
	// off it was; toldAt is zero if it has told nothing.
	told, toldAt time.Time
}

// Sign returns the stamp of an UPDATE that leaves now, and the time of our clock
// after which the nameserver takes it no more.
func (c *Clock) Sign(now time.Time) (s wire.Stamp, expires time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.known {
		// Its clock may be behind ours by as much as it allows.
		return wire.StampAt(now), now.Add(2 * wire.WideFudge * time.Second)
	}
	width := c.widthAt(now)
	fudge := (shortFudge + width + time.Second - 1).Truncate(time.Second)
	return wire.Stamp{Time: uint64(c.time(now).Unix()), Fudge: uint16(fudge / time.Second)}, now.Add(fudge + width + time.Second)
}

// time returns what the nameserver's clock shows now.
func (c *Clock) time(now time.Time) time.Time { return c.at.Add(now.Sub(c.read)) }

func (c *Clock) widthAt(now time.Time) time.Duration {
	return c.width + now.Sub(c.read)/clockDrift
}

// queried takes the time in the verified reply to a query that was signed as
// asked says.
func (c *Clock) queried(asked wire.Stamp, seconds uint64, sent, received time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.echoes = seconds == asked.Time; c.echoes {
		c.known, c.toldAt = false, time.Time{}
		return
	}
	c.observe(seconds, sent, received)
}

// updated takes the time in the verified reply to an UPDATE, which tells
// something only of a nameserver that is known not to repeat ours.
func (c *Clock) updated(seconds uint64, sent, received time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.known {
		c.observe(seconds, sent, received)
	}
}

// Corrected takes the nameserver's own time out of a BADTIME reply (RFC 8945
// section 5.2.3). It tells whether the clock can be followed.
func (c *Clock) Corrected(seconds uint64, sent, received time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.observe(seconds, sent, received)
}

// observe keeps the most precise estimate, or the newest of two that contradict
// each other. It tells whether the clock is near enough to be followed.
func (c *Clock) observe(seconds uint64, sent, received time.Time) bool {
	// The seconds were cut off at some moment of the round trip.
	width := received.Sub(sent) + time.Second
	at := time.Unix(int64(min(seconds, 1<<40)), 0).Add(width / 2)
	c.told, c.toldAt = at, received
	if offset := at.Sub(received.Round(0)); max(offset, -offset) > maxOffset {
		return false
	}
	if c.known && width >= c.widthAt(received) {
		distance := at.Sub(c.time(received))
		if max(distance, -distance) <= (width+c.widthAt(received))/2 {
			return true
		}
	}
	c.known, c.at, c.read, c.width = true, at, received, width
	return true
}

// Offset returns how far the nameserver's clock is ahead of this machine's, to a
// second, by what it told last; false if it has told nothing.
func (c *Clock) Offset(now time.Time) (time.Duration, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.toldAt.IsZero() {
		return 0, false
	}
	// The age is that of the monotonic clock, now that of the one which may be set.
	return c.told.Add(now.Sub(c.toldAt)).Sub(now.Round(0)), true
}

// Echoes tells whether the nameserver repeats our time, as PowerDNS does.
func (c *Clock) Echoes() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.echoes
}
