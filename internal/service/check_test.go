package service

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/caddy-dyndns/dyndns/zone"
)

func TestCheckRights(t *testing.T) {
	tests := []struct {
		client string
		want   Reason
	}{
		{"secret", ""}, {"all", ""}, {"below", NotGranted}, {"exact", NotGranted}, {"router", NotGranted},
	}
	for _, tt := range tests {
		t.Run(tt.client, func(t *testing.T) {
			f := newFixture(t)
			f.other.err = errors.New("odd")
			out := f.do(t, tt.client, Submission{Check: true})
			if reason(out.Err) != tt.want || out.Client != tt.client {
				t.Fatalf("got %+v", out)
			}
			if tt.want != "" {
				if out.Checks != nil {
					t.Errorf("got %v", out.Checks)
				}
				return
			}
			for i, zone := range []string{"dyn.test.", "deep.dyn.test.", "other.test."} {
				c := out.Checks[i]
				if failed := c.Steps[1].Err != nil; c.Zone != zone || len(c.Steps) != 2 || failed != (zone == "other.test.") {
					t.Errorf("got %+v for %s", c, zone)
				}
			}
		})
	}
}

func TestOneCheckAtATime(t *testing.T) {
	f := newFixture(t)
	started, finish := make(chan struct{}), make(chan struct{})
	f.dyn.check = func(context.Context) {
		close(started)
		<-finish
	}
	first := make(chan Outcome)
	go func() { first <- f.Do(context.Background(), f.client(t, "secret"), Submission{Check: true}) }()
	<-started
	// Another handler's as well: each writes to the same zones.
	if out := newFixture(t).do(t, "secret", Submission{Check: true}); reason(out.Err) != zone.Busy || out.Err.RetryAfter <= 0 {
		t.Errorf("the second got %+v", out)
	}
	close(finish)
	if out := <-first; out.Err != nil || len(out.Checks) != 3 {
		t.Errorf("the first got %+v", out)
	}
	if out := newFixture(t).do(t, "secret", Submission{Check: true}); out.Err != nil {
		t.Errorf("the third got %v", out.Err)
	}
}

// One zone that hangs must not use up the time of the others.
func TestCheckTimeout(t *testing.T) {
	f := newFixture(t, func(c *Config) { c.Timeout = 50 * time.Millisecond })
	f.dyn.check = func(ctx context.Context) { <-ctx.Done() }
	f.other.check = func(ctx context.Context) {
		if _, ok := ctx.Deadline(); !ok {
			t.Error("a check has no deadline")
		}
	}
	if out := f.do(t, "secret", Submission{Check: true}); out.Err != nil || len(out.Checks) != 3 {
		t.Errorf("got %+v", out)
	}
}
