package quota

import (
	"fmt"
	"testing"
	"time"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func TestTake(t *testing.T) {
	limit := Limit{Burst: 3, Interval: time.Hour}
	q := New()
	take := func(l Limit, n int, at time.Duration, want time.Duration) {
		t.Helper()
		if wait := q.Take("a", l, n, noon.Add(at)); wait.Round(time.Millisecond) != want {
			t.Errorf("at %v: wait %v, want %v", at, wait, want)
		}
	}
	take(limit, 2, 0, 0)
	take(limit, 4, 0, 0) // more than is left: it is not cut in two
	take(limit, 1, 0, 4*time.Hour)
	take(limit, 1, 3*time.Hour, time.Hour)
	take(limit, 1, 4*time.Hour, 0)
	take(limit, 1, 4*time.Hour, time.Hour)
	q.Return("a", limit, 1, noon.Add(4*time.Hour))
	take(limit, 1, 4*time.Hour, 0)
	// A larger limit holds at once.
	take(Limit{Burst: 10, Interval: time.Minute}, 1, 4*time.Hour, 0)
	// A clock that is set back gives nothing back.
	take(Limit{Burst: 1, Interval: time.Hour}, 1, -24*time.Hour, 4*time.Hour)
	if wait := q.Take("b", limit, 1, noon); wait != 0 {
		t.Errorf("another client waits %v", wait)
	}
}

func TestReturnOfNothing(t *testing.T) {
	limit := Limit{Burst: 1, Interval: time.Hour}
	q := New()
	q.Return("a", limit, 5, noon)
	q.Take("a", limit, 1, noon)
	if q.Take("a", limit, 1, noon) == 0 {
		t.Error("more was given back than was taken")
	}
}

// Refilled buckets go, those that are spent stay.
func TestSize(t *testing.T) {
	q := New()
	limit := Limit{Burst: 1, Interval: time.Minute}
	q.Take("slow", Limit{Burst: 1, Interval: 240 * time.Hour}, 1, noon)
	for n := range 100 * minSweep {
		q.Take(fmt.Sprint(n), limit, 1, noon.Add(time.Duration(n)*time.Second))
	}
	if len(q.buckets) > minSweep {
		t.Errorf("%d buckets are left", len(q.buckets))
	}
	if q.Take("slow", Limit{Burst: 1, Interval: 240 * time.Hour}, 1, noon.Add(time.Hour)) == 0 {
		t.Error("a bucket that is not refilled is gone")
	}
}

// Times do not overflow.
func TestLong(t *testing.T) {
	q := New()
	limit := Limit{Burst: 1, Interval: 1<<63 - 1}
	q.Take("a", limit, 1000, noon)
	if wait := q.Take("a", limit, 1, noon); wait != maxWait {
		t.Errorf("wait %v", wait)
	}
}
