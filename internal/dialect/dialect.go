// Package dialect translates between HTTP and the service: each way in which
// routers and scripts ask for an update is a [Dialect], which reads a request into a
// service.Submission and writes the service.Outcome as its clients expect it. A new
// one is a file of its own and an entry of [All].
package dialect

import (
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caddy-dyndns/dyndns/internal/redact"
	"github.com/caddy-dyndns/dyndns/internal/service"
)

// Dialect is one way in which clients ask. A request goes through its methods in
// their order.
type Dialect interface {
	// Info tells what others have to know of the dialect.
	Info() *Info
	// Match tells whether a request is in this dialect, by its path, query and headers.
	Match(*Input) bool
	// Read returns what the request asks for. Nobody has been asked yet who the client
	// is: what is wrong with the arguments stands in the result.
	Read(*Input) Request
	// Write answers. The request is the zero value if it was refused before it was read.
	Write(*Input, Request, service.Outcome) Reply
}

// Info is what documents, log and metrics take from a dialect.
type Info struct {
	// Name is for the log and the metrics.
	Name string
	// Arguments tells by their names in lower case what the log may show of them.
	Arguments redact.Kinds
	// Checks tells that a request may ask for a self-test.
	Checks bool
	// JSON tells that a body is JSON whatever its type; else it is a form.
	JSON bool
}

// Request is what a client asks for, and does not change any more.
type Request struct {
	// Credential is all that it presents to say who it is.
	Credential service.Credential
	// Submission is as far as it could be read if Err is set.
	Submission service.Submission
	// Err is what is wrong with the arguments. Only who has a credential is told.
	Err *service.Error
}

// All are the dialects. The first that matches answers.
var All = []Dialect{acmedns{}, dyndns2{}, duckdns{}, native{}, httpreq{}, recordsAPI{}}

func init() {
	for _, d := range All {
		redact.Know(d.Info().Arguments)
	}
}

// Options is the configuration that the dialects depend on.
type Options struct {
	// Domains are the hosts that show the pages, in lower case and without port.
	// They have no other pages, so that more paths are ours there.
	Domains []string
	// MissingFamilyDelete removes the family that a native update does not
	// mention, as version 2.0.0 of the Python dyndns does.
	MissingFamilyDelete bool
}

// Reply is an HTTP response.
type Reply struct {
	Status      int
	ContentType string
	// Header holds WWW-Authenticate, Allow and Retry-After as they apply; often nil.
	Header http.Header
	Body   []byte
}

// setHeader adds what the status needs: RFC 9110 sections 11.6.1, 10.2.1 and 10.2.3.
func (r *Reply) setHeader(e *service.Error, status int) {
	var key, value string
	switch {
	case status == http.StatusUnauthorized:
		key, value = "Www-Authenticate", `Basic realm="dyndns"`
	case status == http.StatusMethodNotAllowed:
		key, value = "Allow", strings.Join(Methods, ", ")
	case e.RetryAfter > 0:
		seconds := (e.RetryAfter + time.Second - 1) / time.Second
		key, value = "Retry-After", strconv.FormatInt(int64(seconds), 10)
	default:
		return
	}
	if r.Header == nil {
		r.Header = make(http.Header, 1)
	}
	r.Header.Set(key, value)
}

const textPlain = "text/plain; charset=utf-8"

// Match finds the dialect of a request. It returns nil for one that is not ours.
func Match(in *Input) Dialect {
	for _, d := range All {
		if d.Match(in) {
			return d
		}
	}
	return nil
}

// Methods are those of every path that can write. HEAD is not among them: link
// checkers and mail scanners send it.
var Methods = []string{http.MethodGet, http.MethodPost}

// ForDomain tells whether the request is for a host that shows the pages.
func (o Options) ForDomain(r *http.Request) bool {
	if len(o.Domains) == 0 {
		return false
	}
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.TrimSuffix(host, ".")
	return slices.ContainsFunc(o.Domains, func(domain string) bool { return strings.EqualFold(host, domain) })
}
