package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/caddy-dyndns/dyndns/test/nameserver"
)

// bareUpdates sends signed UPDATE messages for one name on one kept connection,
// one at a time, and nothing more than RFC 2136 needs.
func bareUpdates(addr string, key nameserver.Key, d time.Duration) (load, error) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return load{}, err
	}
	defer conn.Close()
	var total load
	start := time.Now()
	for n := 0; time.Since(start) < d; n++ {
		sent := time.Now()
		if err := conn.SetDeadline(sent.Add(10 * time.Second)); err != nil {
			return total, err
		}
		if err := bareUpdate(conn, key, n); err != nil {
			return total, err
		}
		total.latencies = append(total.latencies, time.Since(sent))
	}
	total.took, total.requests = time.Since(start), len(total.latencies)
	slices.Sort(total.latencies)
	return total, nil
}

func bareUpdate(conn net.Conn, key nameserver.Key, n int) error {
	m := new(dns.Msg)
	m.SetUpdate(dns.Fqdn(zone))
	owner := dns.RR_Header{Name: "bare." + dns.Fqdn(zone), Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 300}
	m.RemoveRRset([]dns.RR{&dns.A{Hdr: owner}})
	m.Insert([]dns.RR{&dns.A{Hdr: owner, A: net.IPv4(192, 0, 2, byte(1+n%2))}})
	m.SetTsig(dns.Fqdn(key.Name), dns.Fqdn(key.Algorithm), 300, time.Now().Unix())
	packed, mac, err := dns.TsigGenerate(m, key.Secret, "", false)
	if err != nil {
		return err
	}
	if _, err := conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(packed))), packed...)); err != nil {
		return err
	}
	var length [2]byte
	if _, err := io.ReadFull(conn, length[:]); err != nil {
		return err
	}
	reply := make([]byte, binary.BigEndian.Uint16(length[:]))
	if _, err := io.ReadFull(conn, reply); err != nil {
		return err
	}
	if err := dns.TsigVerify(reply, key.Secret, mac, false); err != nil {
		return err
	}
	if rcode := reply[3] & 0xf; rcode != dns.RcodeSuccess {
		return fmt.Errorf("UPDATE: %s", dns.RcodeToString[int(rcode)])
	}
	return nil
}

// nsupdates lets BIND's nsupdate send one message for every change, as the
// scripts around it do, but in one process.
func nsupdates(ctx context.Context, dir, addr string, key nameserver.Key, changes int) (load, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return load{}, err
	}
	keyFile := filepath.Join(dir, "nsupdate.key")
	text := fmt.Sprintf("key %q { algorithm %s; secret %q; };\n", key.Name, key.Algorithm, key.Secret)
	if err := os.WriteFile(keyFile, []byte(text), 0o600); err != nil {
		return load{}, err
	}
	var script strings.Builder
	fmt.Fprintf(&script, "server %s %s\nzone %s\n", host, port, zone)
	for i := range changes {
		name := fmt.Sprintf("ns%d.%s.", i, zone)
		fmt.Fprintf(&script, "update delete %s A\nupdate add %s 300 A 192.0.2.%d\nsend\n", name, name, 1+time.Now().UnixNano()%250)
	}
	cmd := exec.CommandContext(ctx, "nsupdate", "-v", "-k", keyFile)
	cmd.Stdin = strings.NewReader(script.String())
	start := time.Now()
	out, err := cmd.CombinedOutput()
	if err != nil || len(out) > 0 {
		return load{}, fmt.Errorf("nsupdate: %v: %s", err, out)
	}
	return load{requests: changes, took: time.Since(start)}, nil
}
