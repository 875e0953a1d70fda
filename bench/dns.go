package main

import (
	"bufio"
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

	"github.com/caddy-dyndns/dyndns/dnsupdate"
	"github.com/caddy-dyndns/dyndns/zone"
)

// alternate runs the steps one after the other, again and again, and measures
// each on its own: what slows the machine down strikes all alike.
func alternate(d time.Duration, steps ...func(n int) error) ([]load, error) {
	loads := make([]load, len(steps))
	start := time.Now()
	for n := 0; time.Since(start) < d; n++ {
		for i, step := range steps {
			begun := time.Now()
			if err := step(n); err != nil {
				return nil, err
			}
			took := time.Since(begun)
			loads[i].latencies = append(loads[i].latencies, took)
			loads[i].took += took
		}
	}
	for i := range loads {
		loads[i].requests = len(loads[i].latencies)
		slices.Sort(loads[i].latencies)
	}
	return loads, nil
}

// oneAtATime changes a name by a bare signed UPDATE on a kept connection, one by
// the package dnsupdate, and one through Caddy.
func (m *measurement) oneAtATime(s *site) ([]load, error) {
	conn, err := net.Dial("tcp", s.dns)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	key, err := dnsupdate.NewKey(zoneKey.Name, zoneKey.Algorithm, zoneKey.Secret)
	if err != nil {
		return nil, err
	}
	client := dnsupdate.NewClient(dnsupdate.Options{})
	defer client.Close()
	updater, err := client.Open(dnsupdate.ZoneConfig{Name: zoneName, Servers: []string{s.dns}, Key: key})
	if err != nil {
		return nil, err
	}
	defer updater.Close()
	web, err := net.Dial("tcp", s.api)
	if err != nil {
		return nil, err
	}
	defer web.Close()
	reader := bufio.NewReader(web)
	address := func(n int) string { return fmt.Sprintf("192.0.2.%d", 1+n%2) }
	return alternate(3*m.o.seconds,
		func(n int) error { return bareUpdate(conn, "bare", n) },
		func(n int) error {
			return updater.Apply(m.ctx, []zone.Change{{
				Name: "apply." + zoneName, Type: zone.TypeA, Action: zone.Set, Values: []string{address(n)}, TTL: 300,
			}})[0].Err
		},
		func(n int) error {
			if _, err := web.Write(update("http", address(n))); err != nil {
				return err
			}
			_, err := readResponse(reader)
			return err
		})
}

// bareUpdates lets so many change a host each, one signed UPDATE after the other and nothing else: the
// least that a service does that makes a message of every request. They share at most 64 kept
// connections, since BIND takes 150 of all clients together.
func (m *measurement) bareUpdates(clients int) (load, error) {
	conns := make(chan net.Conn, min(clients, 64))
	for range cap(conns) {
		c, err := net.Dial("tcp", m.dns)
		if err != nil {
			return load{}, err
		}
		defer c.Close()
		conns <- c
	}
	return together(clients, func(i int, end time.Time) ([]time.Duration, error) {
		var latencies []time.Duration
		host := fmt.Sprintf("bare%d", i)
		for n, start := 0, time.Now(); start.Before(end); n, start = n+1, time.Now() {
			conn := <-conns
			err := conn.SetDeadline(start.Add(time.Minute))
			if err == nil {
				err = bareUpdate(conn, host, n)
			}
			conns <- conn
			if err != nil {
				return latencies, err
			}
			latencies = append(latencies, time.Since(start))
		}
		return latencies, nil
	}, m.o.seconds)
}

// bareUpdate gives a host the one or the other address by one signed message.
func bareUpdate(conn net.Conn, host string, n int) error {
	m := new(dns.Msg)
	m.SetUpdate(dns.Fqdn(zoneName))
	owner := dns.RR_Header{Name: host + "." + dns.Fqdn(zoneName), Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 300}
	m.RemoveRRset([]dns.RR{&dns.A{Hdr: owner}})
	m.Insert([]dns.RR{&dns.A{Hdr: owner, A: net.IPv4(192, 0, 2, byte(1+n%2))}})
	m.SetTsig(dns.Fqdn(zoneKey.Name), dns.Fqdn(zoneKey.Algorithm), 300, time.Now().Unix())
	packed, mac, err := dns.TsigGenerate(m, zoneKey.Secret, "", false)
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
	if err := dns.TsigVerify(reply, zoneKey.Secret, mac, false); err != nil {
		return err
	}
	switch rcode := int(reply[3] & 0xf); rcode {
	case dns.RcodeSuccess:
		return nil
	case dns.RcodeServerFailure: // PowerDNS, when its database is locked
		return bareUpdate(conn, host, n)
	default:
		return fmt.Errorf("UPDATE: %s", dns.RcodeToString[rcode])
	}
}

func writeKey(path string) error {
	text := fmt.Sprintf("key %q { algorithm %s; secret %q; };\n", zoneKey.Name, zoneKey.Algorithm, zoneKey.Secret)
	return os.WriteFile(path, []byte(text), 0o600)
}

// nsupdates lets BIND's nsupdate send one message for every change, as the
// scripts around it do, but in one process. Only those that succeed count.
func nsupdates(ctx context.Context, dir, addr string, changes int) (load, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return load{}, err
	}
	keyFile := filepath.Join(dir, "nsupdate.key")
	if err := writeKey(keyFile); err != nil {
		return load{}, err
	}
	var script strings.Builder
	fmt.Fprintf(&script, "server %s %s\nzone %s\n", host, port, zoneName)
	for i := range changes {
		name := fmt.Sprintf("ns%d.%s.", i, zoneName)
		fmt.Fprintf(&script, "update delete %s A\nupdate add %s 300 A 192.0.2.%d\nsend\n", name, name, 1+time.Now().UnixNano()%250)
	}
	cmd := exec.CommandContext(ctx, "nsupdate", "-v", "-k", keyFile)
	cmd.Stdin = strings.NewReader(script.String())
	start := time.Now()
	out, err := cmd.CombinedOutput()
	// nsupdate does not try again where PowerDNS finds its database locked.
	lost := strings.Count(string(out), "update failed: SERVFAIL")
	if err != nil && lost == 0 {
		return load{}, fmt.Errorf("nsupdate: %w: %s", err, out)
	}
	return load{requests: changes - lost, took: time.Since(start)}, nil
}
