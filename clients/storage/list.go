package storage

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"path"
	"regexp"
	"slices"

	"github.com/caddy-dyndns/dyndns/clients"
	"github.com/caddy-dyndns/dyndns/internal/stored"
)

// Item is a client in a list.
type Item struct {
	// Record is nil if it cannot be read.
	Record *clients.Record
	// Err says why, with the key of the object.
	Err error
}

// listed is the name of a record's object; storages list folders and files that are being
// written too.
var listed = regexp.MustCompile(`^[0-9a-f]{64}\.json$`)

// All yields the clients behind the given one, empty for all. The order is that of the
// digests of their names: it stays the same, but is not that of the alphabet. The error is
// that of the storage and ends the list.
func (s *Store) All(ctx context.Context, after string) iter.Seq2[Item, error] {
	from := ""
	if after != "" {
		from = hashOf(after)
	}
	return func(yield func(Item, error) bool) {
		for shard := range 256 {
			folder := fmt.Sprintf("%02x", shard)
			if from != "" && folder < from[:2] {
				continue
			}
			keys, err := s.Storage.List(ctx, s.Namespace+"/"+records+"/"+folder, false)
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				yield(Item{}, fmt.Errorf("listing clients: %w", err))
				return
			}
			var hashes []string
			for _, key := range keys {
				if base := path.Base(key); listed.MatchString(base) && base[:len(base)-len(suffix)] > from {
					hashes = append(hashes, base[:len(base)-len(suffix)])
				}
			}
			slices.Sort(hashes)
			for _, hash := range slices.Compact(hashes) {
				item, err := s.item(ctx, hash)
				if err == nil && item == (Item{}) {
					continue // removed meanwhile
				}
				if !yield(item, err) || err != nil {
					return
				}
			}
		}
	}
}

func (s *Store) item(ctx context.Context, hash string) (Item, error) {
	key := s.key(records, hash)
	data, err := stored.Load(ctx, s.Storage, key)
	if data == nil || err != nil {
		return Item{}, err
	}
	record, err := clients.ParseRecord(data)
	if err == nil && hashOf(record.Name) != hash {
		err = fmt.Errorf("%w: it is that of another client", clients.ErrBadRecord)
	}
	if err != nil {
		return Item{Err: fmt.Errorf("the object %s: %w", key, err)}, nil
	}
	return Item{Record: record}, nil
}
