package redact

import "strings"

// headers are the header fields whose values say nothing of who sends them, with
// how to show them.
var headers = map[string]func(string) string{
	"referer": URI, "location": URI, "content-location": URI, "origin": URI,
	"x-forwarded-uri": URI, "x-original-uri": URI, "x-original-url": URI,
	"host": Host, "x-forwarded-host": Host,
	"x-forwarded-for": addresses, "x-real-ip": addresses,
}

func init() {
	// Their names are no secret.
	for _, name := range []string{
		"proxy-authorization", "sec-websocket-key", "sec-websocket-accept", "access-control-allow-origin",
		"access-control-allow-methods", "access-control-allow-headers", "access-control-request-headers", "access-control-request-method",
	} {
		headers[name] = func(string) string { return Mark }
	}
	for _, name := range []string{
		"accept", "accept-charset", "accept-encoding", "accept-language", "accept-ranges", "age", "allow", "alt-svc", "alt-used",
		"cache-control", "connection", "content-disposition", "content-encoding", "content-language", "content-length",
		"content-range", "content-security-policy", "content-type", "cross-origin-opener-policy", "date", "dnt", "expect", "expires",
		"forwarded", "if-modified-since", "if-unmodified-since", "keep-alive", "last-modified", "pragma", "priority",
		"proxy-authenticate", "range", "referrer-policy", "retry-after", "sec-ch-ua", "sec-ch-ua-mobile", "sec-ch-ua-platform",
		"sec-fetch-dest", "sec-fetch-mode", "sec-fetch-site", "sec-fetch-user", "sec-purpose", "server", "strict-transport-security",
		"te", "trailer", "transfer-encoding", "upgrade", "upgrade-insecure-requests", "user-agent", "vary", "via", "warning",
		"www-authenticate", "x-content-type-options", "x-forwarded-proto", "x-frame-options",
	} {
		headers[name] = Prose
	}
}

// addresses shows a list of addresses.
func addresses(s string) string {
	return orMark(s, KindAddress.fits(s))
}

// Header returns a value of a header field, [Mark] if the field is none of those
// that are known to be harmless, else what is harmless of it.
func Header(name, value string) string {
	if show := headers[strings.ToLower(name)]; show != nil {
		return show(value)
	}
	return Mark
}

// HeaderName returns the name of a header field, [Mark] if it may be a secret.
func HeaderName(name string) string {
	if headers[strings.ToLower(name)] != nil {
		return name
	}
	return Prose(name)
}
