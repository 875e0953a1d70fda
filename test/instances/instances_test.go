//go:build integration && linux

// Package instances runs several Caddy processes on one storage.
package instances

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	_ "github.com/caddyserver/caddy/v2/modules/standard" // the Caddyfile's directives

	_ "github.com/caddy-dyndns/dyndns" // the directive under test
	"github.com/caddy-dyndns/dyndns/dnsupdate/dnstest"
	"github.com/caddy-dyndns/dyndns/internal/await"
	"github.com/caddy-dyndns/dyndns/internal/loopback"
)

const (
	zone   = "dyn.example.com."
	secret = "12345678secret"
	// asCaddy makes the test binary Caddy.
	asCaddy = "DYNDNS_TEST_AS_CADDY"
)

func TestMain(m *testing.M) {
	if os.Getenv(asCaddy) != "" {
		caddycmd.Main()
		return
	}
	os.Exit(m.Run())
}

// cluster is what the processes share: the storage and the nameserver.
type cluster struct {
	testing.TB
	dir  string
	zone string // its block in the Caddyfile
}

func newCluster(t testing.TB) *cluster {
	t.Helper()
	key := dnstest.Key{Name: zone, Algorithm: "hmac-sha256", Secret: make([]byte, 32)}
	rand.Read(key.Secret)
	ns := dnstest.NewServer(dnstest.Zone{Name: zone, Keys: []dnstest.Key{key}})
	t.Cleanup(ns.Close)
	dir := t.TempDir()
	return &cluster{t, dir, fmt.Sprintf("zone %s {\ntsig_key %s %s %s\nnameserver %s\n}",
		zone, zone, key.Algorithm, base64.StdEncoding.EncodeToString(key.Secret), ns.Addr())}
}

// process is one Caddy.
type process struct {
	*cluster
	cmd *exec.Cmd
	url string
	// admin is the base URL of the admin API.
	admin string
}

// start runs Caddy with a data folder and waits until it answers.
func (c *cluster) start(data string) *process {
	c.Helper()
	port, err := loopback.Reserve()
	if err != nil {
		c.Fatal(err)
	}
	c.Cleanup(func() { port.Close() })
	admin, err := loopback.Reserve()
	if err != nil {
		c.Fatal(err)
	}
	c.Cleanup(func() { admin.Close() })
	p := &process{cluster: c, url: "http://localhost:" + port.Number(), admin: "http://localhost:" + admin.Number()}
	config := filepath.Join(c.dir, "Caddyfile-"+port.Number())
	err = os.WriteFile(config, fmt.Appendf(nil, `{
	admin localhost:%s
	persist_config off
	storage file_system %s/storage
}
http://:%s {
	bind 127.0.0.1
	dyndns {
		secret %s
		domain localhost
		throttle off
		clients storage {
			cache 1s
		}
		%s
	}
}
`, admin.Number(), c.dir, port.Number(), secret, c.zone), 0o600)
	if err != nil {
		c.Fatal(err)
	}
	p.cmd = exec.Command(os.Args[0], "run", "--config", config, "--adapter", "caddyfile")
	p.cmd.Env = append(os.Environ(), asCaddy+"=1", "XDG_DATA_HOME="+filepath.Join(c.dir, data), "XDG_CONFIG_HOME="+c.dir)
	log, err := os.Create(filepath.Join(c.dir, "log-"+port.Number()))
	if err != nil {
		c.Fatal(err)
	}
	defer log.Close()
	p.cmd.Stderr = log
	if err := p.cmd.Start(); err != nil {
		c.Fatal(err)
	}
	c.Cleanup(p.stop)
	await.Done(c, "Caddy, see "+log.Name(), func() error {
		_, err := p.get("/ip")
		return err
	})
	return p
}

// stop ends the process as systemd does. It may be called twice.
func (p *process) stop() {
	p.Helper()
	if p.cmd.ProcessState != nil {
		return
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	if err := p.cmd.Wait(); err != nil {
		p.Error(err)
	}
}

func (p *process) get(path string) ([]byte, error) {
	r, err := http.NewRequestWithContext(context.Background(), http.MethodGet, p.url+path, nil)
	if err != nil {
		return nil, err
	}
	r.SetBasicAuth("any", secret)
	r.Header.Set("Accept", "application/json")
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %s", path, res.Status, body)
	}
	return body, err
}

// tally is what was submitted for the hosts, by number.
type tally [10]struct{ submissions, changes atomic.Uint64 }

func hostName(i int) string { return fmt.Sprintf("host-%d.%s", i, zone) }

// load submits for two hosts at a time, by every process at once.
func (t *tally) load(processes ...*process) {
	var group sync.WaitGroup
	for n, p := range processes {
		for worker := range 3 {
			group.Go(func() {
				for i := range 60 {
					a := (i + worker) % len(t)
					b := (a + 1 + n) % len(t)
					reply, err := p.get(fmt.Sprintf("/nic/update?hostname=%s,%s&myip=192.0.2.%d", hostName(a), hostName(b), 1+(i+n)/7%4))
					if err != nil {
						p.Error(err)
						return
					}
					lines := strings.Split(string(reply), "\n")
					for k, host := range []int{a, b} {
						t[host].submissions.Add(1)
						if strings.HasPrefix(lines[k], "good") {
							t[host].changes.Add(1)
						}
					}
				}
			})
		}
	}
	group.Wait()
}

// check waits until a process shows what was submitted: it does not read the storage
// for every page.
func (t *tally) check(p *process) {
	p.Helper()
	await.Done(p, "the submissions of all", func() error { return t.compare(p) })
}

func (t *tally) compare(p *process) error {
	body, err := p.get("/statistics/updates-by-fqdn")
	if err != nil {
		return err
	}
	var page struct {
		Hosts []struct {
			Name                 string
			Submissions, Changes uint64
		}
	}
	if err := json.Unmarshal(body, &page); err != nil || len(page.Hosts) != len(t) {
		return fmt.Errorf("%d hosts, %v", len(page.Hosts), err)
	}
	for i, h := range page.Hosts {
		submissions, changes := t[i].submissions.Load(), t[i].changes.Load()
		if h.Name != hostName(i) || h.Submissions != submissions || h.Changes != changes {
			return fmt.Errorf("%+v, want %s with %d submissions and %d changes", h, hostName(i), submissions, changes)
		}
	}
	return nil
}

// Three processes write into one storage; two of them share a data folder. What each
// counted adds up, over stops and restarts.
func TestCountsAddUp(t *testing.T) {
	c := newCluster(t)
	submitted := new(tally)
	for round := range 2 {
		first, twin, other := c.start("data"), c.start("data"), c.start("other")
		submitted.load(first, twin, other)
		if round == 0 {
			twin.stop()
			other.stop()
			submitted.check(first)
			first.stop()
		} else {
			first.stop()
			twin.stop()
			submitted.check(other)
			other.stop()
		}
	}
	submitted.check(c.start("third"))
}
