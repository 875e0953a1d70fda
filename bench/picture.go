package main

import (
	"fmt"
	"math"
	"strings"
)

// Sizes of the picture, in pixels: a panel for each nameserver, one beside the other.
const (
	panelWidth, panelHeight = 220, 200
	left, top, bottom       = 52, 34, 74
)

// series are what is drawn of each nameserver.
var series = []struct{ row, label, color string }{
	{changedRow, "through this server", "#0b6bcb"},
	{bareRow, "one UPDATE for each change", "#b5470b"},
}

// picture draws the changes per second over the number of connections as SVG, both on
// logarithmic scales. Its colours can be read on white and on black.
func (r *report) picture() string {
	var servers []string
	least, most := math.Inf(1), 0.0
	for _, row := range r.rows {
		if row.name == fmt.Sprintf(changedRow, connectionCounts[0]) {
			servers = append(servers, row.server)
		}
		for _, s := range series {
			if strings.HasPrefix(row.name, strings.TrimSuffix(s.row, "%d")) {
				least, most = min(least, median(row.rate)), max(most, median(row.rate))
			}
		}
	}
	low, high := math.Floor(math.Log10(least)), math.Ceil(math.Log10(most))
	y := func(rate float64) float64 { return top + panelHeight*(high-math.Log10(rate))/(high-low) }
	last := connectionCounts[len(connectionCounts)-1]
	x := func(panel, connections int) float64 {
		return left + float64(panel*(panelWidth+20)) + panelWidth*math.Log2(float64(connections))/math.Log2(float64(last))
	}
	var b strings.Builder
	width := left + len(servers)*(panelWidth+20)
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12" fill="#777">`+"\n", width, top+panelHeight+bottom)
	b.WriteString("<title>Changes per second over connections</title>\n")
	for panel, server := range servers {
		fmt.Fprintf(&b, `<text x="%.0f" y="%d" font-weight="bold">%s</text>`+"\n", x(panel, 1), top-12, server)
		for e := low; e <= high; e++ {
			at := y(math.Pow(10, e))
			fmt.Fprintf(&b, `<path d="M%.0f %.1fH%.0f" stroke="#999" stroke-width="0.5"/>`+"\n", x(panel, 1), at, x(panel, last))
			if panel == 0 {
				fmt.Fprintf(&b, `<text x="%d" y="%.1f" text-anchor="end">%.0f</text>`+"\n", left-6, at+4, math.Pow(10, e))
			}
		}
		for _, n := range connectionCounts {
			fmt.Fprintf(&b, `<text x="%.1f" y="%d" text-anchor="middle">%d</text>`+"\n", x(panel, n), top+panelHeight+18, n)
		}
		for _, s := range series {
			var points []string
			for _, n := range connectionCounts {
				if row := r.find(server, fmt.Sprintf(s.row, n)); row != nil {
					points = append(points, fmt.Sprintf("%.1f,%.1f", x(panel, n), y(median(row.rate))))
				}
			}
			fmt.Fprintf(&b, `<polyline points="%s" fill="none" stroke="%s" stroke-width="2.5"/>`+"\n", strings.Join(points, " "), s.color)
		}
	}
	at := left
	for _, s := range series {
		fmt.Fprintf(&b, `<path d="M%d %dh24" stroke="%s" stroke-width="2.5"/><text x="%d" y="%d">%s</text>`+"\n",
			at, top+panelHeight+48, s.color, at+30, top+panelHeight+52, s.label)
		at += 230
	}
	return b.String() + "</svg>\n"
}
