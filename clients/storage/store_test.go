package storage

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/certmagic"

	"github.com/caddy-dyndns/dyndns/clients"
	"github.com/caddy-dyndns/dyndns/internal/stored"
)

func newStore(m stored.Storage) *Store {
	return &Store{Storage: m, Namespace: "dyndns", Forget: func(...clients.Digest) {}}
}

func record(name string, hosts ...string) *clients.Record {
	return &clients.Record{Name: name, Hosts: hosts}
}

func withTokens(r *clients.Record, texts ...string) *clients.Record {
	r.Tokens = []clients.Token{}
	for _, text := range texts {
		r.Tokens = append(r.Tokens, clients.Token{Digest: clients.DigestOf(text)})
	}
	return r
}

func put(t testing.TB, s *Store, r *clients.Record) {
	t.Helper()
	if _, _, err := s.Put(t.Context(), r, Condition{}, false); err != nil {
		t.Fatal(err)
	}
}

// grants returns what each of the tokens may do: the JSON of its record without tokens.
func grants(t testing.TB, s *Store, tokens ...string) map[string]string {
	t.Helper()
	granted := make(map[string]string)
	for _, text := range tokens {
		r, err := s.Find(t.Context(), clients.DigestOf(text))
		if err != nil {
			t.Fatal(err)
		}
		if r == nil {
			continue
		}
		config := clients.NewConfig([]string{"dyn.example.com."})
		client, err := config.RecordClient(r, clients.DigestOf(text))
		if err != nil {
			t.Fatal(err)
		}
		if client != nil && !client.Expired(time.Now()) {
			granted[text] = fmt.Sprint(r.Name, r.Hosts)
		}
	}
	return granted
}

const (
	first  = "first-token-of-a-customer"
	second = "second-token-of-a-customer"
	other  = "token-of-another-customer"
)

func TestRotate(t *testing.T) {
	s := newStore(newMemory())
	put(t, s, withTokens(record("a", "a.dyn.example.com"), first))
	token, added, _, err := s.AddToken(t.Context(), "a", Condition{}, NewToken{OthersExpire: time.Now().Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	if got := grants(t, s, first, token); len(got) != 2 {
		t.Errorf("for an hour both are valid: %v", got)
	}
	// The next one ends both; one that has ended is listed no more.
	last, _, _, err := s.AddToken(t.Context(), "a", Condition{}, NewToken{OthersExpire: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	if got := grants(t, s, first, token, last); len(got) != 1 || got[last] == "" {
		t.Errorf("granted is %v", got)
	}
	r, _, err := s.Get(t.Context(), "a")
	if err != nil || len(r.Tokens) != 1 {
		t.Errorf("the record is %+v, %v", r, err)
	}
	if _, err := s.RemoveToken(t.Context(), "a", added.ID(), Condition{}); !errors.Is(err, ErrNotFound) {
		t.Errorf("removing it again: %v", err)
	}
}

// Owner tokens are a kind of their own: rotation of one leaves the other.
func TestOwnerToken(t *testing.T) {
	s := newStore(newMemory())
	put(t, s, withTokens(record("a", "a.dyn.example.com"), first))
	token, _, _, err := s.AddToken(t.Context(), "a", Condition{}, NewToken{Owner: true, OthersExpire: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	r, err := s.Find(t.Context(), clients.DigestOf(token))
	if err != nil || len(r.Owner) != 1 || len(r.Tokens) != 1 {
		t.Fatalf("the record is %+v, %v", r, err)
	}
	client, err := clients.NewConfig([]string{"dyn.example.com."}).RecordClient(r, clients.DigestOf(token))
	if err != nil || !client.Owner() {
		t.Errorf("the client is %+v, %v", client, err)
	}
}

func TestConditions(t *testing.T) {
	s := newStore(newMemory())
	tag, effect, err := s.Put(t.Context(), record("a", "a.dyn.example.com"), Condition{New: true}, false)
	if effect != Created || err != nil {
		t.Fatal(effect, err)
	}
	for _, tt := range []struct {
		name string
		c    Condition
		want error
	}{
		{"new", Condition{New: true}, ErrChanged},
		{"another tag", Condition{Tags: []string{`"x"`}}, ErrChanged},
		{"no tag", Condition{Tags: []string{}}, ErrChanged},
		{"the tag", Condition{Tags: []string{`"x"`, tag}}, nil},
		{"any", Condition{Tags: []string{"*"}}, nil},
	} {
		if _, _, err := s.Put(t.Context(), record("a", "a.dyn.example.com"), tt.c, false); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	if _, _, err := s.Put(t.Context(), record("b", "b.dyn.example.com"), Condition{Tags: []string{"*"}}, false); !errors.Is(err, ErrChanged) {
		t.Errorf("any record of none: %v", err)
	}
	if _, err := s.Delete(t.Context(), "a", Condition{Tags: []string{`"x"`}}); !errors.Is(err, ErrChanged) {
		t.Errorf("deleting another: %v", err)
	}
	if _, effect, err := s.Put(t.Context(), record("a", "c.dyn.example.com"), Condition{}, false); effect != Replaced || err != nil {
		t.Error(effect, err)
	}
	if again, effect, err := s.Put(t.Context(), record("a", "c.dyn.example.com"), Condition{}, false); effect != Unchanged || err != nil || again == tag {
		t.Error(effect, err, again)
	}
}

func TestTaken(t *testing.T) {
	s := newStore(newMemory())
	put(t, s, withTokens(record("a", "a.dyn.example.com"), first))
	try := func(r *clients.Record, share bool) error {
		_, _, err := s.Put(t.Context(), r, Condition{}, share)
		return err
	}
	if err := try(record("b", "b.dyn.example.com", "A.dyn.example.com."), false); !errors.Is(err, ErrTaken) || !strings.Contains(err.Error(), `client "a" has a.dyn.example.com`) {
		t.Errorf("the host of another: %v", err)
	}
	if err := try(record("c", "b.dyn.example.com"), false); err != nil {
		t.Errorf("a host that a refused client wanted too: %v", err)
	}
	if err := try(record("f", "_x.f.dyn.example.com"), false); err != nil {
		t.Errorf("the name of a text: %v", err)
	}
	if err := try(record("b", "_X.f.dyn.example.com"), false); !errors.Is(err, ErrTaken) {
		t.Errorf("the name of another's text: %v", err)
	}
	if err := try(record("b", "*.dyn.example.com", "*"), false); err != nil {
		t.Errorf("a pattern: %v", err)
	}
	if err := try(record("d", "a.dyn.example.com"), true); err != nil {
		t.Errorf("asked for: %v", err)
	}
	if err := try(record("d", "a.dyn.example.com"), false); err != nil {
		t.Errorf("what it has already: %v", err)
	}
	if err := try(withTokens(record("e", "e.dyn.example.com"), first), false); !errors.Is(err, ErrTaken) {
		t.Errorf("the token of another: %v", err)
	}
	if _, err := s.Delete(t.Context(), "a", Condition{}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Delete(t.Context(), "d", Condition{}); err != nil {
		t.Fatal(err)
	}
	if err := try(withTokens(record("e", "a.dyn.example.com"), first), false); err != nil {
		t.Errorf("host and token that nobody has any more: %v", err)
	}
}

// The claim of a process that was killed before it wrote the record ends by itself.
func TestClaimEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		s := newStore(m)
		if err := s.claim(t.Context(), "a.dyn.example.com.", "gone", false); err != nil {
			t.Fatal(err)
		}
		_, _, err := s.Put(t.Context(), record("a", "a.dyn.example.com"), Condition{}, false)
		if !errors.Is(err, ErrTaken) {
			t.Errorf("at once: %v", err)
		}
		time.Sleep(claimTime)
		put(t, s, record("a", "a.dyn.example.com"))
	})
}

// A record that was edited by hand into nonsense fails its client alone, and can be replaced.
func TestBadObjects(t *testing.T) {
	for _, tt := range []struct{ name, text string }{
		{"no JSON", "\x00\xff{"},
		{"empty", ""},
		{"a list", "[]"},
		{"unknown member", `{"name":"a","hosts":["a.dyn.example.com"],"form":["192.0.2.0/24"]}`},
		{"another name", `{"name":"b","hosts":["a.dyn.example.com"]}`},
		{"no host", `{"name":"a","hosts":[]}`},
		{"a plain token", `{"name":"a","hosts":["a.dyn.example.com"],"tokens":["` + first + `"]}`},
		{"something behind it", `{"name":"a","hosts":["a.dyn.example.com"]}{}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := newMemory()
			s := newStore(m)
			put(t, s, withTokens(record("a", "a.dyn.example.com"), first))
			put(t, s, withTokens(record("b", "b.dyn.example.com"), other))
			m.objects[s.recordKey("a")] = []byte(tt.text)
			_, err := s.Find(t.Context(), clients.DigestOf(first))
			if !errors.Is(err, clients.ErrBadRecord) || strings.Contains(err.Error(), first) {
				t.Errorf("found with %v", err)
			}
			if got := grants(t, s, other); len(got) != 1 {
				t.Errorf("the other client: %v", got)
			}
			bad := 0
			for item, err := range s.All(t.Context(), "") {
				if err != nil {
					t.Error(err)
				}
				if item.Err != nil {
					bad++
				}
			}
			if bad != 1 {
				t.Errorf("%d bad records are listed", bad)
			}
			put(t, s, withTokens(record("a", "a.dyn.example.com"), first))
			if got := grants(t, s, first); len(got) != 1 {
				t.Errorf("after it was replaced: %v", got)
			}
			m.objects[s.recordKey("a")] = []byte(tt.text)
			if r, err := s.Delete(t.Context(), "a", Condition{}); r != nil || err != nil {
				t.Errorf("deleting it: %v, %v", r, err)
			}
		})
	}
}

// A token's object that is nonsense fails that token, and can be replaced.
func TestBadToken(t *testing.T) {
	m := newMemory()
	s := newStore(m)
	put(t, s, withTokens(record("a", "a.dyn.example.com"), first))
	m.objects[s.tokenKey(clients.DigestOf(first))] = []byte("{")
	if _, err := s.Find(t.Context(), clients.DigestOf(first)); !errors.Is(err, clients.ErrBadRecord) {
		t.Errorf("found with %v", err)
	}
	put(t, s, withTokens(record("a", "a.dyn.example.com"), first))
	if got := grants(t, s, first); len(got) != 1 {
		t.Errorf("after it was replaced: %v", got)
	}
}

func TestAll(t *testing.T) {
	s := newStore(newMemory())
	want := map[string]bool{}
	for n := range 1000 {
		name := fmt.Sprintf("customer %d", n)
		put(t, s, record(name, fmt.Sprintf("h%d.dyn.example.com", n)))
		want[name] = true
	}
	var all []string
	for item, err := range s.All(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, item.Record.Name)
		delete(want, item.Record.Name)
	}
	if len(all) != 1000 || len(want) != 0 {
		t.Errorf("%d are listed, %d are missing", len(all), len(want))
	}
	for _, n := range []int{0, 1, 499, 998, 999} {
		var rest []string
		for item := range s.All(t.Context(), all[n]) {
			rest = append(rest, item.Record.Name)
		}
		if !slices.Equal(rest, all[n+1:]) {
			t.Errorf("%d are listed after %d", len(rest), n)
		}
	}
}

// The storage is asked for nothing outside of its folder, whatever a name is.
func TestNames(t *testing.T) {
	dir := t.TempDir()
	s := newStore(&certmagic.FileStorage{Path: filepath.Join(dir, "a", "storage")})
	for i, name := range []string{"two words", "...", "büro", "%2e%2e", "con", strings.Repeat("x", 200)} {
		put(t, s, record(name, fmt.Sprintf("h%d.dyn.example.com", i)))
		if r, _, err := s.Get(t.Context(), name); err != nil || r.Name != name {
			t.Errorf("%q: %v, %v", name, r, err)
		}
	}
	for _, name := range []string{"", "a/b", "../../etc", `a\b`, ".", "..", " a", "a\n", "a\x00", "\xff", strings.Repeat("x", 300)} {
		if _, _, err := s.Put(t.Context(), record(name, "x.dyn.example.com"), Condition{}, false); !errors.Is(err, clients.ErrBadRecord) {
			t.Errorf("%q: %v", name, err)
		}
		if _, _, err := s.Get(t.Context(), name); !errors.Is(err, ErrNotFound) {
			t.Errorf("getting %q: %v", name, err)
		}
	}
	outside, err := os.ReadDir(filepath.Join(dir, "a"))
	if err != nil || len(outside) != 1 {
		t.Errorf("beside the storage there is %v, %v", outside, err)
	}
}

// Nothing that is stored holds a token.
func TestNoToken(t *testing.T) {
	m := newMemory()
	s := newStore(m)
	put(t, s, record("a", "a.dyn.example.com"))
	token, _, _, err := s.AddToken(t.Context(), "a", Condition{}, NewToken{})
	if err != nil {
		t.Fatal(err)
	}
	for key, data := range m.objects {
		if strings.Contains(key+string(data), token) {
			t.Errorf("%s is %s", key, data)
		}
	}
}

func TestFull(t *testing.T) {
	s := newStore(newMemory())
	r := record("a", "a.dyn.example.com")
	r.Note = strings.Repeat("x", clients.MaxRecord)
	if _, _, err := s.Put(t.Context(), r, Condition{}, false); !errors.Is(err, clients.ErrBadRecord) {
		t.Errorf("a long record: %v", err)
	}
}

func BenchmarkFind(b *testing.B) {
	s := newStore(&certmagic.FileStorage{Path: b.TempDir()})
	const n = 2000
	for i := range n {
		put(b, s, withTokens(record(fmt.Sprintf("customer-%d", i), fmt.Sprintf("h%d.dyn.example.com", i)), fmt.Sprintf("token-of-customer-%06d", i)))
	}
	config := clients.NewConfig([]string{"dyn.example.com."})
	i := 0
	b.Run("known", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			i++
			d := clients.DigestOf(fmt.Sprintf("token-of-customer-%06d", i%n))
			r, err := s.Find(b.Context(), d)
			if err != nil {
				b.Fatal(err)
			}
			if c, err := config.RecordClient(r, d); c == nil || err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("unknown", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			i++
			if r, err := s.Find(b.Context(), clients.DigestOf(fmt.Sprint("token-of-nobody", i))); r != nil || err != nil {
				b.Fatal(err)
			}
		}
	})
}

// What the API shows is what is stored.
func TestRecordJSON(t *testing.T) {
	m := newMemory()
	s := newStore(m)
	put(t, s, withTokens(record("a", "a.dyn.example.com"), first))
	r, _, err := s.Get(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(r)
	if err != nil || string(text) != string(m.objects[s.recordKey("a")]) {
		t.Errorf("%s, %v", text, err)
	}
}
