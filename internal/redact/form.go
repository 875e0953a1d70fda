package redact

import (
	"net/netip"
	"strings"
)

const (
	// minSecret is the least length of a secret that this service takes.
	minSecret = 8
	// minToken is that of a client's token.
	minToken = 16
	// longLabel is the length from which a label with digits is rather part of a
	// token with dots, such as a JSON Web Token, than of a name.
	longLabel = 20
)

// isShort tells whether s is too short for a secret, and harmless text.
func isShort(s string) bool {
	if len(s) >= minSecret {
		return false
	}
	for i := range len(s) {
		if !isAlphanumeric(s[i]) && strings.IndexByte("._~*@-", s[i]) < 0 {
			return false
		}
	}
	return true
}

// isName tells whether s is a domain name of two labels or more, or a file's
// name. No secret that this service takes has a dot.
func isName(s string) bool {
	if len(s) > 254 {
		return false
	}
	rest := strings.TrimSuffix(strings.TrimPrefix(s, "*."), ".")
	labels := 0
	for more := true; more; labels++ {
		var label string
		if label, rest, more = strings.Cut(rest, "."); !isLabel(label, !more) {
			return false
		}
	}
	return labels > 1
}

func isLabel(label string, last bool) bool {
	if label == "" || len(label) > 63 {
		return false
	}
	var digits int
	for i := range len(label) {
		switch c := label[i]; {
		case '0' <= c && c <= '9':
			digits++
		case !isAlphanumeric(c) && c != '-' && c != '_':
			return false
		}
	}
	if last && digits == len(label) {
		return false
	}
	return digits == 0 || len(label) < longLabel || strings.HasPrefix(strings.ToLower(label), "xn--")
}

// isAddress tells whether s is an IP address or prefix, in brackets or not. A
// zone id may be anything.
func isAddress(s string) bool {
	if inner, ok := strings.CutPrefix(s, "["); ok {
		if s, ok = strings.CutSuffix(inner, "]"); !ok {
			return false
		}
	}
	// Spares the error that parsing would allocate.
	if strings.IndexByte(s, '%') >= 0 || strings.IndexByte(s, '.') < 0 && strings.IndexByte(s, ':') < 0 {
		return false
	}
	if strings.IndexByte(s, '/') >= 0 {
		_, err := netip.ParsePrefix(s)
		return err == nil
	}
	_, err := netip.ParseAddr(s)
	return err == nil
}

// isHost tells whether s is a name or address with or without a port.
func isHost(s string) bool {
	host := s
	if i := strings.LastIndexByte(s, ':'); i >= 0 && len(s)-i <= len(":65535") && isNumber(s[i+1:]) {
		host = s[:i]
	}
	return host == "localhost" || isShort(host) || isName(host) || isAddress(host) || isAddress(s)
}

// isPrintable tells whether s holds only what a URI may hold in plain (RFC 3986 section 2).
func isPrintable(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] >= 0x7f {
			return false
		}
	}
	return true
}

// isNumber tells whether s is a number too short for a secret.
func isNumber(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != "" && len(s) < minSecret
}

// isWord tells whether s is a word of text rather than a key: letters, without
// digits unless it is short, and shorter than any token.
func isWord(s string) bool {
	if len(s) < minSecret {
		return isPrintable(s)
	}
	for i := range len(s) {
		if c := s[i]; '0' <= c && c <= '9' || !isAlphanumeric(c) && c != '-' && c != '_' {
			return false
		}
	}
	return len(s) < minToken
}

func isAlphanumeric[C byte | rune](c C) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}
