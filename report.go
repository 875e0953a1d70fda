package dyndns

import (
	"net/http"
	"time"

	"github.com/caddy-dyndns/dyndns/internal/service"
)

// report tells log, metrics, events and history what became of a request. All of them
// see the same outcome, so that they never contradict each other.
func (h *Handler) report(r *http.Request, dialect string, outcome service.Outcome, status int, took time.Duration) {
	worst := requestResult(&outcome)
	countRequest(dialect, worst, &outcome)
	h.logRequest(r, dialect, worst, &outcome, status, took)
	h.events.publish(r, dialect, &outcome)
	h.history.record(r, &outcome)
}

// result is what became of a request or of one name, the worse the greater.
type result uint8

const (
	unchanged result = iota
	deleted
	updated
	checked
	refused
	failed
	results
)

// String returns the word that stands in log entries and metrics.
func (r result) String() string {
	return [results]string{"unchanged", "deleted", "updated", "checked", "refused", "failed"}[r]
}

// requestResult is the worst of what became of the names of a request.
func requestResult(o *service.Outcome) result {
	if o.Err != nil {
		return errorResult(o.Err)
	}
	worst := unchanged
	for h := range o.Names() {
		worst = max(worst, hostResult(h))
	}
	for i := range o.Checks {
		worst = max(worst, checkResult(&o.Checks[i]))
	}
	return worst
}

func hostResult(h *service.HostOutcome) result {
	if h.Err != nil {
		return errorResult(h.Err)
	}
	worst := unchanged
	for i := range h.Records {
		worst = max(worst, recordResult(&h.Records[i]))
	}
	return worst
}

func recordResult(r *service.Record) result {
	switch {
	case !r.Changed:
		return unchanged
	case len(r.New) == 0:
		return deleted
	}
	return updated
}

func checkResult(c *service.ZoneCheck) result {
	for _, step := range c.Steps {
		if step.Err != nil {
			return failed
		}
	}
	return checked
}

// errorResult tells nameserver trouble, which the operator has to mend, from
// what the client has to.
func errorResult(err *service.Error) result {
	switch err.Reason {
	case service.DNSRefused, service.DNSFailed, service.DNSTimeout, service.DNSBusy:
		return failed
	}
	return refused
}

// reasonWord names a reason in log entries and events.
func reasonWord(reason service.Reason) string {
	switch reason {
	case service.NoCredential:
		return "no_credential"
	case service.BadCredential:
		return "bad_credential"
	case service.Throttled:
		return "throttled"
	case service.CrossSite:
		return "cross_site"
	case service.BadMethod:
		return "bad_method"
	case service.BadMediaType:
		return "bad_media_type"
	case service.BadParameter:
		return "bad_parameter"
	case service.TooManyHosts:
		return "too_many_hosts"
	case service.Unsupported:
		return "unsupported"
	case service.BadName:
		return "bad_name"
	case service.NoZone:
		return "no_zone"
	case service.NotGranted:
		return "not_granted"
	case service.BadAddress:
		return "bad_address"
	case service.DNSConflict:
		return "dns_conflict"
	case service.DNSRefused:
		return "dns_refused"
	case service.DNSFailed:
		return "dns_failed"
	case service.DNSTimeout:
		return "dns_timeout"
	case service.DNSBusy:
		return "dns_busy"
	}
	return "unknown"
}
