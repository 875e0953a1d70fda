package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/caddy-dyndns/dyndns/test/nameserver"
)

// queriesTitle stands above the rows of queries.
const queriesTitle = "Queries"

// queriesNote says how the rows of queries were measured.
const queriesNote = "dnsperf, 20 clients; the times are those of 10,000 queries a second. Caddy limits rates, takes cookies and counts for its metrics."

// names is how many the zone has whose nameservers are asked.
const names = 10000

// measureQueries asks BIND, Knot, NSD and the nameserver that is brought along for names
// that exist, one after the other: BIND is the primary of Knot and NSD.
func measureQueries(ctx context.Context, o options, dir string, table *report) error {
	records := make([]string, names)
	questions := make([]string, names)
	for i := range names {
		records[i] = fmt.Sprintf("h%d A 192.0.2.1", i)
		questions[i] = fmt.Sprintf("h%d.%s A\n", i, zoneName)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	file := filepath.Join(dir, "questions")
	if err := os.WriteFile(file, []byte(strings.Join(questions, "")), 0o600); err != nil {
		return err
	}
	primary, stop, err := startNameserver(ctx, nameserver.BIND, filepath.Join(dir, "BIND"), nameserver.Zone{Key: zoneKey, Records: records})
	if err != nil {
		return err
	}
	defer stop()
	targets := []target{{"BIND", primary.Addr()}}
	for _, kind := range []nameserver.Kind{nameserver.Knot, nameserver.NSD} {
		secondary, stop, err := startNameserver(ctx, kind, filepath.Join(dir, string(kind)), nameserver.Zone{Primary: primary.Addr(), PrimaryKey: zoneKey})
		if err != nil {
			return err
		}
		defer stop()
		targets = append(targets, target{string(kind), secondary.Addr()})
	}
	s, err := startSite(o.binary, filepath.Join(dir, "site"), nil)
	if err != nil {
		return err
	}
	defer s.stop()
	const connections = 100
	if _, err := run(s.api, connections, 0, names/connections, settle(names, connections)); err != nil {
		return err
	}
	targets = append(targets, target{string(served), s.dns})
	for _, network := range []string{"udp", "tcp"} {
		for _, t := range targets {
			l, err := s.measure(func() (load, error) { return ask(ctx, t.addr, network, file, o.seconds) })
			if err == nil {
				l.latencies, err = latencies(ctx, t.addr, network, file, o.seconds)
			}
			if err != nil {
				return fmt.Errorf("%s over %s: %w", t.name, network, err)
			}
			if t.name != string(served) {
				l.cpu = 0
			}
			table.add(queriesTitle, fmt.Sprintf("%s over %s", t.name, strings.ToUpper(network)), l, 0)
		}
	}
	l, err := s.measure(func() (load, error) { return whileChanging(ctx, s, file, o.seconds) })
	if err != nil {
		return fmt.Errorf("while names change: %w", err)
	}
	table.add(queriesTitle, "Caddy over UDP, while 1000 names a second change", l, 0)
	return nil
}

// target is a nameserver that is asked.
type target struct{ name, addr string }

// whileChanging asks the nameserver that is brought along while ten clients change a name each a
// hundred times a second.
func whileChanging(ctx context.Context, s *site, questions string, d time.Duration) (load, error) {
	failed := make(chan error, 1)
	go func() {
		next := changed("w", 0)
		_, err := run(s.api, 10, d, 0, func(connection, n int) ([]byte, string) {
			time.Sleep(10 * time.Millisecond)
			return next(connection, n)
		})
		failed <- err
	}()
	l, err := ask(ctx, s.dns, "udp", questions, d)
	return l, errors.Join(err, <-failed)
}

var (
	completed = regexp.MustCompile(`Queries completed: +(\d+)`)
	lost      = regexp.MustCompile(`Queries lost: +(\d+)`)
	runTime   = regexp.MustCompile(`Run time \(s\): +([\d.]+)`)
	// With -v: the code of the reply, the question and the seconds that it took.
	took    = regexp.MustCompile(`(?m)^> NOERROR .* ([\d.]+)$`)
	noError = regexp.MustCompile(`NOERROR (\d+) `)
)

// ask has dnsperf ask as much as it can. It is an error if a reply is none that holds what was
// asked for, or if more than one in a thousand is lost, as happens with UDP.
func ask(ctx context.Context, addr, network, questions string, d time.Duration) (load, error) {
	out, err := dnsperf(ctx, addr, network, questions, d)
	if err != nil {
		return load{}, err
	}
	number := func(e *regexp.Regexp) float64 {
		if match := e.FindSubmatch(out); match != nil {
			n, _ := strconv.ParseFloat(string(match[1]), 64)
			return n
		}
		return -1
	}
	l := load{requests: int(number(completed)), took: time.Duration(number(runTime) * float64(time.Second))}
	if l.requests <= 0 || number(lost) > float64(l.requests)/1000 || int(number(noError)) != l.requests {
		return l, fmt.Errorf("dnsperf: %s", out)
	}
	return l, nil
}

// latencies are those of 10,000 queries a second, sorted.
func latencies(ctx context.Context, addr, network, questions string, d time.Duration) ([]time.Duration, error) {
	out, err := dnsperf(ctx, addr, network, questions, d, "-v", "-Q", "10000")
	if err != nil {
		return nil, err
	}
	var all []time.Duration
	for _, match := range took.FindAllSubmatch(out, -1) {
		seconds, err := strconv.ParseFloat(string(match[1]), 64)
		if err != nil {
			return nil, err
		}
		all = append(all, time.Duration(seconds*float64(time.Second)))
	}
	slices.Sort(all)
	return all, nil
}

// dnsperf asks with a cookie of the server, if that has them: rates are limited for others.
func dnsperf(ctx context.Context, addr, network, questions string, d time.Duration, more ...string) ([]byte, error) {
	host, port, _ := strings.Cut(addr, ":")
	args := []string{"-s", host, "-p", port, "-m", network, "-d", questions, "-l", strconv.FormatFloat(max(1, d.Seconds()), 'f', 0, 64), "-c", "20", "-q", "200", "-e"}
	if cookie := cookieOf(addr); cookie != "" {
		args = append(args, "-E", "10:"+cookie)
	}
	out, err := exec.CommandContext(ctx, "dnsperf", append(args, more...)...).CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("dnsperf: %w: %s", err, out)
	}
	return out, nil
}

// cookieOf returns the cookie that a server gives, in hexadecimal, or nothing: RFC 7873.
func cookieOf(addr string) string {
	question := new(dns.Msg).SetQuestion(dns.Fqdn(zoneName), dns.TypeSOA)
	question.SetEdns0(1232, false)
	edns := question.IsEdns0()
	edns.Option = append(edns.Option, &dns.EDNS0_COOKIE{Code: dns.EDNS0COOKIE, Cookie: hex.EncodeToString([]byte("dyndns!!"))})
	answer, err := dns.Exchange(question, addr)
	if err != nil || answer.IsEdns0() == nil {
		return ""
	}
	for _, o := range answer.IsEdns0().Option {
		if cookie, ok := o.(*dns.EDNS0_COOKIE); ok && len(cookie.Cookie) > 16 {
			return cookie.Cookie
		}
	}
	return ""
}
