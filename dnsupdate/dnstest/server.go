package dnstest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/miekg/dns"

	"github.com/caddy-dyndns/dyndns/internal/authority"
)

// Key is a TSIG key (RFC 8945).
type Key struct {
	// Name is the key's name; a missing trailing dot is added.
	Name string
	// Algorithm is hmac-sha1, -sha224, -sha256, -sha384 or -sha512.
	Algorithm string
	// Secret is the key itself, not its base64 form.
	Secret []byte
}

// Server is an authoritative primary nameserver on a loopback port, the same
// one for UDP and TCP.
type Server struct {
	zones map[string]*ZoneState
	keys  map[string]authority.Signer

	clockMu sync.Mutex
	clock   func() time.Time
	echoes  bool

	udp   net.PacketConn
	tcp   net.Listener
	conns connSet
}

// NewServer starts a Server for the zones. The caller closes it when done. It
// panics if a zone is malformed or no port can be had, for it is used in tests,
// where there is nobody to handle the error.
func NewServer(zones ...Zone) *Server {
	s := &Server{zones: make(map[string]*ZoneState), keys: make(map[string]authority.Signer), clock: time.Now}
	for _, zone := range zones {
		state, err := newZoneState(zone)
		if err != nil {
			panic(fmt.Sprintf("dnstest: loading zone %s: %v", zone.Name, err))
		}
		s.zones[state.name] = state
		for _, k := range zone.Keys {
			k, err := authority.NewSigner(authority.Key(k))
			if err != nil {
				panic(fmt.Sprintf("dnstest: loading the keys of zone %s: %v", zone.Name, err))
			}
			s.keys[k.Name] = k
		}
	}
	var err error
	if s.tcp, s.udp, err = listen("127.0.0.1:0"); err != nil {
		panic(fmt.Sprintf("dnstest: %v", err))
	}
	s.conns.wg.Go(s.serveUDP)
	s.conns.wg.Go(s.serveTCP)
	return s
}

// Addr returns the address of the server, such as "127.0.0.1:5353".
func (s *Server) Addr() string { return s.tcp.Addr().String() }

// Close ends the server, closes its connections and waits for what is running.
func (s *Server) Close() {
	s.tcp.Close()
	s.udp.Close()
	s.conns.close()
}

// SetClock replaces the clock that signatures are checked and made with, for
// tests of clocks that are off.
func (s *Server) SetClock(now func() time.Time) {
	s.clockMu.Lock()
	defer s.clockMu.Unlock()
	s.clock = now
}

// EchoTime has the replies repeat the time of their requests, as PowerDNS's do.
func (s *Server) EchoTime() {
	s.clockMu.Lock()
	defer s.clockMu.Unlock()
	s.echoes = true
}

// replyTime returns the time to sign the reply to a signed request with.
func (s *Server) replyTime(sig *authority.Signature) time.Time {
	s.clockMu.Lock()
	defer s.clockMu.Unlock()
	if s.echoes {
		return time.Unix(int64(sig.TSIG.TimeSigned), 0)
	}
	return s.clock()
}

func (s *Server) now() time.Time {
	s.clockMu.Lock()
	defer s.clockMu.Unlock()
	return s.clock()
}

// Zone returns the zone of that name, which must be one of the server's.
func (s *Server) Zone(name string) *ZoneState {
	z := s.zones[dns.CanonicalName(name)]
	if z == nil {
		panic("dnstest: the server has no zone " + name)
	}
	return z
}

func (s *Server) serveUDP() {
	buf := make([]byte, dns.MaxMsgSize)
	for {
		n, from, err := s.udp.ReadFrom(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue // an ICMP error of an earlier reply
		}
		if reply := s.answer(buf[:n], true); reply != nil {
			s.udp.WriteTo(reply, from)
		}
	}
}

func (s *Server) serveTCP() {
	for {
		conn, err := s.tcp.Accept()
		if err != nil {
			return
		}
		s.conns.serve(conn, func() {
			for {
				query, err := readFrame(conn)
				if err != nil {
					return
				}
				if reply := s.answer(query, false); reply != nil {
					if err := writeFrame(conn, reply); err != nil {
						return
					}
				}
			}
		})
	}
}

// answer returns the reply to one message, nil for none.
func (s *Server) answer(wire []byte, udp bool) []byte {
	// A reply to a reply would make a loop.
	if len(wire) < headerSize || wire[2]&0x80 != 0 {
		return nil
	}
	req := new(dns.Msg)
	if err := req.Unpack(wire); err != nil {
		return failure(wire, dns.RcodeFormatError)
	}
	sig, err := authority.FindSignature(wire)
	if err != nil {
		return failure(wire, dns.RcodeFormatError)
	}
	reply := new(dns.Msg).SetReply(req)
	reply.Compress = true
	var signer authority.Signer
	if sig != nil {
		var tsigError uint16
		signer, tsigError = sig.Authenticate(wire, s.keys, nil, s.now())
		if tsigError != 0 {
			rejection, err := sig.Reject(reply, signer, tsigError, s.now())
			if err != nil {
				return failure(wire, dns.RcodeServerFailure)
			}
			return rejection
		}
	}
	switch req.Opcode {
	case dns.OpcodeQuery:
		s.query(req, reply)
	case dns.OpcodeUpdate:
		reply.Rcode = s.update(req, signer.Name)
	default:
		reply.Rcode = dns.RcodeNotImplemented
	}
	return s.pack(req, reply, signer, sig, udp)
}

// pack encodes the reply, cut to what the client takes over UDP, and signs it
// if the request was.
func (s *Server) pack(req, reply *dns.Msg, signer authority.Signer, sig *authority.Signature, udp bool) []byte {
	size := dns.MaxMsgSize
	opt := req.IsEdns0()
	if udp {
		size = dns.MinMsgSize
		if opt != nil {
			size = max(size, int(opt.UDPSize()))
		}
	}
	if opt != nil {
		reply.SetEdns0(dns.DefaultMsgSize, false)
	}
	if sig != nil {
		size -= signer.Size()
	}
	reply.Truncate(size)
	// Truncate leaves up to 512 octets, whatever else is to come.
	if reply.Len() > size {
		reply.Truncated, reply.Answer, reply.Ns = true, nil, nil
	}
	wire, err := reply.Pack()
	if err != nil {
		panic(fmt.Sprintf("dnstest: packing a reply: %v", err))
	}
	if sig != nil {
		wire = signer.Sign(wire, authority.Stamp{Time: s.replyTime(sig), Fudge: authority.Fudge}, sig.MAC())
	}
	return wire
}

// failure is the bare header that answers a message which cannot be read.
func failure(wire []byte, rcode int) []byte {
	reply := make([]byte, headerSize)
	copy(reply, wire[:2])
	reply[2] = 0x80 | wire[2]&0x79 // QR, the opcode and RD as they came
	reply[3] = byte(rcode & 0xf)
	return reply
}

// headerSize is the length of a message's header, RFC 1035 section 4.1.1.
const headerSize = 12

func readFrame(r io.Reader) ([]byte, error) {
	var length [2]byte
	if _, err := io.ReadFull(r, length[:]); err != nil {
		return nil, err
	}
	msg := make([]byte, binary.BigEndian.Uint16(length[:]))
	_, err := io.ReadFull(r, msg)
	return msg, err
}

func writeFrame(w io.Writer, msg []byte) error {
	frame := binary.BigEndian.AppendUint16(make([]byte, 0, 2+len(msg)), uint16(len(msg)))
	_, err := w.Write(append(frame, msg...))
	return err
}

// listen takes one port for TCP and UDP. A port that TCP got may be taken for
// UDP by somebody else, hence the attempts.
func listen(addr string) (net.Listener, net.PacketConn, error) {
	var errs []error
	for range 20 {
		tcp, err := net.Listen("tcp", addr)
		if err == nil {
			var udp net.PacketConn
			if udp, err = net.ListenPacket("udp", tcp.Addr().String()); err == nil {
				return tcp, udp, nil
			}
			tcp.Close()
		}
		errs = append(errs, err)
	}
	return nil, nil, fmt.Errorf("finding a loopback port: %w", errs[len(errs)-1])
}
