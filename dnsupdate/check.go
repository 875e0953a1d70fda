package dnsupdate

import (
	"context"
	"time"
)

// CheckStep is one thing that a self-test did.
type CheckStep struct {
	// Name says what was tried: "reachable", "authoritative", "key", "clock",
	// "write", "read back" or "remove".
	Name string
	// Server is the nameserver asked, empty if whichever was in turn.
	Server string
	Took   time.Duration
	// Detail says what was found.
	Detail string
	// Err is what went wrong, nil if nothing did.
	Err error
}

// Check tests the whole way.
func (u *Updater) Check(ctx context.Context) []CheckStep { return nil }
