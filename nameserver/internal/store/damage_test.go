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

func TestDamaged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "whole.db")
	s := configured(t, path)
	for i := range uint32(200) {
		commit(t, s, change(t, 1+i, fmt.Sprintf("n%d.%s", i, apex), nil, []string{"192.0.2.1"}))
	}
	whole := read(t, path)
	zeros := slices.Clone(whole)
	clear(zeros[len(zeros)/4 : len(zeros)/2])
	for _, tt := range []struct {
		name string
		file []byte
		says string
	}{
		{"cut in half", whole[:len(whole)/2], "damaged"},
		{"cut to a page", whole[:os.Getpagesize()], "opening the database"},
		{"cut in the middle of a page", whole[:len(whole)/2-100], "damaged"},
		{"zeros in the middle", zeros, "damaged"},
		{"no database", bytes.Repeat([]byte("text "), 10_000), "damaged or no database"},
		{"the database of another program", foreign(t, "x", "y"), "another program"},
		{"another format", foreign(t, "meta", "2"), "format"},
	} {
		damaged := filepath.Join(t.TempDir(), "half.db")
		if err := os.WriteFile(damaged, tt.file, 0o600); err != nil {
			t.Fatal(err)
		}
		for range 2 { // it must not stay locked
			if s, err := Open(damaged); err == nil || !strings.Contains(err.Error(), tt.says) || !strings.Contains(err.Error(), damaged) {
				t.Errorf("%s: got %v, %v; want an error that says %q", tt.name, s, err, tt.says)
			}
		}
		if got := read(t, damaged); !bytes.Equal(got, tt.file) && tt.says == "damaged" {
			t.Errorf("%s: the file was changed", tt.name)
		}
	}
}

// What cannot have been written is damage: served, an owner outside of its zone would never
// end.
func TestMisplacedRecords(t *testing.T) {
	record := func(line string) []byte {
		value, err := pack(nil, records(t, line))
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
	for _, tt := range []struct {
		name, owner string
		value       []byte
	}{
		{"an owner outside of the zone", "n1.other.test.", record("n1.other.test. 60 A 192.0.2.1")},
		{"the record of another owner", "n1." + apex, record("n2." + apex + " 60 A 192.0.2.1")},
		{"the record of another type", "n1." + apex, record("n1." + apex + ` 60 TXT "x"`)},
		{"the record of another class", "n1." + apex, record("n1." + apex + " 60 CH A 192.0.2.1")},
		{"an owner that is not canonical", "N1." + apex, record("N1." + apex + " 60 A 192.0.2.1")},
		{"no name", "n1.." + apex, record("n1." + apex + " 60 A 192.0.2.1")},
	} {
		path := filepath.Join(t.TempDir(), "zones.db")
		if err := configured(t, path).Close(); err != nil {
			t.Fatal(err)
		}
		db, err := bbolt.Open(path, 0o600, nil)
		if err != nil {
			t.Fatal(err)
		}
		err = db.Update(func(tx *bbolt.Tx) error {
			rrsets := tx.Bucket(zonesBucket).Bucket([]byte(apex)).Bucket(rrsetBucket)
			return rrsets.Put(encodeKey(authority.RRset{Owner: tt.owner, Type: dns.TypeA}), tt.value)
		})
		if err := errors.Join(err, db.Close()); err != nil {
			t.Fatal(err)
		}
		if s, err := Open(path); !errors.Is(err, errDamaged) {
			t.Errorf("%s: got %v, %v", tt.name, s, err)
		}
	}
}
