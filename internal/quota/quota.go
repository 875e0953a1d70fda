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

// Quota has a token bucket for each client that changed something lately. It is safe for
// concurrent use. It is as large as there are such clients: only who is known gets a bucket.
type Quota struct {
	mu      sync.Mutex
	buckets map[string]bucket
	sweep   int // the size at which refilled buckets are looked for
}

// bucket counts changes and not time, so that another limit holds at once.
type bucket struct {
	spent float64 // changes at that time
	at    time.Time
	full  time.Time
}

// New returns a Quota of which nothing is spent.
func New() *Quota { return &Quota{buckets: make(map[string]bucket), sweep: minSweep} }

const minSweep = 1024

// Take takes n changes if there is at least one: a request is never cut in two, and what
// is taken beyond the burst is waited for afterwards. Otherwise it takes none and returns
// after how long there will be one.
func (q *Quota) Take(client string, l Limit, n int, now time.Time) (wait time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	spent := q.spent(client, l, now)
	if over := spent - float64(l.Burst-1); over > 0 {
		return l.after(over)
	}
	if len(q.buckets) >= q.sweep {
		for name, b := range q.buckets {
			if !b.full.After(now) {
				delete(q.buckets, name)
			}
		}
		q.sweep = max(minSweep, 2*len(q.buckets))
	}
	q.put(client, l, spent+float64(n), now)
	return 0
}

// Return gives back n changes that were taken and not made.
func (q *Quota) Return(client string, l Limit, n int, now time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.put(client, l, max(0, q.spent(client, l, now)-float64(n)), now)
}

func (q *Quota) spent(client string, l Limit, now time.Time) float64 {
	b := q.buckets[client]
	return max(0, b.spent-max(0, float64(now.Sub(b.at))/float64(l.Interval)))
}

func (q *Quota) put(client string, l Limit, spent float64, now time.Time) {
	q.buckets[client] = bucket{spent, now, now.Add(l.after(spent))}
}

// after is how long it takes until n changes more may be made.
func (l Limit) after(n float64) time.Duration {
	return time.Duration(min(n*float64(l.Interval), float64(maxWait)))
}

// maxWait keeps times from overflowing.
const maxWait = 50 * 365 * 24 * time.Hour
