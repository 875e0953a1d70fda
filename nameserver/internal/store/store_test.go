package store

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"
	"go.etcd.io/bbolt"

	"github.com/caddy-dyndns/dyndns/internal/authority"
)

const apex = "dyn.example.com."

func open(t testing.TB, path string) *Store {
	t.Helper()
	s, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// configured returns an open file with a zone of serial 1.
func configured(t testing.TB, path string) *Store {
	t.Helper()
	s := open(t, path)
	if err := s.Configure(apex, Digest{1}, 1); err != nil {
		t.Fatal(err)
	}
	return s
}

func records(t testing.TB, lines ...string) (rrs []dns.RR) {
	t.Helper()
	for _, line := range lines {
		rr, err := dns.NewRR(line)
		if err != nil {
			t.Fatal(err)
		}
		rrs = append(rrs, rr)
	}
	return rrs
}

// change returns the group that replaces an A RRset.
func change(t testing.TB, from uint32, owner string, before, after []string) Group {
	set := func(addresses []string) []dns.RR {
		var lines []string
		for _, a := range addresses {
			lines = append(lines, owner+" 60 A "+a)
		}
		return records(t, lines...)
	}
	return Group{Zone: apex, From: from, To: from + 1, Differences: []authority.Difference{{
		RRset: authority.RRset{Owner: owner, Type: dns.TypeA}, Before: set(before), After: set(after)}}}
}

func commit(t testing.TB, s *Store, groups ...Group) {
	t.Helper()
	if err := s.Commit(groups); err != nil {
		t.Fatal(err)
	}
}

// contents describes what the file has of the zone.
func contents(t testing.TB, s *Store) string {
	t.Helper()
	z, err := s.Load(apex)
	if err != nil {
		t.Fatal(err)
	}
	lines := []string{fmt.Sprint(z.Serial, z.Configuration[0])}
	for _, d := range z.Changed {
		for _, rr := range d.After {
			lines = append(lines, strings.Join(strings.Fields(rr.String()), " "))
		}
	}
	return strings.Join(lines, "; ")
}

func TestCommit(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sub", "zones.db")
	s := configured(t, path)
	commit(t, s, change(t, 1, "a."+apex, nil, []string{"192.0.2.1", "192.0.2.2"}))
	commit(t, s, change(t, 2, "a."+apex, []string{"192.0.2.1", "192.0.2.2"}, []string{"192.0.2.2", "192.0.2.3"}))
	commit(t, s, change(t, 3, `b\000\".`+apex, nil, []string{"192.0.2.4"}))
	want := "4 1; a.dyn.example.com. 60 IN A 192.0.2.2; a.dyn.example.com. 60 IN A 192.0.2.3; b\\000\\\".dyn.example.com. 60 IN A 192.0.2.4"
	if got := contents(t, s); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	for _, tt := range []struct {
		from, to uint32
		want     string
	}{
		{1, 4, "1-2 -0 +2, 2-3 -1 +1, 3-4 -0 +1"}, {2, 4, "2-3 -1 +1, 3-4 -0 +1"}, {2, 3, "2-3 -1 +1"}, {0, 4, ""}, {4, 4, ""}, {5, 4, ""}, {3, 9, ""},
	} {
		entries, err := s.Log(apex, tt.from, tt.to)
		var got []string
		for _, e := range entries {
			got = append(got, fmt.Sprintf("%d-%d -%d +%d", e.From, e.To, len(e.Removed), len(e.Added)))
		}
		if err != nil || strings.Join(got, ", ") != tt.want {
			t.Errorf("from %d to %d: %q, %v; want %s", tt.from, tt.to, got, err, tt.want)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, path)
	if got := contents(t, s); got != want {
		t.Errorf("opened again: got %s", got)
	}
	if err := s.Configure(apex, Digest{2}, 9); err != nil {
		t.Fatal(err)
	}
	if entries, err := s.Log(apex, 3, 9); err != nil || len(entries) > 0 {
		t.Errorf("the log of another configuration: %v, %v", entries, err)
	}
	commit(t, s, change(t, 9, "a."+apex, []string{"192.0.2.2", "192.0.2.3"}, nil))
	if got := contents(t, s); got != `10 2; b\000\".dyn.example.com. 60 IN A 192.0.2.4` {
		t.Errorf("in the end: %s", got)
	}
}

func TestTrim(t *testing.T) {
	s := configured(t, filepath.Join(t.TempDir(), "zones.db"))
	s.db.NoSync = true
	text := records(t, "a."+apex+` 60 TXT "`+strings.Repeat("x", 200)+`"`)
	for range 10 {
		text = append(text, text[0])
	}
	big := authority.Difference{RRset: authority.RRset{Owner: "a." + apex, Type: dns.TypeTXT}, After: text}
	for len(big.After) < 20_000 {
		big.After = append(big.After, big.After...)
	}
	size, err := pack(nil, big.After)
	if err != nil {
		t.Fatal(err)
	}
	fit := uint32(maxLog / len(size))
	for i := range fit + 3 {
		commit(t, s, Group{Zone: apex, From: 1 + i, To: 2 + i, Differences: []authority.Difference{big}})
	}
	last := fit + 4
	if entries, err := s.Log(apex, last-fit-1, last); err != nil || len(entries) > 0 {
		t.Errorf("the log has %d entries: %v", len(entries), err)
	}
	if entries, err := s.Log(apex, last-fit+1, last); err != nil || len(entries) != int(fit-1) {
		t.Errorf("the log has %d entries: %v", len(entries), err)
	}
}

// A process that is killed, or a machine without power, leaves a commit behind at any
// point: the group is there or not, never a part of it, and what was confirmed is.
func TestCrash(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "zones.db")
	s := configured(t, path)
	page := os.Getpagesize()
	for i := range uint32(20) {
		before, was := read(t, path), contents(t, s)
		commit(t, s, change(t, 1+i, fmt.Sprintf("n%d.%s", i%7, apex), nil, []string{"192.0.2.1", fmt.Sprintf("192.0.2.%d", i)}))
		after, is := read(t, path), contents(t, s)
		// The pages are on disk before the meta page is written, of which there are two.
		pages := slices.Concat(before[:2*page], after[2*page:])
		torn := func(length int) []byte {
			for meta := range 2 {
				if at := meta * page; !bytes.Equal(before[at:at+page], after[at:at+page]) {
					return slices.Concat(pages[:at], after[at:at+length], pages[at+length:])
				}
			}
			t.Fatal("no meta page has changed")
			return nil
		}
		for _, tt := range []struct {
			name string
			file []byte
			want string
		}{
			{"some pages", slices.Concat(before[:min(len(before), 5*page)], after[min(len(before), 5*page):len(before)]), was},
			{"all pages, no meta page", pages, was},
			{"a torn meta page", torn(60), was},
			{"a whole meta page", torn(page), is},
		} {
			crashed := filepath.Join(dir, "crashed.db")
			if err := os.WriteFile(crashed, tt.file, 0o600); err != nil {
				t.Fatal(err)
			}
			c, err := Open(crashed)
			if err != nil {
				t.Fatalf("%s of commit %d: %v", tt.name, i, err)
			}
			if got := contents(t, c); got != tt.want {
				t.Errorf("%s of commit %d: got %s, want %s", tt.name, i, got, tt.want)
			}
			if err := c.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// foreign returns a database with a bucket, and a format in it.
func foreign(t *testing.T, bucket, format string) []byte {
	path := filepath.Join(t.TempDir(), "foreign.db")
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Update(func(tx *bbolt.Tx) error {
		b, err := tx.CreateBucket([]byte(bucket))
		return errors.Join(err, b.Put(formatKey, []byte(format)))
	}); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	return read(t, path)
}

func TestLocked(t *testing.T) {
	path := filepath.Join(t.TempDir(), "zones.db")
	open(t, path)
	if _, err := Open(path); err == nil || !strings.Contains(err.Error(), "in use by another process") {
		t.Errorf("got %v", err)
	}
}
