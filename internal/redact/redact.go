// Package redact keeps secrets and control characters of a request, and secrets
// of a configuration, out of logs, replies and errors. It shows what has the form
// of something harmless, and hides the rest: a secret in the wrong place has no
// name to tell it by.
package redact

import "strings"

// Mark stands where something was hidden.
const Mark = "REDACTED"

// orMark returns s if it is harmless, else [Mark].
func orMark(s string, harmless bool) string {
	if harmless {
		return s
	}
	return Mark
}

// maxEcho is how much of the client's text a message repeats.
const maxEcho = 80

// Echo returns what a reply or a log may repeat of the client's own text: a name
// with a dot, an address, the name of an argument, or what is too short for a
// secret. Of the first 80 characters it shows letters, digits and ".:_*@/-", with
// '?' for everything else, so that the text can neither be markup nor break a
// line. Any other text is [Mark].
func Echo(s string) string {
	var b strings.Builder
	for _, r := range s {
		if b.Len() == maxEcho {
			break
		}
		if !isAlphanumeric(r) && !strings.ContainsRune(".:_*@/-", r) {
			r = '?'
		}
		b.WriteRune(r)
	}
	echo := b.String()
	return orMark(echo, len(s) < minSecret || isAddress(s) || arguments.has(s) || isMistyped(echo))
}

// isMistyped tells whether an echo is almost a name or an address.
func isMistyped(echo string) bool {
	name := strings.Trim(strings.ReplaceAll(echo, "..", "."), ".")
	if isName(mistypedLabel.Replace(name)) {
		return true
	}
	parts := 0
	for part := range strings.FieldsFuncSeq(echo, func(r rune) bool { return strings.ContainsRune(".:/?", r) }) {
		if parts++; len(part) > 4 || strings.Trim(part, "0123456789abcdefABCDEF") != "" {
			return false
		}
	}
	return parts > 2
}

var mistypedLabel = strings.NewReplacer("?", "-", "@", "-", ":", "-", "/", "-", "*", "-")

// Word returns a word of a configuration file or a header, [Mark] if it may be a
// secret. It shows more than [Echo]: only what has digits, or is long.
func Word(s string) string {
	return orMark(s, isWord(s))
}

// Name returns the name that a configuration gives to a zone or a key, [Mark] if
// it may be the key itself. No key has a dot.
func Name(s string) string {
	return orMark(s, isName(s) || isWord(strings.TrimSuffix(s, ".")))
}

// Placeholder returns "{env.NAME}" or "{file.path}", empty for another text and
// where name or path may be the secret that they lead to.
func Placeholder(s string) string {
	if !strings.HasPrefix(s, "{") || !strings.HasSuffix(s, "}") {
		return ""
	}
	source, key, ok := strings.Cut(s[1:len(s)-1], ".")
	switch {
	case !ok:
	case source == "file" && Path(key) == key:
		return s
	case source == "env":
		for part := range strings.SplitSeq(key, "_") {
			if !isWord(part) {
				return ""
			}
		}
		return s
	}
	return ""
}

// ClientName returns the name of a client that a configuration gives, [Mark] if
// it has the length of a token, which may stand in its place.
func ClientName(s string) string {
	return orMark(s, len(s) < minToken || isName(s))
}

// Path returns the path of a file, [Mark] if it may be the secret that belongs
// into the file.
func Path(s string) string {
	if !strings.ContainsAny(s, `/\`) {
		return orMark(s, isShort(s) || isName(strings.TrimPrefix(s, ".")))
	}
	for part := range strings.FieldsFuncSeq(s, func(r rune) bool { return r == '/' || r == '\\' }) {
		if !isWord(part) && !isName(strings.TrimPrefix(part, ".")) {
			return Mark
		}
	}
	return s
}

// Method returns an HTTP method, [Mark] if it is so long that it may be a secret
// and none that is known.
func Method(s string) string {
	return orMark(s, isShort(s) || s == "PROPFIND" || s == "PROPPATCH")
}

// Host returns a host with or without a port, [Mark] if it is neither a name nor
// an address nor too short for a secret.
func Host(s string) string {
	return orMark(s, isHost(s))
}
