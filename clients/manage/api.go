// Package manage changes the clients in Caddy's storage while it runs: an endpoint of the
// admin API, and a command over it.
package manage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
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
	if namespace == "" {
		namespace = storage.DefaultNamespace
	}
	if e.open = opened[namespace]; len(e.open) == 0 {
		return failure(http.StatusNotFound, fmt.Errorf("no dyndns handler has clients in storage in the namespace %q", namespace))
	}
	e.store = e.open[0].Store
	var zones []string
	for _, o := range e.open {
		zones = append(zones, strings.Fields(o.Config.Zones())...)
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

// Page is a part of the list of clients.
type Page struct {
	Clients []Listed `json:"clients"`
	// Next is what the next page begins after, empty if this is the last.
	Next string `json:"next,omitempty"`
}

// Listed is a client, or why it cannot be read.
type Listed struct {
	*clients.Record
	Error string `json:"error,omitempty"`
}

func listed(i storage.Item) Listed {
	if i.Err != nil {
		return Listed{Error: i.Err.Error()}
	}
	return Listed{Record: i.Record}
}

func (e *endpoint) list(ctx context.Context, _ []string) error {
	size := defaultPage
	if text := e.query.Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > maxPage {
			return failure(http.StatusBadRequest, fmt.Errorf("limit: it is not between 1 and %d", maxPage))
		}
		size = n
	}
	page := Page{Clients: []Listed{}}
	last := ""
	for item, err := range e.store.All(ctx, e.query.Get("after")) {
		if err != nil {
			return err
		}
		if len(page.Clients) >= size && last != "" {
			page.Next = last
			break
		}
		page.Clients = append(page.Clients, listed(item))
		if item.Record != nil {
			last = item.Record.Name
		}
	}
	return e.reply(http.StatusOK, "", page)
}

func (e *endpoint) get(ctx context.Context, path []string) error {
	record, tag, err := e.store.Get(ctx, path[0])
	if err != nil {
		return err
	}
	return e.reply(http.StatusOK, tag, record)
}

func (e *endpoint) put(ctx context.Context, path []string) error {
	condition, err := e.condition()
	if err != nil {
		return err
	}
	body, err := e.body()
	if err != nil {
		return err
	}
	record, err := clients.DecodeRecord(body)
	if err != nil {
		return err
	}
	if record.Name == "" {
		record.Name = path[0]
	}
	if record.Name != path[0] {
		return failure(http.StatusBadRequest, errors.New("the body has another name than the path"))
	}
	if err := e.check(record); err != nil {
		return err
	}
	_, effect, err := e.store.Put(ctx, record, condition, e.flag("shared"))
	if err != nil {
		return err
	}
	if effect != storage.Unchanged {
		e.log("client changed", record.Name)
	}
	stored, tag, err := e.store.Get(ctx, record.Name)
	if err != nil {
		return err
	}
	status := http.StatusOK
	if effect == storage.Created {
		status = http.StatusCreated
	}
	return e.reply(status, tag, stored)
}

// check returns what is wrong with a record here.
func (e *endpoint) check(record *clients.Record) error {
	err := record.Check()
	if err == nil && (record.Name == "import" || record.Name == "export") {
		err = fmt.Errorf("%w: %s is the name of a part of this API", clients.ErrBadRecord, record.Name)
	}
	if err != nil {
		return err
	}
	if err := record.Outside(e.zones); err != nil {
		return fmt.Errorf("%w: %w", clients.ErrBadRecord, err)
	}
	return nil
}

// Removed is what a removal leaves behind.
type Removed struct {
	// Hosts are the names that the client had, by name or behind its router. What stands
	// there leads to whoever gets the address next.
	Hosts []string `json:"hosts"`
	// Purged tells that their addresses were removed.
	Purged bool `json:"purged"`
	// Errors say of which names they were not.
	Errors map[string]string `json:"errors,omitempty"`
}

func (e *endpoint) delete(ctx context.Context, path []string) error {
	condition, err := e.condition()
	if err != nil {
		return err
	}
	record, err := e.store.Delete(ctx, path[0], condition)
	if err != nil {
		return err
	}
	e.log("client removed", path[0])
	removed := Removed{Hosts: []string{}}
	if record != nil {
		removed.Hosts = record.Names()
	}
	if e.flag("purge") {
		removed.Purged, removed.Errors = true, make(map[string]string)
		done := make(map[string]bool) // several handlers may have the same zones
		for _, o := range e.open {
			if o.Config.Purge == nil || done[o.Config.Zones()] {
				continue
			}
			done[o.Config.Zones()] = true
			for name, err := range o.Config.Purge(ctx, removed.Hosts) {
				removed.Errors[name] = err.Error()
			}
		}
	}
	return e.reply(http.StatusOK, "", removed)
}

// TokenRequest is what a new token is to be.
type TokenRequest struct {
	// Owner: it is the person's, which sees the pages and changes no name.
	Owner bool `json:"owner,omitempty"`
	// ExpiresIn is a duration, empty for never.
	ExpiresIn string `json:"expires_in,omitempty"`
	// OthersExpireIn is when the client's other tokens of the same kind become invalid, "0s"
	// for at once; empty for not at all.
	OthersExpireIn string `json:"others_expire_in,omitempty"`
}

// NewToken is a token that was made.
type NewToken struct {
	ID string `json:"id"`
	// Token is shown this once.
	Token   string    `json:"token"`
	Created time.Time `json:"created"`
	Expires time.Time `json:"expires,omitzero"`
}

func (e *endpoint) addToken(ctx context.Context, path []string) error {
	condition, err := e.condition()
	if err != nil {
		return err
	}
	body, err := e.body()
	if err != nil {
		return err
	}
	var request TokenRequest
	if len(body) > 0 {
		if err := clients.DecodeStrict(body, &request); err != nil {
			return failure(http.StatusBadRequest, err)
		}
	}
	wanted := storage.NewToken{Owner: request.Owner}
	now := time.Now().UTC().Truncate(time.Second)
	if request.ExpiresIn != "" {
		d, err := clients.ParseDuration(request.ExpiresIn)
		if err != nil {
			return failure(http.StatusBadRequest, fmt.Errorf("expires_in: %w", err))
		}
		wanted.Expires = now.Add(d)
	}
	if text := request.OthersExpireIn; text != "" {
		wanted.OthersExpire = now
		if d, err := time.ParseDuration(text); err != nil || d != 0 {
			d, err := clients.ParseDuration(text)
			if err != nil {
				return failure(http.StatusBadRequest, fmt.Errorf("others_expire_in: %w", err))
			}
			wanted.OthersExpire = now.Add(d)
		}
	}
	token, added, tag, err := e.store.AddToken(ctx, path[0], condition, wanted)
	if err != nil {
		return err
	}
	e.log("token added to client", path[0])
	return e.reply(http.StatusCreated, tag, NewToken{added.ID(), token, added.Created, added.Expires})
}

func (e *endpoint) removeToken(ctx context.Context, path []string) error {
	condition, err := e.condition()
	if err != nil {
		return err
	}
	tag, err := e.store.RemoveToken(ctx, path[0], path[2], condition)
	if err != nil {
		return err
	}
	e.log("token removed from client", path[0])
	return e.reply(http.StatusNoContent, tag, nil)
}

func (e *endpoint) log(message, client string) {
	caddy.Log().Named("admin.api.dyndns_clients").Info(message, zap.String("client", client))
}

// Interface guard
var _ caddy.AdminRouter = api{}
