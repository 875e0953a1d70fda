package dyndns

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyevents"
	"go.uber.org/zap"

	"github.com/caddy-dyndns/dyndns/internal/redact"
	"github.com/caddy-dyndns/dyndns/internal/service"
)

// The names of the events. docs/logging.md lists their data.
const (
	eventUpdated = "dyndns.updated"
	eventDeleted = "dyndns.deleted"
	eventRefused = "dyndns.refused"
	eventExpired = "dyndns.expired"

	eventClientChanged = "dyndns.client_changed"
)

const (
	// maxQueuedEvents bounds what a subscriber that hangs can keep in memory.
	maxQueuedEvents = 1024
	// eventGrace is how long the events of a replaced configuration are still
	// delivered: its last requests end after its cleanup.
	eventGrace = 10 * time.Second
)

// notifier hands events to Caddy's events app. Caddy calls subscribers
// synchronously, so they are called from a goroutine of their own, which lives
// only while there is something to deliver.
type notifier struct {
	app    *caddyevents.App
	ctx    caddy.Context
	logger *zap.Logger

	// silent is set once it is known that nobody subscribes.
	silent atomic.Bool

	mu      sync.Mutex
	queue   []event
	started bool // the events app runs: its subscriptions do not change any more
	running bool // a goroutine delivers
	dropped int
}

type event struct {
	name string
	data map[string]any
}

// newNotifier returns nil if there is no events app.
func newNotifier(ctx caddy.Context) *notifier {
	loaded, err := ctx.AppIfConfigured("events")
	if err != nil {
		return nil
	}
	app, ok := loaded.(*caddyevents.App)
	if !ok {
		return nil
	}
	n := &notifier{app: app, ctx: ctx, logger: ctx.Logger()}
	delivery, stop := context.WithCancel(context.WithoutCancel(ctx.Context))
	context.AfterFunc(ctx.Context, func() {
		if n.silent.Load() {
			stop()
			return
		}
		time.AfterFunc(eventGrace, stop)
	})
	n.ctx.Context = delivery
	// Caddy starts its apps in random order, and the events app fills the map
	// that ShouldEmit reads when it starts: before that, a request must not look.
	if err := app.On("started", onStarted{n}); err != nil {
		n.logger.Error("no events will be emitted", zap.Error(err))
		return nil
	}
	return n
}

// onStarted begins to deliver when all apps have started.
type onStarted struct{ notifier *notifier }

// Handle implements caddyevents.Handler.
func (s onStarted) Handle(context.Context, caddy.Event) error {
	n := s.notifier
	n.mu.Lock()
	defer n.mu.Unlock()
	n.started = true
	if !slices.ContainsFunc([]string{eventUpdated, eventDeleted, eventRefused, eventExpired, eventClientChanged}, n.app.ShouldEmit) {
		n.silent.Store(true)
		n.queue = nil
	}
	n.wake()
	return nil
}

// publish queues the events of one request and returns at once.
func (n *notifier) publish(r *http.Request, dialect string, o *service.Outcome) {
	if n == nil || n.silent.Load() {
		return
	}
	n.enqueue(eventsOf(r, dialect, o))
}

// publishExpired queues the events of addresses that expired.
func (n *notifier) publishExpired(o *service.HostOutcome) {
	if n == nil || n.silent.Load() {
		return
	}
	for i := range o.Records {
		if rec := &o.Records[i]; rec.Changed {
			n.enqueue([]event{{eventExpired, map[string]any{"host": o.Name, "zone": o.Zone, "type": rec.Type.String(), "old": strings.Join(rec.Old, ",")}}})
		}
	}
}

// clientChanged queues the event of a change of a client in a source.
func (n *notifier) clientChanged(client, change string) {
	if n == nil || n.silent.Load() {
		return
	}
	n.enqueue([]event{{eventClientChanged, map[string]any{"client": client, "change": change}}})
}

func (n *notifier) enqueue(events []event) {
	if len(events) == 0 {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	fit := min(len(events), maxQueuedEvents-len(n.queue))
	n.queue = append(n.queue, events[:fit]...)
	n.dropped += len(events) - fit
	n.wake()
}

// wake starts the delivering goroutine if there is need for one. The mutex is held.
func (n *notifier) wake() {
	if n.started && !n.running && len(n.queue) > 0 {
		n.running = true
		go n.deliver()
	}
}

func (n *notifier) deliver() {
	for {
		n.mu.Lock()
		if n.ctx.Err() != nil {
			n.dropped += len(n.queue)
			n.queue = nil
		}
		if n.dropped > 0 {
			n.logger.Warn("events dropped because a subscriber is too slow", zap.Int("count", n.dropped))
			n.dropped = 0
		}
		if len(n.queue) == 0 {
			n.running = false
			n.mu.Unlock()
			return
		}
		next := n.queue[0]
		n.queue = n.queue[1:]
		n.mu.Unlock()
		n.app.Emit(n.ctx, next.name, next.data)
	}
}

// eventsOf returns one event for every record that was written and for every
// refusal. Their data holds flat text, as placeholders need it, and no secret.
func eventsOf(r *http.Request, dialect string, o *service.Outcome) []event {
	var events []event
	add := func(name string, data map[string]any) {
		data["client"], data["dialect"], data["client_ip"] = o.Client, dialect, clientText(r)
		events = append(events, event{name, data})
	}
	refuse := func(host, zone string, err *service.Error) {
		add(eventRefused, map[string]any{
			"host": host, "zone": zone, "reason": err.Reason, "message": redact.EscapeControls(err.Message),
		})
	}
	if o.Err != nil {
		refuse("", "", o.Err)
	}
	for h := range o.Names() {
		if h.Err != nil {
			refuse(h.Name, h.Zone, h.Err)
		}
		for i := range h.Records {
			rec := &h.Records[i]
			data := map[string]any{
				"host": h.Name, "zone": h.Zone, "type": rec.Type.String(),
				"old": strings.Join(rec.Old, ","), "new": strings.Join(rec.New, ","), "ttl": rec.TTL,
			}
			switch rec.Result() {
			case service.Updated:
				add(eventUpdated, data)
			case service.Deleted:
				add(eventDeleted, data)
			}
		}
	}
	return events
}
