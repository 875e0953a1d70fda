package redact

import "strings"

// URI returns a request URI or an absolute URL with its secrets replaced by
// [Mark]: path segments that the service reads as a secret, the values of
// parameters that [SecretParam] knows, and the userinfo of an authority. Bytes
// that RFC 3986 does not allow in a URI are percent-encoded.
//
// It takes no grammar for granted, because a typing mistake must not publish
// what a correct request would not: a word counts below any prefix and in any
// case, encoded once or several times, in path, query or fragment. What opens a
// secret is read generously, what ends it strictly (the plain delimiter only),
// so that doubt hides too much rather than too little. URI is linear in the
// length of its input and does not allocate where nothing changes.
func URI(uri string) string {
	s := scanner{uri: uri}
	var previous byte
	for i := 0; i < len(uri); {
		c, width := decode(uri, i)
		next := i + width
		switch c {
		case '/', '\\':
			s.pathWord()
			s.segment(next)
			if isSlash(previous) {
				s.userinfo(next)
			}
		case ';':
			s.pathWord() // a path parameter, RFC 3986 section 3.3
		case '=':
			if s.word.secretParam() {
				s.value(next)
			}
		case '?':
			if width == 1 {
				s.due, s.strict = 0, false
			}
		case '&', '#':
		default:
			s.word.add(c)
		}
		if strings.IndexByte(`/\;=?&#`, c) >= 0 {
			s.word.reset()
		}
		previous, i = c, next
	}
	return s.result()
}

// scanner is the state of one URI call.
type scanner struct {
	uri  string
	word word // since the last delimiter

	// due has bit n set if the n-th segment from here is a secret.
	due uint8
	// strict is set behind the words of the native API: also a secret in the
	// wrong place is hidden there, which a name or an address is told from by its
	// dot or colon.
	strict bool

	// The ends last searched for, so that nesting does not search again.
	pathEnd, valueEnd, authorityEnd int

	out    []byte
	copied int // uri up to here is in out, or hidden
}

// pathWord looks at the path segment that just ended.
func (s *scanner) pathWord() {
	switch string(s.word.text[:s.word.n]) {
	case "updatebypath", "deletebypath", "updatebyquery":
		s.due |= 1 << 1
		s.strict = true
	case "check":
		s.due |= 1 << 1
	case "update": // DuckDNS: /update/DOMAIN/TOKEN
		s.due |= 1 << 2
	}
}

// segment hides the path segment that starts at from if it is, or may be, a secret.
func (s *scanner) segment(from int) {
	if s.due == 0 && !s.strict {
		return
	}
	var letters, named bool
	for i := from; i < len(s.uri); {
		c, width := decode(s.uri, i)
		if isSlash(c) || c == '?' {
			break
		}
		letters = letters || alphanumeric(c)
		named = named || c == '.' || c == ':'
		i += width
	}
	// Empty and dot segments do not count; a server may collapse them.
	if s.due&(1<<1) != 0 || s.strict && !named {
		if s.pathEnd <= from {
			s.pathEnd = indexAny(s.uri, from, "/?")
		}
		s.hide(from, s.pathEnd)
	}
	if letters {
		s.due >>= 1
		s.due &^= 1
	}
}

// userinfo hides what stands before the '@' of an authority (RFC 3986 section
// 3.2.1) that starts at from.
func (s *scanner) userinfo(from int) {
	if from < s.authorityEnd {
		return
	}
	s.authorityEnd = indexAny(s.uri, from, `/\?#`)
	at := from
	for i := from; i < s.authorityEnd; {
		c, width := decode(s.uri, i)
		if c == '@' {
			at = i
		}
		i += width
	}
	s.hide(from, at)
}

// value hides the parameter value that starts at from. It ends at an ampersand or
// semicolon that a further parameter follows: a FRITZ!Box escapes nothing, so a
// delimiter alone may belong to the password.
func (s *scanner) value(from int) {
	if s.valueEnd < from {
		end := indexAny(s.uri, from, "&;")
		for end < len(s.uri) {
			next := indexAny(s.uri, end+1, "&;=")
			if next < len(s.uri) && s.uri[next] == '=' {
				break
			}
			end = next
		}
		s.valueEnd = end
	}
	s.hide(from, s.valueEnd)
}

// hide replaces uri[from:to]; spans come in the order of their starts.
func (s *scanner) hide(from, to int) {
	switch {
	case from >= to:
	case s.out != nil && from <= s.copied:
		s.copied = max(s.copied, to)
	default:
		s.out = appendPrintable(s.out, s.uri[s.copied:from])
		s.out = append(s.out, Mark...)
		s.copied = to
	}
}

func (s *scanner) result() string {
	if s.out == nil && strings.IndexFunc(s.uri, notInURI) < 0 {
		return s.uri
	}
	return string(appendPrintable(s.out, s.uri[s.copied:]))
}

func appendPrintable(dst []byte, s string) []byte {
	const digits = "0123456789ABCDEF"
	for i := range len(s) {
		if c := s[i]; notInURI(rune(c)) {
			dst = append(dst, '%', digits[c>>4], digits[c&15])
		} else {
			dst = append(dst, c)
		}
	}
	return dst
}

func notInURI(r rune) bool { return r <= ' ' || r >= 0x7f }

func isSlash(c byte) bool { return c == '/' || c == '\\' }

// indexAny returns the first index at or after from of one of chars, or the length of s.
func indexAny(s string, from int, chars string) int {
	if i := strings.IndexAny(s[from:], chars); i >= 0 {
		return from + i
	}
	return len(s)
}

// decode returns the character at s[i] and how many bytes spell it. A percent
// sign may itself be encoded, any number of times: %2573 is an s.
func decode(s string, i int) (c byte, width int) {
	if s[i] != '%' {
		return s[i], 1
	}
	digits := i + 1
	for strings.HasPrefix(s[digits:], "25") && isHex(s, digits+2) {
		digits += 2
	}
	if !isHex(s, digits) {
		return '%', 1
	}
	return unhex(s[digits])<<4 | unhex(s[digits+1]), digits + 2 - i
}

func isHex(s string, i int) bool {
	return i+1 < len(s) && unhex(s[i]) < 16 && unhex(s[i+1]) < 16
}

func unhex(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10
	}
	return 0xff
}
