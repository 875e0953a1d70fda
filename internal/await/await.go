// Package await waits in tests for what happens some time later.
package await

import (
	"errors"
	"testing"
	"time"
)

// patience is far more than a busy machine needs: only a test that fails waits
// that long.
const patience = 2 * time.Minute

// True waits until something holds, or fails the test. It is called by the test's
// goroutine.
func True(t testing.TB, what string, holds func() bool) {
	t.Helper()
	Done(t, what, func() error {
		if !holds() {
			return errors.New("it does not hold")
		}
		return nil
	})
}

// Done repeats something until it succeeds, or fails the test with the last error.
// It is called by the test's goroutine.
func Done(t testing.TB, what string, do func() error) {
	t.Helper()
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for deadline := time.Now().Add(patience); ; <-again.C {
		err := do()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("waiting for %s: %v", what, err)
		}
	}
}
