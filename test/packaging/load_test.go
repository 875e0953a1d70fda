//go:build integration && linux

package packaging

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/caddy-dyndns/dyndns/internal/await"
)

// service is the server of the documents, at 127.0.0.1.
type service struct {
	token  string
	client http.Client
}

func newService(t *testing.T, token string) *service {
	s := &service{token: token}
	s.client.Timeout = time.Minute
	s.client.Transport = &http.Transport{
		// A router makes a connection for each request, and does not try again.
		DisableKeepAlives: true,
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, "127.0.0.1:443")
		},
	}
	t.Cleanup(s.client.CloseIdleConnections)
	return s
}

// update sets a name to an address and returns the reply, which is an error unless it says
// that the address was changed.
func (s *service) update(label string, n int) (reply string, err error) {
	res, err := s.client.Get(fmt.Sprintf("https://dyndns.example.com/nic/update?hostname=%s.home.dyn.example.com&myip=%s&password=%s", label, address(n), s.token))
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err == nil && string(text) != "good "+address(n) {
		err = fmt.Errorf("%d %q", res.StatusCode, text)
	}
	return string(text), err
}

// load is clients that send one request after another, and no request for an update twice.
type load struct {
	updates, queries atomic.Int64
	stop             chan struct{}
	clients          sync.WaitGroup
}

// start starts clients for updates, and one for queries over UDP.
func (s *service) start(t *testing.T, nameserver string) *load {
	l := &load{stop: make(chan struct{})}
	repeat := func(answered *atomic.Int64, do func(n int) error) {
		l.clients.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-l.stop:
					return
				default:
				}
				if err := do(n); err != nil {
					t.Errorf("after %d replies, a request was lost: %v", answered.Load(), err)
					return
				}
				answered.Add(1)
			}
		})
	}
	for client := range 8 {
		repeat(&l.updates, func(n int) error {
			_, err := s.update(fmt.Sprintf("client%d", client), n)
			return err
		})
	}
	// A resolver asks again, as UDP promises nothing.
	resolver := dns.Client{Timeout: 2 * time.Second}
	query := new(dns.Msg).SetQuestion("first.home.dyn.example.com.", dns.TypeA)
	pace := time.NewTicker(50 * time.Millisecond) // below what the nameserver answers one client
	t.Cleanup(pace.Stop)
	repeat(&l.queries, func(int) (err error) {
		<-pace.C
		var reply *dns.Msg
		for range 3 {
			if reply, _, err = resolver.Exchange(query, nameserver); err == nil {
				break
			}
		}
		if err == nil && len(reply.Answer) != 1 {
			err = fmt.Errorf("the reply is %s", reply)
		}
		return err
	})
	return l
}

// awaitMore waits until each kind of client has had some more replies.
func (l *load) awaitMore(t *testing.T) {
	t.Helper()
	updates, queries := l.updates.Load(), l.queries.Load()
	await.True(t, "more replies", func() bool {
		return t.Failed() || l.updates.Load() > updates+20 && l.queries.Load() > queries+5
	})
}

// end stops the clients and returns how many replies they have had.
func (l *load) end() (updates, queries int64) {
	close(l.stop)
	l.clients.Wait()
	return l.updates.Load(), l.queries.Load()
}
