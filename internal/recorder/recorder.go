// Package recorder has the history of the process, which all handlers share.
package recorder

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"

	"github.com/caddy-dyndns/dyndns/internal/history"
	"github.com/caddy-dyndns/dyndns/internal/shared"
)

// key is that of the histories among what is shared.
type key struct{ days int }

// Recorder is a history in the storage of the newest configuration: a reload may bring
// another one, whose module closes the old.
type Recorder struct {
	*history.Store
	mu       sync.Mutex
	storages []certmagic.Storage // those of the handlers, the newest last
}

// Take returns the history that keeps a host for so many days, and has it in this storage
// until Leave.
func Take(leases *shared.Leases, storage certmagic.Storage, days int) (*Recorder, error) {
	r, err := shared.Take(leases, key{days}, func() (*Recorder, error) {
		r := new(Recorder)
		r.Store = history.New(history.Config{Days: days, Storage: r.storage, Warn: func(message string, err error) {
			caddy.Log().Named("http.handlers.dyndns").Warn(message, zap.Error(err))
		}})
		return r, nil
	})
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.storages = append(r.storages, storage)
	return r, nil
}

// Leave ends the use of a storage. The history may need it until all that is shared has
// been released.
func (r *Recorder) Leave(storage certmagic.Storage) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if i := slices.Index(r.storages, storage); i >= 0 {
		r.storages = slices.Delete(r.storages, i, i+1)
	}
}

// Destruct saves what has changed.
func (r *Recorder) Destruct() error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	r.Stop(ctx)
	return nil
}

func (r *Recorder) storage() history.Storage {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.storages) == 0 {
		return nil
	}
	return r.storages[len(r.storages)-1]
}
