package dyndns

import (
	"context"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/caddy-dyndns/dyndns/internal/history"
	"github.com/caddy-dyndns/dyndns/internal/service"
	"github.com/caddy-dyndns/dyndns/internal/shared"
)

// historyKey is the pool's key of the process's history.
type historyKey struct{ days int }

// recorder is the process's history. It begins to save with the first request:
// `caddy validate` provisions handlers too, and must not write.
type recorder struct {
	*history.Store
	storages *storages
	start    sync.Once
}

// Destruct saves what has changed.
func (r *recorder) Destruct() error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	r.Stop(ctx)
	return nil
}

// storageLease is a handler's part of the history: while it lasts, snapshots may
// go to the storage of the handler's configuration.
type storageLease struct {
	recorder *recorder
	storage  history.Storage
}

// openHistory takes part in the history if the settings ask for one.
func openHistory(ctx caddy.Context, l *shared.Leases, days int) (*storageLease, error) {
	if days <= 0 {
		return nil, nil
	}
	all, err := shared.Take(l, historyKey{days}, func() (*recorder, error) {
		s := new(storages)
		return &recorder{storages: s, Store: history.New(history.Config{
			Days: days, Storage: s, Instance: instanceName,
			Warn: func(message string, err error) {
				caddy.Log().Named("http.handlers.dyndns").Warn(message, zap.Error(err))
			},
		})}, nil
	})
	if err != nil {
		return nil, err
	}
	lease := &storageLease{recorder: all, storage: ctx.Storage()}
	all.storages.add(lease)
	return lease, nil
}

// instanceName is Caddy's name for this installation. Caddy makes one up and
// writes it to its data folder if there is none.
func instanceName() (string, error) {
	id, err := caddy.InstanceID()
	return id.String(), err
}

// release ends the handler's part; a nil lease has none.
func (l *storageLease) release() {
	if l != nil {
		l.recorder.storages.remove(l)
	}
}

// record notes what became of a request.
func (l *storageLease) record(r *http.Request, o *service.Outcome) {
	if l == nil {
		return
	}
	l.recorder.start.Do(l.recorder.Start)
	l.recorder.Record(history.Entry{At: time.Now(), Source: clientAddress(r), UserAgent: r.UserAgent(), Outcome: *o})
}

// storages stands for the storage of the latest configuration that has not been
// cleaned up: a reload may bring another one, whose module closes the old.
type storages struct {
	mu     sync.Mutex
	leases []*storageLease
	last   *storageLease // the latest when there are none, for the final snapshot
}

func (s *storages) add(l *storageLease) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.leases = append(s.leases, l)
}

func (s *storages) remove(l *storageLease) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.leases = slices.DeleteFunc(s.leases, func(other *storageLease) bool { return other == l })
	if len(s.leases) == 0 {
		s.last = l
	}
}

func (s *storages) latest() history.Storage {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.leases) == 0 {
		return s.last.storage
	}
	return s.leases[len(s.leases)-1].storage
}

func (s *storages) Lock(ctx context.Context, name string) error { return s.latest().Lock(ctx, name) }
func (s *storages) Unlock(ctx context.Context, name string) error {
	return s.latest().Unlock(ctx, name)
}
func (s *storages) Store(ctx context.Context, key string, value []byte) error {
	return s.latest().Store(ctx, key, value)
}
func (s *storages) Load(ctx context.Context, key string) ([]byte, error) {
	return s.latest().Load(ctx, key)
}
func (s *storages) Delete(ctx context.Context, key string) error { return s.latest().Delete(ctx, key) }
func (s *storages) List(ctx context.Context, path string, recursive bool) ([]string, error) {
	return s.latest().List(ctx, path, recursive)
}
