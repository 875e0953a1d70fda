package server

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/caddy-dyndns/dyndns/internal/await"
	"github.com/caddy-dyndns/dyndns/test/caddytest"
)

// Processes that follow each other at one socket, and configurations in them, lose no request
// where the listener wrapper keeps the connections for the next one: clients make a
// connection for each request and do not try again.
func TestHandover(t *testing.T) {
	const name = "home.dyn.example.com"
	ns := caddytest.Nameserver(t, "dyn.example.com.")
	s := caddytest.New(t, "admin 127.0.0.1:{$ADMIN_PORT}\nservers {\nlistener_wrappers {\ndyndns_handover\ntls\n}\n}\nauto_https disable_redirects")
	s.OpenSockets()
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(s.Log())
		}
	})
	addr, file := caddytest.HandedSocket(t)
	config, err := s.Adapt("https://" + name + " {\nbind fd/3 {\nprotocols h1 h2\n}\ndyndns {\nsecret 12345678\n" + caddytest.ZoneBlock("dyn.example.com", ns.Addr()) + "}\n}\n")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(s.Dir, "caddy.json")
	if err := os.WriteFile(path, config, 0o600); err != nil {
		t.Fatal(err)
	}
	client := http.Client{Timeout: time.Minute, Transport: &http.Transport{
		DisableKeepAlives: true,
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, addr)
		},
	}}
	get := func() error {
		res, err := client.Get("https://" + name + "/update-by-path/12345678/" + name + "/192.0.2.1")
		if err != nil {
			return err
		}
		defer res.Body.Close()
		if text, err := io.ReadAll(res.Body); err != nil || res.StatusCode != 200 {
			return fmt.Errorf("%d %s, %w", res.StatusCode, text, err)
		}
		return nil
	}
	start := func() (stop func()) {
		caddy := caddytest.Command("run", "--config", path)
		caddy.ExtraFiles = []*os.File{file}
		caddy.Stderr = t.Output()
		if err := caddy.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = caddy.Process.Kill() }) // it has ended unless the test fails
		return func() {
			if err := caddy.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			if err := caddy.Wait(); err != nil {
				t.Errorf("after SIGTERM: %v", err)
			}
		}
	}
	stop := start()
	await.Done(t, "the certificate", get)

	var (
		answered atomic.Int64
		ended    = make(chan struct{})
		clients  sync.WaitGroup
	)
	for range 8 {
		clients.Go(func() {
			for {
				select {
				case <-ended:
					return
				default:
				}
				if err := get(); err != nil {
					t.Errorf("after %d replies, a request was lost: %v", answered.Load(), err)
					return
				}
				answered.Add(1)
			}
		})
	}
	more := func() {
		before := answered.Load()
		await.True(t, "more replies", func() bool { return t.Failed() || answered.Load() > before+50 })
	}
	for range 2 {
		more()
		stop()
		stop = start()
		more()
		if out, err := caddytest.Command("reload", "--config", path, "--force").CombinedOutput(); err != nil {
			t.Errorf("reload: %v\n%s", err, out)
		}
	}
	more()
	close(ended)
	clients.Wait()
	stop()
}
