package cached

import (
	"time"

	"github.com/caddy-dyndns/dyndns/clients"
)

// unknown is a bounded table of digests that no client has; the oldest goes first.
type unknown struct {
	until map[clients.Digest]time.Time
	order []clients.Digest // a ring once it is full
	next  int
}

func (u *unknown) has(d clients.Digest, now time.Time) bool {
	until, ok := u.until[d]
	return ok && now.Before(until)
}

func (u *unknown) add(d clients.Digest, until time.Time) {
	if u.until == nil {
		u.until = make(map[clients.Digest]time.Time)
	}
	if _, ok := u.until[d]; !ok {
		if len(u.order) < maxUnknown {
			u.order = append(u.order, d)
		} else {
			delete(u.until, u.order[u.next])
			u.order[u.next] = d
			u.next = (u.next + 1) % maxUnknown
		}
	}
	u.until[d] = until
}

// remove leaves the digest's place in the ring, at which nothing is deleted then.
func (u *unknown) remove(d clients.Digest) { delete(u.until, d) }
