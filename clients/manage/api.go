// Package manage changes the clients in Caddy's storage while it runs: an endpoint of the
// admin API, and a command over it.
package manage

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/caddy-dyndns/dyndns/clients"
	"github.com/caddy-dyndns/dyndns/clients/storage"
)

func init() {
	caddy.RegisterModule(api{})
}

// api is a module that provides the /dyndns/clients endpoint for the Caddy admin API.
type api struct{}

// CaddyModule returns the Caddy module information.
func (api) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "admin.api.dyndns_clients",
		New: func() caddy.Module { return new(api) },
	}
}

const (
	root = "/dyndns/clients"
	// opTime bounds one request but for import and export.
	opTime = time.Minute

	defaultPage = 100
	maxPage     = 1000
)

// Routes returns the routes of the endpoint.
func (a api) Routes() []caddy.AdminRoute {
	return []caddy.AdminRoute{
		{Pattern: root, Handler: caddy.AdminHandlerFunc(a.serve)},
		{Pattern: root + "/", Handler: caddy.AdminHandlerFunc(a.serve)},
	}
}

// endpoint is what one request is about.
type endpoint struct {
	w     http.ResponseWriter
	r     *http.Request
	ctx   context.Context
	query url.Values
	open  []*storage.Open // the newest first
	store *storage.Store
	zones clients.Config // those of all handlers that have these clients
}

func (api) serve(w http.ResponseWriter, r *http.Request) error {
	e := &endpoint{w: w, r: r, ctx: r.Context(), query: r.URL.Query()}
	rest, isRoot := strings.CutPrefix(r.URL.EscapedPath(), root)
	if !isRoot {
		return apiError(storage.ErrNotFound)
	}
	var path []string
	for segment := range strings.SplitSeq(strings.Trim(rest, "/"), "/") {
		text, err := url.PathUnescape(segment)
		if err != nil {
			return failure(http.StatusBadRequest, err)
		}
		if text != "" {
			path = append(path, text)
		}
	}
	if err := e.choose(); err != nil {
		return err
	}
	methods := e.methods(path)
	if methods == nil {
		return apiError(fmt.Errorf("%w: this path", storage.ErrNotFound))
	}
	serve := methods[r.Method]
	if serve == nil {
		w.Header().Set("Allow", strings.Join(slices.Sorted(maps.Keys(methods)), ", "))
		return failure(http.StatusMethodNotAllowed, errors.New("method not allowed"))
	}
	return apiError(serve())
}

// methods returns what can be done at a path, nil if it is none.
func (e *endpoint) methods(path []string) map[string]func() error {
	at := func(f func(ctx context.Context, path []string) error) func() error {
		return func() error {
			ctx, cancel := context.WithTimeout(e.ctx, opTime)
			defer cancel()
			return f(ctx, path)
		}
	}
	switch {
	case len(path) == 0:
		return map[string]func() error{http.MethodGet: at(e.list)}
	case len(path) == 1 && path[0] == "export":
		return map[string]func() error{http.MethodGet: e.export}
	case len(path) == 1 && path[0] == "import":
		return map[string]func() error{http.MethodPost: e.importLines}
	case len(path) == 1:
		return map[string]func() error{http.MethodGet: at(e.get), http.MethodPut: at(e.put), http.MethodDelete: at(e.delete)}
	case len(path) == 2 && path[1] == "tokens":
		return map[string]func() error{http.MethodPost: at(e.addToken)}
	case len(path) == 3 && path[1] == "tokens":
		return map[string]func() error{http.MethodDelete: at(e.removeToken)}
	}
	return nil
}

// choose finds the namespace that the request is about.
func (e *endpoint) choose() error {
	opened := storage.Opened()
	namespace := e.query.Get("namespace")
	if namespace == "" && len(opened) == 1 {
		for only := range opened {
			namespace = only
		}
	}
	namespace = cmp.Or(namespace, storage.DefaultNamespace)
	if e.open = opened[namespace]; len(e.open) == 0 {
		return failure(http.StatusNotFound, fmt.Errorf("no dyndns handler has clients in storage in the namespace %q", namespace))
	}
	e.store = e.open[0].Store
	var zones []string
	for _, o := range e.open {
		zones = append(zones, o.Config.Zones()...)
	}
	e.zones = clients.NewConfig(zones)
	return nil
}

// failure is an error as Caddy's admin API answers it.
func failure(status int, err error) error { return caddy.APIError{HTTPStatus: status, Err: err} }

// apiError returns the error with its status.
func apiError(err error) error {
	var already caddy.APIError
	switch {
	case err == nil || errors.As(err, &already):
		return err
	case errors.Is(err, storage.ErrNotFound):
		return failure(http.StatusNotFound, err)
	case errors.Is(err, storage.ErrChanged):
		return failure(http.StatusPreconditionFailed, err)
	case errors.Is(err, storage.ErrTaken):
		return failure(http.StatusConflict, err)
	case errors.Is(err, clients.ErrBadRecord):
		return failure(http.StatusBadRequest, err)
	}
	return failure(http.StatusInternalServerError, err)
}

func (e *endpoint) reply(status int, tag string, value any) error {
	if tag != "" {
		e.w.Header().Set("ETag", tag)
	}
	e.w.Header().Set("Cache-Control", "no-store")
	if value == nil {
		e.w.WriteHeader(status)
		return nil
	}
	e.w.Header().Set("Content-Type", "application/json")
	e.w.WriteHeader(status)
	// Whoever asked may be gone.
	_ = json.NewEncoder(e.w).Encode(value)
	return nil
}

// condition reads If-Match and If-None-Match (RFC 9110 sections 13.1.1 and 13.1.2).
func (e *endpoint) condition() (storage.Condition, error) {
	var c storage.Condition
	if match := e.r.Header.Values("If-Match"); match != nil {
		c.Tags = []string{}
		for tag := range strings.SplitSeq(strings.Join(match, ","), ",") {
			c.Tags = append(c.Tags, strings.TrimSpace(tag))
		}
	}
	switch e.r.Header.Get("If-None-Match") {
	case "":
	case "*":
		c.New = true
	default:
		return c, failure(http.StatusBadRequest, errors.New("If-None-Match: only * is understood"))
	}
	return c, nil
}

func (e *endpoint) flag(name string) bool { return e.query.Get(name) == "true" }

// body reads the request's body, nothing if there is none.
func (e *endpoint) body() ([]byte, error) {
	data, err := io.ReadAll(http.MaxBytesReader(e.w, e.r.Body, clients.MaxRecord))
	if err != nil {
		return nil, failure(http.StatusBadRequest, fmt.Errorf("reading the body: %w", err))
	}
	return data, nil
}

// changed tells log and events what was changed of a client.
func (e *endpoint) changed(client, change string) {
	logger().Info("client changed", zap.String("client", client), zap.String("change", change))
	e.open[0].Changed(client, change)
}

func logger() *zap.Logger { return caddy.Log().Named("admin.api.dyndns_clients") }

// Interface guard
var _ caddy.AdminRouter = api{}
