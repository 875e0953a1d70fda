package cached

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/caddy-dyndns/dyndns/clients"
)

// numbered is a digest of its own for each number.
func numbered(n int) (d clients.Digest) {
	binary.BigEndian.PutUint64(d[:], uint64(n)*0x9e3779b97f4a7c15)
	return d
}

// A million guesses push no client out, and need no more memory than the table has.
func TestGuesses(t *testing.T) {
	from := new(source)
	s := newSource(from)
	check(t, s, known, "a")
	for n := range 1_000_000 {
		s.Memory.mu.Lock()
		s.Memory.unknown.add(numbered(n), time.Now().Add(unknownAge))
		s.Memory.mu.Unlock()
	}
	if n := len(s.Memory.unknown.until); n != maxUnknown {
		t.Errorf("%d digests are remembered", n)
	}
	if last := numbered(999_999); !s.Memory.unknown.has(last, time.Now()) {
		t.Error("the last guess was forgotten")
	}
	check(t, s, known, "a")
	checkCalls(t, from, 1)
}

// fill remembers so many clients.
func fill(m *Memory, from, to int) {
	for n := from; n < to; n++ {
		d := numbered(n)
		client, err := config.RecordClient(record(fmt.Sprintf("customer-%06d", n), d), d)
		if err != nil {
			panic(err)
		}
		m.mu.Lock()
		m.remember(d, client, time.Now())
		m.mu.Unlock()
	}
}

// The client that was not seen for longest goes.
func TestBound(t *testing.T) {
	m := New()
	fill(m, 0, maxClients)
	m.use(numbered(0))
	fill(m, maxClients, maxClients+2)
	if len(m.known) != maxClients {
		t.Errorf("%d clients are remembered", len(m.known))
	}
	for n, want := range map[int]bool{0: true, 1: false, 2: false, 3: true, maxClients + 1: true} {
		if _, got := m.known[numbered(n)]; got != want {
			t.Errorf("client %d is remembered: %v", n, got)
		}
	}
}

// A full memory takes 40 MiB.
func TestSize(t *testing.T) {
	heap := func() uint64 {
		runtime.GC()
		var stats runtime.MemStats
		runtime.ReadMemStats(&stats)
		return stats.HeapAlloc
	}
	before := heap()
	m := New()
	fill(m, 0, maxClients)
	size := heap() - before
	t.Logf("%d clients take %.1f MiB", len(m.known), float64(size)/(1<<20))
	if size > 40<<20 {
		t.Error("more than 40 MiB")
	}
}
