package dnsupdate

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"time"

	"github.com/miekg/dns"
)

// conn is a TCP connection to a nameserver with the buffers of its messages.
// One goroutine uses it at a time, with one UPDATE in flight: BIND and Knot
// answer out of order, and Nagle's algorithm delays a second reply by 40 ms.
type conn struct {
	net.Conn
	in        *bufio.Reader
	out       message
	reply     []byte
	mac       []byte
	idleSince time.Time
	// reused tells that the nameserver may have closed it while it was idle.
	reused bool
}

func newConn(nc net.Conn) *conn {
	return &conn{Conn: nc, in: bufio.NewReaderSize(nc, 4096), mac: make([]byte, 0, maxMAC)}
}

// receive reads one framed message, which is valid until the next call.
func (c *conn) receive() (*reply, error) {
	var prefix [framePrefix]byte
	if _, err := io.ReadFull(c.in, prefix[:]); err != nil {
		return nil, err
	}
	size := int(binary.BigEndian.Uint16(prefix[:]))
	if cap(c.reply) < size {
		c.reply = make([]byte, size)
	}
	c.reply = c.reply[:size]
	if _, err := io.ReadFull(c.in, c.reply); err != nil {
		return nil, err
	}
	return parseReply(c.reply)
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
func (c *conn) update(s *signer, apex []byte, deadline time.Time) (r *reply, unverified, err error) {
	c.mac = c.out.finish(s, time.Now(), c.mac)
	if err := c.SetDeadline(deadline); err != nil {
		return nil, nil, err
	}
	if _, err := c.Write(c.out.frame); err != nil {
		return nil, nil, err
	}
	if r, err = c.receive(); err != nil {
		return nil, nil, err
	}
	if !r.belongs(c.out.id, dns.OpcodeUpdate, apex, dns.TypeSOA) {
		return nil, nil, errNotOurs
	}
	return r, s.verify(r, c.mac, time.Now()), nil
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

	id  uint16
	mac []byte
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
		var batch []byte
		var first uint16
		for i := range window {
			q := &window[i]
			c.out.begin(dns.OpcodeQuery, q.name, q.rrtype)
			// Consecutive numbers keep the ids of a window apart.
			if i == 0 {
				first = c.out.id
			}
			q.id = first + uint16(i)
			binary.BigEndian.PutUint16(c.out.frame[framePrefix:], q.id)
			q.mac = c.out.finish(s, time.Now(), nil)
			batch = append(batch, c.out.frame...)
		}
		if _, err := c.Write(batch); err != nil {
			return err
		}
		for range window {
			if len(window) > 1 {
				quickAck(c.Conn)
			}
			r, err := c.receive()
			if err != nil {
				return err
			}
			i := int(r.id - first)
			if i >= len(window) || window[i].reply != nil {
				return errNotOurs
			}
			q := &window[i]
			if !r.belongs(q.id, dns.OpcodeQuery, wireName(q.name), q.rrtype) {
				return errNotOurs
			}
			q.reply = r
			if s != nil {
				q.unverified = s.verify(r, q.mac, time.Now())
			}
			if q.unverified == nil {
				q.answer = new(dns.Msg)
				if err := q.answer.Unpack(r.msg); err != nil {
					return errMalformed
				}
			}
			r.msg = nil
		}
	}
	return nil
}
