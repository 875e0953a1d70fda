// Package throttle slows down who guesses credentials.
package throttle

import (
	"container/heap"
	"net/netip"
	"sync"
	"time"
)

// Limit is how many wrong credentials a network may present: Burst at once, and
// one more every Interval. Without a positive Burst and Interval there is none.
type Limit struct {
	Burst    int
	Interval time.Duration
}

const (
	// maxBuckets bounds the memory of a Throttle to some 10 MB.
	maxBuckets = 65536
	// siteFactor is how many times the burst of a /64 an IPv6 /48 has: one site
	// has as many /64 as it likes, but a /48 may also hold several customers.
	siteFactor = 16
	// maxSpan is the longest time to refill, so that no sum of a few overflows.
	maxSpan = 50 * 365 * 24 * time.Hour
	// maxReorder is how far concurrent callers may disagree on the time. More is
	// a clock that was set back.
	maxReorder = time.Minute
)

// Throttle counts wrong credentials per network: an IPv4 address, an IPv6 /64
// and its /48, and everything without an address. It is safe for concurrent use.
//
// Each network has a token bucket, kept as the one moment at which it will be
// full again (the generic cell rate algorithm, ITU-T I.371). When there are too
// many, the one that will be full first goes, since it holds back least; a heap
// knows it without a search. One heap under one mutex is enough: only a wrong
// credential changes it, in logarithmic time, and to ask is two map lookups.
type Throttle struct {
	mu      sync.Mutex
	buckets map[netip.Prefix]*bucket
	heap    fullestFirst
	start   time.Time
	latest  time.Duration // since start
	known   pairs
}

type bucket struct {
	network netip.Prefix
	full    time.Duration // since the throttle's start
	index   int           // in the heap
}

// New returns a Throttle that has seen no failure.
func New() *Throttle {
	return &Throttle{buckets: make(map[netip.Prefix]*bucket), start: time.Now()}
}

// Blocked tells whether the network of a has used up its failures, and after how
// long it may try again.
func (t *Throttle) Blocked(a netip.Addr, l Limit, now time.Time) (retryAfter time.Duration, blocked bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	elapsed := t.elapsed(now)
	for _, n := range networks(a, l) {
		if b := t.buckets[n.prefix]; b != nil && n.burst > 0 {
			retryAfter = max(retryAfter, b.full-elapsed-l.refill(n.burst-1))
		}
	}
	return retryAfter, retryAfter > 0
}

// Fail counts a wrong credential from a.
func (t *Throttle) Fail(a netip.Addr, l Limit, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	elapsed := t.elapsed(now)
	for _, n := range networks(a, l) {
		if n.burst == 0 {
			continue
		}
		t.dropRefilled(elapsed)
		b := t.buckets[n.prefix]
		if b == nil {
			if len(t.heap) == maxBuckets {
				t.drop()
			}
			b = &bucket{network: n.prefix, full: elapsed}
			t.buckets[n.prefix] = b
			heap.Push(&t.heap, b)
		}
		// Failures that were already on their way when the bucket ran empty
		// must not add up; neither may they shorten what a slower limit wrote.
		b.full = max(b.full, min(max(b.full, elapsed)+l.refill(1), elapsed+l.refill(n.burst)))
		heap.Fix(&t.heap, b.index)
	}
}

// dropRefilled removes twice as many buckets as one step can add, so that the
// throttle shrinks again without a long pause.
func (t *Throttle) dropRefilled(elapsed time.Duration) {
	for range 2 {
		if len(t.heap) == 0 || t.heap[0].full > elapsed {
			return
		}
		t.drop()
	}
}

func (t *Throttle) drop() {
	delete(t.buckets, heap.Pop(&t.heap).(*bucket).network)
}

// elapsed is the throttle's own time, which stands still for callers that come
// out of order and goes on from where it was after a clock was set back.
func (t *Throttle) elapsed(now time.Time) time.Duration {
	e := min(now.Sub(t.start), 2*maxSpan)
	if e < t.latest-maxReorder {
		t.start = t.start.Add(e - t.latest)
		e = t.latest
	}
	t.latest = max(t.latest, e)
	return t.latest
}

// network is a prefix that failures are counted for, and its burst.
type network struct {
	prefix netip.Prefix
	burst  int
}

// networks returns the networks that a counts for; a burst of 0 is none.
func networks(a netip.Addr, l Limit) [2]network {
	if l.Burst <= 0 || l.Interval <= 0 {
		return [2]network{}
	}
	burst := min(l.Burst, 1<<30)
	if a = a.Unmap().WithZone(""); !a.Is6() {
		return [2]network{{link(a), burst}}
	}
	site, _ := a.Prefix(48)
	return [2]network{{link(a), burst}, {site, siteFactor * burst}}
}

// refill is how long a bucket takes to get n failures back.
func (l Limit) refill(n int) time.Duration {
	if time.Duration(n) > maxSpan/l.Interval {
		return maxSpan
	}
	return time.Duration(n) * l.Interval
}

// fullestFirst is a heap.Interface over the buckets, the next full one on top.
type fullestFirst []*bucket

func (h fullestFirst) Len() int           { return len(h) }
func (h fullestFirst) Less(i, j int) bool { return h[i].full < h[j].full }

func (h fullestFirst) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

func (h *fullestFirst) Push(x any) {
	b := x.(*bucket)
	b.index = len(*h)
	*h = append(*h, b)
}

func (h *fullestFirst) Pop() any {
	last := len(*h) - 1
	b := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	return b
}
