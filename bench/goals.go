package main

import "fmt"

// What the Flask application did under uWSGI with five processes on the same kind
// of machine, per second. It is not measured here: it needs Python packages.
const (
	seedUnchanged = 300
	seedChanged   = 180
)

// goals compares what was measured with what the project has set itself.
func (r *report) goals() string {
	text := "\n## Goals\n\nThe Flask application (300 unchanged and 180 changed updates per second under uWSGI\n" +
		"with five processes) was measured earlier, everything else in this run.\n\n| goal | measured |\n|---|---|\n"
	line := func(goal, format string, values ...any) {
		text += fmt.Sprintf("| %s | "+format+" |\n", append([]any{goal}, values...)...)
	}
	bind := func(name string) *row { return r.find("BIND", name) }
	respond, same, many := bind("Caddy's `respond`, 32 connections"), bind("unchanged, 32 connections, hosts: 1"), bind("unchanged, 32 connections, hosts: 500")
	changed, bare := bind("changed, connections: 128"), bind("bare signed UPDATE, one at a time")
	alone, web := bind("the package dnsupdate, one at a time"), bind("changed through Caddy, one at a time")
	if respond == nil || changed == nil {
		return ""
	}
	rate := func(r *row) float64 { return median(r.rate) }
	p50 := func(r *row) float64 { return median(r.p50) }
	line("unchanged, one host: 40 times the Flask application", "%.0f times", rate(same)/seedUnchanged)
	line("unchanged, one host: half of `respond`", "%.0f %%", 100*rate(same)/rate(respond))
	line("unchanged, 500 hosts: a third of `respond`", "%.0f %%", 100*rate(many)/rate(respond))
	if base := median(respond.cpu); base > 0 {
		line("unchanged, one host: at most 1.5 times the processor time of `respond`", "%.2f times", median(same.cpu)/base)
		line("changed, 128 connections: at most 2.5 times", "%.2f times", median(changed.cpu)/base)
	}
	line("changed, 128 connections: 40 times the Flask application, and 5,000 per second", "%.0f times, %.0f per second", rate(changed)/seedChanged, rate(changed))
	line("changed, 128 connections, BIND: 10 times one UPDATE at a time", "%.1f times the bare UPDATE", rate(changed)/rate(bare))
	if knot, one := r.find("Knot", changed.name), r.find("Knot", bare.name); knot != nil && one != nil {
		line("changed, 128 connections, Knot: 20 times one UPDATE at a time", "%.1f times the bare UPDATE", rate(knot)/rate(one))
	}
	line("changed, one at a time: at most 1.5 times the bare UPDATE", "%.2f times through Caddy", p50(web)/p50(bare))
	line("the machinery of groups: under 5 % with one connection", "%+.1f %%", 100*(p50(alone)/p50(bare)-1))
	for _, row := range r.rows {
		if row.server == "BIND" && median(row.memory) > 0 {
			line(row.name+": within 5 s and 150 MiB", "%.1f s, %.0f MiB", median(row.took), median(row.memory))
		}
	}
	return text
}

// find returns a row, nil if it was not measured.
func (r *report) find(server, name string) *row {
	for _, row := range r.rows {
		if row.server == server && row.name == name {
			return row
		}
	}
	return nil
}
