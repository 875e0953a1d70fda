package history

import (
	"context"
	"errors"
	"io/fs"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddy-dyndns/dyndns/zone"
)

// memory is a storage as certmagic describes it.
type memory struct {
	mu      sync.Mutex
	objects map[string][]byte
	locks   map[string]bool
	fail    error
	lost    error // of a write that was made
	stores  int
	storing func() // is called, without the lock, when something is about to be stored
}

func (m *memory) get() Storage { return m }

func newMemory() *memory {
	return &memory{objects: make(map[string][]byte), locks: make(map[string]bool)}
}

func (m *memory) Lock(ctx context.Context, name string) error {
	for {
		m.mu.Lock()
		free, fail := !m.locks[name], m.fail
		if free && fail == nil {
			m.locks[name] = true
		}
		m.mu.Unlock()
		if free || fail != nil {
			return fail
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Millisecond):
		}
	}
}

func (m *memory) Unlock(_ context.Context, name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.locks, name)
	return m.fail
}

func (m *memory) Store(_ context.Context, key string, value []byte) error {
	if m.storing != nil {
		m.storing()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.stores++
	if m.fail == nil {
		m.objects[key] = value
	}
	return errors.Join(m.fail, m.lost)
}

func (m *memory) Load(_ context.Context, key string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	data, ok := m.objects[key]
	if m.fail == nil && !ok {
		return nil, fs.ErrNotExist
	}
	return data, m.fail
}

// writes counts what was tried to be stored.
func (m *memory) writes() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.stores
}

func (m *memory) setFail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fail = err
}

type warnings struct {
	mu   sync.Mutex
	list []string
}

func (w *warnings) add(message string, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.list = append(w.list, message+": "+err.Error())
}

func (w *warnings) all() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.list)
}

// open returns a store of an instance, which is stopped after the test.
func open(t *testing.T, m *memory) (*Store, *warnings) {
	t.Helper()
	w := new(warnings)
	s := New(Config{Storage: m.get, Warn: w.add})
	s.refresh()
	t.Cleanup(func() { s.Stop(context.Background()) })
	return s, w
}

// look reads what the storage has, however short ago it did.
func (s *Store) look() {
	s.mu.Lock()
	s.rest = time.Unix(1, 0)
	s.mu.Unlock()
	s.refresh()
}

func recently(minutes int) time.Time { return time.Now().Add(time.Duration(minutes) * time.Minute) }

func TestRestart(t *testing.T) {
	m := newMemory()
	first, _ := open(t, m)
	first.Record(entry(recently(-9), set("a.example.com.", "", "192.0.2.1"), set("b.example.com.", "", "2001:db8::1")))
	first.Record(entry(recently(-8), failed("c.example.com.", zone.Refused)))
	first.Stop(context.Background())
	before, _ := first.Hosts(nil, 0, 10)
	beforeLatest, _ := first.Latest(nil, 0, 10)

	second, w := open(t, m)
	after, _ := second.Hosts(nil, 0, 10)
	if len(after) != 3 || !reflect.DeepEqual(before, after) {
		t.Errorf("before:\n%+v\nafter:\n%+v", before, after)
	}
	afterLatest, _ := second.Latest(nil, 0, 10)
	if len(afterLatest) != 3 || !reflect.DeepEqual(beforeLatest, afterLatest) {
		t.Errorf("latest before:\n%+v\nafter:\n%+v", beforeLatest, afterLatest)
	}
	if before, after := first.Refusals("home"), second.Refusals("home"); len(after) != 1 || !reflect.DeepEqual(before, after) {
		t.Errorf("refusals before:\n%+v\nafter:\n%+v", before, after)
	}
	second.Record(entry(recently(-7), set("a.example.com.", "192.0.2.1", "192.0.2.2")))
	second.Record(entry(recently(-6), failed("c.example.com.", zone.Refused)))
	if h := mustHost(t, second, "a.example.com."); h.Submissions != 2 || len(h.Log) != 2 {
		t.Errorf("after the restart: %+v", h)
	}
	if subs, total := second.Latest(nil, 0, 1); total != 4 || subs[0].Times != 2 {
		t.Errorf("a repeat after the restart is no repeat: %d lines, %+v", total, subs)
	}
	if list := w.all(); len(list) != 0 {
		t.Errorf("warnings: %v", list)
	}
	second.Stop(context.Background())
	const writes = 2
	if m.writes() != writes {
		t.Errorf("%d writes", m.writes())
	}
	third, _ := open(t, m)
	third.Hosts(nil, 0, 10)
	third.Stop(context.Background())
	if m.writes() != writes {
		t.Error("a store without news was written")
	}
}

func TestInstancesAddUp(t *testing.T) {
	m := newMemory()
	a, _ := open(t, m)
	b, _ := open(t, m)
	late := entry(recently(-1), set("shared.", "", "2001:db8::1"), set("b.", "", "192.0.2.1"))
	late.UserAgent = "late"
	for i := range 10 {
		a.Record(entry(recently(-20+i), set("shared.", "192.0.2.1", "192.0.2.2")))
		b.Record(entry(recently(-20+i), set("shared.", "192.0.2.2", "192.0.2.3")))
		if i%3 == 0 {
			a.save(context.Background())
		}
		if i%4 == 0 {
			b.save(context.Background())
		}
	}
	a.Record(entry(recently(-30), set("a.", "", "192.0.2.1")))
	b.Record(late)
	a.save(context.Background())
	b.save(context.Background())
	for range 5 { // one line, in which both count
		for _, s := range []*Store{a, b} {
			s.look()
			s.Record(entry(recently(0), set("quiet.", "192.0.2.1", "192.0.2.1")))
			s.save(context.Background())
		}
	}
	for name, s := range map[string]*Store{"a": a, "b": b} {
		s.look()
		if hosts, total := s.Hosts(nil, 0, 10); total != 4 || len(hosts) != 4 {
			t.Fatalf("%s sees %d hosts", name, total)
		}
		h := mustHost(t, s, "shared.")
		if h.Submissions != 21 || h.Changes != 21 || len(h.Log) != maxChanges || h.UserAgent != "late" || len(h.Current) != 2 {
			t.Errorf("%s sees %+v", name, h)
		}
		if h := mustHost(t, s, "quiet."); h.Submissions != 10 {
			t.Errorf("%s sees %+v", name, h)
		}
		subs, total := s.Latest(func(name string) bool { return name == "quiet." }, 0, 100)
		if total != 1 || subs[0].Times != 10 {
			t.Errorf("%s sees %+v", name, subs)
		}
		if _, total := s.Latest(nil, 0, 100); total != 24 {
			t.Errorf("%s sees %d submissions", name, total)
		}
	}
}

// What is submitted while a save is under way belongs to the next one.
func TestSubmissionsDuringASave(t *testing.T) {
	m := newMemory()
	s, _ := open(t, m)
	again := set("a.", "192.0.2.1", "192.0.2.1")
	m.storing = func() { s.Record(entry(recently(-1), again)) }
	s.Record(entry(recently(-2), again))
	s.save(context.Background())
	m.storing = nil
	other, _ := open(t, m)
	other.look()
	other.Record(entry(recently(-1), again))
	other.save(context.Background())
	s.save(context.Background())
	if h := mustHost(t, s, "a."); h.Submissions != 3 {
		t.Errorf("got %+v", h)
	}
	if subs, _ := s.Latest(nil, 0, 10); len(subs) != 1 || subs[0].Times != 3 {
		t.Errorf("got %+v", subs)
	}
}

func TestUnusableObjects(t *testing.T) {
	first := New(Config{})
	first.Record(entry(recently(-1), set("bad.", "", "192.0.2.1")))
	whole, err := first.encode()
	if err != nil {
		t.Fatal(err)
	}
	second := New(Config{})
	second.Record(entry(recently(-1), set("good.", "", "192.0.2.1")))
	good, err := second.encode()
	if err != nil {
		t.Fatal(err)
	}
	change := func(old, new string) string { return strings.ReplaceAll(string(whole), old, new) }
	for _, tt := range []struct {
		name, object string
	}{
		{"half", string(whole[:len(whole)/3]) + "\n"},
		{"no object", "[1,2]\n"},
		{"host without a name", change(`"bad."`, `""`)},
		{"control character in a name", change(`"bad."`, `"\u001b[31m"`)},
		{"damaged log", strings.SplitAfter(change(`"Log":"`, `"Log":"AAAA`), "\n")[0]},
		{"no address", strings.SplitAfter(change(`"Source":"192.0.2.1`, `"Source":"x`), "\n")[0]},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := newMemory()
			m.objects[objectKey] = append([]byte(tt.object), good...)
			s, w := open(t, m)
			for range 3 {
				hosts, total := s.Hosts(nil, 0, 10)
				if total != 1 || hosts[0].Name != "good." {
					t.Fatalf("%d hosts", total)
				}
				s.look()
			}
			if list := w.all(); len(list) != 1 || !strings.Contains(list[0], objectKey) {
				t.Errorf("warnings: %v", list)
			}
			s.Record(entry(recently(-1), set("new.", "", "192.0.2.1")))
			s.save(context.Background())
			replaced, w := open(t, m)
			if _, total := replaced.Hosts(nil, 0, 10); total != 2 || len(w.all()) != 0 {
				t.Errorf("not replaced: %d hosts, %v", total, w.all())
			}
		})
	}
}

func TestStorageThatFails(t *testing.T) {
	m := newMemory()
	s, w := open(t, m)
	m.setFail(errors.New("disk full"))
	for range 3 {
		s.Record(entry(recently(-1), set("a.", "", "192.0.2.1")))
		s.save(context.Background())
		s.look()
		s.Hosts(nil, 0, 1)
	}
	if list := w.all(); len(list) != 2 { // one for writing, one for reading
		t.Fatalf("warnings: %v", list)
	}
	m.setFail(nil)
	s.save(context.Background())
	if len(m.objects) != 1 || len(m.locks) != 0 {
		t.Error("not saved after the storage worked again")
	}
	m.setFail(errors.New("disk full"))
	s.Record(entry(recently(-1), set("a.", "", "192.0.2.1")))
	s.save(context.Background())
	if list := w.all(); len(list) != 3 {
		t.Errorf("warnings: %v", list)
	}
	m.setFail(nil)
	s.Stop(context.Background())
	other, _ := open(t, m)
	if h := mustHost(t, other, "a."); h.Submissions != 4 {
		t.Errorf("got %+v", h)
	}
}

// TestStorageThatFailsAtStart: what an earlier run left must not be overwritten
// by a run that could not read it.
func TestStorageThatFailsAtStart(t *testing.T) {
	m := newMemory()
	old, _ := open(t, m)
	old.Record(entry(recently(-5), set("a.", "", "192.0.2.1")))
	old.Stop(context.Background())

	m.setFail(errors.New("not mounted"))
	s, w := open(t, m)
	s.Record(entry(recently(-1), set("a.", "192.0.2.1", "192.0.2.2")))
	s.save(context.Background())
	m.setFail(nil)
	s.Stop(context.Background())
	if h := mustHost(t, s, "a."); h.Submissions != 2 || len(h.Log) != 2 {
		t.Errorf("got %+v", h)
	}
	if list := w.all(); len(list) != 2 { // one for reading, one for writing
		t.Errorf("warnings: %v", list)
	}
}

// What was stored although the storage says otherwise is not counted twice.
func TestSaveThatSeemsToFail(t *testing.T) {
	m := newMemory()
	s, _ := open(t, m)
	s.Record(entry(recently(-2), set("a.", "192.0.2.1", "192.0.2.1")))
	m.lost = errors.New("no answer")
	s.save(context.Background())
	if m.lost = nil; m.objects[objectKey] == nil {
		t.Fatal("nothing was stored")
	}
	s.look()
	s.save(context.Background())
	other, _ := open(t, m)
	for _, s := range []*Store{s, other} {
		if h := mustHost(t, s, "a."); h.Submissions != 1 {
			t.Errorf("got %+v", h)
		}
	}
}

// What could not be stored is not lost, and is not counted twice.
func TestSaveThatFails(t *testing.T) {
	m := newMemory()
	s, _ := open(t, m)
	other, _ := open(t, m)
	for range 3 {
		s.Record(entry(recently(-2), set("a.", "192.0.2.1", "192.0.2.1")))
		m.storing = func() { m.setFail(errors.New("disk full")) }
		s.save(context.Background())
		m.storing = nil
		m.setFail(nil)
		other.Record(entry(recently(-1), set("b.", "", "192.0.2.1")))
		other.save(context.Background())
	}
	s.save(context.Background())
	other.look()
	for _, s := range []*Store{s, other} {
		if h := mustHost(t, s, "a."); h.Submissions != 3 {
			t.Errorf("got %+v", h)
		}
	}
}

func TestOldObjectsExpire(t *testing.T) {
	m := newMemory()
	wrote := New(Config{Days: 60, Storage: m.get})
	for name, age := range map[string]int{"old": 31, "young": 29} {
		wrote.Record(entry(time.Now().AddDate(0, 0, -age), set(name+".", "", "192.0.2.1")))
	}
	wrote.Stop(context.Background())
	s, _ := open(t, m)
	hosts, total := s.Hosts(nil, 0, 10)
	if total != 1 || hosts[0].Name != "young." {
		t.Errorf("got %v", hosts)
	}
	if _, total := s.Latest(nil, 0, 10); total != 1 {
		t.Errorf("%d lines", total)
	}
}

// A process that starts reads at once what an earlier one left, so that a repeat is
// one.
func TestStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		old := New(Config{Storage: m.get})
		old.Record(entry(time.Now(), set("a.", "192.0.2.1", "192.0.2.1")))
		old.Stop(context.Background())
		time.Sleep(time.Second)
		s := New(Config{Storage: m.get})
		s.Record(entry(time.Now(), set("first.", "192.0.2.1", "192.0.2.1")))
		synctest.Wait()
		s.Record(entry(time.Now(), set("a.", "192.0.2.1", "192.0.2.1")))
		if subs, _ := s.Latest(nil, 0, 10); len(subs) != 2 || subs[0].Times+subs[1].Times != 3 {
			t.Errorf("got %+v", subs)
		}
		s.Stop(context.Background())
	})
}

// Every write is due by itself, and none after Stop.
func TestSavedSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		s := New(Config{Storage: m.get})
		for n := range 3 {
			s.Record(entry(time.Now(), set("a.example.com.", "192.0.2.1", "192.0.2.1")))
			time.Sleep(saveInterval - 1)
			synctest.Wait()
			if m.writes() != n {
				t.Fatalf("%d writes before the time", m.writes())
			}
			time.Sleep(time.Nanosecond)
			synctest.Wait()
			if m.writes() != n+1 {
				t.Fatalf("%d writes after %d intervals", m.writes(), n+1)
			}
		}
		s.Stop(context.Background())
		s.Record(entry(time.Now(), set("a.example.com.", "", "192.0.2.1"))) // by a request that was still running
		time.Sleep(time.Hour)
		synctest.Wait()
		if m.writes() != 3 || len(m.locks) != 0 {
			t.Errorf("%d writes, locks %v", m.writes(), m.locks)
		}
	})
}

// A storage that hangs holds up no Stop, no page for long, and no submission.
func TestStorageThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		m.locks[objectKey] = true
		s := New(Config{Storage: m.get, Warn: func(string, error) {}})
		s.Record(entry(time.Now(), set("a.example.com.", "192.0.2.1", "192.0.2.1")))
		time.Sleep(saveInterval)
		synctest.Wait() // the save waits for the lock
		began := time.Now()
		s.Record(entry(time.Now(), set("a.example.com.", "192.0.2.1", "192.0.2.1")))
		if took := time.Since(began); took != 0 {
			t.Errorf("a submission took %v", took)
		}
		if h := mustHost(t, s, "a.example.com."); h.Submissions != 2 || time.Since(began) > pageWait {
			t.Errorf("after %v: %+v", time.Since(began), h)
		}
		began = time.Now()
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		s.Stop(ctx)
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("Stop took %v", took)
		}
		time.Sleep(3 * saveWait) // until all has been given up
	})
}
