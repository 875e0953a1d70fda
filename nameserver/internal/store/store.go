// Package store keeps the zones of a nameserver in one bbolt file: the RRsets that were
// changed at run time, the log of the last changes, and serials. What Commit has
// confirmed is on disk.
package store

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"
	"time"

	"github.com/miekg/dns"
	"go.etcd.io/bbolt"
	bbolterrors "go.etcd.io/bbolt/errors"

	"github.com/caddy-dyndns/dyndns/internal/authority"
)

// The file has the bucket "meta" and the bucket "zones" with one for each zone, by its
// canonical name. A zone has its meta data and two buckets: RRsets by owner, zero octet
// and type, and the log by an ascending number.
var (
	metaBucket, zonesBucket, rrsetBucket, logBucket = []byte("meta"), []byte("zones"), []byte("rrset"), []byte("log")
	formatKey, commitsKey, serialKey, digestKey     = []byte("format"), []byte("commits"), []byte("serial"), []byte("configuration")
)

// format is what this program writes and reads.
const format = "dyndns nameserver 1"

// lockTime is how long another process may hold the file before Open gives up. The
// process before this one may just be ending.
const lockTime = 2 * time.Second

// Digest stands for a zone's configuration.
type Digest [sha256.Size]byte

// ErrInDoubt tells that what was to be written may be on disk or not. Nothing more is
// written until the file has been opened again.
var ErrInDoubt = errors.New("it is not known whether the change is on disk")

// Store is an open file. Any number of goroutines may use it.
type Store struct {
	db *bbolt.DB

	mu sync.Mutex
	// commits counts those of the file.
	commits uint64
	// failed is why nothing more is written.
	failed error
}

// Open opens the file, or makes a new one. It reads all of it, and returns an error if
// any part is damaged.
func Open(path string) (*Store, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("making the directory of the database: %w", err)
	}
	s := new(Store)
	err := guard(func() error { return s.open(path) })
	if err == nil {
		return s, nil
	}
	if s.db != nil {
		err = errors.Join(err, s.db.Close())
	}
	if errors.Is(err, bbolterrors.ErrTimeout) {
		return nil, fmt.Errorf("the database %s is in use by another process: end that, or give each a database of its own", path)
	}
	return nil, fmt.Errorf("opening the database %s: %w", path, err)
}

func (s *Store) open(path string) error {
	var file *os.File
	opened := false
	defer func() {
		// bbolt closes it with every error, but not when it panics.
		if !opened && file != nil {
			_ = errors.Join(unlock(file), file.Close())
		}
	}()
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{
		Timeout: lockTime, FreelistType: bbolt.FreelistMapType,
		OpenFile: func(name string, flag int, mode os.FileMode) (*os.File, error) {
			f, err := os.OpenFile(name, flag, mode)
			file = f
			return f, err
		},
	})
	opened = true
	switch {
	case errors.Is(err, bbolterrors.ErrInvalid), errors.Is(err, bbolterrors.ErrChecksum), errors.Is(err, bbolterrors.ErrVersionMismatch):
		return fmt.Errorf("%w: it is damaged or no database", err)
	case err != nil:
		return err
	}
	s.db = db
	isNew := false
	err = db.View(func(tx *bbolt.Tx) error {
		key, _ := tx.Cursor().First()
		if isNew = key == nil; isNew {
			return nil
		}
		return s.read(tx)
	})
	if err == nil && isNew {
		err = errors.Join(db.Update(create), syncDirectory(filepath.Dir(path)))
	}
	return err
}

// read reads everything.
func (s *Store) read(tx *bbolt.Tx) error {
	meta, zones := tx.Bucket(metaBucket), tx.Bucket(zonesBucket)
	if meta == nil {
		return errors.New("it is the database of another program")
	}
	if got := string(meta.Get(formatKey)); got != format {
		return fmt.Errorf("its format %q is not that of this program, %q", got, format)
	}
	commits := meta.Get(commitsKey)
	if len(commits) != 8 || zones == nil {
		return errDamaged
	}
	s.commits = binary.BigEndian.Uint64(commits)
	return zones.ForEach(func(name, _ []byte) error {
		b := zones.Bucket(name)
		if b == nil {
			return errDamaged
		}
		if _, err := readZone(string(name), b); err != nil {
			return err
		}
		return b.Bucket(logBucket).ForEach(func(_, value []byte) error {
			_, err := decodeEntry(value)
			return err
		})
	})
}

func create(tx *bbolt.Tx) error {
	meta, err := tx.CreateBucket(metaBucket)
	if err != nil {
		return err
	}
	_, err = tx.CreateBucket(zonesBucket)
	return errors.Join(err, meta.Put(formatKey, []byte(format)), meta.Put(commitsKey, make([]byte, 8)))
}

var errDamaged = errors.New("it is damaged: restore an export of the zones, or move the file away to begin with what the configuration has")

// guard turns a panic in bbolt, or a fault in the memory that it has mapped, as with a
// file that was cut off, into an error.
func guard(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("%w (%v)", errDamaged, v)
		}
	}()
	return f()
}

// Close closes the file.
func (s *Store) Close() error { return s.db.Close() }

// Zone is what the file has of a zone.
type Zone struct {
	// Serial is 0 if the file has nothing of the zone.
	Serial        uint32
	Configuration Digest
	// Changed are the RRsets that were changed at run time, with their values as After.
	Changed []authority.Difference
}

// Load returns what the file has of a zone.
func (s *Store) Load(name string) (z Zone, err error) {
	err = guard(func() error {
		return s.db.View(func(tx *bbolt.Tx) (err error) {
			if b := tx.Bucket(zonesBucket).Bucket([]byte(name)); b != nil {
				z, err = readZone(name, b)
			}
			return err
		})
	})
	return z, err
}

func readZone(name string, b *bbolt.Bucket) (z Zone, err error) {
	serial, digest, rrsets := b.Get(serialKey), b.Get(digestKey), b.Bucket(rrsetBucket)
	if len(serial) != 4 || len(digest) != len(z.Configuration) || rrsets == nil || b.Bucket(logBucket) == nil {
		return z, errDamaged
	}
	z.Serial, z.Configuration = binary.BigEndian.Uint32(serial), Digest(digest)
	return z, rrsets.ForEach(func(key, value []byte) error {
		id, err := decodeKey(key)
		if err != nil {
			return err
		}
		records, err := unpack(value)
		if err != nil || len(records) == 0 || !dns.IsSubDomain(name, id.Owner) {
			return errDamaged
		}
		for _, rr := range records {
			if h := rr.Header(); h.Name != id.Owner || h.Rrtype != id.Type || h.Class != dns.ClassINET || dns.CanonicalName(h.Name) != h.Name {
				return errDamaged
			}
		}
		z.Changed = append(z.Changed, authority.Difference{RRset: id, After: records})
		return nil
	})
}
