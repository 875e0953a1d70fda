// Package logentry redacts the secrets in log entries.
package logentry

import (
	"bytes"
	"encoding/json"
	"strings"
	"unicode"

	"github.com/caddy-dyndns/dyndns/internal/placeholder"
	"github.com/caddy-dyndns/dyndns/internal/redact"
)

// Kind is what an encoder takes for harmless in a part of an entry.
type Kind uint8

const (
	// Request may hold parts of a request: entries of Caddy's HTTP app, and
	// fields that were added before it is known whose entry they belong to.
	Request Kind = iota
	// Headers is an object of header fields.
	Headers
	// Other is the entries of other apps, which know no request.
	Other
	// Own is the entries of this module, which hold no secret.
	Own
)

// KindOf returns how to redact the entries of a logger; own is this module's.
func KindOf(logger, own string) Kind {
	switch {
	case logger == own:
		return Own
	case logger == "http" || strings.HasPrefix(logger, "http."):
		return Request
	}
	return Other
}

// inside returns how to redact the object or array of that key.
func (k Kind) inside(key string) Kind {
	if k != Own && (key == "headers" || key == "resp_headers") {
		return Headers
	}
	return k
}

// value returns the text of a log field without secrets.
func (k Kind) value(key, value string) string {
	switch k {
	case Own:
	case Headers:
		value = redact.Header(key, value)
	default:
		value = k.field(strings.ToLower(key), value)
	}
	return escapeBeyondASCII(value)
}

func (k Kind) field(key, value string) string {
	switch key {
	case "uri", "url", "location", "referer":
		// A URI as a whole: also a space may belong to a secret.
		return redact.URI(value)
	case "method":
		return redact.Method(value)
	case "host", "server_name":
		return redact.Host(value)
	case "user_agent":
		return redact.Prose(value)
	case "authorization", "cookie", "set-cookie", "x-api-key":
		return redact.Mark
	case "secret", "token", "tokens":
		// The words of this module's configuration, which Caddy's debug log dumps.
		if value != "" && !placeholder.Whole(value) {
			return redact.Mark
		}
		return value
	case "err_id":
		return value // Caddy's own random text
	}
	return k.Text(value)
}

// Text returns a message, or a key, without secrets.
func (k Kind) Text(text string) string {
	switch k {
	case Own:
		return text
	case Headers:
		return redact.HeaderName(text)
	case Other:
		return redact.Arguments(text)
	}
	return redact.Text(text)
}

// escapeBeyondASCII escapes what JSON lets through but a terminal obeys.
func escapeBeyondASCII(s string) string {
	return redact.Escape(s, func(r rune) bool { return r >= unicode.MaxASCII && !unicode.IsPrint(r) })
}

// reflected returns what zap would print of a value, without secrets.
func (k Kind) reflected(key string, value any) (json.RawMessage, error) {
	var doc bytes.Buffer
	encoder := json.NewEncoder(&doc)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return nil, err
	}
	return k.document(key, doc.Bytes()), nil
}

// document redacts the strings of a valid JSON document in their places. It
// changes nothing else: a log is read by people who know the original.
func (k Kind) document(key string, doc []byte) json.RawMessage {
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
			key, redacted = text, escapeBeyondASCII(k.Text(text))
		} else {
			redacted = k.value(key, text)
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
