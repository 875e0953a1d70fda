package hosted_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/libdns/libdns"

	"github.com/caddy-dyndns/dyndns/hosted"
	"github.com/caddy-dyndns/dyndns/hosted/hostedtest"
	"github.com/caddy-dyndns/dyndns/internal/await"
	"github.com/caddy-dyndns/dyndns/zone"
)

func TestTriesAgain(t *testing.T) {
	for _, test := range []struct {
		failures int
		took     time.Duration
	}{{1, 0}, {2, time.Second}, {3, time.Second}} {
		failures := test.failures
		habit := func(p *hostedtest.Provider) {
			p.Before = func(context.Context, string, []libdns.Record) error {
				if failures--; failures < 0 {
					return nil
				}
				return errors.New("503 Service Unavailable")
			}
		}
		inBubble(t, habit, hosted.Hooks{}, func(t *testing.T, p *hostedtest.Provider, z *hosted.Zone) {
			started := time.Now()
			r := z.Apply(t.Context(), []zone.Change{set("a", "192.0.2.1")})[0]
			if took := time.Since(started); (r.Err != nil) != (test.failures == 3) || took != test.took {
				t.Errorf("%d failures: got %+v after %v", test.failures, r, took)
			}
		})
	}
}

func TestGuilty(t *testing.T) {
	for _, test := range []struct {
		name, cause string
		refuse      func() error
	}{
		{"error", "422 token=REDACTED", func() error { return errors.New("422 token=s3cret") }},
		{"panic", "internal error in the provider", func() error { panic("of the provider") }},
	} {
		t.Run(test.name, func(t *testing.T) {
			panics := 0
			hooks := hosted.Hooks{Panic: func(string, any, []byte) { panics++ }}
			habit := func(p *hostedtest.Provider) {
				p.Before = func(_ context.Context, _ string, records []libdns.Record) error {
					if slices.ContainsFunc(records, func(r libdns.Record) bool { return r.RR().Name == "bad" }) {
						return test.refuse()
					}
					return nil
				}
			}
			inBubble(t, habit, hooks, func(t *testing.T, p *hostedtest.Provider, z *hosted.Zone) {
				results := z.Apply(t.Context(), []zone.Change{set("bad", "192.0.2.1"), set("good", "192.0.2.1")})
				var e *zone.Error
				if !errors.As(results[0].Err, &e) || e.Reason != zone.Unreachable || !e.Unknown || e.Name != "bad."+apex || e.RetryAfter == 0 && panics == 0 {
					t.Errorf("the guilty: %+v", results[0].Err)
				}
				if want := "the DNS hoster memory failed for bad." + apex + " in zone " + apex + ": " + test.cause + "; it may have been applied"; e.Error() != want {
					t.Errorf("got %q, want %q", e.Error(), want)
				}
				if results[1].Err != nil {
					t.Errorf("its neighbour: %v", results[1].Err)
				}
				if (panics > 0) != (test.name == "panic") {
					t.Errorf("%d panics", panics)
				}
				p.Before = nil
				succeed(t, z, set("bad", "192.0.2.1"))
			})
		})
	}
}

func TestRateLimit(t *testing.T) {
	answer := "HTTP 429: retry after 60 seconds"
	habit := func(p *hostedtest.Provider) {
		p.Before = func(_ context.Context, method string, _ []libdns.Record) error {
			if method == "SetRecords" && answer != "" {
				return errors.New(answer)
			}
			return nil
		}
	}
	inBubble(t, habit, hosted.Hooks{}, func(t *testing.T, p *hostedtest.Provider, z *hosted.Zone) {
		if e := fail(t, z, zone.Busy, set("a", "192.0.2.1")); e.RetryAfter != time.Minute || e.Unknown {
			t.Errorf("got %+v", e)
		}
		time.Sleep(20 * time.Second)
		p.Calls()
		if e := fail(t, z, zone.Busy, set("a", "192.0.2.1")); e.RetryAfter != 40*time.Second || e.Unknown {
			t.Errorf("20 s later: got %+v", e)
		}
		called(t, p)
		answer = ""
		time.Sleep(35 * time.Second)
		started := time.Now()
		succeed(t, z, set("a", "192.0.2.1"))
		if waited := time.Since(started); waited != 5*time.Second {
			t.Errorf("it waited for %v", waited)
		}
		called(t, p, "GetRecords", "SetRecords a A 300 192.0.2.1")
		answer = "rate limited"
		if e := fail(t, z, zone.Busy, set("b", "192.0.2.1")); e.RetryAfter != time.Minute {
			t.Errorf("without a time: got %+v", e)
		}
	})
}

func TestHangs(t *testing.T) {
	habit := func(p *hostedtest.Provider) {
		p.Before = func(ctx context.Context, method string, _ []libdns.Record) error {
			if method != "SetRecords" {
				return nil
			}
			<-ctx.Done()
			return ctx.Err()
		}
	}
	inBubble(t, habit, hosted.Hooks{}, func(t *testing.T, p *hostedtest.Provider, z *hosted.Zone) {
		started := time.Now()
		if e := fail(t, z, zone.Timeout, set("a", "192.0.2.1")); !e.Unknown || time.Since(started) != 10*time.Second {
			t.Errorf("after %v: %+v", time.Since(started), e)
		}
		if e := fail(t, z, zone.Timeout, set("b", "192.0.2.1")); e.Unknown {
			t.Errorf("what waited behind it: %+v", e)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if r := z.Apply(ctx, []zone.Change{set("c", "192.0.2.1")})[0]; r.Err == nil {
			t.Errorf("got %+v", r)
		}
		if took := time.Since(started); took > 3*time.Minute {
			t.Errorf("the calls took %v", took)
		}
		p.Before = nil
		succeed(t, z, set("a", "192.0.2.1"))
	})
}

func TestMindsNoDeadline(t *testing.T) {
	release := make(chan struct{})
	habit := func(p *hostedtest.Provider) {
		p.Before = func(context.Context, string, []libdns.Record) error {
			<-release
			return nil
		}
	}
	p := newProvider(habit)
	z := open(t, p, hosted.NewMemory(), hosted.Hooks{})
	for range 3 {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		var e *zone.Error
		if r := z.Apply(ctx, []zone.Change{set("a", "192.0.2.1")})[0]; !errors.As(r.Err, &e) || e.Reason != zone.Timeout || e.Unknown {
			t.Errorf("got %+v", r)
		}
		cancel()
	}
	close(release)
	succeed(t, z, set("a", "192.0.2.1"))
	called(t, p, "GetRecords", "SetRecords a A 300 192.0.2.1")
}

func TestQueueIsBounded(t *testing.T) {
	begun, release := make(chan struct{}, 10), make(chan struct{})
	habit := func(p *hostedtest.Provider) {
		p.Before = func(context.Context, string, []libdns.Record) error {
			begun <- struct{}{}
			<-release
			return nil
		}
	}
	z := open(t, newProvider(habit), hosted.NewMemory(), hosted.Hooks{})
	var many []zone.Change
	for i := range 600 {
		many = append(many, set(fmt.Sprint("h", i), "192.0.2.1"))
	}
	var all sync.WaitGroup
	all.Go(func() { succeed(t, z, set("first", "192.0.2.1")) })
	<-begun
	all.Go(func() { succeed(t, z, many...) })
	await.True(t, "the second waits", func() bool { return z.Status().Waiting == len(many) })
	var e *zone.Error
	if r := z.Apply(t.Context(), many)[0]; !errors.As(r.Err, &e) || e.Reason != zone.Busy || e.Unknown {
		t.Errorf("got %+v", r)
	}
	close(release)
	all.Wait()
}

func TestDrops(t *testing.T) {
	habit := func(p *hostedtest.Provider) { p.Drops = true }
	inBubble(t, habit, hosted.Hooks{}, func(t *testing.T, p *hostedtest.Provider, z *hosted.Zone) {
		succeed(t, z, set("a", "192.0.2.1"))
		p.Drops = false
		time.Sleep(10 * time.Minute)
		if r := succeed(t, z, set("a", "192.0.2.1"))[0]; !r.Changed || len(r.Old) > 0 {
			t.Errorf("got %+v", r)
		}
		if got, _ := p.Values("a."+apex, zone.TypeA); len(got) != 1 {
			t.Errorf("there are %q", got)
		}
	})
}

func TestLostReply(t *testing.T) {
	habit := func(p *hostedtest.Provider) {
		lose := true
		p.After = func(_ context.Context, method string, _ []libdns.Record) error {
			if method == "SetRecords" && lose {
				lose = false
				return errors.New("unexpected EOF")
			}
			return nil
		}
		p.Put(libdns.RR{Name: "a", Type: "A", Data: "192.0.2.1", TTL: 5 * time.Minute})
	}
	inBubble(t, habit, hosted.Hooks{}, func(t *testing.T, p *hostedtest.Provider, z *hosted.Zone) {
		r := succeed(t, z, set("a", "192.0.2.2"))[0]
		if !r.Changed || r.Proven || !slices.Equal(r.Old, []string{"192.0.2.1"}) {
			t.Errorf("got %+v", r)
		}
		called(t, p, "GetRecords", "SetRecords a A 300 192.0.2.2", "GetRecords")
	})
}
