package dnstest

import (
	"encoding/binary"
	"math/rand/v2"
	"time"

	"github.com/miekg/dns"

	"github.com/caddy-dyndns/dyndns/internal/authority"
)

// Action is what a [Proxy] does to one message and its reply. The zero Action
// passes both on.
type Action struct {
	before   pause // until the nameserver gets the message
	withhold bool  // the nameserver never gets it
	twice    bool  // the nameserver gets it again at once
	again    pause // until it gets it again over a connection of its own
	after    pause // until the client gets the reply
	rewrite  func(traffic) []byte
	end      ending
}

// traffic is what an action makes a reply of.
type traffic struct {
	query   []byte
	genuine []byte // what the nameserver said, nil if it was not asked
	earlier []byte // what it said to the same question before
}

// ending is how a TCP connection ends; over UDP a message is lost instead.
type ending uint8

const (
	keepOpen ending = iota
	resetBefore
	resetAfter
	resetMid
)

// pause ends after a time, or when a channel is closed if there is one.
type pause struct {
	time  time.Duration
	until <-chan struct{}
}

func (p pause) set() bool { return p.time > 0 || p.until != nil }

// wait returns false if done ended it.
func (p pause) wait(done <-chan struct{}) bool {
	if !p.set() {
		return true
	}
	var over <-chan time.Time
	if p.until == nil {
		timer := time.NewTimer(p.time)
		defer timer.Stop()
		over = timer.C
	}
	select {
	case <-over:
	case <-p.until:
	case <-done:
		return false
	}
	return true
}

// Pass passes the message and its reply on.
func Pass() Action { return Action{} }

// Drop loses the message: the nameserver never sees it and nobody answers.
func Drop() Action { return Action{withhold: true} }

// DropReply loses the reply: the nameserver did what the message asked for.
func DropReply() Action { return Action{rewrite: func(traffic) []byte { return nil }} }

// Delay keeps the message back for a time, and what follows on its TCP
// connection. The nameserver gets it even if the client has given up meanwhile.
func Delay(d time.Duration) Action { return Action{before: pause{time: d}} }

// DelayReply keeps the reply back for a time.
func DelayReply(d time.Duration) Action { return Action{after: pause{time: d}} }

// Later is the action with its reply kept back for a time.
func (a Action) Later(d time.Duration) Action {
	a.after = pause{time: d}
	return a
}

// Hold keeps the message back until the channel is closed, and what follows on
// its TCP connection.
func Hold(until <-chan struct{}) Action { return Action{before: pause{until: until}} }

// HoldReply keeps the reply back until the channel is closed.
func HoldReply(until <-chan struct{}) Action { return Action{after: pause{until: until}} }

// Duplicate sends the message to the nameserver twice in a row, on the same TCP
// connection. The client gets the first reply.
func Duplicate() Action { return Action{twice: true} }

// DuplicateLate sends the message to the nameserver and, after a time, again
// over a connection of its own. The client gets the first reply.
func DuplicateLate(d time.Duration) Action { return Action{again: pause{time: d}} }

// ResetBefore resets the connection; the nameserver never sees the message.
func ResetBefore() Action { return Action{end: resetBefore} }

// ResetAfter resets the connection when the nameserver has answered, without
// passing on the reply. What follows on the connection is lost.
func ResetAfter() Action { return Action{end: resetAfter} }

// ResetMid resets the connection when half of the reply is written. What follows
// on the connection is lost.
func ResetMid() Action { return Action{end: resetMid} }

// Garbage replaces the reply by random octets behind the right id.
func Garbage() Action {
	return Action{rewrite: func(t traffic) []byte {
		id := uint64(binary.BigEndian.Uint16(t.query))
		random := rand.New(rand.NewPCG(id, id))
		reply := append([]byte(nil), t.genuine...)
		for i := 2; i < len(reply); i++ {
			reply[i] = byte(random.Uint32())
		}
		return reply
	}}
}

// Truncate replaces the reply by its header and question with the TC bit set,
// unsigned.
func Truncate() Action {
	return Action{rewrite: func(t traffic) []byte {
		reply := bare(t.genuine, t.query)
		reply[2] |= 0x02
		return reply
	}}
}

// CutOff passes on the first half of the reply as if it were a whole message.
func CutOff() Action {
	return Action{rewrite: func(t traffic) []byte { return t.genuine[:len(t.genuine)/2] }}
}

// Unsigned takes the TSIG record off the reply.
func Unsigned() Action {
	return Action{rewrite: func(t traffic) []byte {
		sig, err := authority.FindSignature(t.genuine)
		if err != nil || sig == nil {
			return t.genuine
		}
		return sig.Strip(t.genuine)
	}}
}

// Replay forwards the message and answers with what the nameserver said to the
// same question before, under the new id; with nothing if it was never asked.
// Of UPDATE messages the question is the zone.
func Replay() Action {
	return Action{rewrite: func(t traffic) []byte {
		if t.earlier == nil {
			return nil
		}
		return append(append([]byte(nil), t.query[:2]...), t.earlier[2:]...)
	}}
}

// WrongID passes the reply on with another id.
func WrongID() Action {
	return Action{rewrite: func(t traffic) []byte {
		reply := append([]byte(nil), t.genuine...)
		reply[0] ^= 0xff
		return reply
	}}
}

// RCode answers in place of the nameserver with the code and no signature.
func RCode(rcode int) Action {
	return Action{withhold: true, rewrite: func(t traffic) []byte { return refusal(t.query, rcode) }}
}

// RCodeAfter passes the message on and replaces the reply by the code and no
// signature.
func RCodeAfter(rcode int) Action {
	return Action{rewrite: func(t traffic) []byte { return refusal(t.query, rcode) }}
}

// Forge answers in place of the nameserver with the code and a signature made
// with the key. A wrong secret under the right name makes a forgery; the true
// key makes a nameserver that says so. It panics if the key is malformed.
func Forge(rcode int, k Key) Action {
	signer, err := authority.NewSigner(authority.Key(k))
	if err != nil {
		panic("dnstest: forging with " + err.Error())
	}
	return Action{withhold: true, rewrite: func(t traffic) []byte {
		var requestMAC []byte
		if sig, err := authority.FindSignature(t.query); err == nil && sig != nil {
			requestMAC = sig.MAC()
		}
		return signer.Sign(refusal(t.query, rcode), authority.Stamp{Time: time.Now(), Fudge: authority.Fudge}, requestMAC)
	}}
}

// Answer answers in place of the nameserver with what change makes of an empty
// reply. It is signed with the key, or unsigned without one.
func Answer(k *Key, change func(reply *dns.Msg)) Action {
	var signer authority.Signer
	if k != nil {
		var err error
		if signer, err = authority.NewSigner(authority.Key(*k)); err != nil {
			panic("dnstest: answering with " + err.Error())
		}
	}
	return Action{withhold: true, rewrite: func(t traffic) []byte {
		query := new(dns.Msg)
		if query.Unpack(t.query) != nil {
			return nil
		}
		reply := new(dns.Msg).SetReply(query)
		reply.Authoritative = true
		change(reply)
		wire, err := reply.Pack()
		if err != nil {
			return nil
		}
		if sig, err := authority.FindSignature(t.query); k != nil && err == nil && sig != nil {
			wire = signer.Sign(wire, authority.Stamp{Time: time.Now(), Fudge: authority.Fudge}, sig.MAC())
		}
		return wire
	}}
}

// refusal is a reply to the query with a code and nothing but the question.
func refusal(query []byte, rcode int) []byte {
	reply := bare(failure(query, rcode), query)
	if query[2]>>3&0xf == dns.OpcodeQuery {
		reply[2] |= 0x04 // AA, as the nameserver that it stands for
	}
	return reply
}

// bare is the header of a reply with the question of its query.
func bare(reply, query []byte) []byte {
	short := make([]byte, headerSize)
	copy(short, reply[:4])
	if q := question(query); q != nil {
		short[5] = 1
		short = append(short, q...)
	}
	return short
}

// question returns the encoded question of a message, nil if it has not
// exactly one.
func question(msg []byte) []byte {
	if binary.BigEndian.Uint16(msg[4:]) != 1 {
		return nil
	}
	_, end, err := dns.UnpackDomainName(msg, headerSize)
	if err != nil || end+4 > len(msg) {
		return nil
	}
	return msg[headerSize : end+4]
}
