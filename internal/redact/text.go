package redact

import "strings"

// Prose returns a text, such as a User-Agent, with [Mark] in place of what may be
// a key: a run of letters and digits that is long and has digits, or longer
// than any word.
func Prose(s string) string {
	// A percent sign may be part of an encoded key.
	delimiter := func(r rune) bool { return !isAlphanumeric(r) && !strings.ContainsRune("-_.%", r) }
	return replaceWords(s, delimiter, func(word string) string {
		if isName(word) || isAddress(word) {
			return word
		}
		return replaceWords(word, func(r rune) bool { return r == '.' }, Word)
	})
}

// Text returns a text with [Mark] in place of what may be a key. A word that is
// a path or has arguments is shown as [URI] shows it.
func Text(s string) string {
	return replaceWords(s, isSpaceOrQuote, func(word string) string {
		core := strings.TrimRight(word, ".,:;!?")
		tail := word[len(core):]
		switch {
		case isHost(core):
			return word
		case strings.ContainsAny(core, `/\?&=%@`) && strings.ContainsFunc(core, isAlphanumeric[rune]):
			return URI(core) + tail
		}
		return Prose(core) + tail
	})
}

// Arguments returns a text in which words with arguments are shown as [URI]
// shows them, and paths as [Prose] does. It leaves all else as it is: it is for messages
// that no request is part of.
func Arguments(s string) string {
	return replaceWords(s, isSpaceOrQuote, func(word string) string {
		switch {
		case strings.ContainsAny(word, "?&=@%") && strings.ContainsFunc(word, isAlphanumeric[rune]):
			return URI(word)
		case strings.ContainsAny(word, `/\`):
			return Prose(word)
		}
		return word
	})
}

func isSpaceOrQuote(r rune) bool {
	return r <= ' ' || strings.ContainsRune("\"'`<>(){}[],|", r)
}

// replaceWords replaces each run of runes that are no delimiters.
func replaceWords(s string, delimiter func(rune) bool, replace func(string) string) string {
	var b strings.Builder
	copied := 0
	for i := 0; i < len(s); {
		start := strings.IndexFunc(s[i:], func(r rune) bool { return !delimiter(r) })
		if start < 0 {
			break
		}
		start += i
		end := strings.IndexFunc(s[start:], delimiter)
		if end < 0 {
			end = len(s)
		} else {
			end += start
		}
		if word := replace(s[start:end]); word != s[start:end] {
			b.WriteString(s[copied:start])
			b.WriteString(word)
			copied = end
		}
		i = end
	}
	if copied == 0 {
		return s
	}
	b.WriteString(s[copied:])
	return b.String()
}
