package propagation

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"

	"github.com/caddy-dyndns/dyndns/dnsupdate/dnstest"
)

const owner = "_acme-challenge.home.dyn.example.com."

// servers are nameservers that serve any value from a time on, never if that is negative.
type servers struct {
	from    map[string]time.Duration
	start   time.Time
	queries atomic.Int64
}

func (s *servers) list(context.Context) (all []string) {
	for server := range s.from {
		all = append(all, server)
	}
	return all
}

func (s *servers) query(_ context.Context, server string, q *dns.Msg) (*dns.Msg, error) {
	s.queries.Add(1)
	from := s.from[server]
	if from < 0 {
		return nil, errors.New("no answer")
	}
	reply := new(dns.Msg).SetReply(q)
	reply.Authoritative = true
	if time.Since(s.start) >= from {
		for _, value := range []string{"x", "other"} {
			reply.Answer = append(reply.Answer, &dns.TXT{Hdr: dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeTXT}, Txt: []string{value}})
		}
	}
	return reply, nil
}

func TestAwait(t *testing.T) {
	for _, tt := range []struct {
		name    string
		from    map[string]time.Duration
		lagging []string
		// least and most are how long it waits.
		least, most time.Duration
	}{
		{"no nameserver", nil, nil, 0, 0},
		{"at once", map[string]time.Duration{"a": 0, "b": 0}, nil, 0, 0},
		{"one follows", map[string]time.Duration{"a": 0, "b": 3 * time.Second}, nil, 3 * time.Second, 5 * time.Second},
		{"one never does", map[string]time.Duration{"a": 0, "b": -1, "c": time.Second}, []string{"b"}, 20 * time.Second, 20 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &servers{from: tt.from, start: time.Now()}
				w := &Watcher{Limit: 20 * time.Second, Servers: s.list, Query: s.query}
				lagging := w.Await(t.Context(), owner, "x")
				if took := time.Since(s.start); !slices.Equal(lagging, tt.lagging) || took < tt.least || took > tt.most {
					t.Errorf("lagging are %q after %s", lagging, took)
				}
				synctest.Wait()
				time.Sleep(time.Minute) // the last look ends
			})
		})
	}
}

// A nameserver that missed a whole wait costs the next ones nothing for a while.
func TestLeftOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &servers{from: map[string]time.Duration{"a": 0, "b": -1}, start: time.Now()}
		w := &Watcher{Limit: 20 * time.Second, Servers: s.list, Query: s.query}
		took := func(want time.Duration) {
			t.Helper()
			before := time.Now()
			w.Await(t.Context(), owner, "x")
			if took := time.Since(before); took < want || took > want+firstPause {
				t.Errorf("it took %s, want %s", took, want)
			}
		}
		took(20 * time.Second)
		took(0)
		time.Sleep(leftOut + time.Second)
		took(20 * time.Second)
		// Who hangs up tells nothing of a server.
		time.Sleep(leftOut + time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if lagging := w.Await(ctx, owner, "x"); !slices.Equal(lagging, []string{"b"}) {
			t.Errorf("lagging are %q", lagging)
		}
		took(20 * time.Second)
		time.Sleep(time.Minute)
	})
}

// A thousand who wait at one name cost no more questions than one, and those at a
// thousand names one each.
func TestStorm(t *testing.T) {
	for _, names := range []int{1, 1000} {
		synctest.Test(t, func(t *testing.T) {
			s := &servers{from: map[string]time.Duration{"a": time.Second}, start: time.Now()}
			w := &Watcher{Limit: 20 * time.Second, Servers: s.list, Query: s.query}
			var all sync.WaitGroup
			for i := range 1000 {
				all.Go(func() {
					if lagging := w.Await(t.Context(), fmt.Sprintf("h%d.example.com.", i%names), "x"); lagging != nil {
						t.Errorf("lagging are %q", lagging)
					}
				})
			}
			all.Wait()
			if looks := s.queries.Load() / int64(names); looks > 16 {
				t.Errorf("%d questions for each name", looks)
			}
			time.Sleep(time.Minute)
		})
	}
}

// It asks a real nameserver, also where the answer is long.
func TestExchange(t *testing.T) {
	zone := dnstest.Zone{Name: "dyn.example.com."}
	for i := range 40 {
		zone.Records = append(zone.Records, fmt.Sprintf("long TXT %043d", i))
	}
	zone.Records = append(zone.Records, `short TXT "x"`)
	ns := dnstest.NewServer(zone)
	t.Cleanup(ns.Close)
	w := &Watcher{Limit: 10 * time.Second, Servers: func(context.Context) []string { return []string{ns.Addr()} }}
	for name, value := range map[string]string{"short": "x", "long": fmt.Sprintf("%043d", 39)} {
		if lagging := w.Await(t.Context(), name+".dyn.example.com.", value); lagging != nil {
			t.Errorf("%s is not found", name)
		}
	}
}
