package transport

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddy-dyndns/dyndns/zone"
)

// TestServers lets nameservers fail and come back: a failed one rests, longer each
// time, until a probe or another exchange finds it well.
func TestServers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var (
			mu     sync.Mutex
			health []string
			probes int
		)
		first, second := NewPool("192.0.2.1:53", nil), NewPool("192.0.2.2:53", nil)
		var s *Servers
		s = NewServers([]*Pool{first, second}, func(address string, up bool) {
			if up {
				address += " up"
			}
			mu.Lock()
			defer mu.Unlock()
			health = append(health, address)
		}, func(server *Server) {
			mu.Lock()
			probes++
			third := probes == 3
			mu.Unlock()
			if third {
				s.Replied(server, time.Millisecond, nil, true)
				return
			}
			s.Rest(server, &zone.Error{Reason: zone.Unreachable})
		})
		pick := func() string { return s.Pick(time.Now()).Address }
		if pick() != first.Address || s.AllRest(time.Now()) {
			t.Errorf("picked %s", pick())
		}
		s.Rest(s.All()[0], &zone.Error{Reason: zone.Unreachable})
		if pick() != second.Address || s.AllRest(time.Now()) {
			t.Errorf("picked %s while the first rests", pick())
		}
		s.Rest(s.All()[1], &zone.Error{Reason: zone.Timeout})
		if !s.AllRest(time.Now()) {
			t.Error("there is one that does not rest")
		}
		s.Replied(s.All()[1], time.Millisecond, nil, true)
		// 1 s, 2 s and 4 s after the first failure.
		time.Sleep(7*time.Second + time.Millisecond)
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		if probes != 3 || pick() != first.Address {
			t.Errorf("%d probes, picked %s", probes, pick())
		}
		if want := []string{first.Address, second.Address, second.Address + " up", first.Address + " up"}; !slices.Equal(health, want) {
			t.Errorf("told %q, want %q", health, want)
		}
		mu.Unlock()
		s.Rest(s.All()[0], &zone.Error{Reason: zone.Unreachable})
		s.Retire()
		time.Sleep(time.Minute)
		synctest.Wait()
		mu.Lock()
		if probes != 3 {
			t.Errorf("%d probes after the end", probes)
		}
		if status := s.Status()[0]; status.Up || !status.Seen || status.LastError == nil {
			t.Errorf("got %+v", status)
		}
	})
}

// TestPool takes connections: a kept one first, none beyond the bound, and the one
// that is reserved for its owner alone.
func TestPool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dialled := 0
		p := NewPool("192.0.2.1:53", func(context.Context, string, string) (net.Conn, error) {
			dialled++
			near, far := net.Pipe()
			t.Cleanup(func() { far.Close() })
			return near, nil
		})
		get := func(owner any) *Conn {
			c, err := p.Get(owner, time.Now().Add(time.Second))
			if err != nil {
				t.Fatal(err)
			}
			return c
		}
		c := get(nil)
		p.Put(c)
		if again := get(nil); again != c || !again.Reused() || dialled != 1 {
			t.Errorf("another connection than the kept one, after %d dials", dialled)
		}
		owner := new(int)
		c.Reserve(owner, func(bool) {})
		p.Put(c)
		if other := get(nil); other == c {
			t.Error("a reserved connection went to somebody else")
		}
		if own := get(owner); own != c || !own.Reserved() {
			t.Error("its owner did not get the reserved connection")
		}
		for range MaxConns - 2 {
			get(nil)
		}
		if _, err := p.Get(nil, time.Now().Add(time.Second)); !errors.Is(err, ErrNoSlot) {
			t.Errorf("one connection too many: %v", err)
		}
		p.Close()
		p.Put(c)
		if fresh := get(owner); fresh == c {
			t.Error("a connection is kept after the end")
		}
	})
}
