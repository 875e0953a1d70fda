package expiry_test

import (
	"context"
	"flag"
	"fmt"
	"io/fs"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddy-dyndns/dyndns/internal/expiry"
	"github.com/caddy-dyndns/dyndns/internal/history"
	"github.com/caddy-dyndns/dyndns/internal/service"
	"github.com/caddy-dyndns/dyndns/internal/stored"
	"github.com/caddy-dyndns/dyndns/zone"
)

// storage is one that several instances share.
type storage struct {
	stored.Storage
	mu      sync.Mutex
	objects map[string][]byte
	locks   map[string]chan struct{}
	failing bool
}

func newStorage() *storage {
	return &storage{objects: make(map[string][]byte), locks: make(map[string]chan struct{})}
}

func (s *storage) lock(name string) chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.locks[name] == nil {
		s.locks[name] = make(chan struct{}, 1)
	}
	return s.locks[name]
}

func (s *storage) Lock(_ context.Context, name string) error   { s.lock(name) <- struct{}{}; return nil }
func (s *storage) Unlock(_ context.Context, name string) error { <-s.lock(name); return nil }

func (s *storage) Store(_ context.Context, key string, value []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failing {
		return fmt.Errorf("storing %s: the disk is full", key)
	}
	s.objects[key] = slices.Clone(value)
	return nil
}

func (s *storage) Load(_ context.Context, key string) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if value, ok := s.objects[key]; ok {
		return value, nil
	}
	return nil, fs.ErrNotExist
}

// cluster is two instances that change one zone and share a storage.
type cluster struct {
	t         *testing.T
	storage   *storage
	instances [2]*instance

	mu      sync.Mutex
	records map[string]string // by name and type
	removed map[string]int
}

type instance struct {
	history *history.Store
	sweeper *expiry.Sweeper
}

const after = 40 * 24 * time.Hour

func newCluster(t *testing.T) *cluster {
	c := &cluster{t: t, storage: newStorage(), records: make(map[string]string), removed: make(map[string]int)}
	for i := range c.instances {
		c.start(i)
	}
	return c
}

// start makes an instance anew, with what is stored.
func (c *cluster) start(i int) {
	store := history.New(history.Config{Days: 150, Storage: func() history.Storage { return c.storage }, Warn: func(string, error) {}})
	c.instances[i] = &instance{store, &expiry.Sweeper{
		Storage: c.storage, History: store, Zone: "dyn.test.", After: after,
		InZone: func(name string) bool { return strings.HasSuffix(name, ".dyn.test.") },
		Remove: c.remove,
	}}
	c.t.Cleanup(func() { store.Stop(context.Background()) })
}

func (c *cluster) remove(_ context.Context, h expiry.Held) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := h.Name + " " + h.Type.String()
	if c.records[key] == strings.Join(h.Values, ",") {
		delete(c.records, key)
		c.removed[key]++
	}
	return nil
}

// confirm is a request to an instance that sets or confirms an address; kept is one that
// the request does not mention.
func (c *cluster) confirm(i int, name, address string, kept bool) {
	c.mu.Lock()
	kind := zone.TypeA
	if netip.MustParseAddr(address).Is6() {
		kind = zone.TypeAAAA
	}
	c.records[name+" "+kind.String()] = address
	c.mu.Unlock()
	c.instances[i].history.Record(history.Entry{At: time.Now(), Outcome: service.Outcome{Client: "home", Hosts: []service.HostOutcome{{
		Name: name, Zone: "dyn.test.", Records: []service.Record{{Name: name, Type: kind, New: []string{address}, Kept: kept}},
	}}}})
}

// pass lets time pass while both instances sweep every ten minutes.
func (c *cluster) pass(d time.Duration) {
	for end := time.Now().Add(d); time.Now().Before(end); {
		time.Sleep(10 * time.Minute)
		c.sweep(time.Now())
	}
}

func (c *cluster) sweep(now time.Time) {
	c.t.Helper()
	for _, i := range c.instances {
		if err := i.sweeper.Sweep(context.Background(), now); err != nil {
			c.t.Fatal(err)
		}
	}
}

// stands tells whether a name has an address.
func (c *cluster) stands(name string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.records[name+" A"] != ""
}

const home = "home.dyn.test."

func TestExpiry(t *testing.T) {
	const day = 24 * time.Hour
	tests := []struct {
		name string
		// before happens 39 days after the address was confirmed on the first instance.
		before func(c *cluster)
		// stands tells whether it stands two days later, late when it is gone at the latest.
		stands bool
		late   time.Duration
	}{
		{name: "nobody confirms it", before: func(*cluster) {}},
		{name: "confirmed on the same instance", before: func(c *cluster) { c.confirm(0, home, "192.0.2.1", false) }, stands: true, late: 40 * day},
		{name: "confirmed on the other instance", before: func(c *cluster) { c.confirm(1, home, "192.0.2.1", false) }, stands: true, late: 40 * day},
		{name: "changed on the other instance", before: func(c *cluster) { c.confirm(1, home, "192.0.2.2", false) }, stands: true, late: 40 * day},
		{name: "not mentioned by a request for the other family", before: func(c *cluster) { c.confirm(0, home, "192.0.2.1", true) }},
		{name: "changed by somebody else", before: func(c *cluster) {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.records[home+" A"] = "192.0.2.9"
		}, stands: true, late: -1},
		{name: "in another zone", before: func(c *cluster) { c.confirm(0, "home.other.test.", "192.0.2.1", false) }},
		{name: "both instances stood for two hours", before: func(*cluster) { time.Sleep(2 * time.Hour) }, stands: true, late: 40 * day},
		{name: "they stood for 41 days", before: func(*cluster) { time.Sleep(41 * day) }, stands: true, late: 40 * day},
		{name: "the clock jumps a year ahead and back", before: func(c *cluster) {
			c.sweep(time.Now().AddDate(1, 0, 0))
			c.sweep(time.Now().AddDate(1, 0, 0).Add(10 * time.Minute))
		}, stands: true, late: 40 * day},
		{name: "the clock jumps a year back and ahead", before: func(c *cluster) { c.sweep(time.Now().AddDate(-1, 0, 0)) }, stands: true, late: 40 * day},
		{name: "a backup of the storage comes back", before: func(c *cluster) {
			c.storage.mu.Lock()
			backup := make(map[string][]byte)
			for k, v := range c.storage.objects {
				backup[k] = v
			}
			c.storage.mu.Unlock()
			c.pass(12 * time.Hour)
			c.storage.mu.Lock()
			c.storage.objects = backup
			c.storage.mu.Unlock()
		}, stands: true, late: 40 * day},
		{name: "both restart within the hour", before: func(c *cluster) {
			for i := range c.instances {
				c.instances[i].history.Stop(context.Background())
				c.start(i)
			}
		}},
		{name: "the state is lost", before: func(c *cluster) {
			c.storage.mu.Lock()
			defer c.storage.mu.Unlock()
			for k := range c.storage.objects {
				if strings.HasPrefix(k, "dyndns/expiry/") {
					c.storage.objects[k] = []byte("{")
				}
			}
		}, stands: true, late: 40 * day},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCluster(t)
				c.sweep(time.Now())
				c.confirm(0, home, "192.0.2.1", false)
				c.pass(39 * day)
				if !c.stands(home) {
					t.Fatal("it is gone too early")
				}
				tt.before(c)
				c.pass(2 * day)
				if c.stands(home) != tt.stands {
					t.Fatalf("it stands: %t", c.stands(home))
				}
				if tt.late > 0 {
					c.pass(tt.late)
				}
				if c.stands(home) != (tt.late < 0) || c.removed[home+" A"] > 1 {
					t.Errorf("later it stands: %t, and was removed %d times", c.stands(home), c.removed[home+" A"])
				}
			})
		})
	}
}

// What is confirmed between the mark and the removal, on an instance that has not yet
// written it down, stays.
func TestConfirmedAtTheLastMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		c.sweep(time.Now())
		c.confirm(0, home, "192.0.2.1", false)
		c.pass(after + 10*time.Minute) // marked
		c.confirm(1, home, "192.0.2.1", false)
		c.pass(24 * time.Hour)
		if !c.stands(home) {
			t.Error("it is gone")
		}
	})
}

// An instance that cannot write removes nothing.
func TestFailingStorage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		c.sweep(time.Now())
		c.confirm(0, home, "192.0.2.1", false)
		c.pass(after - 10*time.Minute)
		c.storage.failing = true
		for range 6 {
			time.Sleep(10 * time.Minute)
			for _, i := range c.instances {
				if err := i.sweeper.Sweep(context.Background(), time.Now()); err == nil {
					t.Error("no error")
				}
			}
		}
		c.storage.failing = false
		if !c.stands(home) {
			t.Error("it is gone")
		}
	})
}

var many = flag.Int("hosts", 10_000, "how many hosts two instances have")

// Of many hosts on two instances each that nobody confirms is removed once.
func TestManyHosts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		c.sweep(time.Now())
		name := func(i int) string { return fmt.Sprintf("h%06d.dyn.test.", i) }
		for i := range *many {
			c.confirm(i%2, name(i), "192.0.2.1", false)
		}
		// Without the sweeps in between, whose only effect would be that there was no gap.
		gapless := func(d time.Duration) {
			for end := time.Now().Add(d); time.Now().Before(end); {
				time.Sleep(time.Hour)
				s := *c.instances[0].sweeper
				s.History = nothing{}
				if err := s.Sweep(context.Background(), time.Now()); err != nil {
					t.Fatal(err)
				}
			}
		}
		gapless(after - 2*time.Hour)
		for i := range *many / 2 {
			c.confirm(i%2, name(i*2), "192.0.2.1", false) // every other one
		}
		c.pass(5 * time.Hour)
		for i := range *many {
			if removed := c.removed[name(i)+" A"]; removed != i%2 {
				t.Fatalf("%s was removed %d times", name(i), removed)
			}
		}
	})
}

// nothing is a history in which nothing was confirmed.
type nothing struct{}

func (nothing) Held(context.Context, func(string) bool) ([]expiry.Held, error) { return nil, nil }
func (nothing) Expired(expiry.Held)                                            {}
