package nameserver

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// fakeSecondary gets NOTIFY messages at a socket, and answers them as a function says.
func fakeSecondary(t *testing.T, answer func(n int, m *dns.Msg) []byte) (Secondary, <-chan uint32) {
	t.Helper()
	socket, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { socket.Close() })
	serials := make(chan uint32, 100)
	go func() {
		buffer := make([]byte, dns.MaxMsgSize)
		for n := 0; ; n++ {
			size, from, err := socket.ReadFrom(buffer)
			if err != nil {
				return
			}
			m := new(dns.Msg)
			err = m.Unpack(buffer[:size])
			if err != nil || m.Opcode != dns.OpcodeNotify || !m.Authoritative || len(m.Answer) != 1 || m.Question[0].Name != apex {
				t.Errorf("got %v: %s", err, m)
				return
			}
			if err := dns.TsigVerify(append([]byte(nil), buffer[:size]...), testSecret, "", false); err != nil {
				t.Errorf("the signature: %v", err)
			}
			serials <- m.Answer[0].(*dns.SOA).Serial
			if wire := answer(n, m); wire != nil {
				if _, err := socket.WriteTo(wire, from); err != nil {
					t.Error(err)
				}
			}
		}
	}()
	return Secondary{Address: socket.LocalAddr().String(), Key: testKey}, serials
}

var testSecret = base64.StdEncoding.EncodeToString(testKey.Secret)

// acknowledge returns a signed reply.
func acknowledge(t *testing.T, m *dns.Msg, rcode int) []byte {
	t.Helper()
	reply := new(dns.Msg).SetRcode(m, rcode)
	reply.SetTsig(testKey.Name, dns.Fqdn(testKey.Algorithm), 300, time.Now().Unix())
	wire, _, err := dns.TsigGenerate(reply, testSecret, m.IsTsig().MAC, false)
	if err != nil {
		t.Error(err)
	}
	return wire
}

// notifying returns a server with secondaries and what its hook says.
func notifying(t *testing.T, secondaries ...Secondary) (*Server, <-chan string) {
	t.Helper()
	told := make(chan string, 100)
	z := testConfig()
	z.Secondaries = secondaries
	s := openWith(t, Options{Hooks: Hooks{
		Notified: func(zone string, _ netip.AddrPort, err error) { told <- fmt.Sprint(zone, " ", err) },
	}}, z)
	return s, told
}

// TestNotify tells a secondary at the start and after changes, of which the last counts.
func TestNotify(t *testing.T) {
	secondary, serials := fakeSecondary(t, func(_ int, m *dns.Msg) []byte { return acknowledge(t, m, dns.RcodeSuccess) })
	s, told := notifying(t, secondary)
	if got := <-serials; got != serial(s) {
		t.Errorf("at the start: serial %d, want %d", got, serial(s))
	}
	if got := <-told; got != apex+" <nil>" {
		t.Errorf("got %s", got)
	}
	for i := range 20 {
		mustApply(t, s, set("a", fmt.Sprint("192.0.2.", i)))
	}
	if got := <-serials; got != serial(s) {
		t.Errorf("after changes: serial %d, want %d", got, serial(s))
	}
	if got := <-told; got != apex+" <nil>" {
		t.Errorf("got %s", got)
	}
}

// A NOTIFY is sent again until a signed reply comes to it.
func TestNotifyAgain(t *testing.T) {
	secondary, serials := fakeSecondary(t, func(n int, m *dns.Msg) []byte {
		switch n {
		case 0: // it was lost
			return nil
		case 1: // forged
			wire := acknowledge(t, m, dns.RcodeSuccess)
			wire[len(wire)-10] ^= 1
			return wire
		}
		// Before it something that belongs to another query.
		return acknowledge(t, m, dns.RcodeSuccess)
	})
	_, told := notifying(t, secondary)
	if got := <-told; got != apex+" <nil>" || len(serials) != 3 {
		t.Errorf("after %d messages: %s", len(serials), got)
	}
}

// Who closes the server need not wait for a secondary that is down.
func TestNotifyClose(t *testing.T) {
	secondary, serials := fakeSecondary(t, func(int, *dns.Msg) []byte { return nil })
	s, told := notifying(t, secondary)
	<-serials
	if err := s.Configure(nil); err != nil {
		t.Fatal(err)
	}
	if len(told) > 0 {
		t.Errorf("got %s", <-told)
	}
}

func TestAcknowledgement(t *testing.T) {
	m := new(dns.Msg).SetNotify(apex)
	wire, _ := signed(t, m)
	if err := m.Unpack(wire); err != nil {
		t.Fatal(err)
	}
	key, err := keyed(testConfig()).read()
	if err != nil {
		t.Fatal(err)
	}
	requestMAC, err := hex.DecodeString(m.IsTsig().MAC)
	if err != nil {
		t.Fatal(err)
	}
	other := acknowledge(t, m, dns.RcodeSuccess)
	other[0]++
	forged := acknowledge(t, m, dns.RcodeSuccess)
	forged[len(forged)-10] ^= 1
	for _, tt := range []struct {
		name string
		wire []byte
		ours bool
		says string
	}{
		{"good", acknowledge(t, m, dns.RcodeSuccess), true, "<nil>"},
		{"of another message", other, false, "<nil>"},
		{"nothing", nil, false, "<nil>"},
		{"a query", wire, false, "<nil>"},
		{"refused", acknowledge(t, m, dns.RcodeRefused), true, "it answers REFUSED"},
		{"forged", forged, true, "the signature of its answer is not good"},
		{"unsigned", pack(t, new(dns.Msg).SetReply(m)), true, "its answer is not signed"},
	} {
		ours, err := acknowledgement(tt.wire, m.Id, key.keys[0], requestMAC)
		if ours != tt.ours || fmt.Sprint(err) != tt.says {
			t.Errorf("%s: got %t, %v", tt.name, ours, err)
		}
	}
}
