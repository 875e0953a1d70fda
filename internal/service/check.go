package service

import (
	"context"
	"errors"
	"sync"

	"github.com/caddy-dyndns/dyndns/clients"
	"github.com/caddy-dyndns/dyndns/zone"
)

// check runs the self-test of every zone, each with the whole timeout of its own.
func (s *Service) check(ctx context.Context, client *clients.Client) ([]ZoneCheck, *Error) {
	if !client.All() {
		return nil, &Error{Reason: NotGranted, Message: "a check needs the secret or a client with hosts *"}
	}
	select {
	case s.Checking <- struct{}{}:
		defer func() { <-s.Checking }()
	default:
		return nil, &Error{Reason: zone.Busy, Message: "another check is running", RetryAfter: busyRetry}
	}
	checks := make([]ZoneCheck, len(s.Zones))
	var wg sync.WaitGroup
	for i := range s.Zones {
		z := &s.Zones[i]
		wg.Go(func() {
			checks[i].Zone = z.Name
			backend, ok := z.Backend.(zone.Checker)
			if !ok {
				checks[i].Steps = []zone.CheckStep{{Name: "self-test", Warning: true, Err: errors.New("what changes this zone has none")}}
				return
			}
			ctx, cancel := context.WithTimeout(ctx, s.Timeout)
			defer cancel()
			defer func() {
				if v := recover(); v != nil {
					s.defect(z, panicked(v))
					checks[i].Steps = []zone.CheckStep{{Name: "self-test", Err: errDefect}}
				}
			}()
			checks[i].Steps = backend.Check(ctx)
		})
	}
	wg.Wait()
	return checks, nil
}
