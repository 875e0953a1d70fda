package dyndns

import (
	"encoding/json"
	"fmt"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/logging"
	"go.uber.org/zap/buffer"
	"go.uber.org/zap/zapcore"
)

func init() {
	caddy.RegisterModule(new(LogEncoder))
}

// LogEncoder is a log encoder that shows what is known to be harmless and hides
// the rest before another encoder writes the entry. It is for what the handler
// cannot reach: the automatic redirect from HTTP to HTTPS, requests for another
// site or a mistyped path, and other modules' messages.
//
// Of a URI it shows the arguments that a router sends, their values where these
// have the form of a name, an address, a number or a flag, and path segments with a
// dot or of fewer than 8 characters. Of headers it shows those that say nothing of
// who sends them. In the text of Caddy's HTTP app it hides paths and arguments
// likewise, and whatever may be a key; in that of other apps only arguments and
// keys in paths.
type LogEncoder struct {
	// The encoder that writes the entry. Default: `json`, or `console` if the
	// log goes to a terminal.
	WrappedRaw json.RawMessage `json:"wrap,omitempty" caddy:"namespace=caddy.logging.encoders inline_key=format"`

	// The redacting methods of zapcore.ObjectEncoder.
	redactingObject `json:"-"`

	wrapped zapcore.Encoder
}

// CaddyModule returns the Caddy module information.
func (*LogEncoder) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "caddy.logging.encoders.dyndns",
		New: func() caddy.Module { return new(LogEncoder) },
	}
}

// Provision loads the wrapped encoder.
func (e *LogEncoder) Provision(ctx caddy.Context) error {
	if e.WrappedRaw == nil {
		// Without filters it does nothing but choose between json and console.
		encoder := new(logging.FilterEncoder)
		if err := encoder.Provision(ctx); err != nil {
			return fmt.Errorf("provisioning default encoder: %w", err)
		}
		e.wrap(encoder)
		return nil
	}
	loaded, err := ctx.LoadModule(e, "WrappedRaw")
	if err != nil {
		return fmt.Errorf("loading wrapped encoder: %w", err)
	}
	encoder, ok := loaded.(zapcore.Encoder)
	if !ok {
		return fmt.Errorf("%T is not a log encoder", loaded)
	}
	e.wrap(encoder)
	return nil
}

func (e *LogEncoder) wrap(encoder zapcore.Encoder) {
	e.wrapped, e.redactingObject = encoder, redactingObject{encoder, requestText}
}

// ConfigureDefaultFormat implements caddy.ConfiguresFormatterDefault.
func (e *LogEncoder) ConfigureDefaultFormat(writer caddy.WriterOpener) error {
	if nested, ok := e.wrapped.(caddy.ConfiguresFormatterDefault); ok {
		return nested.ConfigureDefaultFormat(writer)
	}
	return nil
}

// UnmarshalCaddyfile sets up the encoder from Caddyfile tokens. Syntax:
//
//	format dyndns [<encoder> [{
//		<options of that encoder>
//	}]]
//
// where the encoder is most often `json` or `console`.
func (e *LogEncoder) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next()
	if !d.NextArg() {
		if d.NextBlock(0) {
			return d.Err("dyndns: options belong to an encoder, such as dyndns json { ... }")
		}
		return nil
	}
	name := d.Val()
	module, err := caddyfile.UnmarshalModule(d, "caddy.logging.encoders."+name)
	if err != nil {
		return err
	}
	encoder, ok := module.(zapcore.Encoder)
	if !ok {
		return d.Errf("%s is not a log encoder", name)
	}
	e.WrappedRaw = caddyconfig.JSONModuleObject(encoder, "format", name, nil)
	return nil
}

// Clone implements zapcore.Encoder.
func (e *LogEncoder) Clone() zapcore.Encoder {
	clone := new(LogEncoder)
	clone.wrap(e.wrapped.Clone())
	return clone
}

// EncodeEntry implements zapcore.Encoder.
func (e *LogEncoder) EncodeEntry(entry zapcore.Entry, fields []zapcore.Field) (*buffer.Buffer, error) {
	clone := e.wrapped.Clone()
	how := redactionOf(entry.LoggerName)
	for _, field := range fields {
		field.AddTo(redactingObject{clone, how})
	}
	// The console encoder writes the message as it is.
	entry.Message = escapeControls(how.text(entry.Message))
	return clone.EncodeEntry(entry, nil)
}

// redactingObject redacts what is added to an object. What it does not override
// holds no text.
type redactingObject struct {
	zapcore.ObjectEncoder
	redaction redaction
}

// key returns the key under which a value is added: in an object of header
// fields the client has chosen it.
func (o redactingObject) key(key string) string {
	if o.redaction == requestHeaders {
		return o.redaction.text(key)
	}
	return key
}

// AddString implements zapcore.ObjectEncoder.
func (o redactingObject) AddString(key, value string) {
	o.ObjectEncoder.AddString(o.key(key), o.redaction.value(key, value))
}

// AddByteString implements zapcore.ObjectEncoder.
func (o redactingObject) AddByteString(key string, value []byte) { o.AddString(key, string(value)) }

// AddObject implements zapcore.ObjectEncoder.
func (o redactingObject) AddObject(key string, value zapcore.ObjectMarshaler) error {
	return o.ObjectEncoder.AddObject(o.key(key), redactingObjectMarshaler{value, o.redaction.inside(key)})
}

// AddArray implements zapcore.ObjectEncoder.
func (o redactingObject) AddArray(key string, value zapcore.ArrayMarshaler) error {
	return o.ObjectEncoder.AddArray(o.key(key), redactingArrayMarshaler{key, value, o.redaction.inside(key)})
}

// AddReflected implements zapcore.ObjectEncoder.
func (o redactingObject) AddReflected(key string, value any) error {
	redacted, err := o.redaction.inside(key).reflected(key, value)
	if err != nil {
		return err
	}
	return o.ObjectEncoder.AddReflected(o.key(key), redacted)
}

type redactingObjectMarshaler struct {
	object    zapcore.ObjectMarshaler
	redaction redaction
}

func (m redactingObjectMarshaler) MarshalLogObject(enc zapcore.ObjectEncoder) error {
	return m.object.MarshalLogObject(redactingObject{enc, m.redaction})
}

// redactingArrayMarshaler redacts the elements of the array with that key: a
// header field is one.
type redactingArrayMarshaler struct {
	key       string
	array     zapcore.ArrayMarshaler
	redaction redaction
}

func (m redactingArrayMarshaler) MarshalLogArray(enc zapcore.ArrayEncoder) error {
	return m.array.MarshalLogArray(redactingArray{enc, m.key, m.redaction})
}

type redactingArray struct {
	zapcore.ArrayEncoder
	key       string
	redaction redaction
}

func (a redactingArray) AppendString(value string) {
	a.ArrayEncoder.AppendString(a.redaction.value(a.key, value))
}

func (a redactingArray) AppendByteString(value []byte) { a.AppendString(string(value)) }

func (a redactingArray) AppendObject(value zapcore.ObjectMarshaler) error {
	return a.ArrayEncoder.AppendObject(redactingObjectMarshaler{value, a.redaction})
}

func (a redactingArray) AppendArray(value zapcore.ArrayMarshaler) error {
	return a.ArrayEncoder.AppendArray(redactingArrayMarshaler{a.key, value, a.redaction})
}

func (a redactingArray) AppendReflected(value any) error {
	redacted, err := a.redaction.reflected(a.key, value)
	if err != nil {
		return err
	}
	return a.ArrayEncoder.AppendReflected(redacted)
}

// Interface guards
var (
	_ caddy.Provisioner                = (*LogEncoder)(nil)
	_ caddy.ConfiguresFormatterDefault = (*LogEncoder)(nil)
	_ caddyfile.Unmarshaler            = (*LogEncoder)(nil)
	_ zapcore.Encoder                  = (*LogEncoder)(nil)
)
