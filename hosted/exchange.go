package hosted

import (
	"context"
	"errors"
	"regexp"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/caddy-dyndns/dyndns/zone"
)

var errPanic = errors.New("internal error in the provider")

// panicked tells of a panic and returns the error of its changes.
func (z *Zone) panicked(value any) *zone.Error {
	if z.Hooks.Panic != nil {
		z.Hooks.Panic(z.Name, value, debug.Stack())
	}
	return &zone.Error{Reason: zone.Unreachable, Server: z.ProviderName, Zone: z.Name, Cause: errPanic}
}

// exchange makes one call of the provider with that many records.
func (z *Zone) exchange(op string, records int, do func(context.Context) error) (failure *zone.Error) {
	ctx, cancel := context.WithTimeout(z.ctx, callTime)
	defer cancel()
	if z.ctx.Err() != nil {
		closed := z.closed()
		return &closed
	}
	started := time.Now()
	func() {
		defer func() {
			if v := recover(); v != nil {
				failure = z.panicked(v)
			}
		}()
		if err := do(ctx); err != nil {
			failure = z.failure(ctx, err)
		}
	}()
	if failure != nil {
		// Of many records some may have been written before it said so.
		failure.Unknown = op == "update" && (failure.Reason != zone.Busy || records > 1)
	}
	z.note(op, time.Since(started), failure)
	return failure
}

// failure returns the error of a call.
func (z *Zone) failure(ctx context.Context, err error) *zone.Error {
	text := err.Error()
	e := &zone.Error{Reason: zone.Unreachable, Server: z.ProviderName, Zone: z.Name, RetryAfter: failedRetry, Cause: errors.New(z.Redact(text))}
	switch retry, limited := rateLimit(text); {
	case z.ctx.Err() != nil:
		*e = z.closed()
	case limited:
		e.Reason, e.RetryAfter = zone.Busy, retry
		z.Memory.hold = time.Now().Add(retry)
	case ctx.Err() != nil || errors.Is(err, context.DeadlineExceeded):
		e.Reason = zone.Timeout
	}
	return e
}

var (
	limited    = regexp.MustCompile(`(?i)\b429\b|too many requests|rate.?limit|throttl`)
	retryAfter = regexp.MustCompile(`(?i)(?:retry|try again)[- _]?(?:after|in)[^0-9a-z]{0,4}(\d+(?:\.\d+)?)(?:(ms|s|m|h)\b)?`)
)

// rateLimit reads from the text of an error whether the provider is asked too often, and
// when to ask again: libdns has no type for that.
func rateLimit(text string) (time.Duration, bool) {
	if !limited.MatchString(text) {
		return 0, false
	}
	match := retryAfter.FindStringSubmatch(text)
	if match == nil {
		return limitedRetry, true
	}
	unit := time.Second
	if match[2] != "" {
		unit, _ = time.ParseDuration("1" + match[2]) // one of the pattern's
	}
	number, _ := strconv.ParseFloat(match[1], 64) // infinite if it is too great
	return time.Duration(min(number*float64(unit), float64(maxRetry))), true
}

// note counts an exchange.
func (z *Zone) note(op string, took time.Duration, err *zone.Error) {
	z.mu.Lock()
	z.status.Seen, z.status.Up, z.status.Latency = true, err == nil, took
	if op == "update" {
		z.counts.Updates++
	} else {
		z.counts.Queries++
	}
	if err != nil {
		z.status.LastError = err
		z.counts.Failed++
	}
	z.mu.Unlock()
	if z.Hooks.Exchange != nil {
		z.Hooks.Exchange(z.ProviderName, op, took, err)
	}
}
