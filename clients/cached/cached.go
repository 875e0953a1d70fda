// Package cached is what every source of clients outside of a configuration has in front
// of it: a memory of clients that goes on while the source fails.
package cached

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/caddy-dyndns/dyndns/clients"
)

// Finder asks a source for the record of the client that a token of this digest belongs
// to, nil if there is none. An error that is no [clients.ErrBadRecord] means that the
// source failed.
type Finder func(ctx context.Context, digest clients.Digest) (*clients.Record, error)

const (
	// maxClients bounds the clients of a memory, to some 40 MB.
	maxClients = 100_000
	// maxUnknown bounds the digests that were looked up in vain. They are apart from the
	// clients, so that guesses push none of these out.
	maxUnknown = 65536
	// unknownAge is how long a digest counts as unknown.
	unknownAge = 10 * time.Second
	// maxCalls bounds what waits for a source that does not answer.
	maxCalls = 1024
	// callTime bounds a call, which outlives the requests that wait for it.
	callTime = 5 * time.Second
	// patience is how long the request of a client that is still in memory waits for a
	// source that does not answer.
	patience = 2 * time.Second
	// failurePause is how long a source is not asked again for a client that is still in
	// memory after it failed.
	failurePause = 5 * time.Second
)

// Memory is what is known of one source, for handlers with the same zones. It is safe for
// concurrent use.
type Memory struct {
	mu      sync.Mutex
	known   map[clients.Digest]*entry
	recent  entry // the ring of entries, next is the one that was used last
	unknown unknown
	calls   map[clients.Digest]*call
}

// entry is a client in the ring of those that were used lately.
type entry struct {
	digest         clients.Digest
	client         *clients.Client
	read           time.Time
	failed         time.Time // when the source failed last, zero if it has answered since
	previous, next *entry
}

// call is a question to the source that is under way.
type call struct {
	done   chan struct{}
	client *clients.Client
	err    error
	// outdated: the record was changed after the call began.
	outdated bool
}

// New returns an empty memory.
func New() *Memory {
	m := &Memory{known: make(map[clients.Digest]*entry), calls: make(map[clients.Digest]*call)}
	m.recent.previous, m.recent.next = &m.recent, &m.recent
	return m
}

// Source is a source of clients with a memory.
type Source struct {
	// Name stands in the metrics.
	Name   string
	Memory *Memory
	Find   Finder
	Config clients.Config
	// Age is how long an answer is believed, Stale how long one is beyond that while the
	// source fails.
	Age, Stale time.Duration
	// Saw, if set, is told the name of each client that is found.
	Saw func(name string)
}

// FindClient implements [clients.Source].
func (s *Source) FindClient(ctx context.Context, digest clients.Digest) (*clients.Client, error) {
	client, result, err := s.find(ctx, digest)
	lookups.WithLabelValues(s.Name, result).Inc()
	if client != nil && s.Saw != nil {
		s.Saw(client.Name)
	}
	return client, err
}

func (s *Source) find(ctx context.Context, digest clients.Digest) (*clients.Client, string, error) {
	m := s.Memory
	now := time.Now()
	m.mu.Lock()
	if m.unknown.has(digest, now) {
		m.mu.Unlock()
		return nil, resultUnknown, nil
	}
	old := m.use(digest)
	var remembered *clients.Client
	usable := false // it may stand in while the source fails
	if old != nil {
		remembered = old.client
		expired := remembered.Expired(now)
		if now.Sub(old.read) < s.Age {
			m.mu.Unlock()
			if expired {
				return nil, resultUnknown, nil
			}
			return remembered, resultCached, nil
		}
		usable = !expired && now.Sub(old.read) < s.Age+s.Stale
		if usable && now.Sub(old.failed) < failurePause {
			m.mu.Unlock()
			return remembered, resultStale, nil
		}
	}
	c := m.calls[digest]
	if c == nil && len(m.calls) == maxCalls {
		m.mu.Unlock()
		if usable {
			return remembered, resultStale, nil
		}
		return nil, resultFailed, errors.New("too many questions to the source of clients are under way")
	}
	if c == nil {
		c = &call{done: make(chan struct{})}
		m.calls[digest] = c
		go s.ask(context.WithoutCancel(ctx), digest, c)
	}
	m.mu.Unlock()

	var overdue <-chan time.Time
	if usable {
		timer := time.NewTimer(patience)
		defer timer.Stop()
		overdue = timer.C
	}
	var err error
	select {
	case <-c.done:
		err = c.err
	case <-overdue:
		err = errors.New("the source of clients does not answer")
		m.mu.Lock()
		m.failed(digest)
		m.mu.Unlock()
	case <-ctx.Done():
		err = ctx.Err()
	}
	switch {
	case err == nil && (c.client == nil || c.client.Expired(time.Now())):
		return nil, resultUnknown, nil
	case err == nil:
		return c.client, resultFound, nil
	case usable && !errors.Is(err, clients.ErrBadRecord):
		return remembered, resultStale, nil
	}
	return nil, resultFailed, err
}

// ask asks the source and remembers the answer.
func (s *Source) ask(ctx context.Context, digest clients.Digest, c *call) {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	began := time.Now()
	c.client, c.err = s.call(ctx, digest)
	duration.WithLabelValues(s.Name).Observe(time.Since(began).Seconds())
	m := s.Memory
	m.mu.Lock()
	defer m.mu.Unlock()
	defer close(c.done)
	if c.outdated {
		return
	}
	delete(m.calls, digest)
	switch {
	case c.err == nil && c.client != nil:
		m.remember(digest, c.client, began)
	case c.err == nil:
		m.drop(digest)
		m.unknown.add(digest, time.Now().Add(unknownAge))
	case errors.Is(c.err, clients.ErrBadRecord):
		m.drop(digest)
	default:
		m.failed(digest)
	}
}

// call asks the source. A defect of it must not end the process.
func (s *Source) call(ctx context.Context, digest clients.Digest) (client *clients.Client, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panic: %v\n%s", v, debug.Stack())
		}
	}()
	record, err := s.Find(ctx, digest)
	if record == nil || err != nil {
		return nil, err
	}
	return s.Config.RecordClient(record, digest)
}

// Forget drops what is known of these digests, after their records were changed: the next
// request asks the source, even while a question of before is under way.
func (m *Memory) Forget(digests ...clients.Digest) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, d := range digests {
		m.drop(d)
		m.unknown.remove(d)
		m.abandon(d)
	}
}

// Clear drops everything.
func (m *Memory) Clear() {
	m.mu.Lock()
	defer m.mu.Unlock()
	clear(m.known)
	m.recent.previous, m.recent.next = &m.recent, &m.recent
	m.unknown = unknown{}
	for d := range m.calls {
		m.abandon(d)
	}
}

// abandon keeps the answer of a call under way from being remembered.
func (m *Memory) abandon(d clients.Digest) {
	if c := m.calls[d]; c != nil {
		c.outdated = true
		delete(m.calls, d)
	}
}

// failed notes that the source does not answer. The caller holds the mutex.
func (m *Memory) failed(d clients.Digest) {
	if e := m.known[d]; e != nil {
		e.failed = time.Now()
	}
}

// use returns the entry of a digest as the one that was used last, nil if there is none.
func (m *Memory) use(d clients.Digest) *entry {
	e := m.known[d]
	if e != nil {
		e.unlink()
		m.link(e)
	}
	return e
}

func (m *Memory) remember(d clients.Digest, client *clients.Client, read time.Time) {
	e := m.use(d)
	if e == nil {
		if len(m.known) == maxClients {
			m.drop(m.recent.previous.digest)
		}
		e = &entry{digest: d}
		m.known[d] = e
		m.link(e)
	}
	e.client, e.read, e.failed = client, read, time.Time{}
}

func (m *Memory) drop(d clients.Digest) {
	if e := m.known[d]; e != nil {
		e.unlink()
		delete(m.known, d)
	}
}

func (m *Memory) link(e *entry) {
	e.previous, e.next = &m.recent, m.recent.next
	e.previous.next, e.next.previous = e, e
}

func (e *entry) unlink() { e.previous.next, e.next.previous = e.next, e.previous }
