package dyndns

import (
	"bytes"
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"

	"github.com/caddy-dyndns/dyndns/clients"
	"github.com/caddy-dyndns/dyndns/internal/dialect"
	"github.com/caddy-dyndns/dyndns/internal/history"
	"github.com/caddy-dyndns/dyndns/internal/name"
	"github.com/caddy-dyndns/dyndns/internal/pages"
	"github.com/caddy-dyndns/dyndns/internal/service"
	"github.com/caddy-dyndns/dyndns/internal/shared"
)

// pathIP and pathMyIP, nsupdate.info's, answer with the visitor's address, for clients
// that ask for theirs.
const (
	pathIP   = "/ip"
	pathMyIP = "/myip"
	// pathHealth is acme-dns'.
	pathHealth = "/health"
)

// pagePaths are ours on the configured domain alone: they are common on other sites.
var pagePaths = []string{pages.PathUsage, pathIP, pathMyIP, pathHealth, pages.PathHosts, pages.PathLatest}

// page is one request for a page.
type page struct {
	*Handler
	w      http.ResponseWriter
	r      *http.Request
	format pages.Format
	site   pages.Site
	// status and outcome are for the report.
	status  int
	outcome service.Outcome
}

// servePage answers a request for a page; it returns false if this is none.
func (h *Handler) servePage(w http.ResponseWriter, r *http.Request) bool {
	path := "/" + strings.TrimLeft(r.URL.Path, "/")
	if !slices.Contains(pagePaths, path) || !h.dialects.ForDomain(r) {
		return false
	}
	// Someone may have put a secret into this URL as well.
	caddyhttp.SetVar(r.Context(), caddyhttp.LogSkipVar, true)
	h.limitBody(w, r)
	start := time.Now()
	p := &page{Handler: h, w: w, r: r, format: pages.Negotiate(r.Header.Get("Accept"))}
	p.site = pages.Site{Host: r.Host, Plain: !encrypted(r), Base: strippedPrefix(r), Statistics: h.history != nil}
	header := w.Header()
	header.Set("Vary", "Accept, Authorization")
	header.Set("Cross-Origin-Resource-Policy", "same-origin")
	switch {
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		header.Set("Allow", "GET, HEAD")
		p.message(http.StatusMethodNotAllowed, "Method not allowed", "This page can only be read.")
	case path == pathHealth:
		p.send(http.StatusOK, "text/plain; charset=utf-8", nil)
	case path == pathIP, path == pathMyIP:
		p.ip()
	case path == pages.PathUsage:
		p.write(http.StatusOK, pages.Usage(p.site, clientAddress(r), r.URL.Query().Get(pages.ParamHost)))
	case h.history == nil:
		p.message(http.StatusNotFound, "No statistics", "This server keeps no history.")
	default:
		p.statistics(path)
	}
	h.report(r, "pages", p.outcome, p.status, time.Since(start))
	return true
}

// encrypted tells whether the visitor came over TLS, to Caddy or to a proxy that
// it trusts.
func encrypted(r *http.Request) bool {
	trusted, _ := caddyhttp.GetVar(r.Context(), caddyhttp.TrustedProxyVarKey).(bool)
	return r.TLS != nil || trusted && strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https")
}

// strippedPrefix is what handle_path or uri strip_prefix took off the path.
func strippedPrefix(r *http.Request) string {
	original, ok := r.Context().Value(caddyhttp.OriginalRequestCtxKey).(http.Request)
	if !ok {
		return ""
	}
	prefix, ok := strings.CutSuffix(original.URL.Path, r.URL.Path)
	if !ok {
		return ""
	}
	return strings.TrimRight(prefix, "/")
}

func (p *page) ip() {
	addr := clientAddress(p.r)
	if !addr.IsValid() {
		p.message(http.StatusNotFound, "Unknown address", "Your address is not known here.")
		return
	}
	p.send(http.StatusOK, "text/plain; charset=utf-8", []byte(addr.String()+"\n"))
}

// statistics shows a credential what was submitted for the names that it may change.
func (p *page) statistics(path string) {
	client, err := p.service.Authenticate(p.r.Context(), dialect.HeaderCredential(p.r), clientAddress(p.r), time.Now())
	if err != nil {
		p.outcome.Err = err
		if client != nil {
			p.outcome.Client = client.Name
		}
		p.refuse(err)
		return
	}
	p.outcome.Client = client.Name
	query := p.r.URL.Query()
	number, fqdn := pages.PageNumber(query.Get(pages.ParamPage)), query.Get(pages.ParamFQDN)
	mine := func(fqdn string) bool { return mayRead(client, fqdn) }
	switch {
	case path == pages.PathLatest:
		submissions, total := p.history.Latest(mine, pages.Offset(number), pages.PageSize)
		p.write(http.StatusOK, pages.Latest(client.Name, submissions, number, total))
	case fqdn != "":
		p.host(client, fqdn)
	default:
		hosts, total := p.history.Hosts(mine, pages.Offset(number), pages.PageSize)
		p.write(http.StatusOK, pages.Hosts(client.Name, hosts, number, total))
	}
}

// host shows one name. Whether another's name is known is nobody's business.
func (p *page) host(client *clients.Client, text string) {
	fqdn, err := name.Normalize(text)
	if err == nil && mayRead(client, fqdn) {
		if host, ok := p.history.Host(fqdn); ok {
			p.write(http.StatusOK, pages.Host(host))
			return
		}
	}
	p.message(http.StatusNotFound, "Unknown host", "Nothing has been submitted for this name, or it is not yours.")
}

// mayRead tells whether the client may change the name, itself or by a prefix.
func mayRead(client *clients.Client, fqdn string) bool {
	return client.Grant(fqdn) != clients.Denied ||
		slices.ContainsFunc(client.LAN, func(l clients.LAN) bool { return l.Name == fqdn })
}

// refuse asks for a password, or says why the one given was not taken.
func (p *page) refuse(err *service.Error) {
	if err.Reason == service.ClientsFailed {
		p.w.Header().Set("Retry-After", strconv.Itoa(int(err.RetryAfter.Seconds())))
		p.message(http.StatusServiceUnavailable, "Try again later", "It cannot be told at present whose password this is.")
		return
	}
	if err.Reason == service.Throttled {
		p.w.Header().Set("Retry-After", strconv.Itoa(int(err.RetryAfter.Seconds())+1))
		p.message(http.StatusTooManyRequests, "Too many attempts", "There were too many wrong passwords from your network. Try again later.")
		return
	}
	if err.Reason == service.ClientDisabled || err.Reason == service.WrongNetwork {
		p.message(http.StatusForbidden, "Not allowed", "The password is right, but "+err.Message+".")
		return
	}
	p.w.Header().Set("WWW-Authenticate", `Basic realm="dyndns"`)
	p.message(http.StatusUnauthorized, "Password needed", "Statistics need the secret or the token of a client as the password; the user name may be anything.")
}

func (p *page) message(status int, title, text string) { p.write(status, pages.Message(title, text)) }

// write renders a page and sends it whole, or an error page's status alone.
func (p *page) write(status int, page pages.Page) {
	var b bytes.Buffer
	if err := page.Write(&b, p.site, p.format); err != nil {
		p.logger.Error("rendering a page failed", zap.Error(err))
		status = http.StatusInternalServerError
		b.Reset()
	}
	if p.format == pages.HTML {
		p.w.Header().Set("Content-Security-Policy", pages.ContentSecurityPolicy)
	}
	p.send(status, p.format.ContentType(), b.Bytes())
}

func (p *page) send(status int, contentType string, body []byte) {
	p.status = status
	writeReply(p.w, dialect.Reply{Status: status, ContentType: contentType, Body: body})
}

// historyKey is the pool's key of the process's history.
type historyKey struct{ days int }

// recorder is the process's history. It is kept in the storage of the newest
// configuration: a reload may bring another one, whose module closes the old.
type recorder struct {
	*history.Store
	mu       sync.Mutex
	storages []certmagic.Storage // those of the handlers, the newest last
}

// Destruct saves what has changed.
func (r *recorder) Destruct() error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	r.Stop(ctx)
	return nil
}

func (r *recorder) storage() history.Storage {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.storages) == 0 {
		return nil
	}
	return r.storages[len(r.storages)-1]
}

// openHistory takes part in the history if the settings ask for one.
func (h *Handler) openHistory(ctx caddy.Context, days int) (err error) {
	if days <= 0 {
		return nil
	}
	h.history, err = shared.Take(&h.leases, historyKey{days}, func() (*recorder, error) {
		r := new(recorder)
		r.Store = history.New(history.Config{Days: days, Storage: r.storage, Warn: func(message string, err error) {
			caddy.Log().Named("http.handlers.dyndns").Warn(message, zap.Error(err))
		}})
		return r, nil
	})
	if err == nil {
		h.storage = ctx.Storage()
		h.history.mu.Lock()
		defer h.history.mu.Unlock()
		h.history.storages = append(h.history.storages, h.storage)
	}
	return err
}

// closeHistory ends the handler's part. The history may need the storage until all that
// is shared has been released.
func (h *Handler) closeHistory() {
	if h.history == nil {
		return
	}
	h.history.mu.Lock()
	defer h.history.mu.Unlock()
	if i := slices.Index(h.history.storages, h.storage); i >= 0 {
		h.history.storages = slices.Delete(h.history.storages, i, i+1)
	}
}
