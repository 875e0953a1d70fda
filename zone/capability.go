package zone

import (
	"context"
	"time"
)

// NameServerLister is a zone that tells its nameservers.
type NameServerLister interface {
	// NameServers returns the names that the zone's apex NS records point to.
	NameServers(ctx context.Context) (NameServers, error)
}

// NameServers are the names that a zone's apex NS records point to.
type NameServers struct {
	// Names are canonical and sorted. They must not be changed.
	Names []string
	// Proven tells whether the backend has proof of them. If not, they are what a
	// read showed, which anybody on the way may have forged.
	Proven bool
}

// Checker is a zone that can test itself.
type Checker interface {
	// Check tests whether the zone can be changed, and leaves it as it was.
	Check(ctx context.Context) []CheckStep
}

// CheckStep is one thing that a self-test did.
type CheckStep struct {
	// Name says what was tried, such as "reachable" or "write".
	Name string
	// Server is the nameserver's address, empty where any may have answered.
	Server string
	Took   time.Duration
	// Detail says what was found.
	Detail string
	// Err is what was found wrong, nil if nothing was. Its text is shown, like Detail.
	Err error
	// Warning tells that the zone can be updated in spite of Err.
	Warning bool
}

// Failed tells whether what was found keeps the zone from being updated.
func (s *CheckStep) Failed() bool { return s.Err != nil && !s.Warning }

// StatusReporter is a zone that tells how it is.
type StatusReporter interface {
	Status() Status
}

// Status is the state of a zone's backend at one moment.
type Status struct {
	Zone string
	// Key is the name and algorithm of the key that it signs with, empty if it has none.
	Key     string
	Servers []ServerStatus
	// Waiting is the number of changes in the queue.
	Waiting int
	Counts  Counts
}

// ServerStatus is the state of one server as a zone sees it.
type ServerStatus struct {
	Address string
	// Seen tells whether it has replied or failed yet.
	Seen bool
	// Up is false while it rests after a failure.
	Up bool
	// RestEnds is when it is asked again, if it rests.
	RestEnds time.Time
	// Latency is how long its last reply took.
	Latency time.Duration
	// LastError is what went wrong last, nil if nothing has yet.
	LastError *Error
	// ClockOffset is how far its clock is ahead of this machine's, to a second, if
	// ClockTold: it has told the time in a signature.
	ClockOffset time.Duration
	ClockTold   bool
}

// Counts are the exchanges of a backend since it was opened.
type Counts struct {
	// Updates and Queries are messages sent.
	Updates, Queries uint64
	// Unmet are updates whose prerequisites did not hold, Denied messages that
	// were refused, Failed those without a usable reply and the connections that
	// could not be made.
	Unmet, Denied, Failed uint64
}
