package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"time"
)

// report collects the rounds of all rows, in the order of their first round.
type report struct {
	rows []*row
}

// row is one thing that is measured on one nameserver.
type row struct {
	server, name           string
	rate, p50, p99, memory []float64
	slowest, took, cpu     []float64
}

func (r *report) add(server, name string, l load, memory float64) {
	found := r.find(server, name)
	if found == nil {
		found = &row{server: server, name: name}
		r.rows = append(r.rows, found)
	}
	found.rate = append(found.rate, l.rate())
	found.p50 = append(found.p50, milliseconds(l.quantile(0.5)))
	found.p99 = append(found.p99, milliseconds(l.quantile(0.99)))
	found.slowest = append(found.slowest, milliseconds(l.quantile(1)))
	found.took = append(found.took, l.took.Seconds())
	found.memory = append(found.memory, memory)
	found.cpu = append(found.cpu, float64(l.cpu.Microseconds())/float64(max(l.requests, 1)))
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// write writes the medians, and a picture of them beside.
func (r *report) write(o options, results string) error {
	picture := strings.TrimSuffix(results, ".md") + ".svg"
	if err := os.WriteFile(picture, []byte(r.picture()), 0o644); err != nil {
		return err
	}
	return os.WriteFile(results, []byte(r.markdown(o, filepath.Base(picture))), 0o644)
}

// markdown renders the medians.
func (r *report) markdown(o options, picture string) string {
	var b strings.Builder
	fmt.Fprintf(&b, `# Measured

Written by `+"`go run ./bench`"+` on %s: %d rounds of %s each, medians. Nameserver,
Caddy and load generator share the machine: %s, %d cores, %s.
"Caddy µs" is the processor time of Caddy for a request.

![Changes per second over connections](%s)

Changes per second over the connections at work: through this server, which sends what arrives meanwhile together, and
with a signed UPDATE for each change and nothing before it, which is the least that a script or service does
that makes a message of every request.

%s
`, time.Now().UTC().Format(time.DateOnly), o.rounds, o.seconds, cpu(), runtime.NumCPU(), kernel(), picture, versions())
	server := ""
	for _, row := range r.rows {
		if row.server != server {
			server = row.server
			fmt.Fprintf(&b, "\n## %s\n\n", server)
			if server == queriesTitle {
				b.WriteString(queriesNote + "\n\n")
			}
			b.WriteString("| what | per second | p50 ms | p99 ms | slowest ms | all after s | Caddy µs | Caddy MiB |\n|---|---:|---:|---:|---:|---:|---:|---:|\n")
		}
		fmt.Fprintf(&b, "| %s | %.0f | %s | %s | %s | %.2f | %s | %s |\n", row.name, median(row.rate),
			orDash("%.2f", row.p50), orDash("%.2f", row.p99), orDash("%.1f", row.slowest), median(row.took), orDash("%.1f", row.cpu), orDash("%.0f", row.memory))
	}
	return b.String() + r.goals()
}

// orDash is the median, or a dash where nothing was measured.
func orDash(format string, values []float64) string {
	if m := median(values); m > 0 {
		return fmt.Sprintf(format, m)
	}
	return "–"
}

func versions() string {
	lines := []string{"- " + runtime.Version()}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, dep := range info.Deps {
			if dep.Path == "github.com/caddyserver/caddy/v2" || dep.Path == "github.com/miekg/dns" {
				lines = append(lines, "- "+dep.Path+" "+dep.Version)
			}
		}
	}
	for _, command := range []string{"named -v", "knotd --version", "pdns_server --version"} {
		args := strings.Fields(command)
		if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err == nil || len(out) > 0 {
			first, _, _ := strings.Cut(string(out), "\n")
			lines = append(lines, "- "+strings.TrimSpace(first))
		}
	}
	return strings.Join(lines, "\n")
}

func cpu() string {
	info, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return runtime.GOARCH
	}
	for line := range strings.Lines(string(info)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}

func kernel() string {
	release, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return runtime.GOOS
	}
	return "Linux " + strings.TrimSpace(string(release))
}
