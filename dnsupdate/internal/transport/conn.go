// Package transport carries DNS messages to nameservers: TCP connections that are
// kept, the nameservers' clocks, and how they have behaved.
package transport

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"github.com/miekg/dns"

	"github.com/caddy-dyndns/dyndns/dnsupdate/internal/wire"
)

// maxTimeouts is how many exchanges in a row may get no reply before their
// connection counts as dead: TCP itself takes a quarter of an hour to tell.
const maxTimeouts = 2

// The errors of an exchange, beside those of the network.
var (
	// ErrNotOurs says that a reply does not belong to the request. Nothing that
	// comes after it on the connection can be trusted to be in step.
	ErrNotOurs = errors.New("the reply does not belong to the request")
	// ErrBroken says that a frame was written in part.
	ErrBroken = errors.New("the message could not be written")
)

// IsTimeout tells whether an error means that the time was up.
func IsTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}

// Conn is a TCP connection to a nameserver with the buffers of its messages.
// One goroutine uses it at a time, with one UPDATE in flight: BIND and Knot
// answer out of order, and Nagle's algorithm delays a second reply by 40 ms.
type Conn struct {
	net.Conn
	*socket
	// Out is the message that goes out next.
	Out wire.Message
	// Clock is the nameserver's.
	Clock *Clock
	in    *bufio.Reader
	mac   []byte
	// prefix and reply hold the frame that is being read, got of its octets so
	// far: a deadline may end a read in the middle of a frame.
	prefix [wire.FramePrefix]byte
	reply  []byte
	got    int
	// awaited are the messages by their id whose replies did not come in time.
	awaited map[uint16]*awaited
	// owner is whose UPDATEs are among them, nil if none are.
	owner any
	// timeouts counts the exchanges in a row that got no reply at all.
	timeouts  int
	idleSince time.Time
	reused    bool
}

// awaited is a message whose reply did not come in time.
type awaited struct {
	mac []byte
	// answered is told what a reply says that our key signed. It is nil for a
	// message that changes nothing.
	answered func(yes bool)
}

func newConn(nc net.Conn, clock *Clock) *Conn {
	return &Conn{
		Conn: nc, socket: newSocket(nc), in: bufio.NewReaderSize(nc, 4096),
		mac: make([]byte, 0, wire.MaxMAC), Clock: clock, awaited: map[uint16]*awaited{},
	}
}

// Reused tells whether the nameserver may have closed the connection while it was idle.
func (c *Conn) Reused() bool { return c.reused }

// Reserve keeps the connection for owner until the UPDATE in Out, which got no
// reply, is answered: what owner sends meanwhile has to follow it on the same
// connection. A late reply that our key signed is given to answered.
func (c *Conn) Reserve(owner any, answered func(yes bool)) {
	c.owner = owner
	c.awaited[c.Out.ID] = &awaited{slices.Clone(c.mac), answered}
}

// Reserved tells whether the connection is kept for somebody and seems to live.
func (c *Conn) Reserved() bool { return c.owner != nil && c.timeouts < maxTimeouts }

// Update sends the UPDATE in Out and waits for its reply. unverified says why the
// signer's key did not sign it, err why there is none.
func (c *Conn) Update(s *wire.Signer, apex []byte, at wire.Stamp, deadline time.Time) (r *wire.Reply, unverified, err error) {
	for c.awaited[c.Out.ID] != nil {
		c.Out.Renumber(c.Out.ID + 1)
	}
	c.mac = c.Out.Finish(s, at, c.mac)
	if err := c.SetDeadline(deadline); err != nil {
		return nil, nil, err
	}
	if _, err := c.Write(c.Out.Frame); err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrBroken, err)
	}
	sent := time.Now()
	for r == nil || c.late(r, s) {
		if r, err = c.receive(); err != nil {
			c.awaited[c.Out.ID] = &awaited{}
			return nil, nil, err
		}
	}
	if !r.Answers(c.Out.ID, dns.OpcodeUpdate, apex, dns.TypeSOA) {
		return nil, nil, ErrNotOurs
	}
	received := time.Now()
	if unverified = s.Verify(r, c.mac, received); unverified == nil && r.TSIG.Error == 0 {
		c.Clock.updated(r.TSIG.Time, sent, received)
	}
	return r, unverified, nil
}

// receive reads one framed message, which is valid until the next call.
func (c *Conn) receive() (*wire.Reply, error) {
	for c.got < wire.FramePrefix {
		n, err := c.in.Read(c.prefix[c.got:])
		if c.got += n; err != nil {
			return nil, c.silent(err)
		}
	}
	size := wire.FramePrefix + int(binary.BigEndian.Uint16(c.prefix[:]))
	if c.got == wire.FramePrefix {
		if cap(c.reply) < size {
			c.reply = make([]byte, size)
		}
		c.reply = c.reply[:size]
	}
	for c.got < size {
		n, err := c.in.Read(c.reply[c.got:])
		if c.got += n; err != nil {
			return nil, c.silent(err)
		}
	}
	c.got, c.timeouts = 0, 0
	return wire.ParseReply(c.reply[wire.FramePrefix:])
}

func (c *Conn) silent(err error) error {
	if IsTimeout(err) {
		c.timeouts++
	}
	return err
}

// late takes the reply to a message that was given up before, which tells what
// became of an UPDATE if our key signed the reply.
func (c *Conn) late(r *wire.Reply, s *wire.Signer) bool {
	a := c.awaited[r.ID]
	if a == nil {
		return false
	}
	switch {
	case a.answered == nil:
		delete(c.awaited, r.ID)
	case r.Response && r.Opcode == dns.OpcodeUpdate && s.Verify(r, a.mac, time.Now()) == nil:
		a.answered(r.RCode == dns.RcodeSuccess)
		delete(c.awaited, r.ID)
	}
	return true
}
