package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"sync"
	"time"
)

// requester gives a connection its n-th request and the word that the reply's
// body must begin with.
type requester func(connection, n int) (request []byte, want string)

// load is what one run of the load generator measured.
type load struct {
	requests int
	took     time.Duration
	// cpu is the processor time of Caddy, 0 if it was not measured.
	cpu time.Duration
	// latencies are sorted.
	latencies []time.Duration
}

func (l load) rate() float64 { return float64(l.requests) / l.took.Seconds() }

func (l load) quantile(q float64) time.Duration {
	if len(l.latencies) == 0 {
		return 0
	}
	return l.latencies[min(int(q*float64(len(l.latencies))), len(l.latencies)-1)]
}

// run sends requests on so many kept connections until the time is over, or
// until each has sent perConnection, if that is not 0. It uses plain sockets:
// net/http's client needs more of the two cores than the server does.
func run(addr string, connections int, d time.Duration, perConnection int, next requester) (load, error) {
	conns := make([]net.Conn, connections)
	for i := range conns {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			return load{}, err
		}
		defer c.Close()
		conns[i] = c
	}
	return together(connections, func(i int, end time.Time) ([]time.Duration, error) {
		return drive(conns[i], i, end, perConnection, next)
	}, d)
}

// together runs so many at once, each until the given time, and puts together what they took.
func together(number int, each func(i int, end time.Time) ([]time.Duration, error), d time.Duration) (load, error) {
	var (
		wg      sync.WaitGroup
		mu      sync.Mutex
		total   load
		failed  error
		start   time.Time
		release = make(chan struct{})
	)
	for i := range number {
		wg.Go(func() {
			<-release
			latencies, err := each(i, start.Add(d))
			mu.Lock()
			defer mu.Unlock()
			total.latencies = append(total.latencies, latencies...)
			if failed == nil {
				failed = err
			}
		})
	}
	start = time.Now()
	close(release)
	wg.Wait()
	total.took = time.Since(start)
	total.requests = len(total.latencies)
	slices.Sort(total.latencies)
	return total, failed
}

// drive sends one connection's requests, one after the other.
func drive(c net.Conn, connection int, end time.Time, count int, next requester) ([]time.Duration, error) {
	var latencies []time.Duration
	r := bufio.NewReader(c)
	for n := 0; ; n++ {
		start := time.Now()
		if count > 0 && n == count || count == 0 && start.After(end) {
			return latencies, nil
		}
		request, want := next(connection, n)
		if err := c.SetDeadline(start.Add(time.Minute)); err != nil {
			return latencies, err
		}
		if _, err := c.Write(request); err != nil {
			return latencies, err
		}
		body, err := readResponse(r)
		if err != nil {
			return latencies, err
		}
		if !bytes.HasPrefix(body, []byte(want)) {
			return latencies, fmt.Errorf("the reply is %q, not %s", body, want)
		}
		latencies = append(latencies, time.Since(start))
	}
}

var contentLength = []byte("Content-Length: ")

// readResponse reads a response that has a Content-Length, as all here have.
func readResponse(r *bufio.Reader) ([]byte, error) {
	length := -1
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return nil, err
		}
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			break
		}
		if value, ok := bytes.CutPrefix(line, contentLength); ok {
			if length, err = strconv.Atoi(string(value)); err != nil {
				return nil, err
			}
		}
	}
	if length < 0 {
		return nil, errors.New("a response without Content-Length")
	}
	body := make([]byte, length)
	_, err := io.ReadFull(r, body)
	return body, err
}
