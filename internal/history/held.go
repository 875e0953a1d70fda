package history

import (
	"context"
	"slices"
	"time"

	"github.com/caddy-dyndns/dyndns/internal/expiry"
	"github.com/caddy-dyndns/dyndns/zone"
)

// Held returns the addresses that clients have said at names that pass the filter, after
// it has read what other instances stored.
func (s *Store) Held(ctx context.Context, filter func(name string) bool) (all []expiry.Held, err error) {
	s.use(ctx, saveWait, func(ctx context.Context, storage Storage) { err = s.read(ctx, storage) })
	if err != nil {
		return nil, err
	}
	s.each(func(h *host) {
		if !filter(h.Name) {
			return
		}
		for i, held := range h.Held {
			if addresses := types[i] == zone.TypeA || types[i] == zone.TypeAAAA; addresses && held.Seen > 0 && len(held.Values) > 0 {
				all = append(all, expiry.Held{Name: h.Name, Type: types[i], Values: held.Values, Seen: moment(held.Seen)})
			}
		}
	})
	return all, ctx.Err()
}

// Expired has an RRset be no client's any more, unless one has said something of it since.
func (s *Store) Expired(gone expiry.Held) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.Index(types[:], gone.Type)
	if h := s.hosts[gone.Name]; h != nil && i >= 0 && moment(h.Held[i].Seen).Equal(gone.Seen) {
		h.Held[i].Values, h.Held[i].At = nil, time.Now().Unix()
		s.changed()
	}
}
