package dyndns

import (
	"bytes"
	"encoding/json"
	"strings"
	"unicode"

	"github.com/caddy-dyndns/dyndns/internal/placeholder"
	"github.com/caddy-dyndns/dyndns/internal/redact"
)

// redaction is what an encoder takes for harmless in a part of an entry.
type redaction uint8

const (
	// requestText may hold parts of a request: entries of Caddy's HTTP app, and
	// fields that were added before it is known whose entry they belong to.
	requestText redaction = iota
	// requestHeaders is an object of header fields.
	requestHeaders
	// otherText is the entries of other apps, which know no request.
	otherText
	// ownText is the entries of this module, which hold no secret.
	ownText
)

// redactionOf returns how to redact the entries of a logger.
func redactionOf(logger string) redaction {
	switch {
	case logger == string((*Handler)(nil).CaddyModule().ID):
		return ownText
	case logger == "http" || strings.HasPrefix(logger, "http."):
		return requestText
	}
	return otherText
}

// inside returns how to redact the object or array of that key.
func (r redaction) inside(key string) redaction {
	if r != ownText && (key == "headers" || key == "resp_headers") {
		return requestHeaders
	}
	return r
}

// value returns the text of a log field without secrets.
func (r redaction) value(key, value string) string {
	switch r {
	case ownText:
	case requestHeaders:
		value = redact.Header(key, value)
	default:
		value = r.field(strings.ToLower(key), value)
	}
	return escapeBeyondASCII(value)
}

func (r redaction) field(key, value string) string {
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
	return r.text(value)
}

// text returns a message, or a key, without secrets.
func (r redaction) text(text string) string {
	switch r {
	case ownText:
		return text
	case requestHeaders:
		return redact.HeaderName(text)
	case otherText:
		return redact.Arguments(text)
	}
	return redact.Text(text)
}

// escapeBeyondASCII escapes what JSON lets through but a terminal obeys.
func escapeBeyondASCII(s string) string {
	return escape(s, func(r rune) bool { return r >= unicode.MaxASCII && !unicode.IsPrint(r) })
}

// reflected returns what zap would print of a value, without secrets.
func (r redaction) reflected(key string, value any) (json.RawMessage, error) {
	var doc bytes.Buffer
	encoder := json.NewEncoder(&doc)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return nil, err
	}
	return r.document(key, doc.Bytes()), nil
}

// document redacts the strings of a valid JSON document in their places. It
// changes nothing else: a log is read by people who know the original.
func (r redaction) document(key string, doc []byte) json.RawMessage {
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
			key, redacted = text, escapeBeyondASCII(r.text(text))
		} else {
			redacted = r.value(key, text)
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
