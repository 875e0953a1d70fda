package cached

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddy-dyndns/dyndns/clients"
)

// source is a source of clients that a test controls.
type source struct {
	mu      sync.Mutex
	records map[clients.Digest]*clients.Record
	err     error
	calls   atomic.Int64
	block   chan struct{} // if set, calls wait until it is closed
}

func (s *source) find(ctx context.Context, d clients.Digest) (*clients.Record, error) {
	s.calls.Add(1)
	s.mu.Lock()
	record, err, block := s.records[d], s.err, s.block
	s.mu.Unlock()
	if block != nil {
		select {
		case <-block:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return record, err
}

func (s *source) set(d clients.Digest, r *clients.Record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.records[d] = r
}

// hang makes all calls wait until the channel that is returned is closed.
func (s *source) hang() chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.block = make(chan struct{})
	return s.block
}

func (s *source) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

var (
	config = clients.NewConfig([]string{"dyn.example.com."})
	known  = clients.DigestOf("token-of-a-customer")
	guess  = clients.DigestOf("token-of-nobody-000")
)

func record(name string, digests ...clients.Digest) *clients.Record {
	r := &clients.Record{Name: name, Hosts: []string{name + ".dyn.example.com"}}
	for _, d := range digests {
		r.Tokens = append(r.Tokens, clients.Token{Digest: d})
	}
	return r
}

func newSource(s *source) *Source {
	s.records = map[clients.Digest]*clients.Record{known: record("a", known)}
	return &Source{Name: "test", Memory: New(), Find: s.find, Config: config, Age: 30 * time.Second, Stale: 24 * time.Hour}
}

// check asks for a token; want is the client's name, empty for none, or "error".
func check(t *testing.T, s *Source, d clients.Digest, want string) {
	t.Helper()
	client, err := s.FindClient(t.Context(), d)
	got := ""
	switch {
	case err != nil:
		got = "error"
	case client != nil:
		got = client.Name
	}
	if got != want {
		t.Errorf("found %q (%v), want %q", got, err, want)
	}
}

func checkCalls(t *testing.T, from *source, want int64) {
	t.Helper()
	if n := from.calls.Load(); n != want {
		t.Errorf("the source was asked %d times, want %d", n, want)
	}
}

func TestAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		from := new(source)
		s := newSource(from)
		check(t, s, known, "a")
		time.Sleep(29 * time.Second)
		check(t, s, known, "a")
		checkCalls(t, from, 1)
		from.set(known, nil) // revoked elsewhere
		check(t, s, known, "a")
		time.Sleep(time.Second)
		check(t, s, known, "")
		checkCalls(t, from, 2)
	})
}

func TestUnknown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		from := new(source)
		s := newSource(from)
		for range 3 {
			check(t, s, guess, "")
		}
		checkCalls(t, from, 1)
		from.set(guess, record("b", guess))
		time.Sleep(unknownAge - time.Second)
		check(t, s, guess, "")
		time.Sleep(time.Second)
		check(t, s, guess, "b")
		checkCalls(t, from, 2)
	})
}

// A record that does not list the token grants nothing.
func TestUnlisted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		from := new(source)
		s := newSource(from)
		from.set(guess, record("b", known))
		check(t, s, guess, "")
	})
}

func TestStale(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		from := new(source)
		s := newSource(from)
		check(t, s, known, "a")
		from.fail(errors.New("the database is down"))
		check(t, s, guess, "error")
		time.Sleep(time.Hour)
		check(t, s, known, "a")
		check(t, s, known, "a")
		checkCalls(t, from, 3) // it is not asked for each request while it fails
		time.Sleep(failurePause)
		check(t, s, known, "a")
		checkCalls(t, from, 4)
		time.Sleep(24 * time.Hour)
		check(t, s, known, "error")
		from.fail(nil)
		check(t, s, known, "a")
	})
}

func TestStaleOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		from := new(source)
		s := newSource(from)
		s.Stale = 0
		check(t, s, known, "a")
		from.fail(errors.New("the database is down"))
		time.Sleep(s.Age)
		check(t, s, known, "error")
	})
}

// A bad record is no outage: its client does not go on.
func TestBadRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		from := new(source)
		s := newSource(from)
		check(t, s, known, "a")
		bad := record("a", known)
		bad.Hosts = []string{"a..b"}
		from.set(known, bad)
		time.Sleep(s.Age)
		check(t, s, known, "error")
		check(t, s, known, "error")
		from.set(known, record("a", known))
		check(t, s, known, "a")
	})
}

// A source that hangs keeps a known client waiting for a moment only, others for the
// whole time of a call, and a caller that gives up takes none with it.
func TestHanging(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		from := new(source)
		s := newSource(from)
		check(t, s, known, "a")
		time.Sleep(s.Age)
		from.hang()
		start := time.Now()
		check(t, s, known, "a")
		if took := time.Since(start); took != patience {
			t.Errorf("a known client waited %v", took)
		}
		check(t, s, known, "a")
		if took := time.Since(start); took != patience {
			t.Errorf("the next request waited too: %v", took)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		go func() {
			if _, err := s.FindClient(ctx, guess); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("the caller that gave up got %v", err)
			}
		}()
		start = time.Now()
		check(t, s, guess, "error")
		if took := time.Since(start); took != callTime {
			t.Errorf("an unknown token waited %v", took)
		}
		checkCalls(t, from, 3)
	})
}

func TestTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		from := new(source)
		s := newSource(from)
		block := from.hang()
		var all sync.WaitGroup
		for range 100 {
			all.Go(func() { check(t, s, known, "a") })
		}
		synctest.Wait()
		close(block)
		all.Wait()
		checkCalls(t, from, 1)
	})
}

// What was changed through this process counts at once, also for who asks while a
// question of before is under way, and that one is not remembered.
func TestForget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		from := new(source)
		s := newSource(from)
		check(t, s, guess, "")
		from.set(guess, record("b", guess))
		s.Memory.Forget(guess)
		check(t, s, guess, "b")

		block := from.hang()
		var all sync.WaitGroup
		all.Go(func() { check(t, s, known, "a") })
		synctest.Wait()
		from.set(known, nil)
		s.Memory.Forget(known)
		all.Go(func() { check(t, s, known, "") })
		synctest.Wait()
		close(block)
		all.Wait()
		check(t, s, known, "")
	})
}

func TestClear(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		from := new(source)
		s := newSource(from)
		check(t, s, known, "a")
		check(t, s, guess, "")
		from.set(known, nil)
		from.set(guess, record("b", guess))
		s.Memory.Clear()
		check(t, s, known, "")
		check(t, s, guess, "b")
	})
}

func TestTokenExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		from := new(source)
		s := newSource(from)
		r := record("a", known)
		r.Tokens[0].Expires = time.Now().Add(10 * time.Second)
		from.set(known, r)
		check(t, s, known, "a")
		time.Sleep(10 * time.Second)
		check(t, s, known, "")
		from.fail(errors.New("the database is down"))
		time.Sleep(time.Minute)
		check(t, s, known, "error")
		from.fail(nil)
		from.set(known, record("a", known)) // which expires no more
		check(t, s, known, "a")
	})
}

// What waits for a source that hangs is bounded; who is known goes on.
func TestManyCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		from := new(source)
		s := newSource(from)
		check(t, s, known, "a")
		time.Sleep(s.Age)
		block := from.hang()
		var all sync.WaitGroup
		for n := range maxCalls {
			all.Go(func() { check(t, s, numbered(n), "") })
		}
		synctest.Wait()
		start := time.Now()
		check(t, s, guess, "error")
		check(t, s, known, "a")
		if time.Since(start) > 0 {
			t.Error("somebody waited")
		}
		close(block)
		all.Wait()
		check(t, s, guess, "")
	})
}

func TestPanic(t *testing.T) {
	s := newSource(new(source))
	s.Find = func(context.Context, clients.Digest) (*clients.Record, error) { panic("out of order") }
	if _, err := s.FindClient(t.Context(), known); err == nil || !strings.Contains(err.Error(), "out of order") {
		t.Errorf("got %v", err)
	}
}

func BenchmarkFindClient(b *testing.B) {
	from := new(source)
	s := newSource(from)
	b.Run("known", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if c, err := s.FindClient(b.Context(), known); c == nil || err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("unknown", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if c, err := s.FindClient(b.Context(), guess); c != nil || err != nil {
				b.Fatal(err)
			}
		}
	})
}
