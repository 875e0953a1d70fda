package main

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"

	"github.com/caddy-dyndns/dyndns/test/nameserver"
)

// compare measures this build and another in turn, so that what else the machine does
// strikes both alike, and prints how this one does beside the other: a ratio of each pair's
// requests per second and one of Caddy's processor time for a request, as geometric means
// with the interval that holds 95 % of such means. `respond`, which both serve with the
// same code, tells what the machine can tell apart.
func compare(ctx context.Context, o options, other string) error {
	for _, kind := range o.servers {
		dir, err := os.MkdirTemp("", "dyndns-compare-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		if err := compareOn(ctx, o, kind, dir, other); err != nil {
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
	var pairs [len(compared)]struct{ rates, costs [2][]float64 }
	for round := range o.rounds {
		// Two processes of the same program differ, too, by a few percent.
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
		for row, what := range compared {
			// Whoever comes first finds what the row before left.
			for turn := range 2 {
				who := (round + row + turn) % 2
				addr := sites[who].api
				if row == 0 {
					addr = sites[who].respond
				}
				l, err := sites[who].load(addr, what.connections, o.seconds, 0, what.next(who, round))
				if err != nil {
					return fmt.Errorf("%s: %w", what.name, err)
				}
				pairs[row].rates[who] = append(pairs[row].rates[who], l.rate())
				pairs[row].costs[who] = append(pairs[row].costs[who], float64(l.cpu.Microseconds())/float64(l.requests))
			}
		}
		for _, s := range sites {
			s.stop()
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	fmt.Printf("%s, %d pairs of processes, %s each\n\n", kind, o.rounds, o.seconds)
	fmt.Println("| what | this, per second | other | rate | Caddy µs, this | other | processor time |")
	fmt.Println("|---|---:|---:|---:|---:|---:|---:|")
	for row, p := range pairs {
		rate, cost := ratio(p.rates[0], p.rates[1]), ratio(p.costs[0], p.costs[1])
		fmt.Printf("| %s | %.0f | %.0f | %s | %.1f | %.1f | %s |\n", compared[row].name,
			median(p.rates[0]), median(p.rates[1]), rate, median(p.costs[0]), median(p.costs[1]), cost)
	}
	return nil
}

// compared is what both builds do. Each changes hosts of its own: a name that another
// changes must be learned anew.
var compared = [...]struct {
	name        string
	connections int
	next        func(who, round int) requester
}{
	{"`respond`, 32 connections", 32, func(int, int) requester { return respond }},
	{"unchanged, 32 connections, hosts: 1", 32, func(int, int) requester { return unchanged(1) }},
	{"unchanged, 32 connections, hosts: 500", 32, func(int, int) requester { return unchanged(500) }},
	{fmt.Sprintf(changedRow, 1), 1, changedBy(0)},
	{fmt.Sprintf(changedRow, 32), 32, changedBy(1)},
	{fmt.Sprintf(changedRow, 128), 128, changedBy(2)},
}

func changedBy(row int) func(who, round int) requester {
	return func(who, round int) requester {
		return changed(fmt.Sprintf("build%d-%d-", who, row), round)
	}
}

// ratio is the geometric mean of a[i]/b[i] with the interval of 95 %.
func ratio(a, b []float64) string {
	var sum, squares float64
	for i := range a {
		log := math.Log(a[i] / b[i])
		sum += log
		squares += log * log
	}
	n := float64(len(a))
	mean := sum / n
	wide := 1.96 * math.Sqrt(max(squares/n-mean*mean, 0)/max(n-1, 1))
	return fmt.Sprintf("%.3f (%.3f–%.3f)", math.Exp(mean), math.Exp(mean-wide), math.Exp(mean+wide))
}
