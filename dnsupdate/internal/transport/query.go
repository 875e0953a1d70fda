package transport

import (
	"fmt"
	"time"

	"github.com/miekg/dns"

	"github.com/caddy-dyndns/dyndns/dnsupdate/internal/wire"
)

// Query is one question and what came of it.
type Query struct {
	wire.RRsetID
	// Reply is set if there was one; its buffers are gone by then.
	Reply *wire.Reply
	// Answer is set if the reply verifies and could be unpacked.
	Answer *dns.Msg
	// Unverified says why the key did not sign the reply, Signed tells that it did;
	// neither of them is set if the question was not signed.
	Unverified error
	Signed     bool

	id  uint16
	mac []byte
	at  wire.Stamp
}

// queryWindow bounds the queries in flight on a connection: a client that
// writes everything before it reads can lock up with its server.
const queryWindow = 64

// Ask sends the queries and takes the replies in whatever order they come. They
// are signed, unless s is nil, so that BIND answers from the view that the key
// updates.
func (c *Conn) Ask(s *wire.Signer, queries []Query, deadline time.Time) error {
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

func (c *Conn) askWindow(s *wire.Signer, window []Query) error {
	var batch []byte
	var first uint16
	sent := time.Now()
	for i := range window {
		q := &window[i]
		c.Out.Begin(dns.OpcodeQuery, q.Name, uint16(q.Type))
		// Consecutive numbers keep the ids of a window apart.
		if i == 0 {
			for c.meetsAwaited(c.Out.ID, len(window)) {
				c.Out.Renumber(c.Out.ID + queryWindow)
			}
			first = c.Out.ID
		}
		q.id = first + uint16(i)
		c.Out.Renumber(q.id)
		q.at = questionStamp(sent)
		q.mac = c.Out.Finish(s, q.at, nil)
		batch = append(batch, c.Out.Frame...)
	}
	if _, err := c.Write(batch); err != nil {
		return fmt.Errorf("%w: %w", ErrBroken, err)
	}
	for left := len(window); left > 0; {
		if len(window) > 1 {
			c.quickAck()
		}
		r, err := c.receive()
		if err != nil {
			for i := range window {
				if window[i].Reply == nil {
					c.awaited[window[i].id] = &awaited{}
				}
			}
			return err
		}
		if s != nil && c.late(r, s) {
			continue
		}
		i := int(r.ID - first)
		if i >= len(window) || window[i].Reply != nil {
			return ErrNotOurs
		}
		q := &window[i]
		if !r.Answers(q.id, dns.OpcodeQuery, wire.Name(q.Name), uint16(q.Type)) {
			return ErrNotOurs
		}
		left--
		if err := q.take(c, s, r, sent); err != nil {
			return err
		}
	}
	return nil
}

// meetsAwaited tells whether a reply that is still awaited has one of n numbers
// from first on.
func (c *Conn) meetsAwaited(first uint16, n int) bool {
	for id := range c.awaited {
		if int(id-first) < n {
			return true
		}
	}
	return false
}

// take verifies and unpacks the reply to a query.
func (q *Query) take(c *Conn, s *wire.Signer, r *wire.Reply, sent time.Time) error {
	q.Reply = r
	if s != nil {
		received := time.Now()
		q.Unverified = s.Verify(r, q.mac, received)
		q.Signed = q.Unverified == nil
		if q.Signed && r.TSIG.Error == 0 {
			c.Clock.queried(q.at, r.TSIG.Time, sent, received)
		}
	}
	if q.Unverified == nil {
		q.Answer = new(dns.Msg)
		if err := q.Answer.Unpack(r.Msg); err != nil {
			return wire.ErrMalformed
		}
	}
	r.Msg = nil
	return nil
}
