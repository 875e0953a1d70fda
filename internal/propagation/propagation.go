// Package propagation tells when all nameservers of a zone serve a value that was added to
// it, so that a client's authority finds it wherever it asks.
package propagation

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"
)

const (
	// firstPause is between the first two looks at the zone: most secondaries follow a
	// notification at once. Each pause after it is longer, up to lastPause.
	firstPause = 50 * time.Millisecond
	lastPause  = time.Second
	// leftOut is how long a nameserver is not waited for that missed a whole wait: it may be
	// private, or dead, and would cost every client the same.
	leftOut = 5 * time.Minute
	// queryTime is what one question may take.
	queryTime = 2 * time.Second
)

// Watcher watches the nameservers of one zone. However many wait, each server is asked
// for one name at a time.
type Watcher struct {
	// Limit is the longest wait.
	Limit time.Duration
	// Servers returns the addresses of the zone's nameservers, host:port each.
	Servers func(context.Context) []string
	// Query asks a nameserver; nil means DNS over UDP and, where the reply was truncated, TCP.
	Query func(ctx context.Context, server string, query *dns.Msg) (*dns.Msg, error)

	mu      sync.Mutex
	waiters map[*waiter]bool
	running bool                 // watch is
	wake    chan struct{}        // tells watch of somebody new
	absent  map[string]time.Time // until when a server is left out
}

// waiter is who waits for a value at a name.
type waiter struct {
	owner, value string
	missing      map[string]bool // the servers that do not serve it yet
	done         chan struct{}
}

// Await returns when every nameserver serves the value at the owner, or Limit is over or ctx
// ends. It returns those that do not serve it.
func (w *Watcher) Await(ctx context.Context, owner, value string) (lagging []string) {
	ctx, cancel := context.WithTimeout(ctx, w.Limit)
	defer cancel()
	deadline := time.Now().Add(w.Limit)
	a := &waiter{owner: owner, value: value, missing: map[string]bool{}, done: make(chan struct{})}
	servers := w.Servers(ctx)
	w.mu.Lock()
	for _, server := range servers {
		if time.Now().After(w.absent[server]) {
			a.missing[server] = true
		}
	}
	if len(a.missing) == 0 {
		w.mu.Unlock()
		return nil
	}
	if w.waiters == nil {
		w.waiters, w.absent, w.wake = map[*waiter]bool{}, map[string]time.Time{}, make(chan struct{}, 1)
	}
	w.waiters[a] = true
	if !w.running {
		w.running = true
		go w.watch()
	}
	select {
	case w.wake <- struct{}{}:
	default:
	}
	w.mu.Unlock()
	select {
	case <-a.done:
	case <-ctx.Done():
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.waiters, a)
	lagging = slices.Sorted(maps.Keys(a.missing))
	if now := time.Now(); !now.Before(deadline) {
		for _, server := range lagging {
			w.absent[server] = now.Add(leftOut)
		}
	}
	return lagging
}

// watch looks at the zone until nobody waits.
func (w *Watcher) watch() {
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		questions := w.questions()
		if len(questions) == 0 {
			return
		}
		var servers sync.WaitGroup
		for server, owners := range questions {
			servers.Go(func() {
				for owner := range owners {
					w.found(server, owner, w.ask(server, owner))
				}
			})
		}
		servers.Wait()
		time.Sleep(firstPause)
		timer := time.NewTimer(pause - firstPause)
		select {
		case <-w.wake:
			pause = firstPause / 2
		case <-timer.C:
		}
		timer.Stop()
	}
}

// questions are the names to ask each server for. If there are none, watch ends.
func (w *Watcher) questions() map[string]map[string]bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	questions := map[string]map[string]bool{}
	w.running = len(w.waiters) > 0
	for a := range w.waiters {
		for server := range a.missing {
			if questions[server] == nil {
				questions[server] = map[string]bool{}
			}
			questions[server][a.owner] = true
		}
	}
	return questions
}

// found ends the wait for a server of all who wait for one of the values at a name.
func (w *Watcher) found(server, owner string, values []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for a := range w.waiters {
		if a.owner != owner || !a.missing[server] || !slices.Contains(values, a.value) {
			continue
		}
		if delete(a.missing, server); len(a.missing) == 0 {
			delete(w.waiters, a)
			close(a.done)
		}
	}
}

// ask returns the texts that a server has at a name, none if it does not say.
func (w *Watcher) ask(server, owner string) (values []string) {
	ctx, cancel := context.WithTimeout(context.Background(), queryTime)
	defer cancel()
	query := new(dns.Msg)
	query.SetQuestion(owner, dns.TypeTXT)
	query.RecursionDesired = false
	exchange := w.Query
	if exchange == nil {
		exchange = exchangeDNS
	}
	reply, err := exchange(ctx, server, query)
	if err != nil || !reply.Authoritative {
		return nil
	}
	for _, rr := range reply.Answer {
		if txt, ok := rr.(*dns.TXT); ok {
			values = append(values, strings.Join(txt.Txt, ""))
		}
	}
	return values
}

func exchangeDNS(ctx context.Context, server string, query *dns.Msg) (*dns.Msg, error) {
	query.SetEdns0(1232, false) // the DNS flag day's size (2020), which no path fragments
	reply, _, err := new(dns.Client).ExchangeContext(ctx, query, server)
	if err == nil && reply.Truncated {
		reply, _, err = (&dns.Client{Net: "tcp"}).ExchangeContext(ctx, query, server)
	}
	return reply, err
}
