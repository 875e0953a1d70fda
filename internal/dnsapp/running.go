package dnsapp

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"

	"github.com/caddy-dyndns/dyndns/nameserver"
)

// process is the nameserver of this process: there is one, because two would want the
// same port. Generations of a reload share it.
var process struct {
	sync.Mutex
	running *running

	// current is running for who cannot wait while a configuration starts.
	current atomic.Pointer[running]
}

// running is an open database with sockets, and the configurations that use it.
type running struct {
	server *nameserver.Server
	path   string

	// process's lock guards these.
	apps    []*App // the newest last, which counts
	sockets map[string]io.Closer
	stop    context.CancelFunc // of what looks for new addresses
}

// lookInterval is how often the addresses of this machine are looked at again.
const lookInterval = time.Minute

// begin has an app's configuration count.
func begin(a *App) (*running, error) {
	process.Lock()
	defer process.Unlock()
	r := process.running
	if r != nil && r.path != a.path {
		return nil, fmt.Errorf("database: it cannot be changed from %s to %s while Caddy runs", r.path, a.path)
	}
	if r == nil {
		server, err := nameserver.Open(nameserver.Options{Database: a.path, Logger: a.logger, Hooks: hooks(a.logger)})
		if err != nil {
			return nil, fmt.Errorf("database: %w", err)
		}
		r = &running{server: server, path: a.path, sockets: make(map[string]io.Closer)}
		r.shareCookies(a)
		process.running = r
		process.current.Store(r)
		var ctx context.Context
		ctx, r.stop = context.WithCancel(context.Background())
		go r.look(ctx)
	}
	r.apps = append(r.apps, a)
	if err := r.apply(a); err != nil {
		return nil, errors.Join(err, r.leave(a))
	}
	return r, nil
}

// end has the configuration of an app count no more. Where it is that of a failed reload,
// the one before counts again.
func (r *running) end(a *App) error {
	process.Lock()
	defer process.Unlock()
	return r.leave(a)
}

func (r *running) leave(a *App) error {
	last := r.apps[len(r.apps)-1] == a
	r.apps = slices.DeleteFunc(r.apps, func(other *App) bool { return other == a })
	switch {
	case len(r.apps) == 0:
		process.running = nil
		process.current.Store(nil)
		r.stop()
		return r.server.Close() // with the sockets
	case last:
		return r.apply(r.apps[len(r.apps)-1])
	}
	return nil
}

// apply serves the zones of an app and listens where it says.
func (r *running) apply(a *App) error {
	if err := r.server.Configure(slices.Collect(maps.Values(a.zones))); err != nil {
		return err
	}
	return r.listen(a)
}

// look listens at addresses that this machine got meanwhile.
func (r *running) look(ctx context.Context) {
	ticker := time.NewTicker(lookInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		process.Lock()
		if n := len(r.apps); n > 0 && ctx.Err() == nil {
			if a := r.apps[n-1]; a.listen == nil {
				if err := r.listen(a); err != nil {
					a.logger.Error("cannot listen at an address that this machine got", zap.Error(err))
				}
			}
		}
		process.Unlock()
	}
}

const (
	cookieKey = "dyndns/nameserver/cookie-secret"
	// cookieTime bounds how long the storage is asked for the secret.
	cookieTime = 5 * time.Second
)

// shareCookies has all instances with one storage make the same DNS cookies: they may be
// asked at one address.
func (r *running) shareCookies(a *App) {
	ctx, cancel := context.WithTimeout(context.Background(), cookieTime)
	defer cancel()
	secret, err := loadCookieSecret(ctx, a.storage)
	if err != nil {
		a.logger.Warn("the secret of DNS cookies is that of this process alone", zap.Error(err))
		return
	}
	r.server.SetCookieSecrets(secret)
}

func loadCookieSecret(ctx context.Context, storage certmagic.Storage) (secret [16]byte, err error) {
	data, err := storage.Load(ctx, cookieKey)
	if err == nil && len(data) == len(secret) {
		return [16]byte(data), nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return secret, err
	}
	rand.Read(secret[:])
	if err := storage.Store(ctx, cookieKey, secret[:]); err != nil {
		return secret, err
	}
	// Another instance may have been a moment later, and its secret counts.
	if data, err = storage.Load(ctx, cookieKey); err == nil && len(data) == len(secret) {
		secret = [16]byte(data)
	}
	return secret, err
}
