package redact

import (
	"net/url"
	"strings"
)

// URI returns a request URI or an absolute URL with [Mark] in place of
// everything that is not known to be harmless. It shows
//
//   - arguments that a dialect or a router knows, by name, and their values where these
//     have the form of a name, an address, a number or a flag, as the name says;
//   - path segments that are words of this service, names with a dot, addresses,
//     or too short for a secret, but none that stands where a secret belongs;
//   - of an authority, host and port.
//
// What is written in another way than the plain one is hidden: a value that is
// encoded twice, say, fits no form. URI does not allocate where nothing is hidden
// or encoded.
func URI(uri string) string {
	s := scanner{in: uri}
	end := len(uri)
	if i := strings.IndexByte(uri, '#'); i >= 0 {
		end = i
	}
	path := end
	if i := strings.IndexByte(uri[:end], '?'); i >= 0 {
		path = i
	}
	s.path(s.authority(path), path)
	if path < end {
		s.query(path+1, end)
	}
	s.hide(min(end+1, len(uri)), len(uri))
	return s.result()
}

// scanner is the state of one URI call.
type scanner struct {
	in     string
	out    []byte
	copied int // in up to here is in out, or hidden
}

// hide replaces in[from:to]; spans come in their order.
func (s *scanner) hide(from, to int) {
	if from >= to {
		return
	}
	if s.out == nil {
		s.out = make([]byte, 0, len(s.in)+2*len(Mark))
	}
	s.out = append(s.out, s.in[s.copied:from]...)
	s.out = append(s.out, Mark...)
	s.copied = to
}

func (s *scanner) result() string {
	if s.out == nil {
		return s.in
	}
	return string(append(s.out, s.in[s.copied:]...))
}

// authority reads "http://host:port" at the beginning of in[:end] and returns
// where the path begins.
func (s *scanner) authority(end int) int {
	scheme, _, ok := strings.Cut(s.in[:end], "://")
	if !ok || strings.ContainsAny(scheme, `/\`) {
		return 0
	}
	if !isShort(scheme) {
		s.hide(0, len(scheme))
	}
	from := len(scheme) + len("://")
	to := nextSlash(s.in, from, end)
	if at := strings.LastIndexByte(s.in[from:to], '@'); at >= 0 { // RFC 3986 section 3.2.1
		s.hide(from, from+at)
		from += at + 1
	}
	if !isHost(s.in[from:to]) {
		s.hide(from, to)
	}
	return to
}

func nextSlash(s string, from, end int) int {
	if i := strings.IndexAny(s[from:end], `/\`); i >= 0 {
		return from + i
	}
	return end
}

// pathWords are the segments of this service, and of certificates, that are too
// long to show otherwise. For the endpoints that take a secret in the path it
// says in which segment behind theirs.
var pathWords = map[string]int{
	"update-by-path": 1, "delete-by-path": 1, "update-by-query": 1, "check": 1,
	"update":     2, // DuckDNS: /update/DOMAIN/TOKEN
	"statistics": 0, "updates-by-fqdn": 0, "latest-submissions": 0, ".well-known": 0, "acme-challenge": 0,
}

// path hides segments of in[from:end].
func (s *scanner) path(from, end int) {
	var (
		due    uint8 // bit n is set if the n-th segment from here is a secret
		strict bool  // behind an endpoint a short word may be a secret's part
	)
	for from < end {
		to := nextSlash(s.in, from, end)
		if segment := s.in[from:to]; segment != "" && segment != "." && segment != ".." {
			due >>= 1
			text := unescape(segment, false)
			position, known := pathWords[strings.ToLower(text)]
			shown := known || isName(text) || isAddress(text) || !strict && (isShort(text) || isHost(text))
			if due&1 != 0 || !shown || !isPrintable(segment) {
				s.hide(from, to)
			}
			if position > 0 {
				due |= 1 << position
				strict = true
			}
		}
		from = to + 1
	}
}

// query hides names and values of in[from:end]. Only an ampersand ends an
// argument: a FRITZ!Box escapes nothing, and what follows an ampersand of a
// password is no known argument.
func (s *scanner) query(from, end int) {
	for from < end {
		to := end
		if i := strings.IndexByte(s.in[from:end], '&'); i >= 0 {
			to = from + i
		}
		name, value, _ := strings.Cut(s.in[from:to], "=")
		k, known := argumentKind(unescape(name, true))
		if known = known && isPrintable(name); !known {
			s.hide(from, from+len(name))
		}
		if value != "" && (!known || !isPrintable(value) || !k.fits(unescape(value, true))) {
			s.hide(to-len(value), to)
		}
		from = to + 1
	}
}

// unescape decodes once. What cannot be decoded keeps its percent sign and fits no form.
func unescape(s string, query bool) string {
	if strings.IndexByte(s, '%') < 0 && !(query && strings.IndexByte(s, '+') >= 0) {
		return s
	}
	decode := url.PathUnescape
	if query {
		decode = url.QueryUnescape
	}
	if decoded, err := decode(s); err == nil {
		return decoded
	}
	return s
}
