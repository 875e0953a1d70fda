// Command bench measures the module against BIND, Knot, PowerDNS and the nameserver that
// is brought along, and the latter's answers beside those of others, in one run, and
// writes RESULTS.md. It sets up everything itself: it needs Go and the Debian packages of
// the nameservers and dnsperf.
//
//	go run ./bench
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/caddy-dyndns/dyndns/test/nameserver"
)

// options say how much is measured.
type options struct {
	rounds  int
	seconds time.Duration
	// storm is how many distinct hosts reconnect at once.
	storm   int
	binary  string
	servers []nameserver.Kind
}

func main() {
	o := options{}
	flag.IntVar(&o.rounds, "rounds", 3, "how often each row is measured; the median counts")
	flag.DurationVar(&o.seconds, "time", 2*time.Second, "how long one measurement lasts")
	flag.IntVar(&o.storm, "storm", 10000, "how many distinct hosts reconnect at once")
	servers := flag.String("servers", "BIND,Knot,PowerDNS,Caddy", "which nameservers to measure")
	duration := flag.Duration("soak", 0, "only let clients change names for that long, and say what Caddy holds")
	other := flag.String("against", "", "another build of Caddy with the module: only compare with it, in turn, and print it")
	results := flag.String("o", "bench/RESULTS.md", "where to write the results")
	flag.Parse()
	for _, kind := range strings.Split(*servers, ",") {
		o.servers = append(o.servers, nameserver.Kind(kind))
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := measureAll(ctx, o, *duration, *other, *results); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func measureAll(ctx context.Context, o options, duration time.Duration, other, results string) error {
	dir, err := os.MkdirTemp("", "dyndns-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	o.binary = filepath.Join(dir, "caddy-bench")
	build := exec.CommandContext(ctx, "go", "build", "-o", o.binary, "./cmd/caddy")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("building Caddy: %w: %s", err, out)
	}
	if duration > 0 {
		return soak(ctx, o, dir, duration)
	}
	if other != "" {
		return compare(ctx, o, dir, other)
	}
	var table report
	for _, kind := range o.servers {
		if err := measureServer(ctx, o, kind, filepath.Join(dir, string(kind)), &table); err != nil {
			return fmt.Errorf("%s: %w", kind, err)
		}
		if err := table.write(o, results); err != nil {
			return err
		}
	}
	for round := range o.rounds {
		fmt.Fprintf(os.Stderr, "queries, round %d of %d\n", round+1, o.rounds)
		if err := measureQueries(ctx, o, filepath.Join(dir, fmt.Sprintf("queries%d", round)), &table); err != nil {
			return fmt.Errorf("queries: %w", err)
		}
	}
	return table.write(o, results)
}

// measureServer measures everything on one nameserver. Each row is measured
// once per round, so that a slow moment of the machine strikes all rows alike.
func measureServer(ctx context.Context, o options, kind nameserver.Kind, dir string, table *report) error {
	server, stop, err := startNameserver(ctx, kind, filepath.Join(dir, "ns"), nameserver.Zone{Key: zoneKey})
	if err != nil {
		return err
	}
	defer stop()
	s, err := startSite(o.binary, filepath.Join(dir, "site"), server)
	if err != nil {
		return err
	}
	defer s.stop()

	m := measurement{ctx: ctx, o: o, kind: kind, dir: dir, server: server, dns: s.dns, table: table}
	for round := range o.rounds {
		fmt.Fprintf(os.Stderr, "%s, round %d of %d\n", kind, round+1, o.rounds)
		if err := m.round(round, s); err != nil {
			return err
		}
	}
	return nil
}

// startNameserver runs a nameserver with the zone in a new folder, but none for the one that
// is brought along: it returns nil then.
func startNameserver(ctx context.Context, kind nameserver.Kind, dir string, zone nameserver.Zone) (server *nameserver.Server, stop func(), err error) {
	if kind == served {
		return nil, func() {}, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, nil, err
	}
	zone.Name = zoneName
	server, err = nameserver.Start(ctx, kind, dir, nameserver.Config{Zones: []nameserver.Zone{zone}})
	if err != nil {
		return nil, nil, err
	}
	return server, server.Close, nil
}

// What is measured with different numbers of connections, and drawn.
const (
	changedRow = "changed, connections: %d"
	bareRow    = "one bare UPDATE for each change, clients: %d"
)

var connectionCounts = []int{1, 8, 32, 128, 512}

// measurement measures on one nameserver and notes the rows.
type measurement struct {
	ctx    context.Context
	o      options
	kind   nameserver.Kind
	dir    string
	server *nameserver.Server // nil with the one that is brought along
	dns    string             // host:port of the nameserver
	table  *report
}

// round measures every row once.
func (m *measurement) round(round int, s *site) error {
	note := func(row string, l load, err error) error {
		if err != nil {
			return fmt.Errorf("%s: %w", row, err)
		}
		m.table.add(string(m.kind), row, l, 0)
		return m.ctx.Err()
	}
	l, err := s.load(s.respond, 32, m.o.seconds, 0, respond)
	if err := note("Caddy's `respond`, 32 connections", l, err); err != nil {
		return err
	}
	alone, err := m.oneAtATime(s)
	if err != nil {
		return fmt.Errorf("one at a time: %w", err)
	}
	for i, row := range []string{"bare signed UPDATE", "the package dnsupdate", "changed through Caddy"} {
		if err := note(row+", one at a time", alone[i], nil); err != nil {
			return err
		}
	}
	l, err = nsupdates(m.ctx, m.dir, m.dns, 200)
	if err := note("nsupdate, one change after the other", l, err); err != nil {
		return err
	}
	for _, hosts := range []int{1, 500} {
		if _, err := run(s.api, 8, 0, (hosts+7)/8, settle(hosts, 8)); err != nil {
			return err
		}
		l, err := s.load(s.api, 32, m.o.seconds, 0, unchanged(hosts))
		if err := note(fmt.Sprintf("unchanged, 32 connections, hosts: %d", hosts), l, err); err != nil {
			return err
		}
	}
	for i, connections := range connectionCounts {
		number := round*len(connectionCounts) + i
		l, err := s.load(s.api, connections, m.o.seconds, 0, changed("g", number))
		if err := note(fmt.Sprintf(changedRow, connections), l, err); err != nil {
			return err
		}
		l, err = m.bareUpdates(connections)
		if err := note(fmt.Sprintf(bareRow, connections), l, err); err != nil {
			return err
		}
	}
	return m.storm(round)
}

// storm lets distinct hosts that the server does not know yet reconnect at once:
// each on a connection of its own, then behind a proxy that keeps 500. What Caddy
// alone needs for the same connections is measured beside it.
func (m *measurement) storm(round int) error {
	hosts := m.o.storm
	if m.kind == nameserver.PowerDNS {
		hosts /= 20 // each of its updates scans the zone: the time grows with the square
	}
	for i, connections := range []int{hosts, min(hosts, 500)} {
		prefix := fmt.Sprintf("r%d-%d-", round, i)
		row := fmt.Sprintf("storm, hosts: %d, connections: %d", hosts, connections)
		err := m.fresh(row, connections, hosts/connections, func(connection, n int) ([]byte, string) {
			return update(fmt.Sprintf("%s%d-%d", prefix, connection, n), "192.0.2.1"), "UPDATED"
		}, ofAPI)
		if err != nil {
			return err
		}
	}
	row := fmt.Sprintf("Caddy's `respond`, requests at once: %d", hosts)
	return m.fresh(row, hosts, 1, respond, ofRespond)
}

// fresh measures on a Caddy of its own, whose memory nothing else has used.
func (m *measurement) fresh(row string, connections, each int, next requester, addr func(*site) string) error {
	s, err := startSite(m.o.binary, filepath.Join(m.dir, "storm"), m.server)
	if err != nil {
		return err
	}
	defer s.stop()
	l, err := s.load(addr(s), connections, 0, each, next)
	if err != nil {
		return fmt.Errorf("%s: %w", row, err)
	}
	memory, err := s.status("VmHWM:")
	if err != nil {
		return err
	}
	m.table.add(string(m.kind), row, l, memory)
	return nil
}

// The addresses of a site.
func ofAPI(s *site) string     { return s.api }
func ofRespond(s *site) string { return s.respond }

// respond asks the site that only answers.
func respond(int, int) ([]byte, string) {
	return []byte("GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"), "UNCHANGED"
}

// settle gives the hosts h0, h1, … the address that unchanged repeats.
func settle(hosts, connections int) requester {
	return func(connection, n int) ([]byte, string) {
		return update(fmt.Sprintf("h%d", (n*connections+connection)%hosts), "192.0.2.1"), "U"
	}
}

func unchanged(hosts int) requester {
	requests := make([][]byte, hosts)
	for i := range requests {
		requests[i] = update(fmt.Sprintf("h%d", i), "192.0.2.1")
	}
	return func(connection, n int) ([]byte, string) {
		return requests[(connection*31+n)%hosts], "UNCHANGED"
	}
}

// changed gives each connection one host of its own and every request a new
// address; a run has none in common with those before it.
func changed(prefix string, run int) requester {
	return func(connection, n int) ([]byte, string) {
		n = run%32<<12 | n&0xfff
		address := fmt.Sprintf("198.%d.%d.%d", 18+(n>>16), n>>8&0xff, n&0xff)
		return update(fmt.Sprintf("%s%d", prefix, connection), address), "UPDATED"
	}
}

// median returns the middle one of an odd number of values, the upper middle one else.
func median(values []float64) float64 {
	slices.Sort(values)
	return values[len(values)/2]
}
