package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"go.etcd.io/bbolt"

	"github.com/miekg/dns"

	"github.com/caddy-dyndns/dyndns/internal/authority"
)

// The log of a zone keeps this many groups of changes, and this many octets of them.
const (
	maxEntries = 10_000
	maxLog     = 16 << 20
)

// Group is what is written of one zone together.
type Group struct {
	Zone string
	// From and To are the serials before and after.
	From, To uint32
	// NewLog has the log begin after these changes.
	NewLog bool
	// Differences are those of the RRsets that are changed at run time, without the SOA
	// record.
	Differences []authority.Difference
}

// Commit writes groups, at most one for each zone, all or none. It returns an error that
// is [ErrInDoubt] if it is not known whether they are on disk.
func (s *Store) Commit(groups []Group) error {
	return s.update(func(zones *bbolt.Bucket) error {
		for _, g := range groups {
			if err := g.write(zones.Bucket([]byte(g.Zone))); err != nil {
				return err
			}
		}
		return nil
	})
}

// Configure notes that a zone is configured in another way, with another serial. The
// log ends there.
func (s *Store) Configure(name string, configuration Digest, serial uint32) error {
	return s.update(func(zones *bbolt.Bucket) error {
		b, err := zones.CreateBucketIfNotExists([]byte(name))
		if err != nil {
			return err
		}
		err = beginLog(b)
		_, err2 := b.CreateBucketIfNotExists(rrsetBucket)
		return errors.Join(err, err2, b.Put(digestKey, configuration[:]), b.Put(serialKey, binary.BigEndian.AppendUint32(nil, serial)))
	})
}

// beginLog makes an empty log in the bucket of a zone.
func beginLog(b *bbolt.Bucket) error {
	if b.Bucket(logBucket) != nil {
		if err := b.DeleteBucket(logBucket); err != nil {
			return err
		}
	}
	_, err := b.CreateBucket(logBucket)
	return err
}

// Probe writes to the disk and changes no zone.
func (s *Store) Probe() error {
	return s.update(func(*bbolt.Bucket) error { return nil })
}

// update runs a transaction. When it fails, the count of transactions tells whether
// the file has it all the same.
func (s *Store) update(write func(zones *bbolt.Bucket) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failed != nil {
		return fmt.Errorf("nothing is written since an earlier failure, start again: %w", s.failed)
	}
	err := guard(func() error {
		return s.db.Update(func(tx *bbolt.Tx) error {
			count := binary.BigEndian.AppendUint64(nil, s.commits+1)
			return errors.Join(write(tx.Bucket(zonesBucket)), tx.Bucket(metaBucket).Put(commitsKey, count))
		})
	})
	if err == nil {
		s.commits++
		return nil
	}
	var count []byte
	view := guard(func() error {
		return s.db.View(func(tx *bbolt.Tx) error {
			count = slices.Clone(tx.Bucket(metaBucket).Get(commitsKey))
			return nil
		})
	})
	if view != nil || len(count) != 8 || binary.BigEndian.Uint64(count) != s.commits {
		s.failed = err
		return fmt.Errorf("%w: %w", ErrInDoubt, err)
	}
	return err
}

// keyedSet is an RRset and its key in the bucket.
type keyedSet struct {
	key     []byte
	records []dns.RR
}

// write writes the group into the bucket of its zone.
func (g *Group) write(b *bbolt.Bucket) error {
	rrsets, log := b.Bucket(rrsetBucket), b.Bucket(logBucket)
	sets := make([]keyedSet, len(g.Differences))
	for i, d := range g.Differences {
		sets[i] = keyedSet{encodeKey(d.RRset), d.After}
	}
	// bbolt splits pages only at the end of a transaction: put in another order, each of many
	// keys moves those behind it.
	slices.SortFunc(sets, func(a, b keyedSet) int { return bytes.Compare(a.key, b.key) })
	for _, s := range sets {
		if len(s.records) == 0 {
			if err := rrsets.Delete(s.key); err != nil {
				return err
			}
			continue
		}
		value, err := pack(nil, s.records)
		if err != nil {
			return err
		}
		if err := rrsets.Put(s.key, value); err != nil {
			return err
		}
	}
	serial := binary.BigEndian.AppendUint32(nil, g.To)
	if g.NewLog {
		return errors.Join(beginLog(b), b.Put(serialKey, serial))
	}
	e := newEntry(g.From, g.To, g.Differences)
	if _, last := log.Cursor().Last(); len(last) >= entryHeader {
		e.total = binary.BigEndian.Uint64(last[8:])
	}
	value, err := encodeEntry(e)
	if err != nil {
		return err
	}
	number, err := log.NextSequence()
	if err != nil {
		return err
	}
	if err := log.Put(binary.BigEndian.AppendUint64(nil, number), value); err != nil {
		return err
	}
	if err := trim(log, number, e.total+uint64(len(value))); err != nil {
		return err
	}
	return b.Put(serialKey, serial)
}

// trim drops the oldest entries of a log that has grown too long.
func trim(log *bbolt.Bucket, last, total uint64) error {
	for {
		key, value := log.Cursor().First()
		if len(key) != 8 || len(value) < entryHeader {
			return errDamaged
		}
		number, before := binary.BigEndian.Uint64(key), binary.BigEndian.Uint64(value[8:])-uint64(len(value))
		if number == last || last-number < maxEntries && total-before <= maxLog {
			return nil
		}
		if err := log.Delete(key); err != nil {
			return err
		}
	}
}

// Log returns the entries that bring a zone from one serial to another, oldest first;
// none if the log does not reach back so far.
func (s *Store) Log(name string, from, to uint32) (entries []Entry, err error) {
	err = guard(func() error {
		return s.db.View(func(tx *bbolt.Tx) error {
			var values [][]byte
			cursor := tx.Bucket(zonesBucket).Bucket([]byte(name)).Bucket(logBucket).Cursor()
			for key, value := cursor.Last(); key != nil; key, value = cursor.Prev() {
				if len(value) < entryHeader {
					return errDamaged
				}
				// What was written last may not be served yet.
				if len(values) == 0 && binary.BigEndian.Uint32(value[4:]) != to {
					continue
				}
				if values = append(values, value); binary.BigEndian.Uint32(value) != from {
					continue
				}
				for _, value := range slices.Backward(values) {
					e, err := decodeEntry(value)
					if err != nil {
						return err
					}
					entries = append(entries, e)
				}
				return nil
			}
			return nil
		})
	})
	return entries, err
}
