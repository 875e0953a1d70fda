package provider

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/caddy-dyndns/dyndns/internal/name"
	"github.com/caddy-dyndns/dyndns/internal/records"
)

// backend is where the zones are.
type backend interface {
	// list returns what stands at the names, or at all of the client if there are none.
	list(ctx context.Context, names []string) ([]records.Result, error)
	change(context.Context, records.Request) ([]records.Result, error)
}

// failure is an error after which another try is worth it.
type failure struct {
	error
	// after is when; 0 if that is not known.
	after time.Duration
}

func (f failure) Unwrap() error { return f.error }

const (
	// tryTime is what one try may take: longer than a handler writes and then waits for
	// nameservers.
	tryTime = 45 * time.Second
	// firstPause and longestPause are between two tries.
	firstPause   = time.Second
	longestPause = 30 * time.Second
)

// persist tries until it works, the error is one that stays, or the time is over: that of
// the caller or, because many callers set none, the limit.
func (p *Provider) persist(ctx context.Context, limit time.Duration, try func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		one, cancel := context.WithTimeout(ctx, tryTime)
		err := try(one)
		cancel()
		var again failure
		if !errors.As(err, &again) {
			return err
		}
		// Half of the pause is drawn, so that what failed at once does not come back at once.
		wait := max(again.after, pause/2+rand.N(pause/2))
		if deadline, _ := ctx.Deadline(); time.Until(deadline) < wait {
			return err
		}
		p.logger.Warn("changing records is tried again", zap.Duration("after", wait), zap.Error(err))
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return err
		}
	}
}

// managedHosts returns the absolute names of the sites that this Caddy serves.
func managedHosts(ctx caddy.Context) (hosts []string) {
	app, err := ctx.AppIfConfigured("http")
	if err != nil {
		return nil
	}
	replacer := caddy.NewReplacer()
	for _, server := range app.(*caddyhttp.App).Servers {
		for _, route := range server.Routes {
			for _, matchers := range route.MatcherSets {
				for _, matcher := range matchers {
					match, ok := matcher.(*caddyhttp.MatchHost)
					if !ok {
						continue
					}
					for _, host := range *match {
						if fqdn, err := name.Normalize(replacer.ReplaceAll(host, "")); err == nil {
							hosts = append(hosts, fqdn)
						}
					}
				}
			}
		}
	}
	return hosts
}
