package logencoder

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
	"unicode"

	_ "github.com/caddy-dyndns/dyndns/internal/dialect" // whose arguments may be shown

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/logging"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

const canary = "c4n4ryS3cr3t0123456789"

// newEncoder provisions the encoder for a Caddyfile's words after "format".
func newEncoder(t testing.TB, words string) *LogEncoder {
	t.Helper()
	e := new(LogEncoder)
	if err := e.UnmarshalCaddyfile(caddyfile.NewTestDispenser(words)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := caddy.NewContext(caddy.Context{Context: t.Context()})
	t.Cleanup(cancel)
	if err := e.Provision(ctx); err != nil {
		t.Fatal(err)
	}
	return e
}

// encode writes an entry of Caddy's HTTP app.
func encode(t testing.TB, e zapcore.Encoder, message string, fields ...zap.Field) string {
	t.Helper()
	return encodeFor(t, e, "http.log.access", message, fields...)
}

func encodeFor(t testing.TB, e zapcore.Encoder, logger, message string, fields ...zap.Field) string {
	t.Helper()
	line, err := e.EncodeEntry(zapcore.Entry{Level: zapcore.InfoLevel, Time: time.Unix(0, 0), LoggerName: logger, Message: message}, fields)
	if err != nil {
		t.Fatal(err)
	}
	return line.String()
}

type loggedURL struct{ uri string }

func (u loggedURL) MarshalLogObject(enc zapcore.ObjectEncoder) error {
	enc.AddString("uri", u.uri)
	return enc.AddArray("chain", zapcore.ArrayMarshalerFunc(func(a zapcore.ArrayEncoder) error {
		a.AppendByteString([]byte(u.uri))
		if err := a.AppendReflected(map[string]string{"x": u.uri}); err != nil {
			return err
		}
		if err := a.AppendArray(caddyhttp.LoggableStringArray{u.uri}); err != nil {
			return err
		}
		return a.AppendObject(zapcore.ObjectMarshalerFunc(func(o zapcore.ObjectEncoder) error {
			o.AddByteString("uri", []byte(u.uri))
			return nil
		}))
	}))
}

func TestEncoderRedacts(t *testing.T) {
	const path = "/update-by-path/" + canary + "/home.example.com"
	const absolute = "https://dyn.example.com/nic/update?hostname=a.example.com&password=" + canary
	rows := []struct {
		name    string
		message string
		fields  []zap.Field
		want    string // something that stays
	}{
		{"uri", "handled request", []zap.Field{zap.String("uri", path)}, "home.example.com"},
		{"uri with a space", "m", []zap.Field{zap.String("uri", "/update?token=a "+canary)}, "/update?token="},
		{"request", "handled request", []zap.Field{zap.Object("request", caddyhttp.LoggableHTTPRequest{Request: &http.Request{
			Method: "GET", Host: "dyn.example.com", RequestURI: path, URL: new(url.URL),
			Header: http.Header{"Referer": {absolute}, "X-Original-Uri": {path}},
		}})}, `"host":"dyn.example.com"`},
		{"redirect", "handled request", []zap.Field{zap.Object("resp_headers", caddyhttp.LoggableHTTPHeader{
			Header: http.Header{"Location": {absolute}},
		})}, "hostname=a.example.com"},
		{"message", `dialing "` + absolute + `" failed: connection refused`, nil, "connection refused"},
		{"error", "m", []zap.Field{zap.Error(&url.Error{Op: "Get", URL: absolute, Err: errors.New("no such host")})}, "no such host"},
		{"joined errors", "m", []zap.Field{zap.Errors("errors", []error{errors.New(path), errors.New("plain")})}, "plain"},
		{"stringer", "m", []zap.Field{zap.Stringer("target", &url.URL{Path: path})}, "home.example.com"},
		{"bytes", "m", []zap.Field{zap.ByteString("line", []byte("GET "+path+" HTTP/1.1"))}, "HTTP/1.1"},
		{"strings", "m", []zap.Field{zap.Strings("args", []string{"plain", absolute})}, "plain"},
		{"nested", "m", []zap.Field{zap.Object("o", loggedURL{path}), zap.Inline(loggedURL{absolute})}, "a.example.com"},
		{"namespace", "m", []zap.Field{zap.Namespace("n"), zap.String("uri", path)}, `"n":{"uri"`},
		{"dictionary", "m", []zap.Field{zap.Dict("d", zap.String("location", absolute))}, "a.example.com"},
		{"reflected", "m", []zap.Field{zap.Reflect("r", map[string]any{
			"url": absolute, "list": []any{1, nil, path, map[string]string{path: "key"}}, "n": 1.5,
		})}, `"n":1.5`},
		{"raw JSON", "m", []zap.Field{zap.Reflect("r", json.RawMessage(`{"a\"b": "x `+path+`", "c":[true]}`))}, `[true]`},
		{"configuration", "adjusted config", []zap.Field{zap.Reflect("http", json.RawMessage(
			`{"handler":"dyndns","secret":"`+canary+`","clients":[{"name":"home","tokens":["`+canary+`","{env.HOME_TOKEN}"]}]}`,
		))}, `"{env.HOME_TOKEN}"`},
		{"unknown argument", "m", []zap.Field{zap.String("uri", "/nic/update?bogus="+canary+"&"+canary+"=1&hostname="+canary)}, "hostname=REDACTED"},
		{"mistyped path", "m", []zap.Field{zap.String("uri", "/updat/"+canary+"/home.example.com"), zap.Error(errors.New("open /srv/updat/" + canary + ": no such file"))}, "home.example.com"},
		{"method and host", "m", []zap.Field{zap.Object("request", caddyhttp.LoggableHTTPRequest{Request: &http.Request{
			Method: canary, Host: canary + ":80", RequestURI: canary, URL: new(url.URL),
		}})}, `"method":"REDACTED"`},
		{"headers", "m", []zap.Field{zap.Object("request", caddyhttp.LoggableHTTPRequest{ShouldLogCredentials: true, Request: &http.Request{
			URL: new(url.URL),
			Header: http.Header{
				"Authorization": {"Bearer " + canary}, "Cookie": {"a=" + canary}, "Referer": {absolute}, "X-Api-Key": {canary}, "X-Api-User": {canary},
				"User-Agent": {"curl/8 " + canary}, "Accept": {canary}, "X-Forwarded-For": {canary}, "X-Forwarded-Host": {canary}, "Origin": {"https://" + canary},
				canary: {"x"}, "X-Any": {canary, "plain"},
			},
		}}), zap.Object("resp_headers", caddyhttp.LoggableHTTPHeader{ShouldLogCredentials: true, Header: http.Header{
			"Location": {"/x?" + canary}, "Set-Cookie": {canary}, "Server": {"Caddy"},
		}})}, `"Server":["Caddy"]`},
		{"reflected headers", "m", []zap.Field{zap.Reflect("headers", http.Header{"X-Any": {canary}, canary: {"x"}, "Accept": {"text/html"}})}, `"text/html"`},
		{"key alone", "bad secret " + canary, nil, "bad secret"},
		{"lazy", "m", []zap.Field{zap.Any("r", struct{ URL *url.URL }{&url.URL{RawQuery: "token=" + canary}})}, "RawQuery"},
	}
	for _, words := range []string{"dyndns", "dyndns json", "dyndns console", "dyndns filter {\nwrap console\nfields {\nnone delete\n}\n}"} {
		e := newEncoder(t, words)
		for _, row := range rows {
			t.Run(words+"/"+row.name, func(t *testing.T) {
				direct := encode(t, e, row.message, row.fields...)
				// As logger.With does it.
				with := e.Clone()
				for _, f := range row.fields {
					f.AddTo(with)
				}
				for _, line := range []string{direct, encode(t, with, row.message)} {
					if strings.Contains(line, canary) {
						t.Errorf("a secret stands in %s", line)
					}
					if !strings.Contains(strings.ReplaceAll(line, `": "`, `":"`), row.want) && !strings.Contains(strings.ReplaceAll(line, `": `, `":`), row.want) {
						t.Errorf("%q is missing from %s", row.want, line)
					}
				}
			})
		}
	}
}

// Entries of other apps know no request: only arguments and what stands in paths
// or in the fields of a request is looked at. Those of the handler hold no secret.
func TestEncoderLoggers(t *testing.T) {
	const pointer = "0xc0003b4080"
	rows := []struct{ logger, message, want string }{
		{"tls.cache.maintenance", pointer, pointer},
		{"tls.obtain", "https://ca.example/acme/new-order?token=" + canary, "https://ca.example/acme/REDACTED?token=REDACTED"},
		{"tls", "/var/lib/caddy/.local/share/caddy/certificates/" + canary, "/var/lib/caddy/.local/share/caddy/certificates/REDACTED"},
		{"", "using config from /etc/caddy/Caddyfile", "using config from /etc/caddy/Caddyfile"},
		{"httpx", pointer, pointer},
		{"http", pointer, "REDACTED"},
		{"http.handlers.reverse_proxy", pointer, "REDACTED"},
		{"http.handlers.dyndns", pointer, pointer},
		{"http.handlers.dyndnsx", pointer, "REDACTED"},
	}
	for _, row := range rows {
		t.Run(row.logger, func(t *testing.T) {
			line := encodeFor(t, newEncoder(t, "dyndns json"), row.logger, row.message, zap.String("text", row.message))
			var e map[string]any
			if err := json.Unmarshal([]byte(line), &e); err != nil {
				t.Fatal(err)
			}
			if e["msg"] != row.want || e["text"] != row.want {
				t.Errorf("message %q, field %q, want %q", e["msg"], e["text"], row.want)
			}
		})
	}
}

// Fields that are no text pass as they are.
func TestEncoderKeeps(t *testing.T) {
	fields := []zap.Field{
		zap.Int("int", -1), zap.Uint64("uint", 1<<63), zap.Float64("float", 0.5), zap.Bool("bool", true),
		zap.Duration("duration", time.Second), zap.Time("time", time.Unix(1, 0)), zap.Complex128("complex", 1i),
		zap.Binary("binary", []byte{0, 255}), zap.Reflect("nil", nil), zap.Ints("ints", []int{1, 2}),
		zap.Skip(), zap.Error(nil), zap.Uintptr("ptr", 3), zap.String("plain", "a/b = c d"),
		zap.Reflect("html", "<a> & b"), zap.Durations("durations", []time.Duration{time.Second}),
	}
	plain := new(logging.JSONEncoder)
	if err := plain.Provision(caddy.Context{}); err != nil {
		t.Fatal(err)
	}
	want := encode(t, plain, "message", fields...)
	if got := encode(t, newEncoder(t, "dyndns json"), "message", fields...); got != want {
		t.Errorf("got  %swant %s", got, want)
	}
}

// A value that cannot be encoded is reported as zap does, and the entry stays.
func TestEncoderUnencodable(t *testing.T) {
	line := encode(t, newEncoder(t, "dyndns json"), "message", zap.Reflect("f", func() {}), zap.String("after", "x"))
	if !strings.Contains(line, `"fError"`) || !strings.Contains(line, `"after":"x"`) {
		t.Error(line)
	}
}

func TestEncoderLines(t *testing.T) {
	const evil = "a\r\nb\u2028c\u0085d\x1b[31me\u009b31mf\x7f"
	for _, words := range []string{"dyndns json", "dyndns console"} {
		line := encode(t, newEncoder(t, words), evil, zap.String("user_agent", evil), zap.Strings("list", []string{evil}),
			zap.Reflect("r", map[string]string{evil: evil}))
		// The console encoder colours the level.
		body := strings.NewReplacer("\x1b[34m", "", "\x1b[0m", "").Replace(strings.TrimSuffix(line, "\n"))
		if i := strings.IndexFunc(body, func(r rune) bool { return r != '\t' && !unicode.IsPrint(r) }); i >= 0 {
			t.Errorf("%s: a control character passes at byte %d of %q", words, i, body)
		}
	}
}

func TestEncoderCaddyfile(t *testing.T) {
	rows := []struct {
		name, words, wrap, err string
	}{
		{"bare", "dyndns", "", ""},
		{"json", "dyndns json", `{"format":"json"}`, ""},
		{"console with options", "dyndns console {\ntime_format rfc3339\n}", `{"format":"console","time_format":"rfc3339"}`, ""},
		{"unknown encoder", "dyndns xml", "", "caddy.logging.encoders.xml"},
		{"options without encoder", "dyndns {\ntime_format rfc3339\n}", "", "options belong to an encoder"},
		{"two encoders", "dyndns json console", "", "wrong argument count"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			e := new(LogEncoder)
			err := e.UnmarshalCaddyfile(caddyfile.NewTestDispenser(row.words))
			if row.err != "" {
				if err == nil || !strings.Contains(err.Error(), row.err) {
					t.Errorf("error %v, want %q", err, row.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if string(e.WrappedRaw) != row.wrap {
				t.Errorf("wrap is %s, want %s", e.WrappedRaw, row.wrap)
			}
		})
	}
}

func FuzzEncoder(f *testing.F) {
	f.Add("uri", "/update-by-path/secret/home.example.com", `{"a":["b",1,{"c":null}]}`)
	f.Add("", "a\nb %00 /check/\\x = ;", `"\ud800"`)
	f.Add("tokens", "GET https://u:p@h/update?token=a b", `[]`)
	e := newEncoder(f, "dyndns json")
	f.Fuzz(func(t *testing.T, key, value, doc string) {
		fields := []zap.Field{zap.String(key, value), zap.Strings(key, []string{value}), zap.Reflect("r", map[string]string{key: value})}
		if json.Valid([]byte(doc)) {
			fields = append(fields, zap.Reflect(key, json.RawMessage(doc)))
		}
		header := http.Header{"X-" + key: {canary}, canary: {value}, "User-Agent": {canary}, "Authorization": {value + canary}, "Referer": {"/" + canary}}
		fields = append(fields, zap.String("uri", "/update?token="+canary+value+"&bogus="+canary+"&"+canary),
			zap.Object("headers", caddyhttp.LoggableHTTPHeader{Header: header, ShouldLogCredentials: true}))
		line := encode(t, e, value, fields...)
		if !json.Valid([]byte(line)) {
			t.Errorf("no JSON: %q", line)
		}
		if strings.Count(line, "\n") != 1 {
			t.Errorf("several lines: %q", line)
		}
		if strings.Contains(line, canary) && !strings.Contains(key+value+doc, canary) {
			t.Errorf("a secret stands in %q", line)
		}
	})
}
