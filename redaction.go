package dyndns

import (
	"bytes"
	"encoding/json"
	"strings"
	"unicode"

	"github.com/caddy-dyndns/dyndns/internal/redact"
)

// redactValue returns the text of a log field without secrets.
func redactValue(key, value string) string {
	switch strings.ToLower(key) {
	case "uri", "url", "location", "referer":
		// A URI as a whole: also a space may belong to a secret.
		value = redact.URI(value)
	case "secret", "token", "tokens":
		// The words of this module's configuration, which Caddy's debug log dumps.
		if value != "" && !wholePlaceholder.MatchString(value) {
			value = redact.Mark
		}
	default:
		value = redactText(value)
	}
	return escapeBeyondASCII(value)
}

// escapeBeyondASCII escapes what JSON lets through but a terminal obeys.
func escapeBeyondASCII(s string) string {
	return escape(s, func(r rune) bool { return r >= unicode.MaxASCII && !unicode.IsPrint(r) })
}

// redactText removes the secrets of every URI in a text. It looks at the text
// word by word, so that only what holds a secret is changed.
func redactText(text string) string {
	if !strings.ContainsAny(text, `/\=%@`) {
		return text
	}
	var b strings.Builder
	for rest := text; rest != ""; {
		end := strings.IndexAny(rest, " \t\r\n")
		switch end {
		case -1:
			end = len(rest)
		case 0:
			b.WriteByte(rest[0])
			rest = rest[1:]
			continue
		}
		word := rest[:end]
		if redacted := redact.URI(word); strings.Contains(redacted, redact.Mark) {
			word = redacted
		}
		b.WriteString(word)
		rest = rest[end:]
	}
	return b.String()
}

// redactReflected returns what zap would print of a value, without secrets.
func redactReflected(key string, value any) (json.RawMessage, error) {
	var doc bytes.Buffer
	encoder := json.NewEncoder(&doc)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return nil, err
	}
	return redactJSON(key, doc.Bytes()), nil
}

// redactJSON redacts the strings of a valid JSON document in their places. It
// changes nothing else: a log is read by people who know the original.
func redactJSON(key string, doc []byte) json.RawMessage {
	var out bytes.Buffer
	for len(doc) > 0 {
		start := bytes.IndexByte(doc, '"')
		if start < 0 {
			break
		}
		end := start + 1
		for doc[end] != '"' {
			if doc[end] == '\\' {
				end++
			}
			end++
		}
		end++
		out.Write(doc[:start])
		literal := doc[start:end]
		doc = doc[end:]
		var text string
		// A literal of a valid document decodes.
		_ = json.Unmarshal(literal, &text)
		var redacted string
		if isKey := bytes.HasPrefix(bytes.TrimLeft(doc, " \t\r\n"), []byte(":")); isKey {
			// It holds for the strings of an array, too.
			key, redacted = text, escapeBeyondASCII(redactText(text))
		} else {
			redacted = redactValue(key, text)
		}
		if redacted == text {
			out.Write(literal)
			continue
		}
		quoted, _ := json.Marshal(redacted)
		out.Write(quoted)
	}
	out.Write(doc)
	return out.Bytes()
}
