package dnstest

import (
	"encoding/base64"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/caddy-dyndns/dyndns/internal/authority"
)

const testZone = "dyn.example.com."

var testKey = Key{Name: "router-key", Algorithm: "hmac-sha256", Secret: []byte("thirty-two octets of test secret")}

// dial connects to the server. The deadline only ends a test that would hang.
func dial(t *testing.T, network, addr string) net.Conn {
	t.Helper()
	conn, err := net.Dial(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	return conn
}

func send(t *testing.T, conn net.Conn, msg []byte) {
	t.Helper()
	var err error
	if conn.LocalAddr().Network() == "tcp" {
		err = writeFrame(conn, msg)
	} else {
		_, err = conn.Write(msg)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func receive(conn net.Conn) ([]byte, error) {
	if conn.LocalAddr().Network() == "tcp" {
		return readFrame(conn)
	}
	buf := make([]byte, dns.MaxMsgSize)
	n, err := conn.Read(buf)
	return buf[:n], err
}

// exchange sends the message over a connection of its own and returns the reply.
func exchange(t *testing.T, network, addr string, msg []byte) (*dns.Msg, []byte) {
	t.Helper()
	conn := dial(t, network, addr)
	defer conn.Close()
	send(t, conn, msg)
	wire, err := receive(conn)
	if err != nil {
		t.Fatal(err)
	}
	return unpack(t, wire), wire
}

func unpack(t *testing.T, wire []byte) *dns.Msg {
	t.Helper()
	m := new(dns.Msg)
	if err := m.Unpack(wire); err != nil {
		t.Fatal(err)
	}
	return m
}

func pack(t *testing.T, m *dns.Msg) []byte {
	t.Helper()
	wire, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	return wire
}

// signed signs with the library's routine, so that ours is tested against
// another implementation.
func signed(t *testing.T, m *dns.Msg, k Key, now time.Time) (wire []byte, mac string) {
	t.Helper()
	m = m.Copy()
	m.SetTsig(dns.Fqdn(k.Name), dns.Fqdn(k.Algorithm), authority.Fudge, now.Unix())
	wire, mac, err := dns.TsigGenerate(m, base64.StdEncoding.EncodeToString(k.Secret), "", false)
	if err != nil {
		t.Fatal(err)
	}
	return wire, mac
}

// seal says what a reply's signature is worth to the holder of the key.
func seal(t *testing.T, reply []byte, k Key, requestMAC string) string {
	t.Helper()
	sig, err := authority.FindSignature(reply)
	switch {
	case err != nil:
		t.Fatal(err)
	case sig == nil:
		return "none"
	case len(sig.MAC()) == 0:
		return "empty"
	}
	secret := base64.StdEncoding.EncodeToString(k.Secret)
	err = dns.TsigVerify(slices.Clone(reply), secret, requestMAC, false)
	if err == dns.ErrAuth {
		// The library verifies no NOTAUTH reply. Its code is in the MAC, so
		// that ours has to do.
		own, err := authority.NewSigner(authority.Key(k))
		if err != nil {
			t.Fatal(err)
		}
		var other []byte
		fmt.Sscanf(sig.TSIG.OtherData, "%x", &other)
		var request []byte
		fmt.Sscanf(requestMAC, "%x", &request)
		st := authority.Stamp{Time: time.Unix(int64(sig.TSIG.TimeSigned), 0), Fudge: sig.TSIG.Fudge, Error: sig.TSIG.Error, Other: other}
		if string(own.Digest(sig.Strip(reply), st, request)) != string(sig.MAC()) {
			return "forged"
		}
		return "good"
	}
	if err != nil {
		return "forged"
	}
	return "good"
}

// script makes an UPDATE message for testZone of lines such as
//
//	has NAME [TYPE]         prerequisite: name in use, RRset exists
//	not NAME [TYPE]         prerequisite: name not in use, RRset absent
//	is  NAME TYPE DATA      prerequisite: RRset is exactly (all "is" of a set)
//	add NAME TTL TYPE DATA
//	del NAME [TYPE [DATA]]
//	prereq|update CLASS TTL NAME TYPE [DATA]    anything else
//
// Names are relative to the zone unless they end in a dot.
func script(t *testing.T, lines ...string) *dns.Msg {
	t.Helper()
	m := new(dns.Msg).SetUpdate(testZone)
	for _, line := range lines {
		f := strings.Fields(line)
		switch {
		case f[0] == "has":
			m.Answer = append(m.Answer, record(t, "ANY", "0", f[1:]))
		case f[0] == "not":
			m.Answer = append(m.Answer, record(t, "NONE", "0", f[1:]))
		case f[0] == "is":
			m.Answer = append(m.Answer, record(t, "IN", "0", f[1:]))
		case f[0] == "add":
			m.Ns = append(m.Ns, record(t, "IN", f[2], append(f[1:2:2], f[3:]...)))
		case f[0] == "del" && len(f) > 3:
			m.Ns = append(m.Ns, record(t, "NONE", "0", f[1:]))
		case f[0] == "del":
			m.Ns = append(m.Ns, record(t, "ANY", "0", f[1:]))
		case f[0] == "prereq":
			m.Answer = append(m.Answer, record(t, f[1], f[2], f[3:]))
		case f[0] == "update":
			m.Ns = append(m.Ns, record(t, f[1], f[2], f[3:]))
		default:
			t.Fatalf("unknown line %q", line)
		}
	}
	return m
}

// record makes a record of a name, a type (ANY if missing) and data.
func record(t *testing.T, class, ttl string, f []string) dns.RR {
	t.Helper()
	if len(f) == 1 {
		f = append(f, "ANY")
	}
	owner := f[0]
	if owner == "@" {
		owner = testZone
	} else if !dns.IsFqdn(owner) {
		owner += "." + testZone
	}
	rrtype, known := dns.StringToType[f[1]]
	if !known {
		fmt.Sscanf(f[1], "TYPE%d", &rrtype)
	}
	var rr dns.RR = &dns.ANY{Hdr: dns.RR_Header{Name: owner, Rrtype: rrtype}}
	if len(f) > 2 {
		var err error
		if rr, err = dns.NewRR(fmt.Sprintf("$ORIGIN %s\n%s 0 IN %s", testZone, owner, strings.Join(f[1:], " "))); err != nil {
			t.Fatal(err)
		}
	}
	rr.Header().Class = dns.StringToClass[class]
	fmt.Sscan(ttl, &rr.Header().Ttl)
	return rr
}

// changes compares two states of a zone: lines with "+" or "-", without the
// SOA record, whose serial has tests of its own.
func changes(before, after []string) []string {
	var diff []string
	for _, line := range before {
		if !slices.Contains(after, line) && !strings.Contains(line, " IN SOA ") {
			diff = append(diff, "-"+line)
		}
	}
	for _, line := range after {
		if !slices.Contains(before, line) && !strings.Contains(line, " IN SOA ") {
			diff = append(diff, "+"+line)
		}
	}
	return diff
}
