package challenge

import (
	"context"
	"slices"
	"sync"
)

// turns are those of the owners whose values somebody changes. The zero value is ready.
type turns struct {
	mu     sync.Mutex
	owners map[string]*turn
}

// turn is had by whoever could send to it.
type turn struct {
	taken chan struct{}
	// users are those that have it or wait for it.
	users int
}

// Hold waits until nobody else who has these notes changes the values at the absolute
// owners, so that what is counted and noted of them is true until release is called. Other
// handlers and instances are not waited for: a lock for all would cost more than the
// change. The error is that of ctx.
func (n *Notes) Hold(ctx context.Context, owners []string) (release func(), err error) {
	// In one order: else two could wait for each other.
	owners = slices.Compact(slices.Sorted(slices.Values(owners)))
	for i, owner := range owners {
		if err := n.turns.take(ctx, owner); err != nil {
			n.turns.giveBack(owners[:i])
			return nil, err
		}
	}
	return func() { n.turns.giveBack(owners) }, nil
}

func (all *turns) take(ctx context.Context, owner string) error {
	all.mu.Lock()
	t := all.owners[owner]
	if t == nil {
		if all.owners == nil {
			all.owners = make(map[string]*turn)
		}
		t = &turn{taken: make(chan struct{}, 1)}
		all.owners[owner] = t
	}
	t.users++
	all.mu.Unlock()
	select {
	case t.taken <- struct{}{}:
		return nil
	case <-ctx.Done():
	}
	all.mu.Lock()
	defer all.mu.Unlock()
	all.leave(owner)
	return ctx.Err()
}

func (all *turns) giveBack(owners []string) {
	all.mu.Lock()
	defer all.mu.Unlock()
	for _, owner := range owners {
		<-all.owners[owner].taken
		all.leave(owner)
	}
}

// leave forgets a turn that nobody uses. The caller holds the mutex.
func (all *turns) leave(owner string) {
	if t := all.owners[owner]; t.users == 1 {
		delete(all.owners, owner)
	} else {
		t.users--
	}
}
