package main

import (
	"context"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/caddy-dyndns/dyndns/test/nameserver"
)

// names is how many the zone has whose nameservers are asked.
const names = 10000

// measureQueries asks BIND, Knot, NSD and the nameserver that is brought along for names
// that exist, one after the other: BIND is the primary of Knot and NSD.
func measureQueries(ctx context.Context, o options, dir string, table *report) error {
	for _, sub := range []string{"BIND", "Knot", "NSD", "site"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			return err
		}
	}
	records := make([]string, names)
	questions := make([]string, names)
	for i := range names {
		records[i] = fmt.Sprintf("h%d A 192.0.2.1", i)
		questions[i] = fmt.Sprintf("h%d.%s A\n", i, zoneName)
	}
	file := filepath.Join(dir, "questions")
	if err := os.WriteFile(file, []byte(strings.Join(questions, "")), 0o600); err != nil {
		return err
	}
	key := nameserver.NewKey("bench-key")
	primary, err := nameserver.Start(ctx, nameserver.BIND, filepath.Join(dir, "BIND"), nameserver.Config{Zones: []nameserver.Zone{{Name: zoneName, Key: key, Records: records}}})
	if err != nil {
		return err
	}
	defer primary.Close()
	targets := []*nameserver.Server{primary}
	for _, kind := range []nameserver.Kind{nameserver.Knot, nameserver.NSD} {
		secondary, err := nameserver.Start(ctx, kind, filepath.Join(dir, string(kind)), nameserver.Config{Zones: []nameserver.Zone{{Name: zoneName, Primary: primary.Addr()}}})
		if err != nil {
			return err
		}
		defer secondary.Close()
		targets = append(targets, secondary)
	}
	s, err := startSite(o.binary, filepath.Join(dir, "site"), nil, key)
	if err != nil {
		return err
	}
	defer s.stop()
	const connections = 100
	if _, err := run(s.api, connections, 0, names/connections, settle(names, connections)); err != nil {
		return err
	}
	for _, network := range []string{"udp", "tcp"} {
		note := func(who string, l load, err error) error {
			if err != nil {
				return fmt.Errorf("%s over %s: %w", who, network, err)
			}
			table.add("Queries", fmt.Sprintf("%s over %s", who, strings.ToUpper(network)), l, 0)
			return ctx.Err()
		}
		for i, who := range []string{"BIND", "Knot", "NSD"} {
			l, err := ask(ctx, targets[i].Addr(), network, file, o.seconds)
			if err := note(who, l, err); err != nil {
				return err
			}
		}
		before, err := s.cpu()
		if err != nil {
			return err
		}
		l, err := ask(ctx, s.dns, network, file, o.seconds)
		if err == nil {
			var after time.Duration
			after, err = s.cpu()
			l.cpu = after - before
		}
		if err := note("Caddy", l, err); err != nil {
			return err
		}
	}
	return nil
}

var (
	completed = regexp.MustCompile(`Queries completed: +(\d+)`)
	lost      = regexp.MustCompile(`Queries lost: +(\d+)`)
	runTime   = regexp.MustCompile(`Run time \(s\): +([\d.]+)`)
	noError   = regexp.MustCompile(`NOERROR (\d+) `)
)

// ask has dnsperf ask with a cookie of the server, if that has them: rates are
// limited for others. It is an error if a reply is none that holds what was asked for.
func ask(ctx context.Context, addr, network, questions string, d time.Duration) (load, error) {
	host, port, _ := strings.Cut(addr, ":")
	args := []string{"-s", host, "-p", port, "-m", network, "-d", questions, "-l", strconv.Itoa(int(d.Seconds())), "-c", "20", "-q", "200", "-e"}
	if cookie := cookieOf(addr); cookie != "" {
		args = append(args, "-E", "10:"+cookie)
	}
	out, err := exec.CommandContext(ctx, "dnsperf", args...).CombinedOutput()
	if err != nil {
		return load{}, fmt.Errorf("dnsperf: %w: %s", err, out)
	}
	number := func(e *regexp.Regexp) float64 {
		if match := e.FindSubmatch(out); match != nil {
			n, _ := strconv.ParseFloat(string(match[1]), 64)
			return n
		}
		return -1
	}
	l := load{requests: int(number(completed)), took: time.Duration(number(runTime) * float64(time.Second))}
	if l.requests <= 0 || number(lost) != 0 || int(number(noError)) != l.requests {
		return l, fmt.Errorf("dnsperf: %s", out)
	}
	return l, nil
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
