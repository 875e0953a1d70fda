package dnsupdate

import (
	"math/rand/v2"
	"sync"
	"time"
)

const (
	// wideFudge is the clock difference in seconds that RFC 8945 section 10
	// recommends to allow.
	wideFudge = 300
	// shortFudge is what is allowed beside the uncertainty of a clock that is
	// known: as long as a message may be under way.
	shortFudge = 5 * time.Second
	// maxOffset is how far a nameserver's clock is followed.
	maxOffset = wideFudge * time.Second
	// clockDrift: an estimate loses a ten-thousandth of its age in precision.
	// A clock without NTP drifts less.
	clockDrift = 10_000
)

// stamp is the time of a signature and the difference that is allowed, in seconds.
type stamp struct {
	time  uint64
	fudge uint16
}

// stampAt returns the stamp of a message at our own clock.
func stampAt(now time.Time) stamp {
	return stamp{uint64(now.Unix()), wideFudge}
}

// questionStamp returns the stamp of a query: a few seconds ago, so that a
// nameserver which repeats our time is told from one whose clock is right.
func questionStamp(now time.Time) stamp {
	ago := 2 + rand.IntN(8)
	return stamp{uint64(now.Unix()) - uint64(ago), wideFudge + uint16(ago)}
}

// serverClock is what is known of a nameserver's clock. It follows our monotonic
// clock, so that a step of ours does not matter.
type serverClock struct {
	mu sync.Mutex
	// known: the nameserver's time was at, in the middle of an interval of that
	// width, when ours was read.
	known    bool
	at, read time.Time
	width    time.Duration
	// echoes tells that its replies repeat the time of the request.
	echoes bool
}

// sign returns the stamp of an UPDATE that leaves now, and the time of our clock
// after which the nameserver takes it no more.
func (c *serverClock) sign(now time.Time) (s stamp, expires time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.known {
		// Its clock may be behind ours by as much as it allows.
		return stampAt(now), now.Add(2 * wideFudge * time.Second)
	}
	width := c.widthAt(now)
	fudge := (shortFudge + width + time.Second - 1).Truncate(time.Second)
	return stamp{uint64(c.time(now).Unix()), uint16(fudge / time.Second)}, now.Add(fudge + width + time.Second)
}

// time returns what the nameserver's clock shows now.
func (c *serverClock) time(now time.Time) time.Time { return c.at.Add(now.Sub(c.read)) }

func (c *serverClock) widthAt(now time.Time) time.Duration {
	return c.width + now.Sub(c.read)/clockDrift
}

// queried takes the time in the verified reply to a query that was signed as
// asked says.
func (c *serverClock) queried(asked stamp, seconds uint64, sent, received time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.echoes = seconds == asked.time; c.echoes {
		c.known = false
		return
	}
	c.observe(seconds, sent, received)
}

// updated takes the time in the verified reply to an UPDATE, which tells
// something only of a nameserver that is known not to repeat ours.
func (c *serverClock) updated(seconds uint64, sent, received time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.known {
		c.observe(seconds, sent, received)
	}
}

// corrected takes the nameserver's own time out of a BADTIME reply (RFC 8945
// section 5.2.3). It tells whether the clock can be followed.
func (c *serverClock) corrected(seconds uint64, sent, received time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.observe(seconds, sent, received)
}

// observe keeps the most precise estimate, or the newest of two that contradict
// each other. It tells whether the clock is near enough to be followed.
func (c *serverClock) observe(seconds uint64, sent, received time.Time) bool {
	// The seconds were cut off at some moment of the round trip.
	width := received.Sub(sent) + time.Second
	at := time.Unix(int64(min(seconds, 1<<40)), 0).Add(width / 2)
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

// suspectEcho tells whether the nameserver repeats our time, as PowerDNS does.
func (c *serverClock) suspectEcho() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.echoes
}
