package transport

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync"
	"time"
)

const (
	// MaxConns per nameserver: PowerDNS allows 20 in all by default, and BIND
	// silently drops updates beyond 100 in flight.
	MaxConns = 8
	// idleTime is below the 5 s after which PowerDNS closes, BIND does after 30 s.
	idleTime = 4 * time.Second
	// DialTime is the longest that one dial may take.
	DialTime = time.Second
)

// Pool keeps the TCP connections to one nameserver. It has no goroutine: one
// timer closes what has been idle too long.
type Pool struct {
	// Address is the nameserver's host:port.
	Address string
	dial    func(ctx context.Context, network, address string) (net.Conn, error)
	// slots holds one token per connection in use.
	slots chan struct{}
	// Clock is the nameserver's.
	Clock Clock

	mu     sync.Mutex
	idle   []*Conn // the one used last is at the end
	timer  *time.Timer
	closed bool
}

// NewPool returns a pool that opens its connections with dial.
func NewPool(address string, dial func(context.Context, string, string) (net.Conn, error)) *Pool {
	return &Pool{Address: address, dial: dial, slots: make(chan struct{}, MaxConns)}
}

// ErrNoSlot says that every connection was in use all the time: nothing that
// tells against the nameserver.
var ErrNoSlot = errors.New("all connections to the nameserver are in use")

// Get returns a connection for one exchange after the other: for owner the one
// that carries its unanswered messages, else a kept one that carries none, else a
// new one. owner may be nil.
func (p *Pool) Get(owner any, deadline time.Time) (*Conn, error) {
	select {
	case p.slots <- struct{}{}:
	default:
		timer := time.NewTimer(time.Until(deadline))
		defer timer.Stop()
		select {
		case p.slots <- struct{}{}:
		case <-timer.C:
			return nil, ErrNoSlot
		}
	}
	for c := p.takeIdle(owner); c != nil; c = p.takeIdle(owner) {
		if c.reused = true; !c.hungUp() {
			return c, nil
		}
		c.Close()
	}
	if limit := time.Now().Add(DialTime); limit.Before(deadline) {
		deadline = limit
	}
	ctx, cancel := context.WithDeadline(context.Background(), deadline)
	defer cancel()
	nc, err := p.dial(ctx, "tcp", p.Address)
	if err != nil {
		<-p.slots
		return nil, err
	}
	return newConn(nc, &p.Clock), nil
}

func (p *Pool) takeIdle(owner any) *Conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	best := -1
	for i, c := range p.idle {
		if c.owner == nil && (best < 0 || p.idle[best].owner == nil) || owner != nil && c.owner == owner {
			best = i
		}
	}
	if best < 0 {
		return nil
	}
	c := p.idle[best]
	p.idle = slices.Delete(p.idle, best, best+1)
	return c
}

// Put takes back a connection that is in step: every request has its reply.
func (p *Pool) Put(c *Conn) {
	c.idleSince = time.Now()
	if len(c.awaited) == 0 {
		c.owner = nil
	}
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		p.Discard(c)
		return
	}
	p.idle = append(p.idle, c)
	if p.timer == nil {
		p.timer = time.AfterFunc(idleTime, p.sweep)
	} else if len(p.idle) == 1 {
		p.timer.Reset(idleTime)
	}
	p.mu.Unlock()
	<-p.slots
}

// Discard takes back a connection that is of no more use. If it was a kept one,
// the others are as old: a nameserver that restarts closes all.
func (p *Pool) Discard(c *Conn) {
	c.Close()
	if c.reused {
		p.closeIdle()
	}
	<-p.slots
}

// sweep closes the connections that have been idle too long.
func (p *Pool) sweep() {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	keep := 0
	for keep < len(p.idle) && now.Sub(p.idle[keep].idleSince) >= idleTime {
		p.idle[keep].Close()
		keep++
	}
	p.idle = append(p.idle[:0], p.idle[keep:]...)
	if len(p.idle) > 0 {
		p.timer.Reset(idleTime - now.Sub(p.idle[0].idleSince))
	}
}

func (p *Pool) closeIdle() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.idle {
		c.Close()
	}
	p.idle = nil
	if p.timer != nil {
		p.timer.Stop()
	}
}

// Close closes the idle connections, and every other after its use.
func (p *Pool) Close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.closeIdle()
}
