package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/caddy-dyndns/dyndns/test/nameserver"
)

// soak lets 50 clients ask ten times a second, every other request without a change, and prints
// each minute, in which they connect anew, what Caddy holds: what grows over an hour is a leak.
func soak(ctx context.Context, o options, dir string, d time.Duration) error {
	for _, kind := range o.servers {
		dir := filepath.Join(dir, string(kind))
		server, stop, err := startNameserver(ctx, kind, filepath.Join(dir, "ns"), nameserver.Zone{Key: zoneKey})
		if err != nil {
			return err
		}
		defer stop()
		s, err := startSite(o.binary, dir, server)
		if err != nil {
			return err
		}
		defer s.stop()
		fmt.Printf("%s: minutes, requests, MiB, goroutines, open files\n", kind)
		if err := s.soak(ctx, d); err != nil {
			return fmt.Errorf("%s: %w", kind, err)
		}
	}
	return nil
}

func (s *site) soak(ctx context.Context, d time.Duration) error {
	const clients = 50
	requests := 0
	for minute := 0; ; minute++ {
		held, err := s.held()
		if err != nil {
			return err
		}
		fmt.Printf("%d\t%d\t%s\n", minute, requests, held)
		if time.Duration(minute)*time.Minute >= d || ctx.Err() != nil {
			return ctx.Err()
		}
		// Connections end with the minute.
		l, err := run(s.api, clients, time.Minute, 0, func(connection, n int) ([]byte, string) {
			time.Sleep(100 * time.Millisecond)
			n /= 2
			return update(fmt.Sprintf("soak%d", connection), fmt.Sprintf("198.18.%d.%d", minute%250, n%250)), "U"
		})
		if err != nil {
			return err
		}
		requests += l.requests
	}
}

// held is what the process holds, after a collection of garbage.
func (s *site) held() (string, error) {
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(context.Context, string, string) (net.Conn, error) {
		return net.Dial("unix", s.admin)
	}}}
	get := func(path string) (string, error) {
		res, err := client.Get("http://admin/debug/pprof/" + path)
		if err != nil {
			return "", err
		}
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		return string(text), err
	}
	if _, err := get("heap?gc=1"); err != nil {
		return "", err
	}
	profile, err := get("goroutine?debug=1")
	if err != nil {
		return "", err
	}
	first, _, _ := strings.Cut(profile, "\n")
	goroutines := first[strings.LastIndexByte(first, ' ')+1:]
	resident, err := s.status("VmRSS:")
	if err != nil {
		return "", err
	}
	files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", s.cmd.Process.Pid))
	return fmt.Sprintf("%.0f\t%s\t%d", resident, goroutines, len(files)), err
}
