package nameserver

import (
	"encoding/base64"
	"encoding/binary"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/caddy-dyndns/dyndns/dnsupdate"
	"github.com/caddy-dyndns/dyndns/internal/loopback"
)

// testKey may do everything in the zones of the tests.
var testKey = dnsupdate.Key{Name: "test-key.", Algorithm: "hmac-sha256", Secret: []byte("thirty-two octets of test secret")}

// keyed returns the zone with all rights for the key.
func keyed(z ZoneConfig) ZoneConfig {
	z.TransferKeys, z.UpdateKeys = []dnsupdate.Key{testKey}, []dnsupdate.Key{testKey}
	return z
}

// listen has the server answer at a port of the loopback, which it returns.
func listen(t testing.TB, s *Server) string {
	t.Helper()
	port, err := loopback.Reserve()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { port.Close() })
	tcp, udp, err := port.Listen()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.AddListener(tcp); err != nil {
		t.Fatal(err)
	}
	if err := s.AddPacketConn(udp); err != nil {
		t.Fatal(err)
	}
	return port.Addr()
}

// dial connects to a server. The deadline only ends a test that would hang.
func dial(t testing.TB, network, addr string) net.Conn {
	t.Helper()
	conn, err := net.Dial(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(30 * time.Second))
	return conn
}

func send(t testing.TB, conn net.Conn, message []byte) {
	t.Helper()
	if conn.LocalAddr().Network() == "tcp" {
		message = append(binary.BigEndian.AppendUint16(nil, uint16(len(message))), message...)
	}
	if _, err := conn.Write(message); err != nil {
		t.Fatal(err)
	}
}

func receive(conn net.Conn) ([]byte, error) {
	buffer := make([]byte, dns.MaxMsgSize)
	if conn.LocalAddr().Network() != "tcp" {
		n, err := conn.Read(buffer)
		return buffer[:n], err
	}
	if _, err := io.ReadFull(conn, buffer[:2]); err != nil {
		return nil, err
	}
	message := buffer[:binary.BigEndian.Uint16(buffer)]
	_, err := io.ReadFull(conn, message)
	return message, err
}

func pack(t testing.TB, m *dns.Msg) []byte {
	t.Helper()
	wire, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	return wire
}

// exchange sends a message over a connection of its own and returns the reply.
func exchange(t testing.TB, network, addr string, wire []byte) (*dns.Msg, []byte) {
	t.Helper()
	conn := dial(t, network, addr)
	defer conn.Close()
	send(t, conn, wire)
	reply, err := receive(conn)
	if err != nil {
		t.Fatal(err)
	}
	m := new(dns.Msg)
	if err := m.Unpack(reply); err != nil {
		t.Fatal(err)
	}
	return m, reply
}

// signed signs with the library's routine, another implementation than ours.
func signed(t testing.TB, m *dns.Msg) (wire []byte, mac string) {
	t.Helper()
	m = m.Copy()
	m.SetTsig(testKey.Name, dns.Fqdn(testKey.Algorithm), 300, time.Now().Unix())
	wire, mac, err := dns.TsigGenerate(m, base64.StdEncoding.EncodeToString(testKey.Secret), "", false)
	if err != nil {
		t.Fatal(err)
	}
	return wire, mac
}

// query returns a query for a name relative to the zone and a type, such as "www A".
func query(line string) *dns.Msg {
	f := strings.Fields(line)
	name := f[0]
	switch {
	case name == "@":
		name = apex
	case !dns.IsFqdn(name):
		name += "." + apex
	}
	m := new(dns.Msg).SetQuestion(name, dns.StringToType[f[1]])
	m.RecursionDesired = false
	return m
}

// outline writes a reply as rcode, flags and the number of records of the sections.
func outline(m *dns.Msg) string {
	text := dns.RcodeToString[m.Rcode]
	if m.Rcode == dns.RcodeBadVers { // BADSIG has the same number
		text = "BADVERS"
	}
	for _, flag := range []struct {
		name string
		set  bool
	}{{"aa", m.Authoritative}, {"tc", m.Truncated}, {"rd", m.RecursionDesired}, {"ra", m.RecursionAvailable}, {"ad", m.AuthenticatedData}, {"z", m.Zero}} {
		if flag.set {
			text += " " + flag.name
		}
	}
	for i, section := range [][]dns.RR{m.Answer, m.Ns, m.Extra} {
		for _, rr := range section {
			text += " " + []string{"an", "ns", "ar"}[i] + ":" + dns.TypeToString[rr.Header().Rrtype]
		}
	}
	return text
}
