package dyndns

import (
	"net/http"
	"time"

	"github.com/caddy-dyndns/dyndns/internal/service"
)

// report tells log, metrics, events and history what became of a request.
func (h *Handler) report(r *http.Request, dialect string, outcome service.Outcome, status int, took time.Duration) {
	countRequest(dialect, &outcome)
	h.logRequest(r, dialect, &outcome, status, took)
	h.events.publish(r, dialect, &outcome)
	h.history.record(r, &outcome)
}
