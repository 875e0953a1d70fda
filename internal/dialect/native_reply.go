package dialect

import (
	"net/http"
	"strconv"
	"time"

	"github.com/caddy-dyndns/dyndns/internal/service"
	"github.com/caddy-dyndns/dyndns/zone"
)

func (native) Write(in *Input, _ Request, out service.Outcome) Reply {
	if acceptsJSON(in.http) {
		return nativeJSON(&out)
	}
	reply := Reply{Status: http.StatusOK, ContentType: textPlain}
	if out.Err != nil {
		reply.fail(out.Err)
		reply.Body = appendError(nil, "", out.Err)
		return reply
	}
	b := make([]byte, 0, 128)
	several := len(out.Hosts)+len(out.LAN) > 1
	for h := range out.Names() {
		for i := range h.Records {
			b = appendRecord(b, h.Name, &h.Records[i])
		}
		if h.Err != nil {
			reply.fail(h.Err)
			name := ""
			if several {
				name = h.Name
			}
			b = appendError(b, name, h.Err)
		}
	}
	for i := range out.Checks {
		b = appendCheck(b, &out.Checks[i])
		if out.Checks[i].Result() == service.Failed {
			reply.Status = http.StatusBadGateway
		}
	}
	reply.Body = b
	return reply
}

// nativeWord returns the word of the Python dyndns for a refusal, and our status.
func nativeWord(e *service.Error) (word string, status int) {
	switch e.Reason {
	case service.NoCredential:
		return "PARAMETER_ERROR", http.StatusUnauthorized
	case service.BadCredential:
		if e.InURL {
			return "PARAMETER_ERROR", http.StatusForbidden
		}
		return "PARAMETER_ERROR", http.StatusUnauthorized
	case service.Throttled:
		return "PARAMETER_ERROR", http.StatusTooManyRequests
	case service.CrossSite, service.NotGranted, service.ClientDisabled, service.WrongNetwork:
		return "PARAMETER_ERROR", http.StatusForbidden
	case service.BadMethod:
		return "PARAMETER_ERROR", http.StatusMethodNotAllowed
	case service.BadMediaType:
		return "PARAMETER_ERROR", http.StatusUnsupportedMediaType
	case service.BadParameter, service.TooManyHosts, service.Unsupported:
		return "PARAMETER_ERROR", http.StatusBadRequest
	case service.BadName:
		return "DNS_NAME_ERROR", http.StatusBadRequest
	case service.NoZone:
		return "DNS_NAME_ERROR", http.StatusNotFound
	case service.BadAddress:
		return "IP_ADDRESS_ERROR", http.StatusBadRequest
	case zone.Conflict:
		return "DNS_SERVER_ERROR", http.StatusConflict
	case zone.Timeout:
		return "DNS_SERVER_ERROR", http.StatusGatewayTimeout
	case zone.Busy, service.ClientsFailed, service.LimitReached:
		return "DNS_SERVER_ERROR", http.StatusServiceUnavailable
	default: // DNSRefused, DNSFailed
		return "DNS_SERVER_ERROR", http.StatusBadGateway
	}
}

// fail raises the status to that of the error, if it is the worst so far.
func (r *Reply) fail(e *service.Error) {
	_, status := nativeWord(e)
	if status > r.Status {
		r.Status = status
	}
	r.setHeader(e, status)
}

// appendRecord writes a line of version 2.0.0.
func appendRecord(b []byte, name string, r *service.Record) []byte {
	if r.Changed {
		b = append(b, "UPDATED: "...)
	} else {
		b = append(b, "UNCHANGED: "...)
	}
	b = append(b, name...)
	b = append(b, ' ')
	b = append(b, r.Type.String()...)
	b = append(b, ' ')
	if r.Changed {
		b = appendValues(b, r.Old)
		b = append(b, " -> "...)
	}
	b = appendValues(b, r.New)
	return append(b, '\n')
}

func appendValues(b []byte, values []string) []byte {
	if len(values) == 0 {
		return append(b, "None"...)
	}
	for i, v := range values {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, v...)
	}
	return b
}

func appendError(b []byte, name string, e *service.Error) []byte {
	word, _ := nativeWord(e)
	b = append(b, word...)
	b = append(b, ": "...)
	if name != "" {
		b = append(b, name...)
		b = append(b, ": "...)
	}
	return append(appendLine(b, e.Message), '\n')
}

// appendLine keeps a text to one line: a nameserver's explanation (RFC 8914) is
// part of some messages and may hold anything.
func appendLine(b []byte, text string) []byte {
	for i := 0; i < len(text); i++ {
		c := text[i]
		if c < ' ' || c == 0x7f {
			c = ' '
		}
		b = append(b, c)
	}
	return b
}

// appendCheck writes one line for every step of a zone's self-test.
func appendCheck(b []byte, check *service.ZoneCheck) []byte {
	for _, step := range check.Steps {
		word := "INFO: "
		switch {
		case step.Failed():
			word = "CHECK_ERROR: "
		case step.Err != nil:
			word = "WARNING: "
		}
		b = append(b, word...)
		b = append(b, check.Zone...)
		b = append(b, ' ')
		b = append(b, step.Name...)
		if step.Server != "" {
			b = append(b, ' ')
			b = append(b, step.Server...)
		}
		b = append(b, ' ')
		b = strconv.AppendFloat(b, milliseconds(step.Took), 'f', 1, 64)
		b = append(b, " ms"...)
		if step.Detail != "" {
			b = append(b, ' ')
			b = appendLine(b, step.Detail)
		}
		if step.Err != nil {
			b = append(b, ": "...)
			b = appendLine(b, step.Err.Error())
		}
		b = append(b, '\n')
	}
	return b
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
