// Package shared holds what outlives one handler: two handlers of one configuration
// and two generations of a reload use the same connections, queues and counters. A
// new generation takes its part before the old one gives its up.
package shared

import (
	"errors"

	"github.com/caddyserver/caddy/v2"
)

var pool = caddy.NewUsagePool()

// Leases are what one handler, or one of its guests, has taken.
type Leases []any

// entry is a value of the pool.
type entry struct{ value any }

// Destruct ends a value that has something to end.
func (e entry) Destruct() error {
	if d, ok := e.value.(caddy.Destructor); ok {
		return d.Destruct()
	}
	return nil
}

// Take returns what is shared under the key, made by construct if there is nothing. If
// it is a [caddy.Destructor], it ends with the last lease of it.
func Take[T any](l *Leases, key any, construct func() (T, error)) (T, error) {
	taken, _, err := pool.LoadOrNew(key, func() (caddy.Destructor, error) {
		value, err := construct()
		return entry{value}, err
	})
	if err != nil {
		var none T
		return none, err
	}
	*l = append(*l, key)
	return taken.(entry).value.(T), nil
}

// Release gives back exactly what was taken, so that a configuration that failed
// half-way does not end what the running one uses.
func (l *Leases) Release() error {
	var errs []error
	for _, key := range *l {
		_, err := pool.Delete(key)
		errs = append(errs, err)
	}
	*l = nil
	return errors.Join(errs...)
}

// All returns everything of one type that is shared at present.
func All[T any]() []T {
	var all []T
	pool.Range(func(_, taken any) bool {
		if v, ok := taken.(entry).value.(T); ok {
			all = append(all, v)
		}
		return true
	})
	return all
}

// Held returns how often each key is taken at present.
func Held() map[any]int {
	held := make(map[any]int)
	pool.Range(func(key, _ any) bool {
		held[key], _ = pool.References(key)
		return true
	})
	return held
}
