package nameserver

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/caddy-dyndns/dyndns/internal/authority"
	"github.com/caddy-dyndns/dyndns/internal/await"
	"github.com/caddy-dyndns/dyndns/nameserver/internal/store"
	"github.com/caddy-dyndns/dyndns/zone"
)

// slowDatabase says when it is asked to commit, and does as it is told then.
type slowDatabase struct {
	database
	commits chan []store.Group
	verdict chan error
}

func (d *slowDatabase) Commit(groups []store.Group) error {
	d.commits <- groups
	if err := <-d.verdict; err != nil {
		return err
	}
	return d.database.Commit(groups)
}

// openSlow returns a server with such a database.
func openSlow(t *testing.T) (*Server, *slowDatabase) {
	t.Helper()
	file, err := store.Open(filepath.Join(t.TempDir(), "zones.db"))
	if err != nil {
		t.Fatal(err)
	}
	db := &slowDatabase{file, make(chan []store.Group), make(chan error)}
	s := newServer(Options{}, db)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := s.Configure([]ZoneConfig{testConfig()}); err != nil {
		t.Fatal(err)
	}
	return s, db
}

// start applies a change, and returns where its result will be.
func start(ctx context.Context, s *Server, c zone.Change) <-chan zone.Result {
	result := make(chan zone.Result, 1)
	go func() { result <- s.Zone(apex).Apply(ctx, []zone.Change{c})[0] }()
	return result
}

func waiting(t *testing.T, s *Server, n int) {
	t.Helper()
	await.True(t, fmt.Sprintf("%d waiting changes", n), func() bool { return s.Zone(apex).Status().Waiting == n })
}

// What arrives while the disk is written goes together with the next write, nobody
// sees it before, and the serial rises once.
func TestGroups(t *testing.T) {
	s, db := openSlow(t)
	before := serial(s)
	firstResult := start(t.Context(), s, set("a", "192.0.2.1"))
	if groups := <-db.commits; len(groups) != 1 || len(groups[0].Differences) != 1 {
		t.Fatalf("the first group: %+v", groups)
	}
	var results []<-chan zone.Result
	for i := range 20 {
		results = append(results, start(t.Context(), s, set(fmt.Sprint("n", i), "192.0.2.2")))
	}
	waiting(t, s, 20)
	if got := values(s, "a", dns.TypeA); got != "" || serial(s) != before {
		t.Errorf("before it is on disk: %q, serial +%d", got, serial(s)-before)
	}
	// What changes nothing waits for nothing.
	if r := <-start(t.Context(), s, zone.Change{Name: "a." + apex, Type: zone.TypeA, Action: zone.Keep}); r.Err != nil || len(r.New) > 0 {
		t.Errorf("keep: %+v", r)
	}
	db.verdict <- nil
	if r := <-firstResult; r.Err != nil || !r.Changed || !r.Proven || values(s, "a", dns.TypeA) != "192.0.2.1" {
		t.Errorf("the first result: %+v", r)
	}
	if groups := <-db.commits; len(groups[0].Differences) != 20 || groups[0].From != before+1 || groups[0].To != before+2 {
		t.Errorf("the second group has %d changes from serial +%d to +%d", len(groups[0].Differences), groups[0].From-before, groups[0].To-before)
	}
	db.verdict <- nil
	for i, result := range results {
		if r := <-result; r.Err != nil || !r.Changed {
			t.Errorf("result %d: %+v", i, r)
		}
	}
	if serial(s) != before+2 {
		t.Errorf("the serial rose by %d", serial(s)-before)
	}
}

func TestFailingDisk(t *testing.T) {
	s, db := openSlow(t)
	before := serial(s)
	for _, tt := range []struct {
		name    string
		err     error
		unknown bool
	}{
		{"it is full", errors.New("no space left on device"), false},
		{"it may have been written", fmt.Errorf("%w: input/output error", store.ErrInDoubt), true},
	} {
		result := start(t.Context(), s, set("a", "192.0.2.1"))
		<-db.commits
		db.verdict <- tt.err
		var e *zone.Error
		if r := <-result; !errors.As(r.Err, &e) || e.Reason != zone.Unreachable || e.Unknown != tt.unknown || !strings.Contains(e.Error(), tt.err.Error()) {
			t.Errorf("%s: %v", tt.name, r.Err)
		}
		if values(s, "a", dns.TypeA) != "" || serial(s) != before {
			t.Errorf("%s: it shows", tt.name)
		}
	}
	result := start(t.Context(), s, set("a", "192.0.2.1"))
	<-db.commits
	db.verdict <- nil
	if r := <-result; r.Err != nil || !r.Changed || values(s, "a", dns.TypeA) != "192.0.2.1" || serial(s) != before+1 {
		t.Errorf("afterwards: %+v, serial +%d", r, serial(s)-before)
	}
}

func TestGiveUp(t *testing.T) {
	s, db := openSlow(t)
	ctx, cancel := context.WithCancel(t.Context())
	taken := start(ctx, s, set("a", "192.0.2.1"))
	<-db.commits
	queued := start(ctx, s, set("b", "192.0.2.1"))
	waiting(t, s, 1)
	cancel()
	for name, tt := range map[string]struct {
		result  <-chan zone.Result
		unknown bool
	}{"on its way": {taken, true}, "in the queue": {queued, false}} {
		var e *zone.Error
		if r := <-tt.result; !errors.As(r.Err, &e) || e.Reason != zone.Timeout || e.Unknown != tt.unknown {
			t.Errorf("%s: %v", name, r.Err)
		}
	}
	waiting(t, s, 0)
	db.verdict <- nil
	await.True(t, "the change on its way", func() bool { return values(s, "a", dns.TypeA) == "192.0.2.1" })
	if got := values(s, "b", dns.TypeA); got != "" {
		t.Errorf("what was taken back: %q", got)
	}
}

func TestBusy(t *testing.T) {
	s, db := openSlow(t)
	a := start(t.Context(), s, set("a", "192.0.2.1"))
	<-db.commits
	big := make([]zone.Change, maxWaiting)
	for i := range big {
		big[i] = set(fmt.Sprint("n", i), "192.0.2.2")
	}
	// So many take long on a busy machine.
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var wg sync.WaitGroup
	wg.Go(func() {
		for _, r := range s.Zone(apex).Apply(ctx, big) {
			if r.Err != nil {
				t.Error(r.Err)
				return
			}
		}
	})
	waiting(t, s, maxWaiting)
	var e *zone.Error
	if r := <-start(t.Context(), s, set("b", "192.0.2.1")); !errors.As(r.Err, &e) || e.Reason != zone.Busy || e.Unknown {
		t.Errorf("got %v, want the reason %s", r.Err, zone.Busy)
	}
	db.verdict <- nil
	<-a
	<-db.commits
	db.verdict <- nil
	wg.Wait()
}

// A defect is the error of the change that met it, and of no other.
func TestDefect(t *testing.T) {
	var panics int
	s := open(t, testConfig())
	s.writer.hooks.Panic = func(any, []byte) { panics++ }
	z := s.table.Load().zones[apex]
	s.writer.turn.Lock() // so that all are in one group
	firstResult := start(t.Context(), s, set("a", "192.0.2.1"))
	await.True(t, "the first group", func() bool {
		s.writer.mu.Lock()
		defer s.writer.mu.Unlock()
		return s.writer.running && s.writer.queue == nil
	})
	before := start(t.Context(), s, set("b", "192.0.2.1"))
	waiting(t, s, 1)
	guilty := &job{zone: z, size: 1, done: make(chan struct{}), change: func(_ *configuration, overlay *authority.Zone) map[authority.RRset][]dns.RR {
		overlay.Store(authority.RRset{Owner: "half." + apex, Type: dns.TypeA}, recordsOf("half."+apex, zone.TypeA, setOf(zone.TypeA, overlay.Records("ns1."+apex, dns.TypeA))))
		panic("a defect")
	}}
	if !s.writer.enter(guilty) {
		t.Fatal("busy")
	}
	after := start(t.Context(), s, set("c", "192.0.2.1"))
	waiting(t, s, 3)
	s.writer.turn.Unlock()
	for i, result := range []<-chan zone.Result{firstResult, before, after} {
		if r := <-result; r.Err != nil || !r.Changed {
			t.Errorf("result %d: %+v", i, r)
		}
	}
	if <-guilty.done; !errors.Is(guilty.err, errPanic) || panics != 1 || values(s, "half", dns.TypeA) != "" {
		t.Errorf("the guilty one: %v, %d panics, %q", guilty.err, panics, values(s, "half", dns.TypeA))
	}
}

// A zone that goes and comes back while a change waits is the same zone: what is
// written is what is served.
func TestRemovedMeanwhile(t *testing.T) {
	s, db := openSlow(t)
	a := start(t.Context(), s, set("a", "192.0.2.1"))
	<-db.commits
	b := start(t.Context(), s, set("b", "192.0.2.2"))
	waiting(t, s, 1)
	z := s.table.Load().zones[apex]
	if err := s.Configure(nil); err != nil {
		t.Fatal(err)
	}
	configured := make(chan error)
	go func() { configured <- s.Configure([]ZoneConfig{testConfig("www A 192.0.2.3")}) }()
	db.verdict <- nil
	<-a
	<-db.commits
	db.verdict <- nil
	if r := <-b; r.Err != nil {
		t.Fatal(r.Err)
	}
	if err := <-configured; err != nil {
		t.Fatal(err)
	}
	if s.table.Load().zones[apex] != z {
		t.Error("it is another zone")
	}
	kept, err := db.Load(apex)
	if err != nil {
		t.Fatal(err)
	}
	if len(kept.Changed) != 2 || values(s, "a", dns.TypeA) != "192.0.2.1" || values(s, "b", dns.TypeA) != "192.0.2.2" || serial(s) != kept.Serial {
		t.Errorf("the file has %d RRsets and serial %d; served are %q, %q and serial %d", len(kept.Changed), kept.Serial, values(s, "a", dns.TypeA), values(s, "b", dns.TypeA), serial(s))
	}
}

// A defect where changes are written is the error of all of them, and the next ones work.
func TestDefectOfWriter(t *testing.T) {
	s, db := openSlow(t)
	var panics int
	s.writer.hooks.Panic = func(any, []byte) { panics++ }
	broken := true
	s.writer.hooks.Committed = func(int, time.Duration, error) {
		if broken {
			panic("a defect")
		}
	}
	result := start(t.Context(), s, set("a", "192.0.2.1"))
	<-db.commits
	db.verdict <- nil
	var e *zone.Error
	if r := <-result; !errors.As(r.Err, &e) || !e.Unknown || !errors.Is(r.Err, errPanic) {
		t.Errorf("got %v", r.Err)
	}
	result = start(t.Context(), s, set("b", "192.0.2.1"))
	if r := <-result; !errors.As(r.Err, &e) || e.Unknown || !strings.Contains(r.Err.Error(), "start again") || panics != 1 {
		t.Errorf("and then %v, %d panics", r.Err, panics)
	}
}
