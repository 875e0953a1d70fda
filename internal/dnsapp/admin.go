package dnsapp

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-dyndns/dyndns/internal/name"
	"github.com/caddy-dyndns/dyndns/nameserver"
)

func init() {
	caddy.RegisterModule(admin{})
}

// admin is a module that provides the /dyndns/zones endpoint for the Caddy admin API.
type admin struct{}

const adminPath = "/dyndns/zones/"

// CaddyModule returns the Caddy module information.
func (admin) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "admin.api.dyndns_zones", New: func() caddy.Module { return new(admin) }}
}

// Routes returns the routes of the endpoint.
func (admin) Routes() []caddy.AdminRoute {
	return []caddy.AdminRoute{{Pattern: adminPath, Handler: caddy.AdminHandlerFunc(serveAdmin)}}
}

// Imported is the answer to an import.
type Imported struct {
	// Skipped are records that were left out: of other types, or the configuration's own.
	Skipped []string `json:"skipped"`
}

// maxZoneFile bounds an import, in bytes.
const maxZoneFile = 1 << 30

// serveAdmin exports a zone as a zone file by GET, and imports one by PUT.
func serveAdmin(w http.ResponseWriter, r *http.Request) error {
	zone, err := findZone(strings.TrimPrefix(r.URL.Path, adminPath))
	if err != nil {
		return caddy.APIError{HTTPStatus: http.StatusNotFound, Err: err}
	}
	switch r.Method {
	case http.MethodGet:
		w.Header().Set("Content-Type", "text/dns") // RFC 4027
		return zone.Export(w)
	case http.MethodPut:
		var after uint64
		if text := r.URL.Query().Get("after"); text != "" {
			if after, err = strconv.ParseUint(text, 10, 32); err != nil {
				return caddy.APIError{HTTPStatus: http.StatusBadRequest, Err: errors.New("after is no serial")}
			}
		}
		skipped, err := zone.Import(r.Context(), http.MaxBytesReader(w, r.Body, maxZoneFile), uint32(after))
		if err != nil {
			return caddy.APIError{HTTPStatus: http.StatusBadRequest, Err: err}
		}
		w.Header().Set("Content-Type", "application/json")
		return json.NewEncoder(w).Encode(Imported{append([]string{}, skipped...)}) // [] where there are none
	}
	w.Header().Set("Allow", "GET, PUT")
	return caddy.APIError{HTTPStatus: http.StatusMethodNotAllowed, Err: errors.New("GET exports a zone, PUT imports one")}
}

// findZone returns the zone of that name of the running nameserver.
func findZone(text string) (*nameserver.Zone, error) {
	apex, err := name.Zone(text)
	if err != nil {
		return nil, err
	}
	process.Lock()
	defer process.Unlock()
	if process.running != nil {
		if z := process.running.server.Zone(apex); z != nil {
			return z, nil
		}
	}
	return nil, fmt.Errorf("no zone %s is served here", apex)
}
