package dyndns

import (
	"strings"
	"testing"
)

func TestExcerpt(t *testing.T) {
	rows := []struct{ name, in, want string }{
		{"empty", "", ""},
		{"plain", "curl/8.0 (ü)", "curl/8.0 (ü)"},
		{"line breaks", "a\r\nb\u2028c", `a\r\nb\u2028c`},
		{"terminal", "\x1b[2Ja\u009b2J", `\x1b[2Ja\u009b2J`},
		{"quote", `a'b"c`, `a'b"c`},
		{"broken", "a\xffb\xc3\x28", "a\xffb\xc3\x28"},
		{"long", strings.Repeat("€", 65536), strings.Repeat("€", 80)},
		{"long controls", strings.Repeat("\n", 65536), strings.Repeat(`\n`, 80)},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			if got := excerpt(row.in); got != row.want {
				t.Errorf("got %q, want %q", got, row.want)
			}
		})
	}
}
