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
	"time"

	"github.com/caddy-dyndns/dyndns/internal/await"
	"github.com/caddy-dyndns/dyndns/zone"
)

// memory is a storage as certmagic describes it.
type memory struct {
	mu      sync.Mutex
	objects map[string][]byte
	locks   map[string]bool
	fail    error
	extra   []string // keys that List shows and that are gone
	stores  int
}

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
	m.mu.Lock()
	defer m.mu.Unlock()
	m.stores++
	if m.fail == nil {
		m.objects[key] = value
	}
	return m.fail
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

func (m *memory) Delete(_ context.Context, key string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.objects, key)
	return m.fail
}

func (m *memory) List(_ context.Context, path string, _ bool) ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	keys := slices.Clone(m.extra)
	for key := range m.objects {
		if strings.HasPrefix(key, path+"/") {
			keys = append(keys, key)
		}
	}
	if len(keys) == 0 && m.fail == nil {
		return nil, fs.ErrNotExist
	}
	return keys, m.fail
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

// named is an instance of that name.
func named(s string) func() (string, error) { return func() (string, error) { return s, nil } }

// ready starts a store and waits until it has its object's name.
func ready(t *testing.T, m *memory, instance string) (*Store, *warnings) {
	t.Helper()
	w := new(warnings)
	s := New(Config{Storage: m, Instance: named(instance), Warn: w.add})
	s.Start()
	t.Cleanup(func() { s.Stop(context.Background()) })
	await.True(t, "the object's name", func() bool { return s.key() != "" })
	return s, w
}

func recently(minutes int) time.Time { return time.Now().Add(time.Duration(minutes) * time.Minute) }

func TestRestart(t *testing.T) {
	m := newMemory()
	first, _ := ready(t, m, "one")
	first.Record(entry(recently(-9), set("a.example.com.", "", "192.0.2.1"), set("b.example.com.", "", "2001:db8::1")))
	first.Record(entry(recently(-8), failed("c.example.com.", zone.Refused)))
	first.Stop(context.Background())
	before, _ := first.Hosts(context.Background(), nil, 0, 10)
	beforeLatest, _ := first.Latest(context.Background(), nil, 0, 10)

	second, w := ready(t, m, "one")
	after, _ := second.Hosts(context.Background(), nil, 0, 10)
	if len(after) != 3 || !reflect.DeepEqual(before, after) {
		t.Errorf("before:\n%+v\nafter:\n%+v", before, after)
	}
	afterLatest, _ := second.Latest(context.Background(), nil, 0, 10)
	if len(afterLatest) != 3 || !reflect.DeepEqual(beforeLatest, afterLatest) {
		t.Errorf("latest before:\n%+v\nafter:\n%+v", beforeLatest, afterLatest)
	}
	second.Record(entry(recently(-7), set("a.example.com.", "192.0.2.1", "192.0.2.2")))
	if h := mustHost(t, second, "a.example.com."); h.Submissions != 2 || len(h.Log) != 2 {
		t.Errorf("after the restart: %+v", h)
	}
	if list := w.all(); len(list) != 0 {
		t.Errorf("warnings: %v", list)
	}
	second.Stop(context.Background())
	if stores := m.stores; stores != 2 {
		t.Errorf("%d writes", stores)
	}
	third, _ := ready(t, m, "one")
	third.Stop(context.Background())
	if m.stores != 2 {
		t.Error("a store without news was written")
	}
}

func TestInstancesAddUp(t *testing.T) {
	for _, tt := range []struct{ name, other string }{
		{"two instances", "two"},
		{"two processes with one instance name", "one"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := newMemory()
			a, _ := ready(t, m, "one")
			b := New(Config{Storage: m, Instance: named(tt.other)})
			b.claim(context.Background(), 5*time.Millisecond)
			if a.key() == b.key() || b.key() == "" {
				t.Fatalf("objects %q and %q", a.key(), b.key())
			}
			for i := range 10 {
				a.Record(entry(recently(-20+i), set("shared.", "192.0.2.1", "192.0.2.2")))
				b.Record(entry(recently(-20+i), set("shared.", "192.0.2.2", "192.0.2.3")))
			}
			a.Record(entry(recently(-30), set("a.", "", "192.0.2.1")))
			late := entry(recently(-1), set("shared.", "", "2001:db8::1"), set("b.", "", "192.0.2.1"))
			late.UserAgent = "late"
			b.Record(late)
			a.save(context.Background())
			b.save(context.Background())
			for name, s := range map[string]*Store{"a": a, "b": b} {
				hosts, total := s.Hosts(context.Background(), nil, 0, 10)
				if total != 3 || len(hosts) != 3 {
					t.Fatalf("%s sees %d hosts", name, total)
				}
				h := mustHost(t, s, "shared.")
				if h.Submissions != 21 || h.Changes != 21 || len(h.Log) != maxChanges || h.UserAgent != "late" || len(h.Current) != 2 {
					t.Errorf("%s sees %+v", name, h)
				}
				if _, total := s.Latest(context.Background(), nil, 0, 100); total != 23 {
					t.Errorf("%s sees %d submissions", name, total)
				}
			}
			b.finish()
		})
	}
}

func TestUnusableObjects(t *testing.T) {
	good := func() []byte {
		s := New(Config{})
		s.Record(entry(recently(-1), set("good.", "", "192.0.2.1")))
		data, err := s.encode()
		if err != nil {
			t.Fatal(err)
		}
		return data
	}()
	for _, tt := range []struct {
		name, object string
	}{
		{"empty", ""},
		{"half", string(good[:len(good)/2])},
		{"other version", strings.Replace(string(good), `"version":2`, `"version":1`, 1)},
		{"no object", `[1,2]`},
		{"host without a name", strings.Replace(string(good), `"good."`, `""`, 1)},
		{"control character in a name", strings.Replace(string(good), `"good."`, `"\u001b[31m"`, 1)},
		{"damaged log", strings.Replace(string(good), `"log":"`, `"log":"AAAA`, 1)},
		{"no address", strings.Replace(string(good), `"source":"192.0.2.1"`, `"source":"x"`, 1)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := newMemory()
			m.objects["dyndns/history/bad.json"] = []byte(tt.object)
			m.objects["dyndns/history/good.json"] = good
			m.objects["dyndns/history/.good.json.tmp123"] = good[:10]
			m.extra = []string{"dyndns/history/gone.json"}
			s, w := ready(t, m, "own")
			for range 3 {
				if _, total := s.Hosts(context.Background(), nil, 0, 10); total != 1 {
					t.Fatalf("%d hosts", total)
				}
				s.others.loaded = time.Time{}
			}
			if list := w.all(); len(list) != 1 || !strings.Contains(list[0], "bad.json") {
				t.Errorf("warnings: %v", list)
			}

			own, w := ready(t, m, "bad") // as its own object
			own.Record(entry(recently(-1), set("new.", "", "192.0.2.1")))
			own.save(context.Background())
			if list := w.all(); len(list) != 1 {
				t.Errorf("warnings: %v", list)
			}
			if _, _, err := decode(m.objects["dyndns/history/bad.json"], time.Now(), 10); err != nil {
				t.Errorf("not replaced: %v", err)
			}
		})
	}
}

func TestStorageThatFails(t *testing.T) {
	m := newMemory()
	s, w := ready(t, m, "one")
	m.setFail(errors.New("disk full"))
	for range 3 {
		s.Record(entry(recently(-1), set("a.", "", "192.0.2.1")))
		s.save(context.Background())
		s.Hosts(context.Background(), nil, 0, 1)
		s.others.loaded = time.Time{}
	}
	if list := w.all(); len(list) != 2 { // one for writing, one for reading
		t.Fatalf("warnings: %v", list)
	}
	m.setFail(nil)
	s.save(context.Background())
	if len(m.objects) != 1 {
		t.Error("not saved after the storage worked again")
	}
	m.setFail(errors.New("disk full"))
	s.Record(entry(recently(-1), set("a.", "", "192.0.2.1")))
	s.save(context.Background())
	if list := w.all(); len(list) != 3 {
		t.Errorf("warnings: %v", list)
	}
	m.setFail(nil)
}

// TestStorageThatFailsAtStart: what an earlier run left must not be overwritten
// by a run that could not read it.
func TestStorageThatFailsAtStart(t *testing.T) {
	m := newMemory()
	old, _ := ready(t, m, "one")
	old.Record(entry(recently(-5), set("a.", "", "192.0.2.1")))
	old.Stop(context.Background())

	m.setFail(errors.New("not mounted"))
	w := new(warnings)
	s := New(Config{Storage: m, Instance: named("one"), Warn: w.add})
	s.Start()
	s.Record(entry(recently(-1), set("a.", "192.0.2.1", "192.0.2.2")))
	await.True(t, "the warning", func() bool { return len(w.all()) > 0 })
	m.setFail(nil)
	s.Stop(context.Background())
	if h := mustHost(t, s, "a."); h.Submissions != 2 || len(h.Log) != 2 {
		t.Errorf("got %+v", h)
	}
	if list := w.all(); len(list) != 1 {
		t.Errorf("warnings: %v", list)
	}
}

func TestOldObjectsExpire(t *testing.T) {
	m := newMemory()
	for name, age := range map[string]int{"old": 31, "young": 29} {
		s := New(Config{})
		s.Record(entry(time.Now().AddDate(0, 0, -age), set(name+".", "", "192.0.2.1")))
		data, err := s.encode()
		if err != nil {
			t.Fatal(err)
		}
		m.objects[objectKey(name, 1)] = data
	}
	s, _ := ready(t, m, "own")
	hosts, total := s.Hosts(context.Background(), nil, 0, 10)
	if total != 1 || hosts[0].Name != "young." {
		t.Errorf("got %v", hosts)
	}
	if _, ok := m.objects[objectKey("old", 1)]; ok {
		t.Error("the old object was kept")
	}
}

func TestStopGivesTheNameBack(t *testing.T) {
	m := newMemory()
	s, _ := ready(t, m, "one")
	s.Stop(context.Background())
	s.Stop(context.Background())
	if len(m.locks) != 0 {
		t.Errorf("locks: %v", m.locks)
	}
	New(Config{}).Stop(context.Background())
}

func TestNothingStartsAfterStop(t *testing.T) {
	m := newMemory()
	s := New(Config{Storage: m, Instance: named("one")})
	s.Stop(context.Background())
	s.Start() // by a request that was still running
	s.Record(entry(start, set("a.example.com.", "", "192.0.2.1")))
	s.Stop(context.Background())
	if s.writer.done != nil || len(m.locks) != 0 || len(m.objects) != 0 {
		t.Errorf("it has started: locks %v, %d objects", m.locks, len(m.objects))
	}
}

func TestInstanceWithoutName(t *testing.T) {
	w := new(warnings)
	s := New(Config{
		Storage: newMemory(), Warn: w.add,
		Instance: func() (string, error) { return "", errors.New("no data folder") },
	})
	s.Start()
	s.Record(entry(start, set("a.example.com.", "", "192.0.2.1")))
	s.Stop(context.Background())
	if got := w.all(); len(got) != 1 || !strings.Contains(got[0], "no data folder") {
		t.Errorf("warnings: %q", got)
	}
	mustHost(t, s, "a.example.com.")
}
