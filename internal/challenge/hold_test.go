package challenge

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestHold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := new(Notes)
		release, err := n.Hold(t.Context(), []string{"b.test.", "a.test.", "b.test."})
		if err != nil {
			t.Fatal(err)
		}
		other, err := n.Hold(t.Context(), []string{"c.test."})
		if err != nil {
			t.Fatal(err)
		}
		other()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		// It has 0.test. in vain, as it must wait for b.test.
		if _, err := n.Hold(ctx, []string{"b.test.", "0.test."}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		time.AfterFunc(time.Second, release)
		began := time.Now()
		release, err = n.Hold(t.Context(), []string{"0.test.", "a.test.", "b.test."})
		if err != nil || time.Since(began) != time.Second {
			t.Errorf("got %v after %v", err, time.Since(began))
		}
		release()
		if len(n.turns.owners) > 0 {
			t.Errorf("%d owners are left", len(n.turns.owners))
		}
	})
}
