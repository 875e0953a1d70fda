package hosted_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/libdns/libdns"

	"github.com/caddy-dyndns/dyndns/hosted"
	"github.com/caddy-dyndns/dyndns/hosted/hostedtest"
	"github.com/caddy-dyndns/dyndns/zone"
	"github.com/caddy-dyndns/dyndns/zone/zonetest"
)

const apex = "dyn.example.com."

func newProvider(habit func(*hostedtest.Provider)) *hostedtest.Provider {
	p := &hostedtest.Provider{Zone: apex}
	p.Put(libdns.RR{Name: "@", Type: "NS", Data: "NS1." + apex, TTL: time.Hour}, libdns.RR{Name: "@", Type: "NS", Data: "ns2.example.net", TTL: time.Hour},
		libdns.RR{Name: "@", Type: "TXT", Data: "v=spf1 -all", TTL: time.Hour}, libdns.RR{Name: "alias", Type: "CNAME", Data: "home", TTL: time.Hour})
	if habit != nil {
		habit(p)
	}
	return p
}

func open(t testing.TB, p hosted.Provider, m *hosted.Memory, hooks hosted.Hooks) *hosted.Zone {
	z := hosted.New(hosted.Config{Name: apex, Provider: p, ProviderName: "memory", Memory: m, Redact: strings.NewReplacer("s3cret", "REDACTED").Replace, Hooks: hooks})
	t.Cleanup(z.Close)
	return z
}

// every fails one call of so many.
func every(n int64, err error) hostedtest.Fault {
	var calls atomic.Int64
	return func(context.Context, string, []libdns.Record) error {
		if calls.Add(1)%n == 0 {
			return err
		}
		return nil
	}
}

func TestContract(t *testing.T) {
	for _, test := range []struct {
		name  string
		habit func(*hostedtest.Provider)
		noTTL bool
	}{
		{"as libdns wants it", nil, false},
		{"opaque", func(p *hostedtest.Provider) { p.Form = hostedtest.Opaque }, false},
		{"absolute", func(p *hostedtest.Provider) { p.Form = hostedtest.Absolute(apex) }, false},
		{"own types", func(p *hostedtest.Provider) { p.Form = hostedtest.Own }, false},
		{"appends", func(p *hostedtest.Provider) { p.Appends = true }, false},
		{"one by one", func(p *hostedtest.Provider) { p.Single = true }, false},
		{"a floor", func(p *hostedtest.Provider) { p.MinTTL = time.Hour }, true},
		{"a floor, appends", func(p *hostedtest.Provider) { p.MinTTL, p.Appends = time.Hour, true }, true},
		{"slow", func(p *hostedtest.Provider) {
			p.Before = func(ctx context.Context, _ string, _ []libdns.Record) error { return sleep(ctx, 2*time.Millisecond) }
		}, false},
		{"fails", func(p *hostedtest.Provider) { p.Before = every(5, errors.New("500 Internal Server Error")) }, false},
		{"loses replies", func(p *hostedtest.Provider) { p.After = every(5, errors.New("connection reset by peer")) }, false},
		{"limits", func(p *hostedtest.Provider) {
			p.Before = every(5, errors.New("429 Too Many Requests, retry after 5ms"))
		}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p, m := newProvider(test.habit), hosted.NewMemory()
			zonetest.Run(t, zonetest.Config{Name: apex, NoTTL: test.noTTL, View: p, Open: func(t testing.TB) zone.Zone { return open(t, p, m, hosted.Hooks{}) }})
		})
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
