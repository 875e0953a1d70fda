package dnstest

import (
	"encoding/binary"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"
)

// proxyConn is a client's TCP connection and the one to the nameserver that
// belongs to it.
type proxyConn struct {
	proxy   *Proxy
	client  net.Conn
	inbox   chan pending   // in the order in which they came
	inOrder sync.WaitGroup // ends when the inbox is closed and empty

	replying sync.Mutex // one frame at a time
	target   net.Conn   // nil until there is something to forward
	broken   bool       // it could not be had, or ends with the next reply
	received chan struct{}

	unanswered atomic.Int32

	mu sync.Mutex
	// waiting holds the messages without a reply by their id. The ids are not
	// rewritten: not every nameserver signs what the client would expect then.
	waiting map[uint16][]pending
}

type pending struct {
	query  []byte
	action Action
	// unwanted tells that the client has the reply to the same message already.
	unwanted bool
}

// inboxSize bounds the messages that wait behind one that is kept back.
const inboxSize = 256

// read passes on the client's messages until its connection ends.
func (c *proxyConn) read() {
	c.inbox = make(chan pending, inboxSize)
	defer close(c.inbox)
	c.inOrder.Go(func() {
		for m := range c.inbox {
			if m.action.before.wait(c.proxy.done) {
				c.forward(m)
			}
		}
	})
	for {
		query, err := readFrame(c.client)
		if err != nil {
			return
		}
		m := pending{query: query, action: c.proxy.decide("tcp", query, int(c.unanswered.Load()))}
		if m.action.end == resetBefore {
			reset(c.client)
			return
		}
		c.unanswered.Add(1)
		c.inbox <- m
	}
}

// hangUp ends the connection to the nameserver when that has all messages, and
// waits until it has answered them.
func (c *proxyConn) hangUp() {
	c.inOrder.Wait()
	if c.target != nil {
		c.target.(*net.TCPConn).CloseWrite()
		<-c.received
	}
}

// forward sends the message to the nameserver, unless it is to be withheld.
func (c *proxyConn) forward(m pending) {
	if c.broken {
		return
	}
	if m.action.withhold {
		c.finish(m, nil)
		return
	}
	if c.target == nil {
		target, err := net.Dial("tcp", c.proxy.target)
		if err != nil {
			c.broken = true
			c.client.Close()
			return
		}
		c.target, c.received = target, make(chan struct{})
		c.proxy.conns.serve(target, func() {
			defer close(c.received)
			c.receive(target)
		})
	}
	c.broken = m.action.end != keepOpen
	c.send(m)
	if m.action.twice {
		m.unwanted = true
		c.send(m)
	}
	if m.action.again.set() {
		c.proxy.conns.wg.Go(func() { c.proxy.sendAgain("tcp", m) })
	}
}

// send writes the message; an error ends receive, too.
func (c *proxyConn) send(m pending) {
	if len(m.query) >= headerSize {
		c.mu.Lock()
		id := binary.BigEndian.Uint16(m.query)
		c.waiting[id] = append(c.waiting[id], m)
		c.mu.Unlock()
	}
	writeFrame(c.target, m.query)
}

// receive passes on the nameserver's replies until its connection ends.
func (c *proxyConn) receive(target net.Conn) {
	defer c.client.Close()
	for {
		reply, err := readFrame(target)
		if err != nil {
			return
		}
		if m, ok := c.take(reply); ok && !m.unwanted {
			c.finish(m, reply)
		}
	}
}

// take returns the message that the reply belongs to.
func (c *proxyConn) take(reply []byte) (pending, bool) {
	if len(reply) < headerSize {
		return pending{}, false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	id := binary.BigEndian.Uint16(reply)
	queue := c.waiting[id]
	if len(queue) == 0 {
		return pending{}, false
	}
	c.waiting[id] = queue[1:]
	return queue[0], true
}

// finish sends the client what the action makes of the nameserver's reply.
func (c *proxyConn) finish(m pending, genuine []byte) {
	c.unanswered.Add(-1)
	reply := c.proxy.reply(m.action, m.query, genuine)
	send := func() {
		c.replying.Lock()
		defer c.replying.Unlock()
		switch {
		case m.action.end == resetAfter:
			reset(c.client)
		case reply == nil:
		case m.action.end == resetMid:
			frame := binary.BigEndian.AppendUint16(nil, uint16(len(reply)))
			c.client.Write(append(frame, reply[:len(reply)/2]...))
			reset(c.client)
		default:
			writeFrame(c.client, reply)
		}
	}
	if !m.action.after.set() {
		send()
		return
	}
	c.proxy.conns.wg.Go(func() {
		if m.action.after.wait(c.proxy.done) {
			send()
		}
	})
}

// reset closes the connection so that the other end sees ECONNRESET, not EOF.
func reset(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		tcp.SetLinger(0)
	}
	conn.Close()
}

// sendAgain sends the nameserver a message once more when its time has come, and
// waits for a reply that nobody gets.
func (p *Proxy) sendAgain(network string, m pending) {
	if !m.action.again.wait(p.done) {
		return
	}
	target, err := net.Dial(network, p.target)
	if err != nil {
		return
	}
	p.conns.serve(target, func() {
		target.SetDeadline(time.Now().Add(replyTime))
		if network == "udp" {
			target.Write(m.query)
			target.Read(make([]byte, dns.MaxMsgSize))
			return
		}
		writeFrame(target, m.query)
		readFrame(target)
	})
}
