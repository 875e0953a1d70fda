package nameserver

import (
	"encoding/hex"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"

	"github.com/caddy-dyndns/dyndns/internal/authority"
	"github.com/caddy-dyndns/dyndns/nameserver/internal/cookie"
	"github.com/caddy-dyndns/dyndns/nameserver/internal/transport"
)

const (
	// udpSize is the largest message over UDP that arrives everywhere in one piece (RFC
	// 9715 appendix A).
	udpSize = 1232
	// headerSize is the length of a message's header, RFC 1035 section 4.1.1.
	headerSize = 12
)

// answerer answers messages out of what is served.
type answerer struct {
	table  *atomic.Pointer[table]
	writer *writer
	hooks  Hooks
	gate   *gate
}

// request is a message that could be read, and its reply to be.
type request struct {
	*transport.Exchange
	message, reply *dns.Msg
	table          *table
	opt            *dns.OPT
	// cookie is that of the reply, nil for none.
	cookie []byte
	trust  cookie.Verdict
	// sig is nil if the message is not signed.
	sig    *authority.Signature
	signer authority.Signer
}

// Handle answers a message, as far as it gets an answer.
func (a *answerer) Handle(x *transport.Exchange) {
	// A reply to a reply would make a loop.
	if len(x.Query) < headerSize || x.Query[2]&0x80 != 0 {
		return
	}
	if opcode := int(x.Query[2] >> 3 & 0xf); opcode != dns.OpcodeQuery && opcode != dns.OpcodeUpdate {
		a.fail(x, dns.RcodeNotImplemented)
		return
	}
	r := &request{Exchange: x, message: new(dns.Msg), table: a.table.Load()}
	if r.message.Unpack(x.Query) != nil || !r.readEDNS() {
		a.fail(x, dns.RcodeFormatError)
		return
	}
	r.reply = new(dns.Msg).SetReply(r.message)
	r.reply.Compress = true
	if !a.gate.checkCookie(r) {
		a.fail(x, dns.RcodeFormatError)
		return
	}
	switch a.gate.admit(r) {
	case lost:
		return
	case truncated:
		r.reply.Truncated = true
		a.send(r)
		return
	}
	if r.opt != nil && r.opt.Version() != 0 {
		r.reply.Rcode = dns.RcodeBadVers
		a.send(r)
		return
	}
	if a.authenticate(r) {
		a.answer(r)
	}
}

// readEDNS finds the OPT record. It returns false if there are several, or one that
// belongs to a name (RFC 6891 section 6.1.1).
func (r *request) readEDNS() bool {
	for _, rr := range r.message.Extra {
		opt, ok := rr.(*dns.OPT)
		if !ok {
			continue
		}
		if r.opt != nil || opt.Hdr.Name != "." {
			return false
		}
		r.opt = opt
	}
	return true
}

// authenticate checks the signature, if there is one. It returns false if the message
// was answered.
func (a *answerer) authenticate(r *request) bool {
	var err error
	if r.sig, err = authority.FindSignature(r.Query); err != nil {
		a.fail(r.Exchange, dns.RcodeFormatError)
		return false
	}
	if r.sig == nil {
		return true
	}
	now := time.Now()
	var tsigError uint16
	if r.signer, tsigError = r.sig.Authenticate(r.Query, r.table.keys, nil, now); tsigError == 0 {
		return true
	}
	r.addOPT()
	wire, err := r.sig.Reject(r.reply, r.signer, tsigError, now)
	if err != nil {
		a.fail(r.Exchange, dns.RcodeServerFailure)
		return false
	}
	a.write(r.Exchange, wire, r.reply.Rcode)
	return false
}

// answer answers a request whose signature is good, if it has one.
func (a *answerer) answer(r *request) {
	if r.message.Opcode == dns.OpcodeUpdate {
		a.update(r)
		return
	}
	if len(r.message.Question) != 1 {
		// A query for nothing but a cookie has no question, RFC 7873 section 5.4.
		if len(r.message.Question) > 0 || r.cookie == nil {
			r.reply.Rcode = dns.RcodeFormatError
		}
		a.send(r)
		return
	}
	q := r.message.Question[0]
	z := r.table.zone(dns.CanonicalName(q.Name))
	switch {
	case z == nil || q.Qclass != dns.ClassINET:
		r.reply.Rcode = dns.RcodeRefused
	case q.Qtype == dns.TypeAXFR || q.Qtype == dns.TypeIXFR:
		a.transfer(r, z)
		return
	case q.Qtype == dns.TypeMAILA || q.Qtype == dns.TypeMAILB:
		r.reply.Rcode = dns.RcodeNotImplemented
	case q.Qtype == dns.TypeOPT || q.Qtype != dns.TypeANY && q.Qtype >= 128 && q.Qtype < 256:
		r.reply.Rcode = dns.RcodeFormatError
	default:
		r.reply.Authoritative = true
		z.read(func(_ *configuration, data *authority.Zone) { data.Resolve(q.Name, q.Qtype, r.reply) })
		if q.Qtype == dns.TypeANY {
			r.reply.Answer = smallest(r.reply.Answer)
		}
	}
	a.send(r)
}

// smallest returns one of the RRsets, of the type with the smallest number: an answer to
// ANY is no means to make much of little (RFC 8482 section 4.1).
func smallest(records []dns.RR) []dns.RR {
	var set []dns.RR
	for _, rr := range records {
		switch {
		case set == nil || rr.Header().Rrtype < set[0].Header().Rrtype:
			set = append([]dns.RR(nil), rr)
		case rr.Header().Rrtype == set[0].Header().Rrtype:
			set = append(set, rr)
		}
	}
	return set
}

// addOPT adds the OPT record that a reply to one with EDNS has (RFC 6891 section 7).
func (r *request) addOPT() {
	if r.opt == nil {
		return
	}
	r.reply.SetEdns0(udpSize, r.opt.Do())
	if r.cookie != nil {
		opt := r.reply.IsEdns0()
		opt.Option = append(opt.Option, &dns.EDNS0_COOKIE{Code: dns.EDNS0COOKIE, Cookie: hex.EncodeToString(r.cookie)})
	}
}

// send packs the reply, cut to what the client takes, signs it if the request was, and
// sends it.
func (a *answerer) send(r *request) {
	size := dns.MaxMsgSize
	if !r.Stream {
		size = dns.MinMsgSize
		if r.opt != nil {
			size = min(max(size, int(r.opt.UDPSize())), udpSize)
		}
	}
	glue := len(r.reply.Extra)
	r.addOPT()
	if r.sig != nil {
		size -= r.signer.Size()
	}
	// The addresses of the zone's nameservers may be asked for; anything else that is left
	// out has the client come over TCP, and a part of it is of no use (RFC 2181 section 9).
	if r.reply.Len() > size {
		r.reply.Extra = r.reply.Extra[glue:]
	}
	if r.reply.Len() > size {
		r.reply.Truncated, r.reply.Answer, r.reply.Ns = true, nil, nil
	}
	wire, err := r.reply.Pack()
	if err != nil {
		r.reply = &dns.Msg{MsgHdr: r.reply.MsgHdr}
		r.reply.Rcode, r.reply.Authoritative = dns.RcodeServerFailure, false
		if wire, err = r.reply.Pack(); err != nil {
			return
		}
	}
	if r.sig != nil {
		wire = r.signer.Answer(r.sig).Sign(wire, time.Now())
	}
	a.write(r.Exchange, wire, r.reply.Rcode)
}

// fail answers with the bare header, also what cannot be read.
func (a *answerer) fail(x *transport.Exchange, rcode int) {
	if a.gate.limit(x) {
		return
	}
	reply := make([]byte, headerSize)
	copy(reply, x.Query[:2])
	reply[2] = 0x80 | x.Query[2]&0x79 // QR, the opcode and RD as they came
	reply[3] = byte(rcode & 0xf)
	a.write(x, reply, rcode)
}

// write sends a reply. What becomes of it over UDP nobody knows; a TCP connection that
// fails is closed.
func (a *answerer) write(x *transport.Exchange, wire []byte, rcode int) {
	if a.hooks.Answered != nil {
		a.hooks.Answered(Answer{To: x.From.Addr(), Stream: x.Stream, Opcode: int(wire[2] >> 3 & 0xf), Rcode: rcode})
	}
	_ = x.Reply(wire)
}

// Answer is a reply, for metrics.
type Answer struct {
	// To is the address of the client.
	To netip.Addr
	// Stream tells that it goes over TCP.
	Stream bool
	// Opcode and Rcode are those of RFC 6895, sections 2.2 and 2.3. Rcode may be an
	// extended one, as 16 for BADVERS.
	Opcode, Rcode int
}
