package storage

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/caddy-dyndns/dyndns/clients"
)

// Each operation is made to fail at every use of the storage: before and after it was
// done, by itself and with all uses after it, as when the process is killed. No token may
// then do more than it may before or after the whole operation, and the operation again
// completes it.
func TestFaults(t *testing.T) {
	ctx := context.Background()
	for _, tt := range []struct {
		name string
		do   func(s *Store) error
		want map[string]string
	}{
		{"create", func(s *Store) error {
			_, _, err := s.Put(ctx, withTokens(record("new", "new.dyn.example.com", "new2.dyn.example.com"), "token-of-a-new-customer"), Condition{}, false)
			return err
		}, map[string]string{first: "a[a.dyn.example.com]", other: "b[b.dyn.example.com]", "token-of-a-new-customer": "new[new.dyn.example.com new2.dyn.example.com]"}},
		{"replace hosts", func(s *Store) error {
			_, _, err := s.Put(ctx, record("a", "c.dyn.example.com"), Condition{}, false)
			return err
		}, map[string]string{first: "a[c.dyn.example.com]", other: "b[b.dyn.example.com]"}},
		{"rotate", func(s *Store) error {
			_, _, err := s.Put(ctx, withTokens(record("a", "a.dyn.example.com"), second), Condition{}, false)
			return err
		}, map[string]string{second: "a[a.dyn.example.com]", other: "b[b.dyn.example.com]"}},
		{"revoke", func(s *Store) error {
			_, err := s.RemoveToken(ctx, "a", clients.Token{Digest: clients.DigestOf(first)}.ID(), Condition{})
			if errors.Is(err, ErrNotFound) {
				err = nil // the repeat finds it revoked
			}
			return err
		}, map[string]string{other: "b[b.dyn.example.com]"}},
		{"remove", func(s *Store) error {
			_, err := s.Delete(ctx, "a", Condition{})
			if errors.Is(err, ErrNotFound) {
				err = nil
			}
			return err
		}, map[string]string{other: "b[b.dyn.example.com]"}},
	} {
		all := []string{first, second, other, "token-of-a-new-customer"}
		begin := newMemory()
		s := newStore(begin)
		put(t, s, withTokens(record("a", "a.dyn.example.com"), first))
		put(t, s, withTokens(record("b", "b.dyn.example.com"), other))
		before := grants(t, s, all...)

		whole := begin.clone()
		if err := tt.do(newStore(whole)); err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		if got := grants(t, newStore(whole), all...); !maps.Equal(got, tt.want) {
			t.Fatalf("%s: granted is %v, want %v", tt.name, got, tt.want)
		}
		for mode := range 4 {
			for fault := 1; ; fault++ {
				m := begin.clone()
				m.fault, m.after, m.dead = fault, mode&1 != 0, mode&2 != 0
				failed := tt.do(newStore(m))
				if m.n < fault {
					break
				}
				m.fault = 0
				clear(m.locks) // certmagic takes over the lock of a process that is gone
				where := fmt.Sprintf("%s, fault at use %d, done %v, dead %v (%v)", tt.name, fault, m.after, m.dead, failed)
				for token, may := range grants(t, newStore(m), all...) {
					if may != before[token] && may != tt.want[token] {
						t.Errorf("%s: %s may %s", where, token, may)
					}
				}
				if err := tt.do(newStore(m)); err != nil {
					t.Errorf("%s: again: %v", where, err)
				}
				if got := grants(t, newStore(m), all...); !maps.Equal(got, tt.want) {
					t.Errorf("%s: again: granted is %v, want %v", where, got, tt.want)
				}
				if m.lists > 0 {
					t.Errorf("%s: something was listed", where)
				}
			}
		}
	}
}

// A token that could not be made whole is not shown, and grants nothing.
func TestAddTokenFaults(t *testing.T) {
	begin := newMemory()
	put(t, newStore(begin), withTokens(record("a", "a.dyn.example.com"), first))
	for fault := 1; ; fault++ {
		m := begin.clone()
		m.fault = fault
		token, _, _, err := newStore(m).AddToken(t.Context(), "a", Condition{}, NewToken{OthersExpire: time.Now().Add(-time.Second)})
		if m.n < fault {
			break
		}
		m.fault = 0
		clear(m.locks)
		got := grants(t, newStore(m), first, token)
		want := map[string]string{first: "a[a.dyn.example.com]"}
		if err == nil {
			want = map[string]string{token: "a[a.dyn.example.com]"}
		}
		if !maps.Equal(got, want) {
			t.Errorf("fault at use %d (%v): granted is %v", fault, err, got)
		}
		if _, _, _, err := newStore(m).AddToken(t.Context(), "a", Condition{}, NewToken{}); err != nil {
			t.Errorf("fault at use %d: again: %v", fault, err)
		}
	}
}
