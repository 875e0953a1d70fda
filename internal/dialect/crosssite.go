package dialect

import (
	"net/http"
	"strings"
)

// CrossSite tells whether a browser sent the request on behalf of another site
// or before its user asked for it. A browser adds the Basic password that it
// remembers to such requests as well; routers send none of these headers. encrypted tells
// that the browser came over TLS, to this server or to a proxy.
func CrossSite(r *http.Request, encrypted bool) bool {
	for _, site := range r.Header["Sec-Fetch-Site"] {
		if site != "none" && site != "same-origin" {
			return true
		}
	}
	for _, origin := range r.Header["Origin"] {
		if !ownOrigin(r.Host, encrypted, origin) {
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
func ownOrigin(own string, encrypted bool, origin string) bool {
	scheme, port := "http", ":80"
	if encrypted {
		scheme, port = "https", ":443"
	}
	given, host, ok := strings.Cut(origin, "://")
	return ok && strings.EqualFold(given, scheme) && host != "" &&
		strings.EqualFold(strings.TrimSuffix(host, port), strings.TrimSuffix(own, port))
}
