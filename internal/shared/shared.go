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

// Take returns what is shared under the key, made by construct if there is nothing.
func Take[T caddy.Destructor](l *Leases, key any, construct func() (T, error)) (T, error) {
	value, _, err := pool.LoadOrNew(key, func() (caddy.Destructor, error) { return construct() })
	if err != nil {
		var none T
		return none, err
	}
	*l = append(*l, key)
	return value.(T), nil
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
	pool.Range(func(_, value any) bool {
		if v, ok := value.(T); ok {
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
