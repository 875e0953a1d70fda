// Package redact keeps secrets and control characters of a request out of logs
// and replies.
package redact

import (
	"slices"
	"strings"
)

// Mark stands where a secret stood.
const Mark = "REDACTED"

// maxEcho is how much of the client's text a message repeats.
const maxEcho = 80

// Echo returns what a reply or a log may repeat of the client's own text:
// letters, digits and ".:_*@/-" of the first 80 characters, with '?' for
// everything else, so that it can neither be markup nor break a line.
func Echo(s string) string {
	if len(s) <= maxEcho && strings.IndexFunc(s, notEchoed) < 0 {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if b.Len() == maxEcho {
			break
		}
		if notEchoed(r) {
			r = '?'
		}
		b.WriteRune(r)
	}
	return b.String()
}

func notEchoed(r rune) bool {
	return r >= 0x80 || !alphanumeric(byte(r)) && !strings.ContainsRune(".:_*@/-", r)
}

// secretWords are parts of parameter names. A part is enough, because there are
// as many spellings as providers (api_key, ddnsuser, access-token); a harmless
// parameter too many is no loss in a log. The user's name is among them: some
// routers put the token there.
var secretWords = []string{"secret", "token", "pass", "pwd", "key", "auth", "user", "login"}

// SecretParam tells whether a parameter of this name may carry a credential. The
// name is taken as decoded; case and punctuation do not matter.
func SecretParam(name string) bool {
	var w word
	for i := range len(name) {
		w.add(name[i])
	}
	return w.secretParam()
}

// word gathers the letters and digits of a parameter name or path segment in
// lower case, without allocation.
type word struct {
	text [32]byte // as much as a conversion to string keeps on the stack
	n    int
	long bool
}

func (w *word) add(c byte) {
	switch {
	case !alphanumeric(c):
	case w.n == len(w.text):
		w.long = true
	default:
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		w.text[w.n] = c
		w.n++
	}
}

func (w *word) reset() { w.n, w.long = 0, false }

func (w *word) secretParam() bool {
	s := string(w.text[:w.n])
	if s == "k" || s == "u" || s == "pw" {
		return true
	}
	// What does not fit could hide a spelling behind padding.
	return w.long || slices.ContainsFunc(secretWords, func(part string) bool { return strings.Contains(s, part) })
}

func alphanumeric(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}
