package name

import (
	"cmp"
	"strings"
)

// Compare orders names as people number them, host2 before host10. It returns 0 for
// equal names only.
func Compare(a, b string) int {
	i := 0
	for i < len(a) && i < len(b) && a[i] == b[i] {
		i++
	}
	for i > 0 && isDigit(a[i-1]) {
		i--
	}
	x, y := a[i:], b[i:]
	v, w := number(x), number(y)
	if len(v) == len(w) || v == "" || w == "" {
		return strings.Compare(x, y)
	}
	x, y = x[len(v):], y[len(w):]
	v, w = strings.TrimLeft(v, "0"), strings.TrimLeft(w, "0")
	if c := cmp.Or(cmp.Compare(len(v), len(w)), strings.Compare(v, w)); c != 0 {
		return c
	}
	if x == y { // only zeros differ
		return strings.Compare(a, b)
	}
	return Compare(x, y)
}

// number returns the digits that s begins with.
func number(s string) string {
	i := 0
	for i < len(s) && isDigit(s[i]) {
		i++
	}
	return s[:i]
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
