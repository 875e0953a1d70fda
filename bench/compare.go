package main

import (
	"context"
	"fmt"
	"math"
	"path/filepath"

	"github.com/caddy-dyndns/dyndns/test/nameserver"
)

// compare measures this build and another in turn, so that what else the machine does
// strikes both alike, and prints how this one does beside the other: a ratio of each pair's
// requests per second and one of Caddy's processor time for a request, as geometric means
// with the interval that holds 95 % of such means. `respond`, which both serve with the
// same code, tells what the machine can tell apart.
func compare(ctx context.Context, o options, dir, other string) error {
	for _, kind := range o.servers {
		if err := compareOn(ctx, o, kind, filepath.Join(dir, string(kind)), other); err != nil {
			return fmt.Errorf("%s: %w", kind, err)
		}
	}
	return nil
}

func compareOn(ctx context.Context, o options, kind nameserver.Kind, dir, other string) error {
	server, stop, err := startNameserver(ctx, kind, filepath.Join(dir, "ns"), nameserver.Zone{Key: zoneKey})
	if err != nil {
		return err
	}
	defer stop()
	rows := make([]pairs, len(compared))
	for round := range o.rounds {
		if err := measurePair(o, server, dir, other, round, rows); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	fmt.Printf("%s, %d pairs of processes, %s each\n\n", kind, o.rounds, o.seconds)
	fmt.Println("| what | this, per second | other | rate | Caddy µs, this | other | processor time |")
	fmt.Println("|---|---:|---:|---:|---:|---:|---:|")
	for i, r := range rows {
		fmt.Printf("| %s | %.0f | %.0f | %s | %.1f | %.1f | %s |\n", compared[i].name,
			median(r.rates[0]), median(r.rates[1]), ratio(r.rates[0], r.rates[1]),
			median(r.costs[0]), median(r.costs[1]), ratio(r.costs[0], r.costs[1]))
	}
	fmt.Println()
	return nil
}

// pairs are what was measured of this build and the other: requests per second and
// Caddy's microseconds for a request.
type pairs struct{ rates, costs [2][]float64 }

// measurePair measures every row on a new process of each build: two of the same program
// differ by a few percent, too.
func measurePair(o options, server *nameserver.Server, dir, other string, round int, rows []pairs) error {
	var sites [2]*site
	for i, binary := range []string{o.binary, other} {
		s, err := startSite(binary, filepath.Join(dir, []string{"this", "other"}[i]), server)
		if err != nil {
			return err
		}
		defer s.stop()
		if _, err := run(s.api, 8, 0, (500+7)/8, settle(500, 8)); err != nil {
			return err
		}
		sites[i] = s
	}
	for i, what := range compared {
		// Whoever comes first finds what the row before left.
		for turn := range 2 {
			who := (round + i + turn) % 2
			s := sites[who]
			l, err := s.load(what.addr(s), what.connections, o.seconds, 0, what.next(who, round))
			if err != nil {
				return fmt.Errorf("%s: %w", what.name, err)
			}
			rows[i].rates[who] = append(rows[i].rates[who], l.rate())
			rows[i].costs[who] = append(rows[i].costs[who], float64(l.cpu.Microseconds())/float64(l.requests))
		}
	}
	return nil
}

// compared is what both builds do. Each changes hosts of its own: a name that another
// changes must be learned anew.
var compared = [...]struct {
	name        string
	connections int
	addr        func(*site) string
	next        func(who, round int) requester
}{
	{"`respond`, 32 connections", 32, ofRespond, func(int, int) requester { return respond }},
	{"unchanged, 32 connections, hosts: 1", 32, ofAPI, func(int, int) requester { return unchanged(1) }},
	{"unchanged, 32 connections, hosts: 500", 32, ofAPI, func(int, int) requester { return unchanged(500) }},
	{fmt.Sprintf(changedRow, 1), 1, ofAPI, changedBy(0)},
	{fmt.Sprintf(changedRow, 32), 32, ofAPI, changedBy(1)},
	{fmt.Sprintf(changedRow, 128), 128, ofAPI, changedBy(2)},
}

func changedBy(row int) func(who, round int) requester {
	return func(who, round int) requester {
		return changed(fmt.Sprintf("build%d-%d-", who, row), round)
	}
}

// ratio is the geometric mean of a[i]/b[i] with the interval of 95 %, which is too narrow
// for less than some twenty pairs, and not a number for one.
func ratio(a, b []float64) string {
	var sum, squares float64
	for i := range a {
		log := math.Log(a[i] / b[i])
		sum += log
		squares += log * log
	}
	n := float64(len(a))
	mean := sum / n
	wide := 1.96 * math.Sqrt(max(squares/n-mean*mean, 0)/(n-1))
	return fmt.Sprintf("%.3f (%.3f–%.3f)", math.Exp(mean), math.Exp(mean-wide), math.Exp(mean+wide))
}
