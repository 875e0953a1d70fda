// Package quota counts how often each client changes something.
package quota

import (
	"sync"
	"time"
)

// Limit is how many changes a client may make: Burst at once, and one more every Interval.
type Limit struct {
	Burst    int
	Interval time.Duration
}

// Quota has a token bucket for each client that changed something lately, kept as the
// moment at which it will be full again (the generic cell rate algorithm, ITU-T I.371). It
// is safe for concurrent use. It is as large as there are such clients: only who is known
// gets a bucket.
type Quota struct {
	mu    sync.Mutex
	full  map[string]time.Time
	sweep int // the size at which refilled buckets are looked for
}

// New returns a Quota of which nothing is spent.
func New() *Quota { return &Quota{full: make(map[string]time.Time), sweep: minSweep} }

const (
	minSweep = 1024
	// maxInterval keeps sums of intervals from overflowing.
	maxInterval = 366 * 24 * time.Hour
)

func (l Limit) cost(n int) time.Duration { return time.Duration(n) * min(l.Interval, maxInterval) }

// Take takes n changes if there is at least one: a request is never cut in two, and what
// is taken beyond the burst is waited for afterwards. Otherwise it takes none and returns
// after how long there will be one.
func (q *Quota) Take(client string, l Limit, n int, now time.Time) (wait time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	full := q.full[client]
	if full.Before(now) {
		full = now
	}
	if wait = full.Sub(now) - l.cost(l.Burst-1); wait > 0 {
		return wait
	}
	if len(q.full) >= q.sweep {
		for name, full := range q.full {
			if !full.After(now) {
				delete(q.full, name)
			}
		}
		q.sweep = max(minSweep, 2*len(q.full))
	}
	q.full[client] = full.Add(l.cost(n))
	return 0
}

// Return gives back n changes that were taken and not made.
func (q *Quota) Return(client string, l Limit, n int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if full, ok := q.full[client]; ok {
		q.full[client] = full.Add(-l.cost(n))
	}
}
