package dialect

import (
	"bytes"
	"encoding/json"
	"mime"
	"net/http"
	"strconv"
	"strings"

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
	Records []jsonRecord `json:"records,omitempty"`
	Checks  []jsonCheck  `json:"checks,omitempty"`
	Error   *jsonError   `json:"error,omitempty"`
}

type jsonRecord struct {
	Name    string   `json:"name"`
	Type    string   `json:"type"`
	Old     []string `json:"old"`
	New     []string `json:"new"`
	TTL     uint32   `json:"ttl"`
	Changed bool     `json:"changed"`
	Proven  bool     `json:"proven"`
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
		for _, r := range h.Records {
			body.Records = append(body.Records, jsonRecord{h.Name, r.Type.String(), orEmpty(r.Old), orEmpty(r.New), r.TTL, r.Changed, r.Proven})
		}
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

// orEmpty makes no values [] in JSON, not null.
func orEmpty(values []string) []string {
	if values == nil {
		return []string{}
	}
	return values
}
