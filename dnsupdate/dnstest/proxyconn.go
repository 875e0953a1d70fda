package dnstest

import (
	"encoding/binary"
	"net"
	"sync"
)

// proxyConn is a client's TCP connection and the one to the nameserver that
// belongs to it.
type proxyConn struct {
	proxy  *Proxy
	client net.Conn
	held   sync.WaitGroup // messages that are kept back

	replying sync.Mutex // one frame at a time to the client
	sending  sync.Mutex // and to the nameserver
	target   net.Conn   // nil until there is something to forward
	received chan struct{}

	mu sync.Mutex
	// waiting holds the messages without a reply by their id. The ids are not
	// rewritten: not every nameserver signs what the client would expect then.
	waiting map[uint16][]pending
}

type pending struct {
	query  []byte
	action Action
}

// read passes on the client's messages until its connection ends.
func (c *proxyConn) read() {
	for {
		query, err := readFrame(c.client)
		if err != nil {
			return
		}
		m := pending{query, c.proxy.decide("tcp", query)}
		switch {
		case m.action.end == resetBefore:
			reset(c.client)
			return
		case m.action.before.set():
			c.held.Go(func() {
				if m.action.before.wait(c.proxy.done) {
					c.forward(m)
				}
			})
		default:
			c.forward(m)
		}
	}
}

// hangUp ends the connection to the nameserver when that has all messages, and
// waits until it has answered them.
func (c *proxyConn) hangUp() {
	c.held.Wait()
	if c.target != nil {
		c.target.(*net.TCPConn).CloseWrite()
		<-c.received
	}
}

// forward gives the message to the nameserver, unless it is to be withheld.
func (c *proxyConn) forward(m pending) {
	if m.action.withhold {
		c.finish(m, nil)
		return
	}
	c.sending.Lock()
	defer c.sending.Unlock()
	if c.target == nil {
		target, err := net.Dial("tcp", c.proxy.target)
		if err != nil {
			c.client.Close()
			return
		}
		c.target, c.received = target, make(chan struct{})
		c.proxy.conns.serve(target, func() {
			defer close(c.received)
			c.receive(target)
		})
	}
	if len(m.query) >= headerSize {
		c.mu.Lock()
		id := binary.BigEndian.Uint16(m.query)
		c.waiting[id] = append(c.waiting[id], m)
		c.mu.Unlock()
	}
	writeFrame(c.target, m.query) // an error ends receive, too
}

// receive passes on the nameserver's replies until its connection ends.
func (c *proxyConn) receive(target net.Conn) {
	defer c.client.Close()
	for {
		reply, err := readFrame(target)
		if err != nil {
			return
		}
		if m, ok := c.take(reply); ok {
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

// finish gives the client what the action makes of the nameserver's reply.
func (c *proxyConn) finish(m pending, genuine []byte) {
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
