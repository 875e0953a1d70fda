package dnstest

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/caddy-dyndns/dyndns/internal/await"
)

// startProxy runs a server with testZone and a proxy in front of it.
func startProxy(t *testing.T) (*Proxy, *ZoneState) {
	t.Helper()
	s := NewServer(Zone{Name: testZone, Keys: []Key{testKey}, Records: updateRecords})
	t.Cleanup(s.Close)
	p := NewProxy(s.Addr())
	t.Cleanup(p.Close)
	return p, s.Zone(testZone)
}

// add is a signed UPDATE that adds an address at the owner.
func add(t *testing.T, id uint16, owner string) (wire []byte, mac string) {
	t.Helper()
	m := script(t, "add "+owner+" 60 A 192.0.2.9")
	m.Id = id
	return signed(t, m, testKey, time.Now())
}

// TestActions sends a first message that the action befalls and a second one
// that passes, so that "no reply" is seen without waiting for one.
func TestActions(t *testing.T) {
	wrongKey := testKey
	wrongKey.Secret = []byte("wrong")
	closed := make(chan struct{})
	close(closed)
	const reset, silence, garbled = "reset", "silence", "garbled"
	tests := []struct {
		name    string
		action  Action
		want    string // of the first reply: as seen below
		udp     string // where UDP differs
		applied bool
	}{
		{name: "Pass", action: Pass(), want: "NOERROR good", applied: true},
		{name: "Drop", action: Drop(), want: silence},
		{name: "DropReply", action: DropReply(), want: silence, applied: true},
		{name: "Delay", action: Delay(time.Millisecond), want: "NOERROR good", applied: true},
		{name: "DelayReply", action: DelayReply(time.Millisecond), want: "NOERROR good", applied: true},
		{name: "Hold", action: Hold(closed), want: "NOERROR good", applied: true},
		{name: "HoldReply", action: HoldReply(closed), want: "NOERROR good", applied: true},
		{name: "ResetBefore", action: ResetBefore(), want: reset, udp: silence},
		{name: "ResetAfter", action: ResetAfter(), want: reset, udp: silence, applied: true},
		{name: "ResetMid", action: ResetMid(), want: reset, udp: garbled, applied: true},
		{name: "Duplicate", action: Duplicate(), want: "NOERROR good", applied: true},
		{name: "DuplicateLate", action: DuplicateLate(time.Millisecond), want: "NOERROR good", applied: true},
		{name: "Garbage", action: Garbage(), want: garbled, applied: true},
		{name: "Truncate", action: Truncate(), want: "NOERROR none TC", applied: true},
		{name: "CutOff", action: CutOff(), want: garbled, applied: true},
		{name: "Unsigned", action: Unsigned(), want: "NOERROR none", applied: true},
		{name: "Replay without anything before", action: Replay(), want: silence, applied: true},
		{name: "WrongID", action: WrongID(), want: "wrong id NOERROR good", applied: true},
		{name: "RCode", action: RCode(dns.RcodeServerFailure), want: "SERVFAIL none"},
		{name: "RCodeAfter", action: RCodeAfter(dns.RcodeRefused), want: "REFUSED none", applied: true},
		{name: "RCode of success", action: RCode(dns.RcodeSuccess), want: "NOERROR none"},
		{name: "Forge", action: Forge(dns.RcodeSuccess, wrongKey), want: "NOERROR forged"},
		{name: "Forge with the true key", action: Forge(dns.RcodeServerFailure, testKey), want: "SERVFAIL good"},
	}
	const first, second = 0x1111, 0x2222
	// see describes the next reply.
	see := func(t *testing.T, conn net.Conn, mac string) string {
		wire, err := receive(conn)
		if errors.Is(err, syscall.ECONNRESET) {
			return reset
		}
		if err != nil {
			return err.Error()
		}
		m := new(dns.Msg)
		if err := m.Unpack(wire); err != nil || !m.Response || m.Opcode != dns.OpcodeUpdate {
			return garbled
		}
		out := dns.RcodeToString[m.Rcode] + " " + seal(t, wire, testKey, mac)
		if m.Truncated {
			out += " TC"
		}
		switch m.Id {
		case second:
			return silence
		case first ^ 0xff00:
			out = "wrong id " + out
		}
		return out
	}
	for _, test := range tests {
		for _, network := range []string{"tcp", "udp"} {
			t.Run(test.name+"/"+network, func(t *testing.T) {
				want := test.want
				if network == "udp" && test.udp != "" {
					want = test.udp
				}
				p, zone := startProxy(t)
				p.SetFault(Sequence(test.action))
				conn := dial(t, network, p.Addr())
				wire, mac := add(t, first, "x")
				send(t, conn, wire)
				if want == silence {
					if network == "udp" && test.applied {
						await.True(t, "the update", func() bool { return zone.Messages().Updates == 1 })
					}
					wire, _ := add(t, second, "y")
					send(t, conn, wire)
				}
				if got := see(t, conn, mac); got != want {
					t.Errorf("got %q, want %q", got, want)
				}
				if applied := len(zone.Lookup("x."+testZone, dns.TypeA)) > 0; applied != test.applied {
					t.Errorf("applied: %t, want %t", applied, test.applied)
				}
			})
		}
	}
}

func TestReplay(t *testing.T) {
	p, zone := startProxy(t)
	p.SetFault(Sequence(Pass(), Replay()))
	conn := dial(t, "tcp", p.Addr())
	for i, want := range []string{"good", "forged"} {
		wire, mac := add(t, uint16(i), fmt.Sprintf("x%d", i))
		send(t, conn, wire)
		reply, err := receive(conn)
		if err != nil {
			t.Fatal(err)
		}
		if got := seal(t, reply, testKey, mac); got != want || unpack(t, reply).Id != uint16(i) {
			t.Errorf("reply %d: signature %s, want %s; id %d", i, got, want, unpack(t, reply).Id)
		}
	}
	if got := zone.Messages().Changes; got != 2 {
		t.Errorf("%d changes, want 2: a replay hides the reply, not the message", got)
	}
}

func TestReplayStale(t *testing.T) {
	p, zone := startProxy(t)
	p.SetFault(Sequence(Pass(), Pass(), Replay()))
	values := func(line string) string {
		reply, _ := exchange(t, "udp", p.Addr(), pack(t, ask(line)))
		return describe(reply)
	}
	old := values("@ A")
	values("www A")
	zone.Edit("@ 60 A 192.0.2.99")
	if got := values("@ A"); got != old {
		t.Errorf("got %s, want the earlier %s", got, old)
	}
	if got, want := values("@ A"), "NOERROR aa | @ A 192.0.2.99"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// A message that is kept back keeps back what follows on its connection; over UDP
// it is overtaken, and so is a reply, because nameservers answer out of order.
func TestHold(t *testing.T) {
	for _, test := range []struct {
		network string
		hold    func(<-chan struct{}) Action
		first   uint16 // of the replies
	}{
		{"tcp", Hold, 0},
		{"tcp", HoldReply, 1},
		{"udp", Hold, 1},
		{"udp", HoldReply, 1},
	} {
		t.Run(fmt.Sprintf("%s/first=%d", test.network, test.first), func(t *testing.T) {
			p, zone := startProxy(t)
			gate := make(chan struct{})
			held := true
			p.SetFault(func(x Exchange) Action {
				if x.ID == 0 {
					return test.hold(gate)
				}
				if test.first == 0 {
					held = len(zone.Lookup("x."+testZone, dns.TypeA)) == 0
					close(gate)
				}
				return Pass()
			})
			conn := dial(t, test.network, p.Addr())
			for id, owner := range []string{"x", "y"} {
				wire, _ := add(t, uint16(id), owner)
				send(t, conn, wire)
			}
			for i := range uint16(2) {
				want := test.first ^ i
				if wire, err := receive(conn); err != nil || unpack(t, wire).Id != want {
					t.Fatalf("reply %d: %x, %v; want that of message %d", i, wire, err, want)
				}
				if i == 0 && test.first == 1 {
					close(gate)
				}
			}
			if !held {
				t.Error("the nameserver got a message that is kept back")
			}
		})
	}
}

// The client sees one reply to a message that the nameserver gets twice.
func TestDuplicate(t *testing.T) {
	for _, network := range []string{"tcp", "udp"} {
		for name, action := range map[string]Action{"Duplicate": Duplicate(), "DuplicateLate": DuplicateLate(time.Millisecond)} {
			t.Run(network+"/"+name, func(t *testing.T) {
				p, zone := startProxy(t)
				p.SetFault(Sequence(action))
				conn := dial(t, network, p.Addr())
				for id, owner := range []string{"x", "y"} {
					wire, mac := add(t, uint16(id), owner)
					send(t, conn, wire)
					reply, err := receive(conn)
					if err != nil {
						t.Fatal(err)
					}
					if got := seal(t, reply, testKey, mac); got != "good" || unpack(t, reply).Id != uint16(id) {
						t.Errorf("reply %d has id %d, signature %s", id, unpack(t, reply).Id, got)
					}
				}
				await.True(t, "the three updates", func() bool { return zone.Messages().Updates == 3 })
			})
		}
	}
}

// What follows a message that ends the connection is lost with it.
func TestNothingFollowsReset(t *testing.T) {
	for name, action := range map[string]Action{"ResetAfter": ResetAfter(), "ResetMid": ResetMid()} {
		t.Run(name, func(t *testing.T) {
			p, zone := startProxy(t)
			var unanswered []int
			both := make(chan struct{})
			p.SetFault(func(x Exchange) Action {
				unanswered = append(unanswered, x.Unanswered)
				if x.N == 0 {
					held := action
					held.before = pause{until: both}
					return held
				}
				close(both)
				return Pass()
			})
			conn := dial(t, "tcp", p.Addr())
			for id, owner := range []string{"x", "y"} {
				wire, _ := add(t, uint16(id), owner)
				send(t, conn, wire)
			}
			for {
				if _, err := receive(conn); err != nil {
					break
				}
			}
			p.Drain()
			if got := zone.Messages().Updates; got != 1 {
				t.Errorf("the nameserver got %d messages, want 1", got)
			}
			if !slices.Equal(unanswered, []int{0, 1}) {
				t.Errorf("unanswered: %v", unanswered)
			}
		})
	}
}

// Drain waits for what is still on its way to the nameserver.
func TestDrain(t *testing.T) {
	for _, row := range []struct {
		name    string
		action  Action
		updates int
	}{
		{"Delay", Delay(20 * time.Millisecond), 1},
		{"DuplicateLate", DuplicateLate(20 * time.Millisecond), 2},
	} {
		t.Run(row.name, func(t *testing.T) {
			p, zone := startProxy(t)
			decided := make(chan struct{})
			p.SetFault(func(Exchange) Action {
				close(decided)
				return row.action
			})
			conn := dial(t, "tcp", p.Addr())
			wire, _ := add(t, 1, "x")
			send(t, conn, wire)
			<-decided
			conn.Close()
			p.Drain()
			if got := zone.Messages().Updates; got != row.updates {
				t.Errorf("%d messages after Drain, want %d", got, row.updates)
			}
			if conn, err := net.Dial("tcp", p.Addr()); err == nil {
				conn.Close()
				t.Error("the port is still open after Drain")
			}
		})
	}
}

func TestHeldMessageOutlivesItsClient(t *testing.T) {
	p, zone := startProxy(t)
	gate := make(chan struct{})
	p.SetFault(Always(Hold(gate)))
	conn := dial(t, "tcp", p.Addr())
	wire, _ := add(t, 1, "x")
	send(t, conn, wire)
	await.True(t, "a connection", func() bool { open, _ := p.Connections(); return open == 1 })
	conn.Close()
	await.True(t, "its end", func() bool { open, _ := p.Connections(); return open == 0 })
	close(gate)
	await.True(t, "the change", func() bool { return zone.Messages().Changes == 1 })
}

func TestPipelining(t *testing.T) {
	p, zone := startProxy(t)
	conn := dial(t, "tcp", p.Addr())
	macs := make(map[uint16]string)
	const n = 200
	for id := range uint16(n) {
		wire, mac := add(t, id, fmt.Sprintf("x%d", id))
		macs[id] = mac
		send(t, conn, wire)
	}
	for range n {
		wire, err := receive(conn)
		if err != nil {
			t.Fatal(err)
		}
		m := unpack(t, wire)
		if got := seal(t, wire, testKey, macs[m.Id]); got != "good" || m.Rcode != dns.RcodeSuccess {
			t.Errorf("message %d: %s, signature %s", m.Id, dns.RcodeToString[m.Rcode], got)
		}
		delete(macs, m.Id)
	}
	if len(macs) != 0 || zone.Serial() != 10+n {
		t.Errorf("%d messages without a reply, serial %d", len(macs), zone.Serial())
	}
	if open, total := p.Connections(); open != 1 || total != 1 {
		t.Errorf("%d connections of %d open, want 1 of 1", open, total)
	}
}

func TestDownAndUp(t *testing.T) {
	p, _ := startProxy(t)
	conn := dial(t, "tcp", p.Addr())
	query := pack(t, ask("www A"))
	send(t, conn, query)
	if _, err := receive(conn); err != nil {
		t.Fatal(err)
	}
	p.Down()
	p.Down()
	if _, err := receive(conn); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("open connection: %v, want a reset", err)
	}
	if conn, err := net.Dial("tcp", p.Addr()); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("new connection %v: %v, want it refused", conn, err)
	}
	p.Up()
	p.Up()
	for _, network := range []string{"tcp", "udp"} {
		if reply, _ := exchange(t, network, p.Addr(), query); len(reply.Answer) != 2 {
			t.Errorf("%s: no answer after Up: %v", network, reply)
		}
	}
	conn = dial(t, "tcp", p.Addr())
	send(t, conn, query)
	if _, err := receive(conn); err != nil {
		t.Fatal(err)
	}
	p.KillConnections()
	if _, err := receive(conn); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("killed connection: %v, want a reset", err)
	}
}

func TestTargetGone(t *testing.T) {
	s := NewServer(Zone{Name: testZone})
	p := NewProxy(s.Addr())
	defer p.Close()
	conn := dial(t, "tcp", p.Addr())
	query := pack(t, ask("@ SOA"))
	send(t, conn, query)
	if _, err := receive(conn); err != nil {
		t.Fatal(err)
	}
	s.Close()
	if _, err := receive(conn); err == nil {
		t.Error("the connection outlives the nameserver's")
	}
	conn = dial(t, "tcp", p.Addr())
	send(t, conn, query)
	if _, err := receive(conn); err == nil {
		t.Error("an answer without a nameserver")
	}
}

func TestFaultFunctions(t *testing.T) {
	count := func(f func(Exchange) Action, opcode int) (passed, lost, unanswered int) {
		for n := range 1000 {
			a := f(Exchange{N: n, Opcode: opcode})
			switch {
			case a.withhold:
				lost++
			case a.rewrite != nil:
				unanswered++
			default:
				passed++
			}
		}
		return passed, lost, unanswered
	}
	tests := []struct {
		name   string
		fault  func(Exchange) Action
		opcode int
		want   func(passed, lost, unanswered int) bool
	}{
		{"no loss", Loss(0, 1), dns.OpcodeQuery, func(p, _, _ int) bool { return p == 1000 }},
		{"all lost", Loss(100, 1), dns.OpcodeQuery, func(p, l, u int) bool { return p == 0 && l > 400 && u > 400 }},
		{"some lost", Loss(30, 1), dns.OpcodeQuery, func(p, l, u int) bool { return p > 600 && p < 800 && l > 100 && u > 100 }},
		{"sequence", Sequence(Drop(), Drop()), dns.OpcodeQuery, func(_, l, _ int) bool { return l == 2 }},
		{"always", Always(Drop()), dns.OpcodeQuery, func(_, l, _ int) bool { return l == 1000 }},
		{"updates only, a query", OnUpdates(Always(Drop())), dns.OpcodeQuery, func(p, _, _ int) bool { return p == 1000 }},
		{"updates only, an update", OnUpdates(Always(Drop())), dns.OpcodeUpdate, func(_, l, _ int) bool { return l == 1000 }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if p, l, u := count(test.fault, test.opcode); !test.want(p, l, u) {
				t.Errorf("%d passed, %d lost, %d unanswered", p, l, u)
			}
		})
	}
	same := func(seed uint64) (withheld []bool) {
		f := Loss(50, seed)
		for range 50 {
			withheld = append(withheld, f(Exchange{}).withhold)
		}
		return withheld
	}
	if !slices.Equal(same(1), same(1)) || slices.Equal(same(1), same(2)) {
		t.Error("the seed does not decide what is lost")
	}
}

func TestExchange(t *testing.T) {
	p, _ := startProxy(t)
	var seen []string
	p.SetFault(func(x Exchange) Action {
		seen = append(seen, fmt.Sprintf("%d %s %#x %s %d", x.N, x.Network, x.ID, dns.OpcodeToString[x.Opcode], len(x.Query)))
		return Pass()
	})
	query := ask("www A")
	query.Id = 0x0102
	update, _ := add(t, 0x0304, "x")
	exchange(t, "udp", p.Addr(), pack(t, query))
	exchange(t, "tcp", p.Addr(), update)
	p.SetFault(nil)
	want := []string{"0 udp 0x102 QUERY " + fmt.Sprint(query.Len()), "1 tcp 0x304 UPDATE " + fmt.Sprint(len(update))}
	if !slices.Equal(seen, want) {
		t.Errorf("got %q, want %q", seen, want)
	}
}
