package pages

import (
	"crypto/sha256"
	_ "embed" // for the stylesheet and the script
	"encoding/base64"
	"mime"
	"strconv"
	"strings"
)

// Format is how a page is written.
type Format uint8

// The formats of a page.
const (
	Text Format = iota
	HTML
	JSON
)

// ContentType is the format's Content-Type.
func (f Format) ContentType() string {
	return [...]string{Text: "text/plain; charset=utf-8", HTML: "text/html; charset=utf-8", JSON: "application/json"}[f]
}

var formats = map[string]Format{"text/plain": Text, "text/html": HTML, "application/xhtml+xml": HTML, "application/json": JSON}

// Negotiate chooses the format from the Accept header. Only a browser names
// text/html: what takes anything, as curl and routers do, gets text.
func Negotiate(accept string) Format {
	best, format := 0.0, Text
	for item := range strings.SplitSeq(accept, ",") {
		mediaType, params, err := mime.ParseMediaType(item)
		if err != nil {
			continue
		}
		q := 1.0
		if given, ok := params["q"]; ok {
			if q, err = strconv.ParseFloat(given, 64); err != nil {
				continue
			}
		}
		if f, ok := formats[mediaType]; ok && q > best {
			best, format = q, f
		}
	}
	return format
}

//go:embed templates/style.css
var style string

// script adds what a page does well without.
//
//go:embed templates/script.js
var script string

// ContentSecurityPolicy is the policy of every HTML page. The one stylesheet and the one
// script stand in the page and are named by their hashes, the icon is a data URL.
var ContentSecurityPolicy = "default-src 'none'; style-src " + hash(style) + "; script-src " + hash(script) +
	"; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

func hash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}
