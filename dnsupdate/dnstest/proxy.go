package dnstest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/miekg/dns"

	"github.com/caddy-dyndns/dyndns/internal/loopback"
)

// Proxy stands in front of a nameserver, on one loopback port for UDP and TCP,
// and does to each message what its fault function says. Without one it passes
// everything on.
//
// A TCP connection to the proxy has one of its own to the nameserver. When
// either ends, so does the other.
type Proxy struct {
	target string
	// port keeps the port while the proxy is down.
	port *loopback.Port

	mu      sync.Mutex // also makes the calls of fault one at a time
	fault   func(Exchange) Action
	watch   func(query, reply []byte)
	n       int
	total   int
	clients map[net.Conn]bool
	replies map[string][]byte // the last by opcode and question, for Replay
	tcp     net.Listener      // nil while the proxy is down
	udp     net.PacketConn

	done  chan struct{}
	conns connSet
}

// Exchange is a message that a fault function decides about.
type Exchange struct {
	// Network is "tcp" or "udp".
	Network string
	// N counts the messages that the proxy saw before this one.
	N      int
	ID     uint16
	Opcode int
	// Unanswered counts the messages that came before it on its TCP connection and
	// have no reply of the nameserver yet.
	Unanswered int
	// Query is the message as it came. It must not be changed.
	Query []byte
}

// NewProxy starts a Proxy in front of the nameserver at target, "host:port".
// The caller closes it when done. It panics if no port can be had.
func NewProxy(target string) *Proxy {
	port, err := loopback.Reserve()
	if err != nil {
		panic(fmt.Sprintf("dnstest: %v", err))
	}
	p := &Proxy{
		target:  target,
		port:    port,
		clients: make(map[net.Conn]bool),
		replies: make(map[string][]byte),
		done:    make(chan struct{}),
	}
	p.open()
	return p
}

// Addr returns the address of the proxy.
func (p *Proxy) Addr() string { return p.port.Addr() }

// Close ends the proxy and its connections and waits for what is running.
func (p *Proxy) Close() {
	close(p.done)
	p.Down()
	p.port.Close()
	p.conns.close()
}

// Drain closes the port for good and returns when the nameserver has got and
// answered all that the proxy still keeps back.
func (p *Proxy) Drain() {
	p.Down()
	p.conns.wg.Wait()
}

// SetFault makes f decide what becomes of each message from now on; nil passes
// all. Calls of f never overlap, also if several goroutines talk to the proxy.
func (p *Proxy) SetFault(f func(Exchange) Action) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fault = f
}

// Watch makes f see each message that the nameserver answered from now on, and what
// it replied, whatever the client gets. Neither must be changed. Calls of f never overlap.
func (p *Proxy) Watch(f func(query, reply []byte)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.watch = f
}

// Down makes the port refuse connections, as if the nameserver had died: it
// also resets those that are open.
func (p *Proxy) Down() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.tcp == nil {
		return
	}
	p.tcp.Close()
	p.udp.Close()
	p.tcp, p.udp = nil, nil
	for conn := range p.clients {
		reset(conn)
	}
}

// Up ends [Proxy.Down].
func (p *Proxy) Up() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.tcp == nil {
		p.open()
	}
}

func (p *Proxy) open() {
	tcp, udp, err := p.port.Listen()
	if err != nil {
		panic(fmt.Sprintf("dnstest: %v", err))
	}
	p.tcp, p.udp = tcp, udp
	p.conns.wg.Go(func() { p.serveTCP(tcp) })
	p.conns.wg.Go(func() { p.serveUDP(udp) })
}

// KillConnections resets all open TCP connections.
func (p *Proxy) KillConnections() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for conn := range p.clients {
		reset(conn)
	}
}

// Connections returns how many TCP connections are open and how many there
// were in all.
func (p *Proxy) Connections() (open, total int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.clients), p.total
}

// decide asks the fault function about a message.
func (p *Proxy) decide(network string, query []byte, unanswered int) Action {
	if len(query) < headerSize {
		return Action{}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	x := Exchange{
		Network:    network,
		N:          p.n,
		ID:         binary.BigEndian.Uint16(query),
		Opcode:     int(query[2] >> 3 & 0xf),
		Unanswered: unanswered,
		Query:      query,
	}
	p.n++
	if p.fault == nil {
		return Action{}
	}
	return p.fault(x)
}

// reply returns what the client gets where the nameserver said genuine, nil
// for nothing. genuine is nil if the nameserver was not asked.
func (p *Proxy) reply(a Action, query, genuine []byte) []byte {
	t := traffic{query: query, genuine: genuine}
	if genuine != nil && len(query) >= headerSize {
		id := string(query[2]>>3&0xf) + string(question(query))
		p.mu.Lock()
		t.earlier = p.replies[id]
		p.replies[id] = genuine
		if p.watch != nil {
			p.watch(query, genuine)
		}
		p.mu.Unlock()
	}
	if a.rewrite == nil {
		return genuine
	}
	return a.rewrite(t)
}

// replyTime is how long a reply is waited for where nothing tells that it will
// never come.
const replyTime = 10 * time.Second

func (p *Proxy) serveUDP(udp net.PacketConn) {
	buf := make([]byte, dns.MaxMsgSize)
	for {
		n, from, err := udp.ReadFrom(buf)
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return
			}
			continue // an ICMP error of an earlier reply
		}
		query := append([]byte(nil), buf[:n]...)
		action := p.decide("udp", query, 0)
		p.conns.wg.Go(func() { p.exchangeUDP(udp, from, query, action) })
	}
}

func (p *Proxy) exchangeUDP(udp net.PacketConn, from net.Addr, query []byte, a Action) {
	if a.end == resetBefore || !a.before.wait(p.done) {
		return
	}
	if a.withhold {
		p.sendUDP(udp, from, a, p.reply(a, query, nil))
		return
	}
	target, err := net.Dial("udp", p.target)
	if err != nil {
		return
	}
	p.conns.serve(target, func() {
		target.SetDeadline(time.Now().Add(replyTime))
		buf := make([]byte, dns.MaxMsgSize)
		if _, err := target.Write(query); err != nil {
			return
		}
		if a.twice {
			target.Write(query)
		}
		if a.again.set() {
			p.conns.wg.Go(func() { p.sendAgain("udp", pending{query: query, action: a}) })
		}
		n, err := target.Read(buf)
		if err != nil || n < headerSize {
			return
		}
		p.sendUDP(udp, from, a, p.reply(a, query, buf[:n:n]))
	})
}

func (p *Proxy) sendUDP(udp net.PacketConn, from net.Addr, a Action, reply []byte) {
	if reply == nil || a.end == resetAfter || !a.after.wait(p.done) {
		return
	}
	if a.end == resetMid {
		reply = reply[:len(reply)/2]
	}
	udp.WriteTo(reply, from)
}

func (p *Proxy) serveTCP(tcp net.Listener) {
	for {
		conn, err := tcp.Accept()
		if err != nil {
			return
		}
		if !p.register(conn, tcp) {
			reset(conn)
			return
		}
		p.conns.serve(conn, func() {
			c := &proxyConn{proxy: p, client: conn, waiting: make(map[uint16][]pending)}
			c.read()
			p.mu.Lock()
			delete(p.clients, conn)
			p.mu.Unlock()
			c.hangUp()
		})
	}
}

// register counts a connection; it is too late for one if the listener is no
// longer in use.
func (p *Proxy) register(conn net.Conn, tcp net.Listener) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.tcp != tcp {
		return false
	}
	p.clients[conn] = true
	p.total++
	return true
}
