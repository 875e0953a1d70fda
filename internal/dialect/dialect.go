// Package dialect translates between HTTP and the service: each way in which
// routers and scripts ask for an update is a Call that reads the request into a
// service.Submission and writes the service.Outcome as its clients expect it.
package dialect

import (
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/caddy-dyndns/dyndns/internal/service"
)

// Call is one request in its dialect. Its methods are called in the order in
// which they stand here, each at most once.
type Call interface {
	// Dialect is the dialect's name, for the log and the metrics.
	Dialect() string
	// Methods are the allowed HTTP methods.
	Methods() []string
	// Parse reads a form body, if there is one.
	Parse() *service.Error
	// Credential returns every secret that the request presents.
	Credential() service.Credential
	// Submission returns what the request asks for, without Detected.
	Submission() (service.Submission, *service.Error)
	// Reply answers, also if one of the steps above refused the request.
	Reply(service.Outcome) Reply
}

// Options is the configuration that the dialects depend on.
type Options struct {
	// Domain is the host that shows the pages, in lower case and without port;
	// empty if there is none.
	Domain string
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
		key, value = "Allow", strings.Join(methods, ", ")
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

// Match finds the dialect of a request by its path. It returns false for a path
// that is not ours.
func Match(r *http.Request, o Options) (Call, bool) {
	// UniFi asks for "//nic/update" and "/\/nic/update".
	path := strings.TrimLeft(r.URL.Path, `/\`)
	switch path = strings.TrimRight(path, "/"); path {
	case "nic/update", "v2/update", "v3/update":
		return newDyndns2(r), true
	case "update":
		return matchDuckDNS(r)
	}
	endpoint, _, _ := strings.Cut(path, "/")
	switch endpoint {
	case "update-by-query":
		if path != endpoint {
			return nil, false
		}
	case "update-by-path", "delete-by-path", "check":
	default:
		return nil, false
	}
	return matchNative(r, o, endpoint)
}

// methods are those of every path that can write. HEAD is not among them: link
// checkers and mail scanners send it.
var methods = []string{http.MethodGet, http.MethodPost}

// CrossSite tells whether a browser sent the request on behalf of another site
// or before its user asked for it. A browser adds the Basic password that it
// remembers to such requests as well; routers send none of these headers.
func CrossSite(r *http.Request) bool {
	for _, site := range r.Header["Sec-Fetch-Site"] {
		if site != "none" && site != "same-origin" {
			return true
		}
	}
	for _, origin := range r.Header["Origin"] {
		if !ownOrigin(r, origin) {
			return true
		}
	}
	for _, purpose := range r.Header["Sec-Purpose"] {
		if strings.Contains(strings.ToLower(purpose), "prefetch") {
			return true
		}
	}
	return false
}

// ownOrigin compares scheme, host and port (RFC 6454 section 5).
func ownOrigin(r *http.Request, origin string) bool {
	scheme, port := "http", ":80"
	if r.TLS != nil {
		scheme, port = "https", ":443"
	}
	given, host, ok := strings.Cut(origin, "://")
	return ok && strings.EqualFold(given, scheme) && host != "" &&
		strings.EqualFold(strings.TrimSuffix(host, port), strings.TrimSuffix(r.Host, port))
}

// ForDomain tells whether the request is for the host that shows the pages.
func (o Options) ForDomain(r *http.Request) bool {
	if o.Domain == "" {
		return false
	}
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	return strings.EqualFold(strings.TrimSuffix(host, "."), o.Domain)
}
