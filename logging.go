package dyndns

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/caddy-dyndns/dyndns/internal/address"
	"github.com/caddy-dyndns/dyndns/internal/redact"
	"github.com/caddy-dyndns/dyndns/internal/service"
)

// logMessage is the message of the one entry that every API request gets, in
// place of Caddy's access entry with its unredacted URI. docs/logging.md lists
// the fields.
const logMessage = "answered request"

// maxUserAgent is how many characters of the User-Agent header are logged.
const maxUserAgent = 80

func (h *Handler) logRequest(r *http.Request, dialect string, o *service.Outcome, status int, took time.Duration) {
	result := o.Result()
	entry := h.logger.Check(logLevel(result), logMessage)
	if entry == nil {
		return
	}
	fields := make([]zap.Field, 0, 14)
	fields = append(fields,
		zap.String("dialect", dialect),
		zap.String("result", result.String()),
		zap.Int("status", status),
		zap.Duration("duration", took),
		zap.String("client_ip", clientText(r)),
		zap.String("method", redact.Method(r.Method)),
		zap.String("host", redact.Host(r.Host)),
		zap.String("uri", redact.URI(r.RequestURI)),
		zap.String("user_agent", excerpt(redact.Prose(r.UserAgent()))),
	)
	if o.Client != "" {
		fields = append(fields, zap.String("client", o.Client))
	}
	if len(o.Hosts) > 0 {
		fields = append(fields, zap.Array("hosts", loggedHosts(o.Hosts)))
	}
	if len(o.LAN) > 0 {
		fields = append(fields, zap.Array("lan", loggedHosts(o.LAN)))
	}
	if len(o.Checks) > 0 {
		fields = append(fields, zap.Array("zones", loggedChecks(o.Checks)))
	}
	if o.Err != nil {
		fields = append(fields, zap.Inline(loggedError{o.Err}))
	}
	entry.Write(fields...)
}

// reportExpired tells log, metrics and events of addresses that nobody has confirmed.
func (h *Handler) reportExpired(o *service.HostOutcome) {
	if o.Err == nil && o.Result() == service.Unchanged {
		return // they are somebody else's by now
	}
	if o.Err == nil {
		expiredCount.WithLabelValues(o.Zone).Inc()
		h.events.publishExpired(o)
	}
	entry := h.logger.Check(logLevel(o.Result()), "removed expired address")
	if o.Err != nil {
		entry = h.logger.Check(logLevel(o.Result()), "expired address could not be removed")
	}
	if entry != nil {
		entry.Write(zap.Inline((*loggedHost)(o)))
	}
}

// clientText is the client's address, empty on a unix socket.
func clientText(r *http.Request) string {
	if addr := clientAddress(r); addr.IsValid() {
		return addr.String()
	}
	return ""
}

func logLevel(r service.Result) zapcore.Level {
	switch r {
	case service.Unchanged:
		return zapcore.DebugLevel
	case service.Refused:
		return zapcore.WarnLevel
	case service.Failed:
		return zapcore.ErrorLevel
	}
	return zapcore.InfoLevel
}

// excerpt is the beginning of a header value. JSON would escape line breaks, but
// let C1 controls and the Unicode line separators through.
func excerpt(s string) string {
	n := 0
	for i := range s {
		if n == maxUserAgent {
			s = s[:i]
			break
		}
		n++
	}
	return redact.EscapeControls(s)
}

// loggedHosts logs what became of each name.
type loggedHosts []service.HostOutcome

func (hosts loggedHosts) MarshalLogArray(enc zapcore.ArrayEncoder) error {
	for i := range hosts {
		if err := enc.AppendObject((*loggedHost)(&hosts[i])); err != nil {
			return err
		}
	}
	return nil
}

type loggedHost service.HostOutcome

func (h *loggedHost) MarshalLogObject(enc zapcore.ObjectEncoder) error {
	enc.AddString("name", h.Name)
	if h.Zone != "" {
		enc.AddString("zone", h.Zone)
	}
	enc.AddString("result", (*service.HostOutcome)(h).Result().String())
	if h.Err != nil {
		if err := (loggedError{h.Err}).MarshalLogObject(enc); err != nil || len(h.Records) == 0 {
			return err
		}
	}
	return enc.AddArray("records", loggedRecords(h.Records))
}

type loggedRecords []service.Record

func (records loggedRecords) MarshalLogArray(enc zapcore.ArrayEncoder) error {
	for i := range records {
		if err := enc.AppendObject((*loggedRecord)(&records[i])); err != nil {
			return err
		}
	}
	return nil
}

type loggedRecord service.Record

func (r *loggedRecord) MarshalLogObject(enc zapcore.ObjectEncoder) error {
	enc.AddString("type", r.Type.String())
	enc.AddString("old", strings.Join(r.Old, ","))
	enc.AddString("new", strings.Join(r.New, ","))
	enc.AddUint32("ttl", r.TTL)
	enc.AddBool("changed", r.Changed)
	enc.AddBool("proven", r.Proven)
	if slices.ContainsFunc(r.New, address.PrivateText) {
		enc.AddBool("private", true)
	}
	return nil
}

// loggedError logs a refusal as two fields.
type loggedError struct{ *service.Error }

func (e loggedError) MarshalLogObject(enc zapcore.ObjectEncoder) error {
	enc.AddString("reason", string(e.Reason))
	message := e.Message
	if e.Cause != nil && e.Cause.Error() != message {
		message += ": " + e.Cause.Error()
	}
	enc.AddString("error", redact.EscapeControls(message))
	return nil
}

// loggedChecks logs the self-test of each zone.
type loggedChecks []service.ZoneCheck

func (checks loggedChecks) MarshalLogArray(enc zapcore.ArrayEncoder) error {
	for i := range checks {
		if err := enc.AppendObject((*loggedCheck)(&checks[i])); err != nil {
			return err
		}
	}
	return nil
}

type loggedCheck service.ZoneCheck

func (c *loggedCheck) MarshalLogObject(enc zapcore.ObjectEncoder) error {
	enc.AddString("zone", c.Zone)
	enc.AddString("result", (*service.ZoneCheck)(c).Result().String())
	var failures, warnings []string
	for _, step := range c.Steps {
		if step.Err == nil {
			continue
		}
		text := step.Name + ": " + step.Err.Error()
		if step.Detail != "" {
			text += " (" + step.Detail + ")"
		}
		if step.Warning {
			warnings = append(warnings, text)
		} else {
			failures = append(failures, text)
		}
	}
	if failures != nil {
		enc.AddString("error", redact.EscapeControls(strings.Join(failures, "; ")))
	}
	if warnings != nil {
		enc.AddString("warning", redact.EscapeControls(strings.Join(warnings, "; ")))
	}
	return nil
}
