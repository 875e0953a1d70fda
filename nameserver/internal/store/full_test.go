//go:build linux

package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/miekg/dns"
	"golang.org/x/sys/unix"
)

// A disk that is full takes nothing, and loses nothing. When there is room again, the
// next commit succeeds.
func TestFullDisk(t *testing.T) {
	path := filepath.Join(t.TempDir(), "zones.db")
	s := configured(t, path)
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	var before unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_FSIZE, &before); err != nil {
		t.Fatal(err)
	}
	limit := before
	limit.Cur = uint64(info.Size())
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &limit); err != nil {
		t.Fatal(err)
	}
	restore := func() {
		if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &before); err != nil {
			t.Error(err)
		}
	}
	defer restore()
	serial := uint32(1)
	text := records(t, "a."+apex+` 60 TXT "`+strings.Repeat("x", 250)+`"`)
	for range 20 {
		text = append(text, text...)[:min(2*len(text), 100)]
	}
	for ; err == nil && serial < 100; serial++ {
		g := change(t, serial, fmt.Sprintf("n%d.%s", serial, apex), nil, []string{"192.0.2.1"})
		g.Differences[0].Type, g.Differences[0].After = dns.TypeTXT, text
		err = s.Commit([]Group{g})
	}
	serial-- // the last one failed
	if err == nil || errors.Is(err, ErrInDoubt) {
		t.Fatalf("got %v", err)
	}
	if z, err := s.Load(apex); err != nil || z.Serial != serial {
		t.Errorf("the serial is %d, want %d: %v", z.Serial, serial, err)
	}
	restore()
	commit(t, s, change(t, serial, "a."+apex, nil, []string{"192.0.2.2"}))
	was := contents(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if got := contents(t, open(t, path)); got != was {
		t.Errorf("opened again: %s", got)
	}
}

// When it is not known what is on disk, nothing more is written.
func TestInDoubt(t *testing.T) {
	s := configured(t, filepath.Join(t.TempDir(), "zones.db"))
	if err := s.db.Close(); err != nil {
		t.Fatal(err)
	}
	g := []Group{change(t, 1, "a."+apex, nil, []string{"192.0.2.1"})}
	if err := s.Commit(g); !errors.Is(err, ErrInDoubt) {
		t.Errorf("got %v", err)
	}
	if err := s.Commit(g); err == nil || errors.Is(err, ErrInDoubt) || !strings.Contains(err.Error(), "start again") {
		t.Errorf("and then %v", err)
	}
}
