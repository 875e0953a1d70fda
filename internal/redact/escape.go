package redact

import (
	"strconv"
	"strings"
	"unicode"
)

// EscapeControls writes as Go escapes what could end a line or steer a terminal.
func EscapeControls(s string) string {
	return Escape(s, func(r rune) bool { return !unicode.IsPrint(r) })
}

// Escape writes as Go escapes the runes that are unsafe.
func Escape(s string, unsafe func(rune) bool) string {
	if strings.IndexFunc(s, unsafe) < 0 {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if unsafe(r) {
			b.WriteString(strings.Trim(strconv.QuoteRune(r), "'"))
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}
