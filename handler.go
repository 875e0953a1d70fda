package dyndns

import (
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-dyndns/dyndns/internal/dialect"
	"github.com/caddy-dyndns/dyndns/internal/history"
	"github.com/caddy-dyndns/dyndns/internal/proxies"
	"github.com/caddy-dyndns/dyndns/internal/service"
)

// ServeHTTP answers the requests of every dialect and those for the pages, and
// passes on all others.
//
// It never returns an error of its own: Caddy would log the whole URI, which may
// hold a secret.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	from := clientAddress(r)
	in := dialect.NewInput(r, from, h.dialects)
	d := dialect.Match(in)
	if d == nil {
		if h.servePage(w, r) {
			return nil
		}
		return next.ServeHTTP(w, r)
	}
	caddyhttp.SetVar(r.Context(), caddyhttp.LogSkipVar, true)
	h.limitBody(w, r)
	start := time.Now()
	var request dialect.Request
	outcome := h.answer(w, r, from, d, in, &request)
	reply := d.Write(in, request, outcome)
	writeReply(w, reply)
	h.report(r, d.Info().Name, outcome, reply.Status, time.Since(start))
	h.remember(r, from, outcome)
	return nil
}

// answer takes one request through the checks, in the order in which they may
// tell something: nothing about zones or names before the credential.
func (h *Handler) answer(w http.ResponseWriter, r *http.Request, from netip.Addr, d dialect.Dialect, in *dialect.Input, request *dialect.Request) service.Outcome {
	refuse := func(err *service.Error) service.Outcome { return service.Outcome{Err: err} }
	if !slices.Contains(dialect.Methods, r.Method) {
		return refuse(&service.Error{Reason: service.BadMethod, Message: "this path does not take that method"})
	}
	if dialect.CrossSite(r, proxies.Encrypted(r)) {
		return refuse(&service.Error{Reason: service.CrossSite, Message: "this request comes from another site's page"})
	}
	if err := readBody(w, r, d, in); err != nil {
		return refuse(err)
	}
	*request = d.Read(in)
	client, err := h.service.Authenticate(r.Context(), request.Credential, from, time.Now())
	if err != nil && client != nil {
		return service.Outcome{Client: client.Name, Err: err}
	}
	if err != nil {
		return refuse(err)
	}
	if request.Err != nil {
		return service.Outcome{Client: client.Name, Err: request.Err}
	}
	return h.service.Do(r.Context(), client, request.Submission)
}

// report tells log, metrics and events what became of a request.
func (h *Handler) report(r *http.Request, dialect string, outcome service.Outcome, status int, took time.Duration) {
	countRequest(dialect, &outcome)
	h.logRequest(r, dialect, &outcome, status, took)
	h.events.publish(r, dialect, &outcome)
}

// remember tells the history what became of a request.
func (h *Handler) remember(r *http.Request, from netip.Addr, outcome service.Outcome) {
	if h.history != nil {
		h.history.Record(history.Entry{At: time.Now(), Source: from, UserAgent: r.UserAgent(), Outcome: outcome})
	}
}

// limitBody sets the time limit for the body that Caddy sets none for: whoever
// lets it trickle in would hold the connection for as long as it likes. A refused
// request needs it too, because net/http discards its body before it replies.
func (h *Handler) limitBody(w http.ResponseWriter, r *http.Request) {
	if r.ContentLength != 0 {
		// It fails only without a connection, which a test may not have.
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(h.service.Timeout))
	}
}

// readBody reads the arguments in the body.
func readBody(w http.ResponseWriter, r *http.Request, d dialect.Dialect, in *dialect.Input) *service.Error {
	err := in.ReadBody(d)
	if err == nil && r.ContentLength != 0 && r.Method == http.MethodPost {
		// The body is read; later its deadline would end the request itself.
		_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
	}
	return err
}

// clientAddress is the address that Caddy found behind its trusted proxies,
// unmapped and without zone; invalid on a unix socket.
func clientAddress(r *http.Request) netip.Addr {
	text, _ := caddyhttp.GetVar(r.Context(), caddyhttp.ClientIPVarKey).(string)
	addr, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Addr{}
	}
	return addr.Unmap().WithZone("")
}

// replyHeaders are what every reply has, in canonical spelling.
var replyHeaders = [...]string{"Content-Type", "Content-Length", "Cache-Control", "Referrer-Policy", "X-Content-Type-Options"}

// writeReply writes the whole reply at once: ddclient 3.10 reads a chunk's size
// as the status word.
func writeReply(w http.ResponseWriter, reply dialect.Reply) {
	header := w.Header()
	for key, values := range reply.Header {
		header[key] = values
	}
	// One allocation for all of them: this is the path of every request.
	values := []string{reply.ContentType, strconv.Itoa(len(reply.Body)), "no-store", "no-referrer", "nosniff"}
	for i, key := range replyHeaders {
		header[key] = values[i : i+1 : i+1]
	}
	w.WriteHeader(reply.Status)
	// The client may be gone; what was changed stands in the log.
	_, _ = w.Write(reply.Body)
}
