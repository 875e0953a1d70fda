package pages

import (
	"net/http"
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-dyndns/dyndns/internal/proxies"
)

// Site is where the pages stand.
type Site struct {
	// Host is the host name, with the port if it is not the scheme's own.
	Host string
	// Plain tells that the page came over HTTP without TLS.
	Plain bool
	// Base is the path prefix that was stripped from the request, without a
	// slash at its end; empty as a rule.
	Base string
	// Statistics tells whether there is a history to show.
	Statistics bool
}

// SiteOf returns where a request has found the pages.
func SiteOf(r *http.Request, statistics bool) Site {
	return Site{Host: r.Host, Plain: !proxies.Encrypted(r), Base: strippedPrefix(r), Statistics: statistics}
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

// URL is the address of the site without a path.
func (s Site) URL() string {
	if s.Plain {
		return "http://" + s.Host + s.Base
	}
	return "https://" + s.Host + s.Base
}
