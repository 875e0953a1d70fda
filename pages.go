package dyndns

import (
	"bytes"
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/caddy-dyndns/dyndns/clients"
	"github.com/caddy-dyndns/dyndns/internal/dialect"
	"github.com/caddy-dyndns/dyndns/internal/history"
	"github.com/caddy-dyndns/dyndns/internal/name"
	"github.com/caddy-dyndns/dyndns/internal/pages"
	"github.com/caddy-dyndns/dyndns/internal/records"
	"github.com/caddy-dyndns/dyndns/internal/service"
	"github.com/caddy-dyndns/dyndns/zone"
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
	p.site = pages.SiteOf(r, h.history != nil)
	header := w.Header()
	header.Set("Vary", "Accept, Authorization")
	header.Set("Cross-Origin-Resource-Policy", "same-origin")
	posted := r.Method == http.MethodPost && path == pages.PathHosts && (r.URL.Query().Has(pages.ParamFQDN) || r.URL.Query().Has(pages.ParamRotate))
	switch {
	case r.Method != http.MethodGet && r.Method != http.MethodHead && !posted:
		header.Set("Allow", "GET, HEAD")
		p.message(http.StatusMethodNotAllowed, "Method not allowed", "This page can only be read.")
	case posted && dialect.CrossSite(r, !p.site.Plain):
		p.outcome.Err = &service.Error{Reason: service.CrossSite, Message: "this request comes from another site's page"}
		p.message(http.StatusForbidden, "Not from here", "Another site's page sent this.")
	case path == pathHealth:
		p.send(http.StatusOK, "text/plain; charset=utf-8", nil)
	case path == pathIP, path == pathMyIP:
		p.ip()
	case path == pages.PathUsage:
		p.usage()
	case h.history == nil:
		p.message(http.StatusNotFound, "No statistics", "This server keeps no history.")
	default:
		p.statistics(path)
	}
	h.report(r, "pages", p.outcome, p.status, time.Since(start))
	return true
}

func (p *page) ip() {
	addr := clientAddress(p.r)
	if !addr.IsValid() {
		p.message(http.StatusNotFound, "Unknown address", "Your address is not known here.")
		return
	}
	p.send(http.StatusOK, "text/plain; charset=utf-8", []byte(addr.String()+"\n"))
}

// authenticate returns the client whose password the visitor has given.
func (p *page) authenticate() (*clients.Client, *service.Error) {
	client, err := p.service.Authenticate(p.r.Context(), dialect.HeaderCredential(p.r), clientAddress(p.r), time.Now())
	p.outcome.Err = err
	if client != nil {
		p.outcome.Client = client.Name
	}
	return client, err
}

// usage shows how to set up a router. Who gives a password gets their own names filled in;
// the page is everybody's.
func (p *page) usage() {
	query, v := p.r.URL.Query(), pages.Visitor{Address: clientAddress(p.r)}
	client, err := p.authenticate()
	if err != nil && query.Has(pages.ParamSignIn) {
		p.refuse(err)
		return
	}
	if err == nil {
		v.Client, v.Hosts = client.Name, p.names(client)
	} else if err.Reason == service.NoCredential {
		p.outcome.Err = nil
	}
	p.write(http.StatusOK, pages.Usage(p.site, v, query.Get(pages.ParamHost)))
}

// names returns host names of a client: those of its configuration, and some that it has
// used by a pattern.
func (p *page) names(client *clients.Client) []string {
	all := client.HostNames()
	if p.history != nil {
		byPattern := func(fqdn string) bool { return client.Grant(fqdn) == clients.ByPattern || client.Unrestricted() }
		known, _ := p.history.Hosts(byPattern, 0, pages.PageSize)
		for _, h := range known {
			all = append(all, h.Name)
		}
	}
	return all
}

// statistics shows a credential what was submitted for the names that it may change.
func (p *page) statistics(path string) {
	client, err := p.authenticate()
	if err != nil {
		p.refuse(err)
		return
	}
	query := p.r.URL.Query()
	number, fqdn := pages.PageNumber(query.Get(pages.ParamPage)), query.Get(pages.ParamFQDN)
	switch {
	case path == pages.PathLatest:
		submissions, total := p.history.Latest(client.Reads, pages.Offset(number), pages.PageSize)
		p.write(http.StatusOK, pages.Latest(client.Name, submissions, number, total))
	case fqdn != "":
		p.host(client, fqdn)
	case p.r.Method == http.MethodPost:
		p.rotate(client)
	default:
		hosts, total := p.history.Hosts(client.Reads, pages.Offset(number), pages.PageSize, client.HostNames()...)
		p.write(http.StatusOK, pages.Hosts(client, hosts, p.history.Refusals(client.Name), number, total, time.Now()))
	}
}

// host shows one name, after it has done what its form asked for. Whether another's name is
// known is nobody's business.
func (p *page) host(client *clients.Client, text string) {
	fqdn, err := name.Normalize(text)
	if err != nil || !client.Reads(fqdn) {
		p.message(http.StatusNotFound, "Unknown host", "Nothing has been submitted for this name, or it is not yours.")
		return
	}
	d := pages.Details{Now: []history.Current{}, Granted: client.Grant(fqdn) != clients.Denied && !client.Owner(), Visitor: clientText(p.r)}
	if p.r.Method == http.MethodPost && d.Granted {
		d.Notice, d.Failed = p.act(client, fqdn)
	}
	host, ok := p.history.Host(fqdn)
	if !ok && (!d.Granted || p.service.ZoneOf(fqdn) == "") {
		p.message(http.StatusNotFound, "Unknown host", "Nothing has been submitted for this name, or it is not yours.")
		return
	}
	host.Name = fqdn
	d.Reader, d.Refusals = client, p.history.Refusals(client.Name)
	now := p.service.Do(p.r.Context(), client, records.List([]string{fqdn}))
	for h := range now.Names() {
		if h.Err != nil {
			d.Error = history.Cause(h)
		}
		for _, r := range h.Records {
			if len(r.New) > 0 {
				d.Now = append(d.Now, history.Current{Type: r.Type.String(), Values: r.New})
			}
		}
	}
	d.Expires = p.expires(host)
	p.write(http.StatusOK, pages.Host(host, d, time.Now()))
}

// maxForm is far above what a browser sends of the form, in bytes.
const maxForm = 4 << 10

// rotate shows the owner of a router a new token for it. The old one is valid for a day.
func (p *page) rotate(client *clients.Client) {
	rotator, ok := p.service.Clients.(clients.Rotator)
	if !ok || !client.Owner() {
		p.message(http.StatusForbidden, "No new token", "Only the token of an owner makes new ones.")
		return
	}
	until := time.Now().Add(24 * time.Hour)
	token, err := rotator.RotateTokens(p.r.Context(), client.Name, until)
	if err != nil {
		p.logger.Error("a new token could not be made", zap.String("client", client.Name), zap.Error(err))
		p.message(http.StatusServiceUnavailable, "No new token", "It could not be kept. Try again later: the old one is still good.")
		return
	}
	p.write(http.StatusOK, pages.Token(token, until))
}

// act does what a host's form asks for, and returns what became of it in a sentence.
func (p *page) act(client *clients.Client, fqdn string) (notice string, failed bool) {
	host := service.Host{Name: fqdn, A: service.Wish{Action: zone.Delete}, AAAA: service.Wish{Action: zone.Delete}}
	p.r.Body = http.MaxBytesReader(p.w, p.r.Body, maxForm)
	switch p.r.PostFormValue(pages.ParamDo) {
	case pages.DoAddress:
		host.A = service.Wish{Detect: true, Action: zone.Keep}
		host.AAAA = host.A
	case pages.DoDelete:
	default:
		return "Nothing was asked for.", true
	}
	p.outcome = p.service.Do(p.r.Context(), client, service.Submission{Hosts: []service.Host{host}, Detected: clientAddress(p.r)})
	p.remember(p.r, clientAddress(p.r), p.outcome) // which the page shows already
	if p.outcome.Err != nil {
		return "Nothing was changed: " + p.outcome.Err.Message + ".", true
	}
	h := &p.outcome.Hosts[0]
	if h.Err != nil {
		return "It failed: " + history.Cause(h) + ".", true
	}
	for _, r := range h.Records {
		if r.Changed {
			notice += fmt.Sprintf("%s %s → %s. ", r.Type, cmp.Or(strings.Join(r.Old, ", "), "none"), cmp.Or(strings.Join(r.New, ", "), "none"))
		}
	}
	return cmp.Or(notice, "It was so already."), false
}

// expires returns when an address is removed if nobody confirms it, and false if it never
// is.
func (p *page) expires(of history.Host) func(history.Current) (time.Time, bool) {
	for _, s := range p.expiry {
		if !s.InZone(of.Name) {
			continue
		}
		if since, err := s.Since(p.r.Context()); err == nil {
			return func(c history.Current) (time.Time, bool) { return c.ExpiresAfter(since, s.After) }
		}
	}
	return func(history.Current) (time.Time, bool) { return time.Time{}, false }
}

// refuse asks for a password, or says why the one given was not taken.
func (p *page) refuse(err *service.Error) {
	if err.RetryAfter > 0 {
		p.w.Header().Set("Retry-After", strconv.Itoa(int(err.RetryAfter.Seconds())+1))
	}
	switch err.Reason {
	case service.ClientsFailed:
		p.message(http.StatusServiceUnavailable, "Try again later", "It cannot be told at present whose password this is.")
	case service.Throttled:
		p.message(http.StatusTooManyRequests, "Too many attempts", "There were too many wrong passwords from your network. Try again later.")
	case service.ClientDisabled, service.WrongNetwork:
		p.message(http.StatusForbidden, "Not allowed", "The password is right, but "+err.Message+".")
	default:
		p.w.Header().Set("WWW-Authenticate", `Basic realm="dyndns"`)
		p.message(http.StatusUnauthorized, "Password needed", "You need the secret or the token of a client as the password; the user name may be anything.")
	}
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
