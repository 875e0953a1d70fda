package dyndns

import (
	"encoding/json"
	"errors"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-dyndns/dyndns/internal/shared"
	"github.com/caddy-dyndns/dyndns/zone"
)

func init() {
	caddy.RegisterModule(adminStatus{})
}

// pathStatus is where the endpoint is in the admin API.
const pathStatus = "/dyndns/status"

// adminStatus is a module that provides the /dyndns/status endpoint for the
// Caddy admin API: the zones with their nameservers, queues and counters.
type adminStatus struct{}

// CaddyModule returns the Caddy module information.
func (adminStatus) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "admin.api.dyndns",
		New: func() caddy.Module { return new(adminStatus) },
	}
}

// Routes returns the route of the endpoint.
func (a adminStatus) Routes() []caddy.AdminRoute {
	return []caddy.AdminRoute{{
		Pattern: pathStatus,
		Handler: caddy.AdminHandlerFunc(a.serve),
	}}
}

func (adminStatus) serve(w http.ResponseWriter, r *http.Request) error {
	if r.Method != http.MethodGet {
		w.Header().Set("Allow", http.MethodGet)
		return caddy.APIError{HTTPStatus: http.StatusMethodNotAllowed, Err: errors.New("method not allowed")}
	}
	w.Header().Set("Content-Type", "application/json")
	status := statusReply{Zones: []zoneStatus{}}
	for _, s := range zoneStatuses() {
		status.Zones = append(status.Zones, describe(s))
	}
	if err := json.NewEncoder(w).Encode(status); err != nil {
		return caddy.APIError{HTTPStatus: http.StatusInternalServerError, Err: err}
	}
	return nil
}

// statusReply is what the endpoint says.
type statusReply struct {
	Zones []zoneStatus `json:"zones"`
}

// zoneStatus is what the endpoint says of one zone.
type zoneStatus struct {
	Zone        string             `json:"zone"`
	Key         string             `json:"key"`
	Nameservers []nameserverStatus `json:"nameservers"`
	Waiting     int                `json:"waiting"`
	Updates     uint64             `json:"updates"`
	Queries     uint64             `json:"queries"`
	Unmet       uint64             `json:"unmet"`
	Denied      uint64             `json:"denied"`
	Failed      uint64             `json:"failed"`
}

type nameserverStatus struct {
	Address   string     `json:"address"`
	Up        *bool      `json:"up,omitempty"` // nil before it was asked
	RestsTill *time.Time `json:"rests_till,omitempty"`
	Latency   float64    `json:"latency_seconds"`
	LastError string     `json:"last_error,omitempty"`
	// ClockOffset is nil before it told the time.
	ClockOffset *float64 `json:"clock_offset_seconds,omitempty"`
}

func describe(s zone.Status) zoneStatus {
	z := zoneStatus{
		Zone: s.Zone, Key: s.Key, Waiting: s.Waiting, Nameservers: []nameserverStatus{},
		Updates: s.Counts.Updates, Queries: s.Counts.Queries,
		Unmet: s.Counts.Unmet, Denied: s.Counts.Denied, Failed: s.Counts.Failed,
	}
	for _, server := range s.Servers {
		n := nameserverStatus{Address: server.Address, Latency: server.Latency.Seconds()}
		if server.Seen {
			n.Up = &server.Up
		}
		if !server.Up {
			n.RestsTill = &server.RestEnds
		}
		if server.ClockTold {
			offset := server.ClockOffset.Round(time.Second).Seconds()
			n.ClockOffset = &offset
		}
		if server.LastError != nil {
			n.LastError = server.LastError.Error()
		}
		z.Nameservers = append(z.Nameservers, n)
	}
	return z
}

// reporter is a zone of some handler that tells how it is.
type reporter struct{ zone.StatusReporter }

// report lets a zone be shown for as long as a handler has it.
func report(l *shared.Leases, backend zone.Zone) error {
	r, ok := backend.(zone.StatusReporter)
	if !ok {
		return nil
	}
	_, err := shared.Take(l, identity(backend), func() (reporter, error) { return reporter{r}, nil })
	return err
}

// identity returns what tells a backend from others. Of those that cannot be compared
// each is another.
func identity(backend zone.Zone) any {
	if reflect.ValueOf(backend).Comparable() {
		return reporterKey{backend}
	}
	return new(reporterKey)
}

// reporterKey is a backend among what is shared.
type reporterKey struct{ zone.Zone }

// zoneStatuses returns the state of every zone in the process, ordered by zone.
// What handlers share is what survives a reload; there is no list of handlers that
// an endpoint of the admin API could ask, which Caddy starts before them.
func zoneStatuses() []zone.Status {
	var statuses []zone.Status
	for _, r := range shared.All[reporter]() {
		statuses = append(statuses, r.Status())
	}
	slices.SortFunc(statuses, func(a, b zone.Status) int { return strings.Compare(a.Zone, b.Zone) })
	return statuses
}

// Interface guard
var _ caddy.AdminRouter = adminStatus{}
