package dnsupdate

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/miekg/dns"
)

// conn is a TCP connection to a nameserver with the buffers of its messages.
// One goroutine uses it at a time, with one UPDATE in flight: BIND and Knot
// answer out of order, and Nagle's algorithm delays a second reply by 40 ms.
type conn struct {
	net.Conn
	*socket
	in    *bufio.Reader
	out   message
	mac   []byte
	clock *serverClock
	// prefix and reply hold the frame that is being read, got of its octets so
	// far: a deadline may end a read in the middle of a frame.
	prefix [framePrefix]byte
	reply  []byte
	got    int
	// unanswered are the UPDATEs by their id whose replies did not come in time.
	unanswered map[uint16]*sending
	// owner is the updater whose unanswered messages it carries, nil if none.
	owner *Updater
	// timeouts counts the exchanges in a row that got no reply at all.
	timeouts  int
	idleSince time.Time
	// reused tells that the nameserver may have closed it while it was idle.
	reused bool
}

func newConn(nc net.Conn, clock *serverClock) *conn {
	return &conn{Conn: nc, socket: newSocket(nc), in: bufio.NewReaderSize(nc, 4096), mac: make([]byte, 0, maxMAC), clock: clock}
}

// receive reads one framed message, which is valid until the next call.
func (c *conn) receive() (*reply, error) {
	for c.got < framePrefix {
		n, err := c.in.Read(c.prefix[c.got:])
		if c.got += n; err != nil {
			return nil, err
		}
	}
	size := framePrefix + int(binary.BigEndian.Uint16(c.prefix[:]))
	if c.got == framePrefix {
		if cap(c.reply) < size {
			c.reply = make([]byte, size)
		}
		c.reply = c.reply[:size]
	}
	for c.got < size {
		n, err := c.in.Read(c.reply[c.got:])
		if c.got += n; err != nil {
			return nil, err
		}
	}
	c.got, c.timeouts = 0, 0
	return parseReply(c.reply[framePrefix:])
}

// errNotOurs says that a reply does not belong to the request. Nothing that
// comes after it on the connection can be trusted to be in step.
var errNotOurs = errors.New("the reply does not belong to the request")

// belongs tells whether a reply's header and question fit the request.
func (r *reply) belongs(id uint16, opcode int, name []byte, rrtype uint16) bool {
	if !r.response || r.truncated || r.id != id || r.opcode != opcode {
		return false
	}
	// Errors may come without a question or zone section.
	return string(r.question) == string(name) && r.questionType == rrtype ||
		r.question == nil && r.rcode != dns.RcodeSuccess
}

// update sends the UPDATE in c.out and waits for its reply. The second result
// says why our key did not sign it, the third why there is none.
func (c *conn) update(s *signer, apex []byte, at stamp, deadline time.Time) (r *reply, unverified, err error) {
	for c.unanswered[c.out.id] != nil {
		c.out.renumber(c.out.id + 1)
	}
	c.mac = c.out.finish(s, at, c.mac)
	if err := c.SetDeadline(deadline); err != nil {
		return nil, nil, err
	}
	if _, err := c.Write(c.out.frame); err != nil {
		return nil, nil, fmt.Errorf("%w: %w", errBroken, err)
	}
	sent := time.Now()
	for r == nil || c.late(r, s) {
		if r, err = c.receive(); err != nil {
			return nil, nil, err
		}
	}
	if !r.belongs(c.out.id, dns.OpcodeUpdate, apex, dns.TypeSOA) {
		return nil, nil, errNotOurs
	}
	received := time.Now()
	if unverified = s.verify(r, c.mac, received); unverified == nil && r.tsig.error == 0 {
		c.clock.updated(r.tsig.time, sent, received)
	}
	return r, unverified, nil
}

// errBroken says that a frame was written in part.
var errBroken = errors.New("the message could not be written")

// late takes the reply to an UPDATE that was given up before, which tells what
// became of it if our key signed the reply.
func (c *conn) late(r *reply, s *signer) bool {
	sent := c.unanswered[r.id]
	if sent == nil {
		return false
	}
	switch {
	case sent.update == nil:
		delete(c.unanswered, r.id)
	case r.response && r.opcode == dns.OpcodeUpdate && s.verify(r, sent.mac, time.Now()) == nil:
		sent.answered(r.rcode == dns.RcodeSuccess)
		delete(c.unanswered, r.id)
	}
	return true
}

// query is one question and what came of it.
type query struct {
	name   string
	rrtype uint16
	// reply is set after a round without error; its buffers are gone by then.
	reply *reply
	// answer is set if the reply verifies and could be unpacked.
	answer     *dns.Msg
	unverified error

	// signed tells that our key signed the answer.
	signed bool

	id  uint16
	mac []byte
	at  stamp
}

// queryWindow bounds the queries in flight on a connection: a client that
// writes everything before it reads can lock up with its server.
const queryWindow = 64

// ask sends the queries and takes the replies in whatever order they come. They
// are signed, unless s is nil, so that BIND answers from the view that the key
// updates.
func (c *conn) ask(s *signer, queries []query, deadline time.Time) error {
	if err := c.SetDeadline(deadline); err != nil {
		return err
	}
	for len(queries) > 0 {
		window := queries[:min(queryWindow, len(queries))]
		queries = queries[len(window):]
		if err := c.askWindow(s, window); err != nil {
			return err
		}
	}
	return nil
}

func (c *conn) askWindow(s *signer, window []query) error {
	var batch []byte
	var first uint16
	sent := time.Now()
	for i := range window {
		q := &window[i]
		c.out.begin(dns.OpcodeQuery, q.name, q.rrtype)
		// Consecutive numbers keep the ids of a window apart.
		if i == 0 {
			for c.meetsUnanswered(c.out.id, len(window)) {
				c.out.renumber(c.out.id + queryWindow)
			}
			first = c.out.id
		}
		q.id = first + uint16(i)
		c.out.renumber(q.id)
		q.at = questionStamp(sent)
		q.mac = c.out.finish(s, q.at, nil)
		batch = append(batch, c.out.frame...)
	}
	if _, err := c.Write(batch); err != nil {
		return fmt.Errorf("%w: %w", errBroken, err)
	}
	for left := len(window); left > 0; {
		if len(window) > 1 {
			c.quickAck()
		}
		r, err := c.receive()
		if err != nil {
			return err
		}
		if s != nil && c.late(r, s) {
			continue
		}
		i := int(r.id - first)
		if i >= len(window) || window[i].reply != nil {
			return errNotOurs
		}
		q := &window[i]
		if !r.belongs(q.id, dns.OpcodeQuery, wireName(q.name), q.rrtype) {
			return errNotOurs
		}
		left--
		if err := q.take(c, s, r, sent); err != nil {
			return err
		}
	}
	return nil
}

// meetsUnanswered tells whether a reply that is still awaited has one of n
// numbers from first on.
func (c *conn) meetsUnanswered(first uint16, n int) bool {
	for id := range c.unanswered {
		if int(id-first) < n {
			return true
		}
	}
	return false
}

// take verifies and unpacks the reply to a query.
func (q *query) take(c *conn, s *signer, r *reply, sent time.Time) error {
	q.reply = r
	if s != nil {
		received := time.Now()
		q.unverified = s.verify(r, q.mac, received)
		q.signed = q.unverified == nil
		if q.signed && r.tsig.error == 0 {
			c.clock.queried(q.at, r.tsig.time, sent, received)
		}
	}
	if q.unverified == nil {
		q.answer = new(dns.Msg)
		if err := q.answer.Unpack(r.msg); err != nil {
			return errMalformed
		}
	}
	r.msg = nil
	return nil
}
