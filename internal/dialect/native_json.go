package dialect

import (
	"bytes"
	"encoding/json"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"github.com/caddy-dyndns/dyndns/internal/records"
	"github.com/caddy-dyndns/dyndns/internal/service"
)

// acceptsJSON tells whether the client names JSON among what it takes; a
// wildcard such as curl's does not.
func acceptsJSON(r *http.Request) bool {
	for _, accept := range r.Header["Accept"] {
		if !strings.Contains(strings.ToLower(accept), "json") {
			continue
		}
		for part := range strings.SplitSeq(accept, ",") {
			mediaType, params, _ := mime.ParseMediaType(part)
			if q, err := strconv.ParseFloat(params["q"], 64); mediaType == "application/json" && (err != nil || q > 0) {
				return true
			}
		}
	}
	return false
}

type jsonReply struct {
	Records []records.Result `json:"records,omitzero"`
	// Lagging are nameservers that do not serve a new challenge yet.
	Lagging []string    `json:"lagging,omitempty"`
	Checks  []jsonCheck `json:"checks,omitempty"`
	Error   *jsonError  `json:"error,omitempty"`
}

type jsonCheck struct {
	Zone  string     `json:"zone"`
	Steps []jsonStep `json:"steps"`
}

type jsonStep struct {
	Name         string  `json:"name"`
	Server       string  `json:"server,omitempty"`
	Milliseconds float64 `json:"milliseconds"`
	Detail       string  `json:"detail,omitempty"`
	Warning      string  `json:"warning,omitempty"`
	Error        string  `json:"error,omitempty"`
}

// jsonError has the word of the worst error, and what all of them say.
type jsonError struct {
	Word    string `json:"word"`
	Message string `json:"message"`
}

func nativeJSON(out *service.Outcome) Reply {
	reply := Reply{Status: http.StatusOK, ContentType: "application/json"}
	var body jsonReply
	fail := func(word string, status int, message string) {
		switch {
		case body.Error == nil:
			body.Error = &jsonError{word, message}
		default:
			body.Error.Message += "; " + message
			if status > reply.Status {
				body.Error.Word = word
			}
		}
		reply.Status = max(reply.Status, status)
	}
	if out.Err != nil {
		word, status := nativeWord(out.Err)
		fail(word, status, out.Err.Message)
		reply.setHeader(out.Err, status)
	}
	several := len(out.Hosts)+len(out.LAN) > 1
	for h := range out.Names() {
		if h.Err != nil {
			word, status := nativeWord(h.Err)
			message := h.Err.Message
			if several {
				message = h.Name + ": " + message
			}
			fail(word, status, message)
			reply.setHeader(h.Err, status)
		}
		body.Lagging = append(body.Lagging, h.Lagging...)
	}
	if rrsets := records.Results(out); len(rrsets) > 0 || body.Error == nil && out.Checks == nil {
		body.Records = rrsets
	}
	for _, c := range out.Checks {
		check := jsonCheck{Zone: c.Zone, Steps: []jsonStep{}}
		for _, s := range c.Steps {
			step := jsonStep{Name: s.Name, Server: s.Server, Milliseconds: milliseconds(s.Took), Detail: s.Detail}
			switch {
			case s.Err != nil && s.Warning:
				step.Warning = s.Err.Error()
			case s.Err != nil:
				step.Error = s.Err.Error()
				fail("CHECK_ERROR", http.StatusBadGateway, c.Zone+" "+s.Name+": "+step.Error)
			}
			check.Steps = append(check.Steps, step)
		}
		body.Checks = append(body.Checks, check)
	}
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	// Strings and numbers always encode.
	_ = encoder.Encode(body)
	reply.Body = b.Bytes()
	return reply
}
