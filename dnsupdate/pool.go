package dnsupdate

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync"
	"time"
)

const (
	// maxConns per nameserver: PowerDNS allows 20 in all by default, and BIND
	// silently drops updates beyond 100 in flight.
	maxConns = 8
	// idleTime is below the 5 s after which PowerDNS closes, BIND does after 30 s.
	idleTime = 4 * time.Second
	// dialTime is the longest that one dial may take.
	dialTime = time.Second
)

// pool keeps the TCP connections to one nameserver. It has no goroutine: one
// timer closes what has been idle too long.
type pool struct {
	address string
	dial    func(ctx context.Context, network, address string) (net.Conn, error)
	// slots holds one token per connection in use.
	slots chan struct{}
	clock serverClock

	mu     sync.Mutex
	idle   []*conn // the one used last is at the end
	timer  *time.Timer
	closed bool
}

func newPool(address string, dial func(context.Context, string, string) (net.Conn, error)) *pool {
	return &pool{address: address, dial: dial, slots: make(chan struct{}, maxConns)}
}

// errNoSlot says that every connection was in use all the time: nothing that
// tells against the nameserver.
var errNoSlot = errors.New("all connections to the nameserver are in use")

// get returns a connection for one exchange after the other: for owner the one
// that carries its unanswered messages, else a kept one that carries none, else a
// new one. owner may be nil.
func (p *pool) get(owner *Updater, deadline time.Time) (*conn, error) {
	select {
	case p.slots <- struct{}{}:
	default:
		timer := time.NewTimer(time.Until(deadline))
		defer timer.Stop()
		select {
		case p.slots <- struct{}{}:
		case <-timer.C:
			return nil, errNoSlot
		}
	}
	for c := p.takeIdle(owner); c != nil; c = p.takeIdle(owner) {
		if c.reused = true; !c.hungUp() {
			return c, nil
		}
		c.Close()
	}
	if limit := time.Now().Add(dialTime); limit.Before(deadline) {
		deadline = limit
	}
	ctx, cancel := context.WithDeadline(context.Background(), deadline)
	defer cancel()
	nc, err := p.dial(ctx, "tcp", p.address)
	if err != nil {
		<-p.slots
		return nil, err
	}
	return newConn(nc, &p.clock), nil
}

func (p *pool) takeIdle(owner *Updater) *conn {
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

// put takes back a connection that is in step: every request has its reply.
func (p *pool) put(c *conn) {
	c.idleSince = time.Now()
	if len(c.unanswered) == 0 {
		c.owner = nil
	}
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		p.discard(c)
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

// discard takes back a connection that is of no more use. If it was a kept one,
// the others are as old: a nameserver that restarts closes all.
func (p *pool) discard(c *conn) {
	c.Close()
	if c.reused {
		p.closeIdle()
	}
	<-p.slots
}

// sweep closes the connections that have been idle too long.
func (p *pool) sweep() {
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

func (p *pool) closeIdle() {
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

func (p *pool) close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.closeIdle()
}
